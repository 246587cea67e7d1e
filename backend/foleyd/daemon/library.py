"""The library: clips and takes on the disk, what people said of them, and the index that finds them.

::

    <root>/clips/ab/clip-ab….wav      clips; each file says all about its clip
    <root>/takes/sound-…/take-….wav   what models made
    <root>/sources/ab/….wav           what operations started from
    <root>/marks.jsonl                names, tags, ratings, favourites, holds, Sets
    <root>/index.sqlite               made of the above, and made again whenever it is not right
    <root>/library.lock, holder.json  who has it open
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from foleyd import paths, recipe
from foleyd.daemon import imports, room
from foleyd.daemon.holder import Holder
from foleyd.daemon.index import Wanted
from foleyd.daemon.marks import Mark
from foleyd.daemon.stock import Listener, Stock, nobody
from foleyd.engines.catalog import in_words
from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo, LibraryReply, LibraryRequest, SetInfo
from foleyd.recipe import Recipe

if TYPE_CHECKING:
    from foleyd.daemon.job import Sound
    from foleyd.daemon.shelf import Found

SHORTEST_START = 9
"""Characters of an id that may stand for the whole: "clip-" and four more."""

_SET = "set-"


class Added(NamedTuple):
    """A clip that came in. `new`: it was not here before; `notes`: a sentence for each wish that could not
    be met to the letter."""

    clip: ClipInfo
    new: bool
    notes: tuple[str, ...]


class Removed(NamedTuple):
    """What a delete or a prune did: clips and takes that went, bytes that it gave back, and what was left
    alone and why."""

    clips: int
    takes: int
    freed: int
    notes: tuple[str, ...]


class Usage(NamedTuple):
    """How much there is: clips, takes, the bytes of both and of sources, and what is free on the disk."""

    clips: int
    takes: int
    bytes: int
    free: int


def set_id_of(clip_ids: Sequence[str]) -> str:
    """The id of the Set that these clips make in this order: gathered twice, they are one Set."""
    digest = hashlib.sha256(f"foleyd set 1\n{' '.join(clip_ids)}".encode()).digest()
    return _SET + base64.b32encode(digest[:15]).decode().lower()


class Library:
    """An open library; one thread at a time may use it.

    `root`: its folder, foleyd's own by default. `wait`: seconds to wait for another process that has it open;
    `command`: what others are told who has it. `listen` is called with every clip that is added, changed or
    removed.

    Raises LibraryHeld, DiskFull, BadRequest where the folder cannot be written to.
    """

    def __init__(
        self, root: Path | None = None, *, wait: float = 0.0, command: str = "", listen: Listener = nobody
    ) -> None:
        self.root = paths.home("library") if root is None else root.expanduser().absolute()
        _ready(self.root)
        self._holder = Holder(self.root, command=command, wait=wait)
        try:
            self._stock = Stock(self.root, listen)
        except BaseException:
            self._holder.release()
            raise
        self.takes = self._stock.takes
        self.sources = self._stock.sources
        self.marks = self._stock.marks
        """Names, tags, ratings, favourites, holds and Sets, to look at; changes go through the library."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for everything that opening or rebuilding it had to mend."""
        return self._stock.notes

    def close(self) -> None:
        """Close the files and let other processes have the library. A second call does nothing."""
        self._stock.close()
        self._holder.release()

    def answer(self, request: LibraryRequest, buffers: Sequence[bytes] = ()) -> LibraryReply:
        """Do what a request says; `buffers` are the files of an import. Raises BadRequest, DiskFull."""
        from foleyd.daemon.librarian import ACTIONS

        act = ACTIONS[request.action]
        try:
            return act(self, request, buffers)
        except sqlite3.DatabaseError as error:
            self._stock.heal(error)
            return act(self, request, buffers)

    # clips

    def clip(self, clip_id: str) -> ClipInfo | None:
        """A clip by its id, None where it is not here."""
        return self._stock.clip(clip_id)

    def path(self, clip_id: str) -> Path:
        """Where a clip's WAV is. Raises BadRequest for one that is not here."""
        if self._stock.index.get(clip_id) is None:
            raise _no_clip(clip_id)
        return self._stock.shelf.path(clip_id)

    def samples(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """A clip's samples ``[channels, frames]`` and rate in Hz. Raises BadRequest."""
        if not self.path(clip_id).is_file():
            self._stock.drop(clip_id)
            raise _no_clip(clip_id)
        found = self._stock.shelf.samples(clip_id)
        self._stock.index.touch(clip_id, time.time())
        return found

    def find(self, made: Recipe) -> ClipInfo | None:
        """A clip of exactly this resolved recipe, whichever runtime made it; None where there is none."""
        bare = self._stock.index.of_recipe(recipe.recipe_id(made))
        return None if bare is None else self._stock.whole(bare)

    def source(self, sha256: str) -> ClipInfo | None:
        """The imported clip that a recipe's source names by its hash; None where it is not here."""
        bare = self._stock.index.of_content(sha256)
        return None if bare is None else self._stock.whole(bare)

    def add(self, sound: Sound) -> Added:
        """Finish a sound and put it on the shelf; a clip of it that is there already is taken as it is.

        Raises RenderFailed, BadRequest, DiskFull.
        """
        from foleyd.daemon import clips

        with contextlib.suppress(BadRequest):
            found = self._stock.shelf.look(clips.identify(sound))
            if found.made == sound.request.recipe:
                return self._added(found, tuple(filter(None, [sound.take.unkept])))
        done, meta = clips.finished(sound, self.sources)
        return self._added(self._stock.shelf.put(done, meta), clips.notes(sound, done))

    def take_in(self, data: bytes, name: str) -> Added:
        """Import the audio in a file's bytes; `name` is what the file was called.

        Audio that is here already, in whatever kind of file it came, is taken as it is. Raises BadRequest for
        what :func:`foleyd.daemon.imports.decode` refuses, DiskFull.
        """
        recording = imports.decode(data, name)
        with contextlib.suppress(BadRequest):
            return self._added(self._stock.shelf.look(recording.origin.clip_id), ())
        self.check_room(sum(map(len, recording.blocks)))
        return self._added(self._stock.shelf.put_recording(recording), ())

    def search(
        self,
        text: str = "",
        *,
        tags: Sequence[str] = (),
        rating: int | None = None,
        favourites: bool = False,
        set_id: str = "",
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[list[ClipInfo], int]:
        """Clips that hold all words of `text` (or words that begin so) in name, tags or prompt, best first;
        without text the newest first. And how many match in all. Raises BadRequest for a Set that is not
        here.
        """
        among = self.gathered(set_id).clips if set_id else None
        wanted = Wanted(text, tags, rating or 0, favourites, among, limit, offset)
        found, total = self._stock.index.search(wanted)
        return [self._stock.whole(bare) for bare in found], total

    def resolve(self, ids: Iterable[str]) -> list[str]:
        """The ids of clips that are here, each once: a Set's id stands for its clips, the beginning of an id
        (:data:`SHORTEST_START` characters or more) for the only clip that begins so. Raises BadRequest.
        """
        found: dict[str, None] = {}
        for one in ids:
            if one.startswith(_SET):
                gathered = self.gathered(one).clips
                found |= dict.fromkeys(clip for clip in gathered if self._stock.index.get(clip) is not None)
            else:
                found[self._only(one)] = None
        return list(found)

    # what is said of clips

    def mark(self, clip_ids: Sequence[str], change: Callable[[Mark], Mark]) -> int:
        """Change what is said of clips; of how many it changed. Raises DiskFull."""
        new = {clip: change(self.marks.of(clip)) for clip in clip_ids}
        new = {clip: mark for clip, mark in new.items() if mark != self.marks.of(clip)}
        self.marks.say(new)
        self._stock.said(new)
        return len(new)

    def hold(self, name: str, clip_ids: Iterable[str]) -> int:
        """Let `name` hold these clips and no others, none at all to end it; for how many that is a change."""
        before, after = set(self.marks.holds.get(name, ())), tuple(clip_ids)
        if before != set(after):
            self.marks.hold(name, after)
            self._stock.said(before ^ set(after))
        return len(before ^ set(after))

    def gathered(self, set_id: str) -> SetInfo:
        """A Set by its id. Raises BadRequest for one that is not here."""
        if set_id not in self.marks.sets:
            raise BadRequest(
                f"There is no Set '{set_id[:60]}' in the library: 'foleyd library sets' shows what there is."
            )
        return self.marks.sets[set_id]

    def add_set(self, name: str, clip_ids: Sequence[str]) -> SetInfo:
        """Gather clips into a Set, in this order; the Set of just these clips is taken as it is.

        Raises BadRequest for clips that are not here, DiskFull.
        """
        clips = tuple(self.resolve(clip_ids))
        gathered = self.marks.sets.get(set_id_of(clips))
        if gathered is None:
            gathered = SetInfo(set_id=set_id_of(clips), name=name, created=time.time(), clips=clips)
            self.regather(gathered)
        return gathered

    def regather(self, gathered: SetInfo) -> None:
        """Put a Set in the place of the one with its id; one without clips goes, its clips stay."""
        before = self.marks.sets.get(gathered.set_id)
        self.marks.gather(gathered)
        self._stock.said({*gathered.clips, *(before.clips if before else ())})

    # room

    def check_room(self, needed: int) -> None:
        """Raise DiskFull unless the disk has `needed` bytes (:func:`foleyd.daemon.room.needed` for a recipe)
        and some to spare."""
        room.check(self.root, needed)

    def usage(self) -> Usage:
        """How much there is. Looks at the file of every take and source."""
        takes = list(self.takes.entries())
        count, size = self._stock.index.figures()
        size += sum(take.size for take in takes) + sum(size for _, _, size in self.sources.entries())
        return Usage(count, len(takes), size, room.free(self.root))

    def delete(self, clip_ids: Sequence[str], *, force: bool = False) -> Removed:
        """Delete clips, and the takes that no other clip is made of. What a Set, a hold or a favourite keeps
        stays, unless `force`."""
        kept = {clip: why for clip in clip_ids if not force and (why := self.marks.keeps(clip))}
        gone = [clip for clip in clip_ids if clip not in kept]
        takes = freed = 0
        for clip in gone:
            size, taken = self._stock.remove(clip)
            takes, freed = takes + bool(taken), freed + size + taken
        # said last: a clip that is still there must not lose what is said of it
        self._stock.forget(gone)
        notes = (f"{clip} was left: {' and '.join(why)}." for clip, why in kept.items())
        return Removed(len(gone), takes, freed, tuple(notes))

    def prune(self, keep_bytes: int) -> Removed:
        """Bring clips, takes and sources down to `keep_bytes`: first takes and sources without a clip, then
        rendered clips with their takes, then imported ones, which nothing brings back; those used longest ago
        first. What Sets, favourites or holds refer to stays.
        """
        takes = {take.take_id: take for take in self.takes.entries()}
        old = self._stock.index.oldest()
        users = Counter(clip.take_id for clip in old)
        left = before = self.usage().bytes
        clips = gone = imported = 0
        loose = [take for take in takes.values() if not users[take.take_id]]
        for take in sorted(loose, key=lambda take: take.used):
            if left <= keep_bytes:
                break
            left -= self.takes.remove(take.path)
            gone += 1
        left -= self._drop_loose_sources(left - keep_bytes)
        for clip in old:
            if left <= keep_bytes:
                break
            if not self.marks.keeps(clip.clip_id):
                size, taken = self._stock.remove(clip.clip_id)
                left -= size + taken
                clips, gone, imported = clips + 1, gone + bool(taken), imported + clip.imported
        left -= self._drop_loose_sources(left - keep_bytes)
        notes = []
        if imported:
            notes.append(f"{imported} of the clips had been imported: no render brings them back.")
        if left > keep_bytes:
            notes.append(
                f"{in_words(left)} are left, kept by Sets, favourites or holds: release what is not needed."
            )
        return Removed(clips, gone, before - left, tuple(notes))

    def _drop_loose_sources(self, too_much: int) -> int:
        """Delete sources that no clip here was made of, until `too_much` bytes are gone; the bytes that
        are."""
        freed = 0
        used = self._stock.index.sources() if too_much > 0 else set()
        for sha256, path, _ in self.sources.entries() if too_much > 0 else ():
            if freed < too_much and sha256 not in used:
                freed += self.sources.remove(path)
        return freed

    def rebuild(self) -> int:
        """Make the index anew from the files and the journal; how many clips it has then."""
        return self._stock.rebuild()

    def _added(self, found: Found, notes: tuple[str, ...]) -> Added:
        new, said = self._stock.put(found)
        return Added(self._stock.whole(found.info), new, (*notes, *filter(None, [said])))

    def _only(self, start: str) -> str:
        if self._stock.index.get(start) is not None:
            return start
        found = self._stock.index.beginning(start) if len(start) >= SHORTEST_START else []
        if len(found) > 1:
            raise BadRequest(f"More than one clip's id begins with '{start}': give more of it.")
        if not found:
            raise _no_clip(start)
        return found[0]


def _no_clip(clip_id: str) -> BadRequest:
    return BadRequest(
        f"There is no clip '{clip_id[:60]}' in the library: 'foleyd library list' shows what there is."
    )


def _ready(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(None, "it may not be written to")
    except OSError as error:
        raise BadRequest(
            f"The library {root} cannot be opened ({error.strerror or error}): choose another folder, or set "
            "FOLEYD_HOME."
        ) from error
