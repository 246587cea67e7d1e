"""Search by sound: the clips that are nearest to words, to another clip, or to a file.

Clips that were not listened to yet are listened to first, so that the first search of a large library takes
its time; every later one reads vectors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd.daemon import marks
from foleyd.daemon.ears import AT_ONCE, Ears, Vector
from foleyd.daemon.hearings import Hearings
from foleyd.daemon.imports import Recording
from foleyd.daemon.library import Library
from foleyd.daemon.preference import order
from foleyd.daemon.sources import Sources
from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo, LibraryReply, LibraryRequest

Call = Callable[..., Any]
"""Runs a function with its arguments where the library may be used."""
Decode = Callable[[bytes, str], Recording]

MOST = 1_000_000
"""Clips that are compared; a library has fewer."""


def similar(
    call: Call,
    library: Library,
    ears: Ears,
    decode: Decode,
    asked: LibraryRequest,
    buffers: Sequence[bytes] = (),
) -> LibraryReply:
    """The clips that sound most like what is asked for, the nearest first, of those as near the best liked
    (:mod:`foleyd.daemon.preference`); a clip is not like itself.

    Blocks while it listens. `decode` reads a file's bytes. Raises BadRequest, WorkerDied.
    """
    named = bool(asked.text.strip()) + bool(asked.clips) + bool(buffers)
    if named != 1 or len(asked.clips) > 1 or len(buffers) > 1:
        raise BadRequest("similar takes words, one clip, or one file: give one of them.")
    itself = call(library.resolve, asked.clips)
    if len(itself) > 1:
        raise BadRequest("similar takes one clip: give the id of a clip, not that of a Set.")
    hearings = Hearings(library.root)
    pool: list[ClipInfo]
    pool, _ = call(_pool, library, asked)
    own = [call(library.clip, clip) for clip in itself]
    _listen(hearings, ears, [*pool, *own])
    wanted = _wanted(hearings, ears, decode, asked, buffers, itself)
    others = [clip.clip_id for clip in pool if clip.clip_id not in itself]
    known = {clip.clip_id: clip for clip in pool}
    near = hearings.near(ears.name, wanted, others, len(others))
    places = order([one.similarity for one in near], [known[one.clip_id] for one in near])
    told = [near[place] for place in places[asked.offset : asked.offset + asked.limit]]
    return LibraryReply(
        clips=tuple(known[one.clip_id] for one in told),
        similarity=tuple(round(one.similarity, 4) for one in told),
        total=len(others),
    )


def nearness(root: Path, ears: Ears, clips: Sequence[ClipInfo]) -> list[float]:
    """How near each clip of the library in `root` is to its own words, -1 to 1; -1 for one in which nothing
    is heard. Blocks while it listens."""
    hearings = Hearings(root)
    _listen(hearings, ears, clips)
    words = list(dict.fromkeys(clip.prompt for clip in clips))
    said = dict(zip(words, ears.of(words).texts, strict=True))
    heard = [hearings.vector(ears.name, clip.clip_id) for clip in clips]
    return [
        -1.0 if one is None else round(float(one @ said[clip.prompt]), 4)
        for clip, one in zip(clips, heard, strict=True)
    ]


def nearness_of(ears: Ears, model: str, words: str, samples: NDArray[np.float32], rate: int) -> float | None:
    """How near samples `[n]` at `rate` Hz are to words, -1 to 1 and -1 where nothing is heard in them; None
    for ears that are not those of `model` (its id and revision). Raises BadRequest, WorkerDied."""
    if ears.name != model:
        return None
    with tempfile.TemporaryDirectory(prefix="foleyd-") as folder:
        path = Path(folder) / "take.wav"
        soundfile.write(path, samples, rate, subtype="FLOAT")
        heard = ears.of([words], [path])
    return -1.0 if heard.files[0] is None else float(heard.files[0] @ heard.texts[0])


def _pool(library: Library, asked: LibraryRequest) -> tuple[list[ClipInfo], int]:
    """The clips that are compared: those that the request's other fields let through."""
    return library.search(
        tags=[marks.tag(tag) for tag in asked.tags],
        rating=asked.rating,
        favourites=asked.favourites,
        set_id=asked.set_id,
        limit=MOST,
    )


def _listen(hearings: Hearings, ears: Ears, clips: Sequence[ClipInfo]) -> None:
    """Listen to the clips that were not listened to yet; what was heard is kept in steps."""
    paths = {clip.clip_id: Path(clip.path) for clip in clips}
    new = hearings.missing(ears.name, list(paths))
    for start in range(0, len(new), AT_ONCE):
        part = new[start : start + AT_ONCE]
        heard = ears.of(files=[paths[clip] for clip in part]).files
        hearings.note(ears.name, dict(zip(part, heard, strict=True)))


def _wanted(
    hearings: Hearings,
    ears: Ears,
    decode: Decode,
    asked: LibraryRequest,
    buffers: Sequence[bytes],
    itself: Sequence[str],
) -> Vector:
    """What is searched for. Raises BadRequest for a sound in which nothing is heard."""
    if itself:
        heard = hearings.vector(ears.name, itself[0])
    elif buffers:
        heard = _file(ears, decode(buffers[0], asked.buffers[0].id if asked.buffers else "sound"))
    else:
        [heard] = ears.of([asked.text.strip()]).texts
    if heard is None:
        raise BadRequest("nothing is heard in that sound: give one that is not silent.")
    return heard


def _file(ears: Ears, recording: Recording) -> Vector | None:
    with tempfile.TemporaryDirectory(prefix="foleyd-") as folder:
        [heard] = ears.of(files=[Sources(Path(folder)).keep(recording).path]).files
    return heard
