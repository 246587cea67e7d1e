"""Sounds that may be wanted next, made while the daemon has nothing else to do.

They stay in the daemon's library: when a pad asks for one, it is there at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from foleyd import recipe as recipes
from foleyd.client import AsyncClient, Handle
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError, JobLost, NoDaemon, WorkerDied, WorkerDown
from foleyd.messages import JobEvent
from foleyd_live.daemon_line import DaemonLine

MOST = 32
"""Sounds that are looked ahead for."""
QUIET_S = 2.0
"""How long the daemon has to be idle first."""
LOOK_S = 10.0
"""How often it is looked whether there is more to do, if nobody says so."""
SLOT = "prefetch"

Wanted = Callable[[], Iterable[Mapping[str, Any]]]
"""Gives the fields of recipes, the likeliest first."""
_AGAIN = (Cancelled, JobLost, NoDaemon, Busy, WorkerDied, WorkerDown)


class Prefetch:
    """Asks over `line` for what `wanted` names, one sound at a time, each once and the first `most` alone.
    Recipes without a fixed seed are passed over: nobody could ask for the same sound again.

    Used from one event loop, between :meth:`start` and :meth:`close`.
    """

    def __init__(
        self, line: DaemonLine, wanted: Wanted, *, most: int = MOST, quiet_s: float = QUIET_S
    ) -> None:
        self._line, self._wanted, self._most, self._quiet_s = line, wanted, most, quiet_s
        self._done: set[str] = set()
        # jobs of others by client and id
        self._others: set[tuple[str, int]] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.made = 0
        """Sounds that were asked for and are there now."""

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End, and cancel what is being made if the daemon answers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def poke(self) -> None:
        """What is wanted is different now."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            client = await self._line.there()
            with contextlib.suppress(FoleydError):
                await self._work(client)
            await asyncio.sleep(self._quiet_s)

    async def _work(self, client: AsyncClient) -> None:
        async with client.events("job") as stream:
            await self._look(client)
            listening = asyncio.create_task(self._listen(client, stream))
            try:
                while not listening.done():
                    await self._one(client)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, client: AsyncClient, stream: Any) -> None:
        async for event in stream:
            if isinstance(event, JobEvent):
                self._hear(event)
            else:
                # some were missed
                await self._look(client)

    async def _look(self, client: AsyncClient) -> None:
        jobs = (await client.status()).jobs
        self._others = {(job.client, job.job_id) for job in jobs if not self._is_own(job.client, job.slot)}
        self._changed.set()

    def _hear(self, event: JobEvent) -> None:
        if self._is_own(event.client, event.slot):
            return
        if event.state in ("queued", "running"):
            self._others.add((event.client, event.job_id))
        else:
            self._others.discard((event.client, event.job_id))
        self._changed.set()

    def _is_own(self, client: str, slot: str) -> bool:
        return (client, slot) == (self._line.name, SLOT)

    async def _one(self, client: AsyncClient) -> None:
        """Make the next sound, if there is one and the daemon stays idle for long enough."""
        found = self._next()
        if self._others or found is None:
            await self._wait(LOOK_S)
            return
        if await self._wait(self._quiet_s) or self._line.state == "away":
            return
        key, fields = found
        try:
            await self._made(await client.render(slot=SLOT, priority="background", deliver="none", **fields))
            self.made += 1
        except _AGAIN:
            return
        except FoleydError:
            # asked for again it would fail again; who wants it on a pad will be told why
            pass
        self._done.add(key)

    async def _made(self, handle: Handle) -> None:
        """Wait for a sound; let it be as soon as somebody else wants one. Raises as Handle.result."""
        making = asyncio.create_task(handle.result())
        try:
            while not making.done():
                changing = asyncio.create_task(self._changed.wait())
                await asyncio.wait({making, changing}, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                self._changed.clear()
                if self._others and not making.done():
                    await handle.cancel()
                    break
            await making
        finally:
            if not making.done():
                making.cancel()
                with contextlib.suppress(FoleydError, TimeoutError):
                    async with asyncio.timeout(1.0):
                        await handle.cancel()

    async def _wait(self, seconds: float) -> bool:
        """Wait for a change; whether one came."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
            return True
        except TimeoutError:
            return False

    def _next(self) -> tuple[str, Mapping[str, Any]] | None:
        """The first sound that is not made yet, and its key."""
        for count, fields in enumerate(self._wanted()):
            if count >= self._most:
                return None
            with contextlib.suppress(BadRequest):
                made = recipes.make(**fields)
                key = recipes.recipe_id(made)
                if made.seed is not None and key not in self._done:
                    return key, fields
        return None
