"""Rendered clips as they are listed: by how near they are to their words, and by how people like them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from foleyd import library_access
from foleyd.daemon.clips import Clip
from foleyd.daemon.ears import Ears
from foleyd.daemon.preference import Liked, order
from foleyd.errors import BadRequest, LibraryHeld
from foleyd.messages import LibraryRequest

if TYPE_CHECKING:
    from foleyd.output import Output
    from foleyd.talk import Talk


class _Unknown(NamedTuple):
    """A clip that nobody said anything of."""

    favourite: bool = False
    rating: int = 0


def ranked(made: list[Clip], talk: Talk, output: Output) -> None:
    """Order `made`, the nearest to its words first, and tell the clips and how near each is.

    Ratings and favourites decide among those that are as near to each other; those of the library are taken,
    where it has the clips. Raises FoleydError where nobody can hear.
    """
    with Ears() as ears:
        words = list(dict.fromkeys(clip.prompt for clip in made))
        heard = ears.of(words, [Path(clip.path) for clip in made])
    said = dict(zip(words, heard.texts, strict=True))
    near = [
        -1.0 if one is None else round(float(one @ said[clip.prompt]), 4)
        for clip, one in zip(made, heard.files, strict=True)
    ]
    places = order(near, _liked(made))
    made[:] = [made[place] for place in places]
    output.body["similarity"] = [near[place] for place in places]
    for place, clip in zip(places, made, strict=True):
        talk.say(f"{near[place]:5.2f}  seed {clip.seed}")
        output.line(clip.path)


def _liked(made: Sequence[Clip]) -> list[Liked]:
    try:
        with library_access.opened() as ask:
            return [_of(ask, clip.clip_id) for clip in made]
    except LibraryHeld:  # by another command, which is no reason to keep somebody from their sounds
        return [_Unknown() for _ in made]


def _of(ask: library_access.Ask, clip_id: str) -> Liked:
    try:
        [found] = ask(LibraryRequest(action="show", clips=(clip_id,)), ()).clips
    except BadRequest:  # made without a daemon, it is in its file alone
        return _Unknown()
    return found
