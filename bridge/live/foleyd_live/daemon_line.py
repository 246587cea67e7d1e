"""The host's line to the daemon: looked for until it is there, and watched for as long as it is.

The host plays without it. Once connected, the client itself finds the daemon again after a restart; what is
done here is to say how things stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from foleyd import messages as m
from foleyd.client import AsyncClient
from foleyd.errors import FoleydError, NoDaemon
from foleyd.wire.connection import Connection

NAME = "foleyd live"
"""Who asks: hosts of one name share their slots."""
BEAT_S = 1.0
"""How often the daemon is asked whether it is there."""
BEAT_LIMIT_S = 5.0
"""Without an answer for so long, it is away."""
PAUSES_S = (0.2, 3.0)
"""Between two looks for a daemon that never was there: the first pause, and the longest."""

State = Literal["connected", "away"]


def _silent(state: State, why: str) -> None:
    """Nobody listens."""


class DaemonLine:
    """`where` as for :class:`AsyncClient`; `changed` is called with :attr:`state` and :attr:`why` whenever
    they change. Used from one event loop, between :meth:`start` and :meth:`close`.
    """

    def __init__(
        self,
        where: Connection | Path | None = None,
        *,
        name: str = NAME,
        changed: Callable[[State, str], None] = _silent,
        timeout_s: float = 10.0,
        lease_s: float = 30.0,
    ) -> None:
        self.name = name
        self.state: State = "away"
        self.why = "No daemon was found yet: start one with 'foleyd serve'."
        """Why it is away; empty while it is there."""
        self.info: m.InfoReply | None = None
        """What the daemon last said of itself."""
        self.jobs: tuple[m.JobInfo, ...] = ()
        """Its jobs that wait or run, everybody's, as of the last beat."""
        self._where, self._timeout_s, self._lease_s = where, timeout_s, lease_s
        self._changed = changed
        self._client: AsyncClient | None = None
        self._there = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._since = 0.0

    def start(self) -> None:
        """Look for the daemon from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End the session; who waits for the daemon gets NoDaemon. Jobs go on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def check(self) -> AsyncClient:
        """The client. Raises NoDaemon where no daemon ever was there, or it is away for so long that a
        request would come to nothing."""
        if self._client is None or (self.state == "away" and self._away_s() > self._timeout_s):
            raise NoDaemon(self.why)
        return self._client

    async def there(self) -> AsyncClient:
        """Wait until the daemon is there."""
        while True:
            await self._there.wait()
            if self._client is not None:
                return self._client

    def _away_s(self) -> float:
        return asyncio.get_running_loop().time() - self._since

    async def _run(self) -> None:
        self._client = await self._found()
        while True:
            try:
                async with asyncio.timeout(BEAT_LIMIT_S):
                    self.info = await self._client.info()
                    self.jobs = (await self._client.status()).jobs
            except TimeoutError:
                self._set("away", "The daemon does not answer: see 'foleyd status', or start it again.")
            except FoleydError as error:
                self._set("away", str(error))
            else:
                self._set("connected", "")
            await asyncio.sleep(BEAT_S)

    async def _found(self) -> AsyncClient:
        pause, longest = PAUSES_S
        while True:
            client = AsyncClient(
                self._where,
                name=self.name,
                role="live",
                timeout_s=self._timeout_s,
                lease_s=self._lease_s,
                # renders wait for a daemon that went away for as long as the host runs
                reconnect_s=float("inf"),
            )
            try:
                self.info = await client.open()
                return client
            except FoleydError as error:
                self._set("away", str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    def _set(self, state: State, why: str) -> None:
        if (state, why) == (self.state, self.why):
            return
        if state != self.state:
            self._since = asyncio.get_running_loop().time()
        self.state, self.why = state, why
        if state == "away":
            self.jobs = ()
        if state == "connected":
            self._there.set()
        else:
            self._there.clear()
        self._changed(state, why)
