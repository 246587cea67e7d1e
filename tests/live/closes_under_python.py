"""Opens and closes a JACK client whose callback is in Python and always late: run by a test of its own,
since a process that stands still cannot say so."""

from __future__ import annotations

import threading
import time

import numpy as np
import numpy.typing as npt

from foleyd_live import memory as m
from foleyd_live.desk import Desk
from foleyd_live.jackclient import JackStream

ROUNDS = 10


class LateMixer:
    """Takes Python's global lock and gives it back all the time, for longer than a block."""

    name = "numpy"

    def __init__(self, desk: Desk) -> None:
        self._s = desk.memory.s

    def process(self, out: npt.NDArray[np.float32], sound: npt.NDArray[np.float32]) -> None:
        self._s[m.S_BLOCKS] += 1
        until = time.monotonic() + 3 * len(out) / 48_000
        while time.monotonic() < until:
            pass


def compete(ended: threading.Event) -> None:
    """Hold the lock whenever the callback does not."""
    while not ended.is_set():
        sum(range(1000))


if __name__ == "__main__":
    ended = threading.Event()
    threading.Thread(target=compete, args=(ended,)).start()
    for _ in range(ROUNDS):
        desk = Desk(48_000, 2, mixer="numpy")
        desk.mixer = LateMixer(desk)  # type: ignore[assignment]
        stream = JackStream(desk, "system", 2, 0)
        stream.start()
        while desk.counters().blocks < 10:
            time.sleep(0.01)
        stream.close()
    ended.set()
    print("closed", ROUNDS)
