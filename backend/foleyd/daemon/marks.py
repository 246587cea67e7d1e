"""What people said of clips: names, tags, ratings, favourites, holds and Sets.

``marks.jsonl`` is a journal, one JSON object a line, flushed to the disk before a change counts as made.
Every line says how something is from then on, not what was done to it: reading a line twice, or from the
middle, gives the same. Lines that were overtaken are dropped now and then by writing the journal anew, whole
or not at all. A line that a power cut tore is dropped; one of a newer foleyd is kept as it is.
"""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from foleyd.audio.atomic import replacing
from foleyd.errors import BadRequest, DiskFull, FoleydError
from foleyd.messages import SetInfo
from foleyd.values import normalise

LONGEST_TAG = 40
LONGEST_NAME = 120
MOST_TAGS = 50

_SLACK = 256
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_Thing = TypeVar("_Thing")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of one clip. `name`: empty where it has none but its prompt."""

    name: str = ""
    tags: tuple[str, ...] = ()
    rating: int = 0
    favourite: bool = False


class _Marked(msgspec.Struct, frozen=True, tag_field="do", tag="mark", omit_defaults=True):
    clip: str
    mark: Mark = Mark()


class _Holding(msgspec.Struct, frozen=True, tag_field="do", tag="hold"):
    name: str
    clips: tuple[str, ...]


class _Gathered(msgspec.Struct, frozen=True, tag_field="do", tag="set"):
    set: SetInfo


_Line = _Marked | _Holding | _Gathered
_KINDS = ("mark", "hold", "set")


class _Kind(msgspec.Struct):
    do: str


class Marks:
    """The marks in the journal at `path`, which need not exist yet.

    `notes`: a sentence for what was found wrong with it. Raises FoleydError where it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: dict[str, Mark] = {}
        self._holds: dict[str, tuple[str, ...]] = {}
        self._sets: dict[str, SetInfo] = {}
        self._strange: list[bytes] = []
        self._around: tuple[dict[str, list[str]], dict[str, list[str]]] | None = None
        self._lines = self._size = self._check = 0
        self._open_end = False
        self.notes: tuple[str, ...] = ()
        self._load()

    @property
    def stamp(self) -> str:
        """What the journal is now: another stamp, other marks."""
        return f"{self._size}:{self._check:08x}"

    @property
    def sets(self) -> Mapping[str, SetInfo]:
        """The Sets by id, oldest first."""
        return self._sets

    @property
    def holds(self) -> Mapping[str, tuple[str, ...]]:
        """Clips by the name that holds them."""
        return self._holds

    @property
    def marked(self) -> Iterable[str]:
        """The clips that something is said of."""
        return self._marks.keys()

    def of(self, clip: str) -> Mark:
        """What is said of a clip; an empty mark for one that nobody spoke of."""
        return self._marks.get(clip, Mark())

    def sets_of(self, clip: str) -> tuple[str, ...]:
        """The ids of the Sets that a clip belongs to."""
        return tuple(self._belonging()[0].get(clip, ()))

    def holds_of(self, clip: str) -> tuple[str, ...]:
        """The names that hold a clip."""
        return tuple(self._belonging()[1].get(clip, ()))

    def keeps(self, clip: str) -> list[str]:
        """What keeps a clip from being pruned, in words; empty where nothing does."""
        kept = ["it is a favourite"] if self.of(clip).favourite else []
        kept += [f"it belongs to the Set {one}" for one in self.sets_of(clip)]
        return kept + [f"'{one}' holds it" for one in self.holds_of(clip)]

    def say(self, marks: Mapping[str, Mark]) -> None:
        """Say something of clips, in place of what was said before. Raises DiskFull, FoleydError."""
        self._record([_Marked(clip, mark) for clip, mark in marks.items()])

    def hold(self, name: str, clips: Iterable[str]) -> None:
        """Let `name` hold these clips and no others; none at all ends the hold."""
        self._record([_Holding(name, tuple(dict.fromkeys(clips)))])

    def gather(self, gathered: SetInfo) -> None:
        """Make a Set, or put it in place of the one with its id; one without clips goes."""
        self._record([_Gathered(gathered)])

    def forget(self, clips: Iterable[str]) -> None:
        """Take clips out of everything."""
        gone = set(clips)
        lines: list[_Line] = [_Marked(clip) for clip in gone & self._marks.keys()]
        lines += [
            _Holding(name, left)
            for name, held in self._holds.items()
            if (left := tuple(clip for clip in held if clip not in gone)) != held
        ]
        lines += [
            _Gathered(msgspec.structs.replace(one, clips=left))
            for one in self._sets.values()
            if (left := tuple(clip for clip in one.clips if clip not in gone)) != one.clips
        ]
        self._record(lines)

    def _load(self) -> None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise FoleydError(
                f"The journal {self._path} cannot be read ({error.strerror or error}): make it readable, or "
                "move it away to go on without tags, ratings, holds and Sets."
            ) from error
        *whole, rest = data.split(b"\n")
        torn = 0
        for line in filter(None, (*whole, rest)):
            torn += not self._read(line)
        self._lines, self._size, self._check = len(whole), len(data), zlib.crc32(data)
        self._open_end = bool(rest)
        if torn:
            lines = "line" if torn == 1 else "lines"
            self.notes = (f"{torn} {lines} of the journal {self._path.name} could not be read and went.",)
        if torn or rest or self._lines > 2 * self._living() + _SLACK:
            self._compact()

    def _read(self, text: bytes) -> bool:
        """Apply a line of the journal; whether it is one."""
        try:
            self._apply(msgspec.json.decode(text, type=_Line))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            try:
                kind = msgspec.json.decode(text, type=_Kind).do
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                return False
            if kind in _KINDS:
                return False
            self._strange.append(text)
        return True

    def _apply(self, line: _Line) -> None:
        if isinstance(line, _Marked):
            _set(self._marks, line.clip, line.mark if line.mark != Mark() else None)
            return
        self._around = None
        if isinstance(line, _Holding):
            _set(self._holds, line.name, line.clips or None)
        else:
            _set(self._sets, line.set.set_id, line.set if line.set.clips else None)

    def _record(self, lines: Sequence[_Line]) -> None:
        if not lines:
            return
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        text = b"\n" + text if self._open_end else text
        try:
            if not self._path.exists():
                with replacing(self._path) as beside:
                    beside.write_bytes(b"")
            with self._path.open("ab") as file:
                try:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    # half a line must not run into the next one
                    with suppress(OSError):
                        os.ftruncate(file.fileno(), self._size)
                    raise
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise DiskFull(
                    f"There is no room to note that in {self._path}: free some disk space and try again."
                ) from error
            raise FoleydError(
                f"The journal {self._path} cannot be written ({error.strerror or error}): make the "
                "library's folder writable."
            ) from error
        for line in lines:
            self._apply(line)
        self._open_end = False
        self._lines += len(lines)
        self._size += len(text)
        self._check = zlib.crc32(text, self._check)
        if self._lines > 2 * self._living() + _SLACK:
            self._compact()

    def _compact(self) -> None:
        lines: list[_Line] = [_Marked(clip, mark) for clip, mark in self._marks.items()]
        lines += [_Holding(name, clips) for name, clips in self._holds.items()]
        lines += [_Gathered(one) for one in self._sets.values()]
        text = b"".join(line + b"\n" for line in (*map(msgspec.json.encode, lines), *self._strange))
        # it can stay long when the disk is full: nothing is lost by it
        with suppress(DiskFull, BadRequest):
            with replacing(self._path) as beside:
                beside.write_bytes(text)
            self._lines, self._size, self._check = self._living(), len(text), zlib.crc32(text)
            self._open_end = False

    def _living(self) -> int:
        return len(self._marks) + len(self._holds) + len(self._sets) + len(self._strange)

    def _belonging(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        if self._around is None:
            self._around = (
                _turned({one.set_id: one.clips for one in self._sets.values()}),
                _turned(self._holds),
            )
        return self._around


def tag(text: str) -> str:
    """A tag as it is kept: NFC, lower case, at most 40 characters without commas. Raises BadRequest."""
    plain = normalise(_CONTROL.sub(" ", normalise(text).lower()))
    if not plain or "," in plain or len(plain) > LONGEST_TAG:
        raise BadRequest(f"tag is {text[:60]!r}: give 1 to {LONGEST_TAG} characters without commas.")
    return plain


def name(text: str) -> str:
    """A name as it is kept: NFC, one line. Raises BadRequest for more than 120 characters."""
    plain = normalise(_CONTROL.sub(" ", text))
    if len(plain) > LONGEST_NAME:
        raise BadRequest(f"name is {len(plain)} characters long: give at most {LONGEST_NAME}.")
    return plain


def _set(table: dict[str, _Thing], key: str, value: _Thing | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _turned(table: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """From lists of clips by name to lists of names by clip."""
    turned: dict[str, list[str]] = {}
    for key, clips in table.items():
        for clip in clips:
            turned.setdefault(clip, []).append(key)
    return turned
