"""What a pad plays, as words that outlive the memory, and the clips that it had before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Self

import msgspec

from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo
from foleyd_live.stages import Source, Stage

DEPTH = 16
"""Steps that can be undone."""


class ClipSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a clip comes from: a file at `path`, a clip of the library by its `clip_id`, or both.

    `bpm` is its tempo: 0 where it has none, None where nobody knows, which leaves the pad's as it is.
    `recipe` is what it was made from, empty for recorded sound; `seconds` its length as made. `stages` are
    the clips that a pad's fader goes to from this one, in order, each without stages of its own.
    """

    path: str = ""
    clip_id: str = ""
    name: str = ""
    prompt: str = ""
    preset: str = ""
    seconds: float = 0.0
    bpm: float | None = None
    recipe: dict[str, Any] = {}
    stages: tuple[ClipSource, ...] = ()

    @classmethod
    def of(cls, info: ClipInfo, *, preset: str = "", bpm: float | None = None) -> Self:
        """A clip of the library, as the daemon describes it."""
        return cls(
            path=info.path,
            clip_id=info.clip_id,
            name=info.name,
            prompt=info.prompt,
            preset=preset,
            seconds=info.seconds,
            bpm=bpm,
            recipe=info.recipe,
        )

    @property
    def label(self) -> str:
        """Its id or, without one, its path."""
        return self.clip_id or self.path

    def each(self) -> Iterator[ClipSource]:
        """This clip alone, and each of its stages."""
        yield msgspec.structs.replace(self, stages=())
        yield from self.stages

    def changed(self, change: Callable[[ClipSource], ClipSource]) -> ClipSource:
        """The same with another clip in the place of this one and of each stage."""
        return ClipSource.staged([change(one) for one in self.each()])

    @staticmethod
    def staged(clips: Sequence[ClipSource]) -> ClipSource:
        """The first clip, with the others as its stages."""
        return msgspec.structs.replace(clips[0], stages=tuple(clips[1:]))


class Entry(msgspec.Struct, frozen=True):
    """A clip that a pad has or had. `sent`: its samples, and `rest` those of its stages, kept only where no
    file here holds them."""

    source: ClipSource
    sent: Source | None = None
    rest: tuple[Source | None, ...] = ()

    def stages(self) -> list[Stage]:
        """What its clip is made of."""
        made = zip_longest(self.source.each(), (self.sent, *self.rest))
        return [Stage(one.path, one.clip_id, one.name, sent) for one, sent in made]


class History:
    """The clips of one pad in the order in which it had them, None where it was empty; one of them is now."""

    def __init__(self) -> None:
        self._entries: list[Entry | None] = [None]
        self._at = 0

    @property
    def now(self) -> Entry | None:
        """What the pad has."""
        return self._entries[self._at]

    def __iter__(self) -> Iterator[Entry | None]:
        """All of them."""
        return iter(self._entries)

    def push(self, entry: Entry | None) -> None:
        """The pad has something else; what was undone is forgotten."""
        self._entries = [*self._entries[: self._at + 1], entry][-DEPTH - 1 :]
        self._at = len(self._entries) - 1

    def amend(self, entry: Entry) -> None:
        """The same clip, known better."""
        self._entries[self._at] = entry

    def look(self, by: int) -> Entry | None:
        """What lies `by` steps away. Raises BadRequest where nothing does."""
        if not 0 <= self._at + by < len(self._entries):
            raise BadRequest(
                "there is nothing to undo on this pad: it had no clip before."
                if by < 0
                else "there is nothing to redo on this pad: redo follows an undo."
            )
        return self._entries[self._at + by]

    def move(self, by: int) -> None:
        """Go there. Raises as :meth:`look` does."""
        self.look(by)
        self._at += by
