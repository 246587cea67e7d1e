"""The stock: shelf, takes, journal and index of a library, kept in agreement.

The files are what is so; the index follows. Whatever moment a process is killed at, opening the stock again
finds every clip whose file is whole, and nothing half-written.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from foleyd import recipe
from foleyd.daemon.index import Index, is_damage, trouble
from foleyd.daemon.marks import Marks
from foleyd.daemon.shelf import Found, Shelf
from foleyd.daemon.sources import Sources
from foleyd.daemon.takes import Takes
from foleyd.errors import BadRequest, FoleydError
from foleyd.messages import ClipInfo

Change = Literal["added", "changed", "removed"]
Listener = Callable[[Change, str], None]

_INDEX = "index.sqlite"
_STAMP = "marks"


def nobody(change: Change, clip_id: str) -> None:
    """Nobody listens."""


class Stock:
    """What is in the folder `root`, which this process must hold. `listen` is called with every clip that is
    added, changed or removed; `notes`: a sentence for everything that had to be mended.

    Raises DiskFull, FoleydError.
    """

    def __init__(self, root: Path, listen: Listener = nobody) -> None:
        self._root = root
        self._listen = listen
        self.notes: tuple[str, ...] = ()
        self.takes = Takes(root / "takes")
        self.sources = Sources(root / "sources")
        self.shelf = Shelf(root / "clips")
        self.marks = Marks(root / "marks.jsonl")
        self.index = Index(root / _INDEX)
        try:
            self._tidy()
        except BaseException:
            self.index.close()
            raise

    def close(self) -> None:
        """Close the index. A second call does nothing."""
        self.index.close()

    def clip(self, clip_id: str) -> ClipInfo | None:
        """A clip with all that is said of it, None where it is not here."""
        bare = self.index.get(clip_id)
        return None if bare is None else self.whole(bare)

    def whole(self, bare: ClipInfo) -> ClipInfo:
        """A clip of the index with what is said of it, and the path that it has today."""
        mark = self.marks.of(bare.clip_id)
        return msgspec.structs.replace(
            bare,
            path=str(self.shelf.path(bare.clip_id)),
            name=mark.name or bare.name,
            tags=mark.tags,
            rating=mark.rating,
            favourite=mark.favourite,
            sets=self.marks.sets_of(bare.clip_id),
            holds=self.marks.holds_of(bare.clip_id),
        )

    def put(self, found: Found) -> tuple[bool, str]:
        """Index a clip that was put on the shelf, or note that it was used again. Whether it is new here, and
        a sentence if the index could not be written.

        That fails nothing: the file is whole, and the next opening finds it.
        """
        clip, said = found.info.clip_id, ""
        new = True
        try:
            new = self.index.get(clip) is None
            if new:
                self._index(found)
            else:
                self.index.touch(clip, time.time())
        except sqlite3.DatabaseError as error:
            try:
                self.heal(error)
            except FoleydError as trouble:
                said = f"{trouble} The clip is there all the same."
        if new:
            self._listen("added", clip)
        return new, said

    def said(self, clips: Iterable[str]) -> None:
        """Bring the index to the journal for these clips, and tell that they changed."""
        changed = [clip for clip in clips if self.index.get(clip) is not None]
        with self.index.changing():
            for clip in changed:
                self.index.mark(clip, self.marks.of(clip))
            self.index.note(_STAMP, self.marks.stamp)
        for clip in changed:
            self._listen("changed", clip)

    def forget(self, clips: Iterable[str]) -> None:
        """Take clips that are gone out of all that is said."""
        self.marks.forget(clips)
        self.index.note(_STAMP, self.marks.stamp)

    def remove(self, clip: str) -> tuple[int, int]:
        """Delete a clip, and its take if no other clip is made of it; the bytes of both."""
        bare = self.index.get(clip)
        freed = self.shelf.remove(clip)
        self.drop(clip)
        if bare is None or not bare.recipe or self.index.clips_of_take(bare.take_id):
            return freed, 0
        return freed, self.takes.remove(self.takes.path(recipe.make(**bare.recipe), bare.take_id))

    def drop(self, clip: str) -> None:
        """Take a clip whose file is gone out of the index."""
        self.index.drop(clip)
        self._listen("removed", clip)

    def rebuild(self) -> int:
        """Make the index anew from the files and the journal; how many clips it has then."""
        self.index.start_over()
        self._tidy()
        return self.index.figures()[0]

    def heal(self, error: sqlite3.DatabaseError) -> None:
        """Make the index anew if `error` means that it is damaged; else raise what it means."""
        if not is_damage(error):
            raise trouble(error, self._root / _INDEX) from error
        self.rebuild()
        self.notes += ("The index was damaged and was made again.",)

    def _tidy(self) -> None:
        """Sweep, and bring the index to what the files and the journal say."""
        self._sweep()
        began = self.index.began
        try:
            broken = self._reconcile()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise trouble(error, self._root / _INDEX) from error
            began = "damaged"
            self.index.start_over()
            broken = self._reconcile()
        count = self.index.figures()[0]
        notes = [*self.marks.notes]
        if began and (count or began not in ("missing", "unfinished")):
            notes.append(f"The index was {began} and was made again: {_clips(count)}.")
        if broken:
            notes.append(
                f"{_clips(len(broken))} could not be read and were left alone, the first because: {broken[0]}"
            )
        self.notes = tuple(notes)

    def _sweep(self) -> None:
        self.takes.sweep()
        self.sources.sweep()
        self.shelf.sweep()
        for part in self._root.glob(".*.part*"):
            part.unlink(missing_ok=True)

    def _reconcile(self) -> list[str]:
        """Index what is new on the shelf and drop what is gone; the reasons against files that are no
        clips."""
        broken = []
        with self.index.changing():
            there, known = self.shelf.ids(), self.index.ids()
            for gone in known - there:
                self.index.drop(gone)
            for new in sorted(there - known):
                try:
                    self._index(self.shelf.look(new))
                except BadRequest as error:
                    broken.append(str(error))
            if self.index.state(_STAMP) != self.marks.stamp:
                for clip in known & there:
                    self.index.mark(clip, self.marks.of(clip))
                self.index.note(_STAMP, self.marks.stamp)
        return broken

    def _index(self, found: Found) -> None:
        self.index.put(found.info, found.recipe_id, self.marks.of(found.info.clip_id))


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"
