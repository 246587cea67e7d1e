"""The show log: every request, seed and result of one run of the daemon as JSON lines, to be read and
replayed.

A line is an object with ``at`` (Unix time), ``kind`` (``start``, ``request``, ``refused`` or ``result``) and
what belongs to it. A ``request`` of a render carries its recipes with nothing left open, so that
``foleyd replay`` makes the same sounds again. Polls that change nothing (info, status, metrics) are left out.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from foleyd import paths
from foleyd.errors import BadRequest

KEPT = 100
"""Logs that are kept; the oldest go when a new one begins."""
LONGEST_LINE = 1_000_000
SILENT = frozenset({"info", "status", "metrics"})
"""Commands that are not logged."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    at: float
    kind: str
    command: str = ""
    client: str = ""
    via: str = ""
    content: dict[str, Any] = {}
    recipes: tuple[dict[str, Any], ...] = ()
    job_id: int | None = None
    state: str = ""
    clips: tuple[str, ...] = ()
    code: str = ""
    message: str = ""


class ShowLog:
    """Writes a log. A disk that is full or gone costs the log, never the show: `broken` says why then."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else paths.home("logs")
        self.broken = ""
        self.path = self.folder
        self._file: BinaryIO | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self.path, self._file = self._new()
        except OSError as error:
            self.broken = f"The show log cannot be written in {self.folder} ({error.strerror})."

    def _new(self) -> tuple[Path, BinaryIO]:
        name = time.strftime("show-%Y%m%d-%H%M%S")
        for number in itertools.count(1):
            path = self.folder / (f"{name}.jsonl" if number == 1 else f"{name}.{number}.jsonl")
            with contextlib.suppress(FileExistsError):
                return path, path.open("xb")
        raise AssertionError

    def _sweep(self) -> None:
        for old in sorted(self.folder.glob("show-*.jsonl"))[: -KEPT + 1]:
            old.unlink(missing_ok=True)

    def write(self, kind: str, **fields: Any) -> None:
        """Add a line; fields are those of :class:`Entry`."""
        if self._file is None:
            return
        line = msgspec.json.encode(Entry(at=round(time.time(), 3), kind=kind, **fields))
        try:
            self._file.write(line + b"\n")
            self._file.flush()
        except OSError as error:
            self.broken = f"The show log {self.path} ends here ({error.strerror})."
            self.close()

    def close(self) -> None:
        """No more lines."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def read(path: Path) -> Iterator[Entry]:
    """The lines of a log. A last line that was cut off by a crash is passed over.

    Raises BadRequest naming the line that is none.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BadRequest(f"The log {path} cannot be read ({error.strerror}): give a show log.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            if number == len(lines):
                return
            raise BadRequest(f"{path.name}, line {number} is no line of a show log ({error}).") from None


def _decode(line: bytes) -> Entry:
    if len(line) > LONGEST_LINE:
        raise msgspec.DecodeError(f"{len(line)} bytes long")
    return msgspec.json.decode(line, type=Entry)


def newest(folder: Path | None = None) -> Path | None:
    """The log of the last run; None where there is none."""
    found = sorted((folder or paths.home("logs")).glob("show-*.jsonl"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def renders(entries: Iterator[Entry]) -> list[tuple[Entry, Entry | None]]:
    """The render requests of a log in order, each with its result where the log has it."""
    asked: list[tuple[Entry, Entry | None]] = []
    # clients choose numbers of their own, and use them again
    latest: dict[tuple[str, int], int] = {}
    for entry in entries:
        if entry.job_id is None:
            continue
        job = entry.client, entry.job_id
        if entry.kind == "request" and entry.command == "render":
            latest[job] = len(asked)
            asked.append((entry, None))
        elif entry.kind == "result" and job in latest:
            place = latest.pop(job)
            asked[place] = asked[place][0], entry
    return asked
