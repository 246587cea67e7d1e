"""How long the command line takes to start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import msgspec

KINDS: dict[str, tuple[str, ...]] = {
    "python": ("-c", "0"),
    "import foleyd": ("-c", "import foleyd"),
    "import foleyd.recipe": ("-c", "import foleyd.recipe"),
    "import foleyd.cli": ("-c", "import foleyd.cli"),
    "foleyd --help": ("-m", "foleyd.cli", "--help"),
    "foleyd render --help": ("-m", "foleyd.cli", "render", "--help"),
}
"""What is started, by name: the arguments of a Python that does it and ends. The first is what others are
held to."""


class Start(msgspec.Struct, frozen=True):
    """Wall clock of one kind of start in seconds; `ratio` of the medians to an empty Python's."""

    name: str
    median: float
    fastest: float
    ratio: float


def measure(runs: int) -> list[Start]:
    """Start every kind `runs` times, in turns, after one round that only warms the disk's cache."""
    taken: dict[str, list[float]] = {name: [] for name in KINDS}
    for turn in range(runs + 1):
        for name, arguments in KINDS.items():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-P", *arguments],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if turn:
                taken[name].append(time.perf_counter() - began)
    empty = statistics.median(next(iter(taken.values())))
    return [
        Start(name, statistics.median(times), min(times), statistics.median(times) / empty)
        for name, times in taken.items()
    ]


def table(figures: list[Start]) -> list[str]:
    """The figures as lines of text."""
    head = f"{'start':<22}{'median':>10}{'fastest':>10}{'ratio':>8}"
    return [head, *(_line(one) for one in figures)]


def _line(one: Start) -> str:
    return f"{one.name:<22}{one.median * 1000:>7.0f} ms{one.fastest * 1000:>7.0f} ms{one.ratio:>8.2f}"
