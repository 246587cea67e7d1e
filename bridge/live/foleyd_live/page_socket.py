"""One open page: what it asks for is done, what has changed is told."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from foleyd.errors import Busy, FoleydError
from foleyd.wire.osc_limits import Bucket
from foleyd_live import actions, page_view, properties
from foleyd_live.clips import Clip
from foleyd_live.history import ClipSource
from foleyd_live.page_host import PageHost
from foleyd_live.properties import PADS, Value

LIVE_S = 0.05
"""How often a page that is looked at hears of levels, playheads and changes."""
HIDDEN_S = 0.25
"""How often one that is hidden hears of changes."""
SLOW_S = 0.5
"""How often the rest is looked at: the device, the queue, the log."""
MOST_BYTES = 16 * 1024
"""Of a message from the page."""
RATE, BURST = 400, 800
"""Messages a second, and at once; ten fingers drumming and four faders moving stay below."""
MOST_BEGUN = 64
"""Actions of one page that may be under way."""

_OF_A_CLIP = frozenset({"pad/clip", "pad/state", "pad/seconds"})
_log = logging.getLogger(__name__)


class Said(msgspec.Struct, frozen=True):
    """What the page says: an action to `do`, a property to `set`, or whether somebody can `see` the page.

    `id` comes back with the answer; settings are only answered when they fail. Pads count from 1.
    """

    do: str = ""
    args: tuple[Value, ...] = ()
    pairs: dict[str, Value] = {}
    set: str = ""
    pad: int | None = None
    value: Value | None = None
    see: bool | None = None
    id: int = 0


class Viewer:
    """One open page of `host`. `began` is handed every task that an action needs; it outlives the page, since
    a tablet that loses its network has not changed its mind."""

    def __init__(
        self, host: PageHost, socket: WebSocket, began: Callable[[asyncio.Task[None]], None]
    ) -> None:
        self._host, self._socket, self._began = host, socket, began
        self._meters = host.meter()
        self._changed: dict[tuple[str, int | None], Value] = {}
        self._answers: deque[page_view.Told] = deque()
        self._shown: dict[Hashable, Any] = {}
        self._held: set[int] = set()
        self._begun = 0
        self._live_at = self._slow_at = 0.0
        self._seen, self._gone = True, False
        self._wake = asyncio.Event()
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Said).decode

    async def run(self) -> None:
        """Serve the page until it goes."""
        await self._socket.accept()
        unlisten = self._host.listen(self._change)
        teller = asyncio.create_task(self._tell())
        try:
            await self._hear()
        except WebSocketDisconnect:
            pass
        finally:
            unlisten()
            self._gone = True
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)
            self._let_go()

    # what the page says

    async def _hear(self) -> None:
        allowance = Bucket(RATE, most=BURST)
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if not allowance.take():
                await self._socket.close(1008, "too many messages at once: load the page again")
                return
            raw = message.get("text") or message.get("bytes") or ""
            try:
                said = self._decode(raw)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                await self._socket.close(1007, "this message cannot be read: load the page again")
                return
            self._take(said)

    def _take(self, said: Said) -> None:
        if said.see is not None:
            self._seen = said.see
            if not said.see:
                self._let_go()
            self._wake.set()
        try:
            if said.set:
                self._set(said)
            elif said.do:
                self._do(said)
        except Exception as error:
            self._fail(said, error)

    def _set(self, said: Said) -> None:
        row = properties.find(said.set)
        pad = properties.index(said.pad) if row.scope == "pad" else None
        try:
            self._host.set(row.address, pad, said.value)
        except FoleydError:
            # the page shows what it wished for: put it right
            self._change(row.address, pad, self._host.get(row.address, pad))
            raise

    def _do(self, said: Said) -> None:
        if self._begun >= MOST_BEGUN:
            raise Busy(f"{MOST_BEGUN} requests of this page are under way: wait for one of them.")
        outcome = self._host.begin(said.do, said.args, said.pairs)
        self._hold(said)
        if isinstance(outcome, tuple):
            self._done(said, outcome)
            return
        self._begun += 1
        self._began(asyncio.ensure_future(self._await(said, outcome)))

    async def _await(self, said: Said, outcome: Awaitable[tuple[Value, ...]]) -> None:
        try:
            self._done(said, await outcome)
        except Exception as error:
            self._fail(said, error)
        finally:
            self._begun -= 1

    def _done(self, said: Said, outcome: tuple[Value, ...]) -> None:
        if not actions.ACTIONS[said.do].timed:
            # who has started a recording looks at its button
            self._slow_at = 0.0
        self._answer(page_view.Done(id=said.id, do=said.do, outcome=outcome))

    def _fail(self, said: Said, error: Exception) -> None:
        known = isinstance(error, FoleydError)
        if not known:
            _log.error("%s from the page failed", said.do or said.set, exc_info=error)
        self._answer(
            page_view.Fail(
                id=said.id,
                about=said.do or said.set,
                message=str(error) if known else "This failed inside foleyd: the log of the host says how.",
                code=error.code if isinstance(error, FoleydError) else "error",
            )
        )

    def _hold(self, said: Said) -> None:
        if said.do in ("pad/play", "pad/release") and said.args:
            pad = properties.index(said.args[0])
            (self._held.add if said.do == "pad/play" else self._held.discard)(pad)

    def _let_go(self) -> None:
        """Nobody's finger is on this page any more: end what is played only while it is held."""
        held, self._held = self._held, set()
        for pad in held:
            try:
                outcome = self._host.begin("pad/release", (pad + 1,), {})
            except FoleydError as error:
                _log.warning("pad %d was not released: %s", pad + 1, error)
                continue
            if inspect.isawaitable(outcome):
                self._began(asyncio.ensure_future(_ended(outcome)))

    # what the page is told

    def _change(self, address: str, pad: int | None, value: Value) -> None:
        if address not in page_view.UNSHOWN:
            self._changed[address, pad] = value

    def _answer(self, told: page_view.Told) -> None:
        self._answers.append(told)
        self._wake.set()

    async def _tell(self) -> None:
        try:
            await self._send(page_view.hello(self._host))
            self._changed.clear()
            while True:
                now = time.monotonic()
                if now >= self._slow_at:
                    self._slow_at = now + SLOW_S
                    await self._tell_slow()
                await self._tell_quick()
                await self._pause()
        except (WebSocketDisconnect, RuntimeError, OSError):
            # gone while it was told something; the other half hears of that
            return

    async def _pause(self) -> None:
        self._wake.clear()
        if self._answers:
            return
        try:
            async with asyncio.timeout(LIVE_S if self._seen else HIDDEN_S):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _tell_quick(self) -> None:
        while self._answers:
            await self._send(self._answers.popleft())
        if self._changed:
            changed, self._changed = self._changed, {}
            places = [(address, _shown_pad(pad), value) for (address, pad), value in changed.items()]
            await self._send(page_view.Changes(values=places))
            for pad in {pad for address, pad in changed if address in _OF_A_CLIP and pad is not None}:
                await self._tell_clips(pad)
        now = time.monotonic()
        # answers may come far more often than anybody can see
        if self._seen and now >= self._live_at:
            self._live_at = now + LIVE_S * 0.9
            await self._send(page_view.live(self._host, self._meters()))

    async def _tell_slow(self) -> None:
        host = self._host
        for pad in range(PADS):
            await self._tell_clips(pad)
        if self._is_news("health", health := host.health()):
            await self._send(page_view.State(health=health))
        if self._is_news("jobs", jobs := list(host.jobs())):
            await self._send(page_view.Jobs(jobs=jobs))
        if self._is_news("log", lines := list(host.log)):
            await self._send(page_view.Log(lines=lines))
        if self._is_news("setlist", entries := list(host.setlist())):
            await self._send(page_view.Setlist(entries=entries))
        if self._shown.get("banks") is not (banks := host.banks()):
            self._shown["banks"] = banks
            await self._send(page_view.Banks(banks=banks))

    async def _tell_clips(self, pad: int) -> None:
        clip = self._host.clip(pad)
        file = page_view.file_name(self._host, pad, clip) if clip else ""
        if self._is_news(("clip", pad), clip and (clip.slot, id(clip), clip.frames, file)):
            look = page_view.look(clip, file) if clip else None
            await self._send(page_view.Shape(pad=pad + 1, look=look))
        candidates = list(self._host.candidates(pad))
        if self._is_news(("candidates", pad), candidates):
            self._offer(pad, candidates, [None] * len(candidates))
            if len(candidates) > 1:
                self._began(asyncio.create_task(self._draw(pad, candidates)))

    async def _draw(self, pad: int, candidates: list[ClipSource]) -> None:
        clips: list[Clip | None] = []
        for one in candidates:
            try:
                clips.append(await self._host.clip_of(one) if one.path else None)
            except FoleydError:
                # it is still offered; the choice says what is wrong with it
                clips.append(None)
        if not self._gone and self._shown.get(("candidates", pad)) == candidates:
            self._offer(pad, candidates, clips)

    def _offer(self, pad: int, candidates: list[ClipSource], clips: Sequence[Clip | None]) -> None:
        offered = [page_view.candidate(*one) for one in zip(candidates, clips, strict=True)]
        self._answer(page_view.Candidates(pad=pad + 1, candidates=offered))

    def _is_news(self, what: Hashable, value: object) -> bool:
        if self._shown.get(what, ()) == value or (what not in self._shown and not value):
            return False
        self._shown[what] = value
        return True

    async def _send(self, told: page_view.Told) -> None:
        await self._socket.send_text(self._encode(told).decode())


async def _ended(outcome: Awaitable[object]) -> None:
    await outcome


def _shown_pad(pad: int | None) -> int | None:
    return None if pad is None else pad + 1
