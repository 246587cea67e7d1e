"""A model made ready for a faster runtime in the background, once, while the worker goes on serving."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from foleyd.daemon.life import SURROUNDINGS

COMMAND = (sys.executable, "-P", "-m", "foleyd.engines.prepare")
REST_S = 3.0
"""How long the worker has had nothing to do before a preparation begins."""

_log = logging.getLogger(__name__)


class Preparation:
    """Prepares the models that it is given, one after the other, each once.

    A process of its own, of the lowest priority, does the work, and only begins while `resting()`: a render
    is not slowed by more than the scheduler lets it. `done` is awaited with the folder of a model that became
    ready. `command`: how the process is started, without the folder.
    """

    def __init__(
        self,
        resting: Callable[[], bool],
        done: Callable[[Path], Awaitable[None]],
        command: tuple[str, ...] = COMMAND,
        rest_s: float = REST_S,
    ) -> None:
        self._resting, self._done, self._command, self._rest_s = resting, done, command, rest_s
        self._seen: set[Path] = set()
        self._task: asyncio.Task[None] | None = None

    def wish(self, model: Path) -> None:
        """Prepare the model in folder `model` when there is time."""
        if model in self._seen or (self._task is not None and not self._task.done()):
            return
        self._seen.add(model)
        self._task = asyncio.get_running_loop().create_task(self._prepare(model))

    async def close(self) -> None:
        """Leave it; what is half done is done anew another time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _prepare(self, model: Path) -> None:
        await asyncio.sleep(self._rest_s)
        while not self._resting():
            await asyncio.sleep(self._rest_s)
        _log.info("preparing %s for this processor in the background, once", model.name)
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(model),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **SURROUNDINGS},
            # a group of its own, so that the processes it starts end with it
            process_group=0 if os.name != "nt" else None,
        )
        try:
            _, said = await process.communicate()
        except asyncio.CancelledError:
            _end(process)
            await process.wait()
            raise
        if process.returncode:
            why = said.decode(errors="replace").strip().splitlines() or ["it could not be prepared"]
            _log.warning("%s stays with torch: %s", model.name, why[-1])
            return
        _log.info("%s is prepared", model.name)
        await self._done(model)


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
