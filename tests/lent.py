"""Real processes that outlive the commands which use them: most of what one costs is its start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from foleyd.daemon import workers
from foleyd.daemon.blocking_worker import Worker
from foleyd.daemon.ears import Ears, Heard
from foleyd.daemon.workers import WorkerProcess

APART = ("FOLEYD_HOME", "HF_HOME", "PYTHONPATH", "PYTEST_CURRENT_TEST")
"""Of the environment, what such a process does not read where it computes with torch, or what all tests set
alike."""


class Lender:
    """Lends one worker process, and one that listens; each starts when it is used first, anew where it died.

    Whoever has another command or surroundings for a worker gets one of its own. A context manager.
    """

    def __init__(self) -> None:
        self._worker, self._ears = Worker(), Ears()
        self._kind = _kind()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()
        self._ears.close()

    def worker(self) -> Worker:
        """A worker for a command."""
        return LentWorker(self._worker) if _kind() == self._kind else Worker()

    def ears(self) -> Ears:
        """The ears of the starter for a command."""
        return LentEars(self._ears)


class LentWorker(Worker):
    """A worker that uses the process of `owner`, and leaves it alive."""

    def __init__(self, owner: Worker) -> None:
        super().__init__()
        self._owner = owner

    def _open(self) -> WorkerProcess:
        self._process = self._owner._process or self._owner._open()
        self._loop = self._owner._loop
        return self._process

    def close(self) -> None:
        """Give the process back."""
        self._process = self._loop = None


class LentEars(Ears):
    """Ears that use the process of `owner`, and leave it alive."""

    def __init__(self, owner: Ears) -> None:
        super().__init__()
        self._owner = owner

    def of(self, texts: Sequence[str] = (), files: Sequence[Path] = ()) -> Heard:
        """Ask the owner's process."""
        return self._owner.of(texts, files)


def _kind() -> tuple[tuple[str, ...], dict[str, str]]:
    return workers.COMMAND, {name: value for name, value in os.environ.items() if name not in APART}
