"""Work that a face of the daemon has begun and does not wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

PARTING_S = 2.0
"""Seconds for what is under way when the daemon ends."""


class Errands:
    """Tasks of the running loop that end by themselves; nobody asks for their results."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` beside everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait, not for long, until all are done."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PARTING_S)

    async def close(self) -> None:
        """Leave those that are not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
