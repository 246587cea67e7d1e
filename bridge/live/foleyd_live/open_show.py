"""The show that is open: brought back, kept up to date on the disk, its clips held in the library.

What the host has is written to foleyd's own folder whenever it changes, so that a crash or a dead battery
costs seconds; the show's own file is written when it is asked for, and at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from foleyd.errors import BadRequest, FoleydError
from foleyd.paths import home
from foleyd_live import properties, show_clips
from foleyd_live import show as shows
from foleyd_live.history import ClipSource
from foleyd_live.pad import PadState
from foleyd_live.properties import PADS, PROPERTIES

if TYPE_CHECKING:
    from foleyd_live.host import Host

TEND_S = 2.0
"""How often what changed is written and held."""
GOODBYE_S = 1.0
"""How long the end waits for the daemon to hold the show's clips."""
KEPT = 20
"""Hosts whose last state is kept; older ones go when a new one is written."""
_log = logging.getLogger("foleyd_live")


def last() -> Path | None:
    """What the last host had when it ended or crashed."""
    return max(home("live").glob("show-*.json"), default=None)


class OpenShow:
    """The show of `host`, which its settings name, or which has no file of its own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._show = shows.Show()
        self._path = host.settings.show
        self._own = home("live") / f"show-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json"
        self._written = shows.Show()
        self._missing: dict[int, PadState] = {}
        self._is_open = False
        self._wanted: dict[str, frozenset[str]] = {}
        self._held: dict[str, frozenset[str]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def title(self) -> str:
        """What it is called."""
        return self._show.title or (self._path.stem if self._path else "")

    @property
    def setlist(self) -> tuple[shows.Entry, ...]:
        """Its setlist."""
        return self._show.setlist

    async def open(self) -> None:
        """Bring back the show that the settings name, or with `resume` what the last host had. Raises
        BadRequest for a file that cannot be read."""
        path = last() if self._host.settings.resume else self._path
        if path is not None and path.is_file():
            await self._restore(await asyncio.to_thread(shows.read, path))
        # a host that changes nothing leaves what the one before has written
        self._written = self._as_it_is()
        self._is_open = True
        self._begin(self._tend())

    async def close(self) -> None:
        """Write it, unless it never was open, and end what was begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._is_open:
            return
        await self._keep()
        if self._path is not None:
            with _told("the show was not saved"):
                await self.save()
        # a daemon that died a moment ago answers never
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._hold()

    async def save(self) -> Path:
        """Write it to its file. Raises BadRequest where it has none."""
        if self._path is None:
            raise BadRequest("no show is open: start 'foleyd live' with --show and a file.")
        now = self._as_it_is()
        await asyncio.to_thread(shows.write, self._path, now)
        self._wanted[f"show {self._path.absolute()}"] = frozenset(now.clip_ids())
        return self._path

    async def put(self, pads: Mapping[str, PadState], values: Mapping[str, properties.Value]) -> None:
        """Set values of properties that belong to no pad, and pads by their numbers. A clip that is gone is
        got from the daemon as soon as one is there; until then its pad stays as it was and says why."""
        for address, value in values.items():
            if address == "host/setlist":
                self._host.keep(address, properties.check(properties.find(address), value))
            else:
                self._host.set(address, None, value)
        for number, state in pads.items():
            try:
                await self._host.pads.restore(int(number) - 1, state)
            except FoleydError as error:
                _log.warning("pad %s: %s", number, error)
                if state.clip is not None:
                    self._missing[int(number) - 1] = state
                    self._begin(self._recover(int(number) - 1, state, state.clip))

    async def _restore(self, show: shows.Show) -> None:
        self._show = show
        self._host.midi.restore(show.bindings)
        await self.put(show.pads, show.values)

    async def _recover(self, pad: int, state: PadState, clip: ClipSource) -> None:
        """Bring back a pad whose clip's file is gone or broken, unless it has got another meanwhile."""
        before = self._host.pads.source(pad)
        with _told(f"pad {pad + 1}"):
            source = await show_clips.recovered(clip, await self._host.line.there())
            if self._host.pads.source(pad) is before:
                await self._host.pads.restore(pad, msgspec.structs.replace(state, clip=source))
                self._missing.pop(pad, None)
                _log.info("pad %d: its clip is back", pad + 1)

    def _as_it_is(self) -> shows.Show:
        host = self._host
        pads = {str(pad + 1): host.pads.state(pad) for pad in range(PADS)}
        # a clip that could not be brought back is not forgotten for that
        pads |= {str(pad + 1): state for pad, state in self._missing.items() if host.pads.source(pad) is None}
        values = {
            row.address: host.get(row.address)
            for row in PROPERTIES.values()
            if row.scope != "pad" and not row.read_only and host.get(row.address) != row.default
        }
        return msgspec.structs.replace(
            self._show,
            pads={number: state for number, state in pads.items() if state.values or state.clip},
            values=values,
            bindings=host.midi.bindings,
            setup=self._setup(),
        )

    def _setup(self) -> shows.Setup:
        """The device that plays; of one that has gone, what was known."""
        now = self._host.stream.state
        if now.state != "open":
            return self._show.setup
        names = shows.Setup.__struct_fields__
        return shows.Setup(**{name: getattr(now, name) for name in names})

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            await self._keep()
            await self._hold()

    async def _keep(self) -> None:
        now = self._as_it_is()
        if now == self._written:
            return
        self._written = now
        with _told("the pads were not written down"):
            await asyncio.to_thread(_write, self._own, now)

    async def _hold(self) -> None:
        self._wanted[self._host.line.name] = _ids(self._host)
        new = {name: ids for name, ids in self._wanted.items() if self._held.get(name) != ids}
        if not new or self._host.line.state != "connected":
            return
        with _told("clips are not held in the library"):
            for name, clips in new.items():
                await show_clips.hold(name, clips, self._host.line.check())
                self._held[name] = clips

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ids(host: Host) -> frozenset[str]:
    """The clips of the library that a pad has, had or may choose."""
    return frozenset(source.clip_id for source in host.pads.sources()) - {""}


def _write(path: Path, show: shows.Show) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shows.write(path, show)
    for old in sorted(path.parent.glob("show-*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """What goes wrong is logged: nobody waits for it."""
    try:
        yield
    except FoleydError as error:
        _log.warning("%s: %s", what, error)
