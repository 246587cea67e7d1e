"""A worker whose engine has two lengths to make ready, and waits in each for a file. For tests only.

``python warming_worker.py``; all runs below FOLEYD_HOME.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from faulty_worker import FaultyEngine
from foleyd.daemon import worker
from foleyd.daemon.frames import Load
from foleyd.engines.base import LoadStep

COMMAND = (sys.executable, str(Path(__file__)))
LENGTHS = 2


def begun(home: Path, number: int) -> Path:
    """There once length `number` (from 1) is being made ready."""
    return home / f"begun-{number}"


def gate(home: Path, number: int) -> Path:
    """What it waits for."""
    return home / f"go-{number}"


def until_there(path: Path) -> None:
    """Wait for a file."""
    tick = threading.Event()
    while not path.exists():
        tick.wait(0.005)


class WarmingEngine(FaultyEngine):
    """As its base, without a fault."""

    def __init__(self) -> None:
        super().__init__("none")
        self._home = Path(os.environ["FOLEYD_HOME"])
        self._ready = 0

    def warm_up(self) -> bool:
        """One more length."""
        number = self._ready + 1
        begun(self._home, number).touch()
        if number > LENGTHS:
            return False
        until_there(gate(self._home, number))
        self._ready = number
        return True


def load(request: Load, progress: Callable[[LoadStep], None]) -> WarmingEngine:
    """What the worker's loop calls."""
    return WarmingEngine()


if __name__ == "__main__":
    worker.REST_S = 0.02
    worker.serve(load)
