"""``foleyd library list``, ``search`` and ``similar``: clips found by what is said of them, and by ear."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from foleyd.library_command import (
    Favourites,
    Json,
    Limit,
    Offset,
    Rating,
    Set,
    Tags,
    Where,
    app,
    asked,
    tell,
)
from foleyd.library_print import print_table
from foleyd.output import Output


@app.command("list", epilog="Example: foleyd library list --favourites --rating 4")
def list_clips(
    tag: Tags = None,
    rating: Rating = None,
    favourites: Favourites = False,
    of_set: Set = "",
    limit: Limit = 100,
    offset: Offset = 0,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """List clips, the newest first."""
    _find("list", "", tag, rating, favourites, of_set, limit, offset, library, as_json)


@app.command(epilog="Example: foleyd library search glass break --tag impact")
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD…", help="Words, or beginnings of words.")],
    tag: Tags = None,
    rating: Rating = None,
    favourites: Favourites = False,
    of_set: Set = "",
    limit: Limit = 100,
    offset: Offset = 0,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """List clips with these words in prompt, name or tags, the best first."""
    _find("search", " ".join(words), tag, rating, favourites, of_set, limit, offset, library, as_json)


@app.command(epilog='Example: foleyd library similar "a door slams" --limit 5')
def similar(
    sound: Annotated[
        str,
        typer.Argument(
            metavar="CLIP|FILE|WORDS", help="A clip by its id, an audio file, or what to hear, in words."
        ),
    ],
    tag: Tags = None,
    rating: Rating = None,
    favourites: Favourites = False,
    of_set: Set = "",
    limit: Limit = 10,
    offset: Offset = 0,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """List the clips that sound most like something, the nearest first.

    Nearness is told by the starter's audio and text towers: 1 is the same sound. Of clips that are equally
    near, to 0.02, favourites come first and then those with higher ratings. The first time, every clip has to
    be listened to, some dozens a second.
    """
    from foleyd.library_access import described, file_bytes

    fields: dict[str, Any] = {
        "tags": tuple(tag or ()),
        "rating": rating,
        "favourites": favourites,
        "set_id": of_set,
        "limit": limit,
        "offset": offset,
    }
    data: tuple[bytes, ...] = ()
    if Path(sound).is_file():
        data = (file_bytes(Path(sound)),)
        fields["buffers"] = (described(data[0], Path(sound).name),)
    elif sound.startswith("clip-"):
        fields["clips"] = (sound,)
    else:
        fields["text"] = sound
    with Output(as_json) as output:
        reply = asked(output, library, data, action="similar", **fields)
        for clip, near in zip(reply.clips, reply.similarity, strict=True):
            liked = " ".join(filter(None, ["*" * clip.rating, "favourite" if clip.favourite else ""]))
            output.line(f"{near:5.2f}  {clip.clip_id}  {clip.name}  {liked}".rstrip())
        if not reply.clips:
            tell(["There are no clips to compare with."])


def _find(
    action: str,
    text: str,
    tags: list[str] | None,
    rating: int | None,
    favourites: bool,
    of_set: str,
    limit: int,
    offset: int,
    library: Path | None,
    as_json: bool,
) -> None:
    with Output(as_json) as output:
        reply = asked(
            output,
            library,
            action=action,
            text=text,
            tags=tuple(tags or ()),
            rating=rating,
            favourites=favourites,
            set_id=of_set,
            limit=limit,
            offset=offset,
        )
        if not as_json:
            if reply.clips:
                print_table(reply.clips)
            else:
                print("There are no such clips.", file=sys.stderr)
            if reply.clips and reply.total > offset + limit:
                print(f"{reply.total} clips in all; --offset {offset + limit} goes on.", file=sys.stderr)
