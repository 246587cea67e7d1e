"""One worker process from its start to its end: what it says, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Self, cast

from foleyd.daemon import deaths, frames
from foleyd.daemon.worker import NICE
from foleyd.errors import WorkerDied

SURROUNDINGS = {
    # a render never fetches anything: what is not on disk is an error, said by the catalog in one sentence
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    # the few operations that an Apple GPU lacks run on the CPU
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
    # a thread that has done its share sleeps instead of spinning: beside a host that is busy itself, threads
    # that spin keep the one they wait for from its core
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""What is in the environment of every process that loads a model."""
_TAIL_LINES = 40
_TAIL_BYTES = 16 * 1024
_GRACE = 5.0
"""Seconds that a worker gets to go by itself once a pipe to it is closed."""

_DRAIN = 0.5
"""Seconds after a worker's end for which a child that it left may keep its pipes open."""

RESTING = "while it waited for work"


class End:
    """The last item of an inbox: the process ended, by the `death` that it tells or, None, as it was asked
    to."""

    def __init__(self, death: WorkerDied | None) -> None:
        self.death = death


class Life(asyncio.SubprocessProtocol):
    """One process from its start to its end.

    `inbox` gets its replies and then an :class:`End`; `gone` is set with that. `meant` is whether its end
    was asked for.
    """

    pid: int

    def __init__(self, on_exit: Callable[[WorkerDied], None]) -> None:
        self.inbox: asyncio.Queue[frames.Reply | End] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.death: WorkerDied | None = None
        self.meant = False
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._later: list[asyncio.TimerHandle] = []
        self._replies = frames.Replies()
        self._garbled = ""
        self._said = b""
        self.doing(RESTING)

    @classmethod
    async def begin(cls, command: Sequence[str], nice: int, on_exit: Callable[[WorkerDied], None]) -> Self:
        """Start a process, by `nice` (0…19) lower in priority than this one.

        `on_exit` is called when it ends without having been asked to. Raises WorkerDied, and calls `on_exit`,
        where it cannot be started.
        """
        # a group of its own: Ctrl-C in a terminal goes to us alone, and we say what it means for the worker
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        if nice > 0:
            flags |= getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
        group = {"creationflags": flags} if os.name == "nt" else {"process_group": 0}
        lower = {NICE: str(nice)} if nice > 0 else {}
        try:
            _, life = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(on_exit), *command, env={**os.environ, **SURROUNDINGS, **lower}, **group
            )
        except OSError as error:
            died = WorkerDied(f"The worker process could not be started: {error}.")
            on_exit(died)
            raise died from error
        return life

    def doing(self, what: str) -> None:
        """From here on the process does that, in words."""
        self._doing = what
        self._oom_kills = deaths.oom_kills()

    def send(self, request: frames.Request) -> None:
        """Send a request; a process that is gone does not get it, which its end in the inbox says."""
        pipe = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
        frame = frames.framed(request)
        if pipe is not None and not pipe.is_closing():
            pipe.write(frame)

    def kill(self) -> None:
        """End the process at once. Safe in a signal handler."""
        if self._transport.get_returncode() is not None:
            return
        with contextlib.suppress(OSError):
            if os.name == "nt":
                self._transport.kill()
            else:
                # not through subprocess, which looks whether the process has ended and so may reap it
                # before asyncio does
                os.kill(self.pid, signal.SIGKILL)

    def discard(self) -> None:
        """End the process at once, on purpose."""
        self.meant = True
        self.kill()

    async def leave(self) -> None:
        """Let the process go, by force if it does not go by itself, and wait for its end."""
        self.meant = True
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), _GRACE)
        finally:
            self.kill()
        await self.gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        if fd == 2:
            self._said = (self._said + data)[-_TAIL_BYTES:]
        elif not self._garbled:
            try:
                for reply in self._replies.feed(data):
                    self.inbox.put_nowait(reply)
            except frames.FrameError as error:
                self._give_up(str(error))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._later.append(self._loop.call_later(_GRACE, self._give_up, "its output ended"))

    def process_exited(self) -> None:
        self._later.append(self._loop.call_later(_DRAIN, self._transport.close))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.close()
        for handle in self._later:
            handle.cancel()
        if not self.meant:
            lines = [line for line in self._said.decode("utf-8", "replace").splitlines() if line.strip()]
            self.death = deaths.death(
                self._transport.get_returncode() or 0,
                self._doing,
                [line.rstrip() for line in lines[-_TAIL_LINES:]],
                memory=deaths.grown(self._oom_kills, deaths.oom_kills()),
                garbled=self._garbled,
            )
            self._on_exit(self.death)
        self.inbox.put_nowait(End(self.death))
        self.gone.set()

    def _give_up(self, why: str) -> None:
        if self._transport.get_returncode() is None and not self.meant:
            self._garbled = why
            self.kill()
