"""The log of what was played: a line of JSON for each press, with its frame, and its way back to the pads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from foleyd.errors import BadRequest
from foleyd_live.properties import Value

KEPT = 20
"""Logs that are kept; older ones are removed when a new one begins."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """An action and where it was placed: `frame` on the sample clock of the log, which has `rate` in Hz."""

    frame: int
    rate: int
    do: str
    args: tuple[Value, ...] = ()
    pairs: dict[str, Value] = {}


class TriggerLog:
    """A log in `folder`, named after the time at which it began; the file is made by its first line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / f"triggers-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[bytes] = []

    def add(self, line: Line) -> None:
        """Note `line`; it reaches the disk with the next :meth:`write`."""
        self._waiting.append(self._encoder.encode(line) + b"\n")

    def write(self) -> None:
        """Write what was noted, which is called off the loop's thread."""
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        if not self.path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(self._folder.glob("triggers-*.jsonl"))[: -KEPT + 1]:
                old.unlink(missing_ok=True)
        with self.path.open("ab") as out:
            out.write(b"".join(lines))


def read(path: Path) -> Iterator[tuple[float, Line]]:
    """The lines of a log with their seconds after the first of them, in order of time.

    A last line that was cut off by a crash is left out. Raises BadRequest for what is no trigger log.
    """
    try:
        raw = path.read_bytes().splitlines(keepends=True)
        lines = [msgspec.json.decode(one, type=Line) for one in raw if one.endswith(b"\n")]
    except OSError as error:
        raise BadRequest(f"{path} cannot be read ({error.strerror}): give a trigger log.") from None
    except msgspec.MsgspecError as error:
        raise BadRequest(f"{path} is no trigger log ({error}): give one that 'foleyd live' wrote.") from None
    if not lines:
        raise BadRequest(f"{path} holds no triggers: give another log.")
    begin = min(line.frame / line.rate for line in lines)
    yield from sorted(((line.frame / line.rate - begin, line) for line in lines), key=lambda one: one[0])
