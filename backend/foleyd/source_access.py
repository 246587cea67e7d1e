"""The way to sources for commands: files and clips made ready for a render, and lost ones looked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foleyd.errors import BadRequest, LibraryHeld

if TYPE_CHECKING:
    from foleyd.daemon.sources import Kept, Sources
    from foleyd.recipe import Recipe


def given(text: str, sources: Sources) -> Kept:
    """The source that a command line names by a file's path or a clip's id, kept in `sources`. The file is
    only read. Raises BadRequest, DiskFull."""
    from foleyd.daemon import imports
    from foleyd.library_access import file_bytes

    path = Path(text)
    if text.startswith("clip-") and not path.exists():
        path = _path_of_clip(text)
    return sources.keep(imports.decode(file_bytes(path), path.name))


def recover(made: Recipe, sources: Sources) -> None:
    """See that a recipe's sources are in `sources`, where the library has them as imported clips. Those that
    are nowhere are left to whoever renders it."""
    lost = [one for one in made.sources if sources.find(one.sha256) is None]
    if not lost:
        return
    from foleyd.daemon.library import Library

    try:
        library = Library(wait=0.0)
    except (LibraryHeld, BadRequest):  # a daemon has it open, and looks by itself
        return
    with library:
        clips = [clip for one in lost if (clip := library.source(one.sha256)) is not None]
    for clip in clips:
        given(clip.path, sources)


def _path_of_clip(clip_id: str) -> Path:
    from foleyd.library_access import ask
    from foleyd.messages import LibraryRequest

    reply = ask(LibraryRequest(action="show", clips=(clip_id,)))
    return Path(reply.clips[0].path)
