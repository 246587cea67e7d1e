"""``foleyd library``: find clips, say things of them, keep, bring in, take out and let go."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleyd.destination import FORMATS, format_named, ready_folder
from foleyd.errors import BadRequest
from foleyd.library_print import count, in_full, in_words, print_table
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.messages import ClipInfo, LibraryReply

app = typer.Typer(
    name="library",
    help="The clips on this machine: find, tag, rate, keep, import, export, delete and prune them.",
    no_args_is_help=True,
    epilog="""\b
Examples:
  foleyd library search "tin roof" --tag rain
  foleyd library similar knock.wav --limit 5
  foleyd library tag impact,metal clip-7x2a clip-c4dq
  foleyd library hold "Opening Night" set-mm5b3mzdyvalrc2pwfhozs3i
  foleyd library export --format flac -o pack/ clip-7x2a
  foleyd library prune --keep 5GB

\b
A clip is named by its id or its beginning, 'clip-' and at least four characters; the id of a Set
stands for all its clips. What is asked goes to the running daemon where there is one.
""",
)

_UNITS = {"": 1, "B": 1}
_UNITS |= {
    unit: 1000**power for power, unit in enumerate("kMGT", 1) for unit in (unit.upper(), f"{unit.upper()}B")
}
_UNITS |= {f"{unit}IB": 1024**power for power, unit in enumerate("KMGT", 1)}
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", re.ASCII)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Where = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        help="The library's folder; the running daemon's, or foleyd's own, when absent.",
        show_default=False,
    ),
]
_Clips = Annotated[list[str], typer.Argument(metavar="CLIP…", help="Ids of clips or of Sets.")]
_Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only clips with this tag; may be given again."),
]
_Rating = Annotated[int | None, typer.Option("--rating", min=1, max=5, help="Only clips rated so or better.")]
_Favourites = Annotated[bool, typer.Option("--favourites", help="Only favourites.")]
_Set = Annotated[str, typer.Option("--set", metavar="SET", help="Only clips of this Set.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Clips to list at most.")]
_Offset = Annotated[int, typer.Option("--offset", min=0, help="Clips to pass over first.")]


@app.command("list", epilog="Example: foleyd library list --favourites --rating 4")
def list_clips(
    tag: _Tags = None,
    rating: _Rating = None,
    favourites: _Favourites = False,
    of_set: _Set = "",
    limit: _Limit = 100,
    offset: _Offset = 0,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """List clips, the newest first."""
    _find("list", "", tag, rating, favourites, of_set, limit, offset, library, as_json)


@app.command(epilog="Example: foleyd library search glass break --tag impact")
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD…", help="Words, or beginnings of words.")],
    tag: _Tags = None,
    rating: _Rating = None,
    favourites: _Favourites = False,
    of_set: _Set = "",
    limit: _Limit = 100,
    offset: _Offset = 0,
    library: _Where = None,
    as_json: _Json = False,
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
    tag: _Tags = None,
    rating: _Rating = None,
    favourites: _Favourites = False,
    of_set: _Set = "",
    limit: _Limit = 10,
    offset: _Offset = 0,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """List the clips that sound most like something, the nearest first.

    Nearness is told by the starter's audio and text towers: 1 is the same sound. The first time, every clip
    has to be listened to, some dozens a second.
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
        reply = _asked(output, library, data, action="similar", **fields)
        for clip, near in zip(reply.clips, reply.similarity, strict=True):
            output.line(f"{near:5.2f}  {clip.clip_id}  {clip.name}")
        if not reply.clips:
            _tell(["There are no clips to compare with."])


@app.command(epilog="Example: foleyd library show clip-7x2a --json")
def show(clips: _Clips, library: _Where = None, as_json: _Json = False) -> None:
    """Show all that is known of clips."""
    with Output(as_json) as output:
        reply = _asked(output, library, action="show", clips=tuple(clips))
        output.line("\n\n".join(in_full(clip) for clip in reply.clips))


@app.command(epilog="Example: foleyd library tag impact,metal clip-7x2a clip-c4dq")
def tag(
    tags: Annotated[str, typer.Argument(metavar="TAG,…", help="Tags, with commas between them.")],
    clips: _Clips,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Give clips tags."""
    _change(library, as_json, action="tag", clips=tuple(clips), tags=_listed(tags))


@app.command(epilog="Example: foleyd library untag metal clip-7x2a")
def untag(
    tags: Annotated[str, typer.Argument(metavar="TAG,…", help="Tags, with commas between them.")],
    clips: _Clips,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Take tags away from clips."""
    _change(library, as_json, action="untag", clips=tuple(clips), tags=_listed(tags))


@app.command(epilog="Example: foleyd library rate 5 clip-7x2a")
def rate(
    stars: Annotated[int, typer.Argument(min=0, max=5, help="1 to 5; 0 takes the rating away.")],
    clips: _Clips,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Rate clips."""
    _change(library, as_json, action="rate", clips=tuple(clips), rating=stars)


@app.command(epilog="Example: foleyd library favourite clip-7x2a")
def favourite(clips: _Clips, library: _Where = None, as_json: _Json = False) -> None:
    """Make clips favourites, which are never pruned."""
    _change(library, as_json, action="favourite", clips=tuple(clips))


@app.command(epilog="Example: foleyd library unfavourite clip-7x2a")
def unfavourite(clips: _Clips, library: _Where = None, as_json: _Json = False) -> None:
    """Make clips favourites no more."""
    _change(library, as_json, action="unfavourite", clips=tuple(clips))


@app.command(epilog='Example: foleyd library rename clip-7x2a "Door, heavy"')
def rename(
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="The id of a clip or of a Set.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; '' gives the prompt back.")],
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Give a clip, or a Set, a name."""
    _change(library, as_json, action="rename", clips=(clip,), name=name)


@app.command(epilog="Example: foleyd library delete clip-7x2a --force")
def delete(
    clips: _Clips,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a hold, a Set or a favourite keeps.")
    ] = False,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Delete clips and the takes that they were made of; a Set's id deletes the Set and its clips."""
    with Output(as_json) as output:
        reply = _asked(output, library, action="delete", clips=tuple(clips), force=force)
        output.line(f"{count(reply.changed)} deleted, {in_words(reply.freed)} freed.")
    if reply.notes:
        raise typer.Exit(1)


@app.command(epilog='Example: foleyd library hold "Opening Night" clip-7x2a clip-c4dq')
def hold(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The show or session that needs them.")],
    clips: _Clips,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Keep clips from being pruned, in the name of a show or a session."""
    _change(library, as_json, action="hold", name=name, clips=tuple(clips))


@app.command(epilog='Example: foleyd library release "Opening Night"')
def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The show or session.")],
    clips: Annotated[
        list[str] | None, typer.Argument(metavar="CLIP…", help="Ids of clips or of Sets; all when absent.")
    ] = None,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Hold clips no more."""
    _change(library, as_json, action="release", name=name, clips=tuple(clips or ()))


@app.command(epilog="Example: foleyd library holds --json")
def holds(library: _Where = None, as_json: _Json = False) -> None:
    """List what shows and sessions hold."""
    with Output(as_json) as output:
        reply = _asked(output, library, action="holds")
        for name, clips in reply.holds.items():
            output.line(f"{name}: {count(len(clips))}")
            for clip in clips:
                output.line(f"  {clip}")


@app.command(epilog="Example: foleyd library sets --limit 10")
def sets(limit: _Limit = 100, offset: _Offset = 0, library: _Where = None, as_json: _Json = False) -> None:
    """List Sets, the newest first."""
    with Output(as_json) as output:
        for one in _asked(output, library, action="sets", limit=limit, offset=offset).sets:
            output.line(f"{one.set_id}  {count(len(one.clips))}  {one.name}")


@app.command("import", epilog="Example: foleyd library import door.wav field/*.flac")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="WAV, AIFF, FLAC, Ogg, Opus, MP3 and the like.")
    ],
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Copy recorded audio into the library; the same audio is never kept twice."""
    from foleyd.library_access import described, file_bytes, opened
    from foleyd.messages import LibraryRequest

    clips: list[ClipInfo] = []
    refused: list[BadRequest] = []
    with Output(as_json) as output, opened(library) as asked:
        output.body["clips"] = clips
        for file in files:
            try:
                data = file_bytes(file)
                about = described(data, file.name)
                reply = asked(LibraryRequest(action="import", buffers=(about,)), (data,))
            except BadRequest as error:
                refused.append(error)
                continue
            clips += reply.clips
            _tell(reply.notes)
            for clip in reply.clips:
                output.line(f"{clip.clip_id}  {clip.seconds:.2f} s  {clip.name}")
        output.body["refused"] = [str(error) for error in refused]
        if refused and not clips:
            raise refused[0]
        _tell(map(str, refused))
    if refused:
        raise typer.Exit(1)


@app.command(epilog="Example: foleyd library export set-mm5b3mzdyvalrc2pwfhozs3i -o pack/ --format flac")
def export(
    clips: _Clips,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder; made where it is missing.")
    ] = Path(),
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help=", ".join(f"'{name}': {kind.about}" for name, kind in FORMATS.items())
            + "; as it lies in the library when absent.",
            show_default=False,
        ),
    ] = None,
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Copy clips into a folder, under names that say what they are; nothing else there is written over."""
    kind = None if format_name is None else format_named(format_name)
    with Output(as_json) as output:
        reply = _asked(output, library, action="show", clips=tuple(clips))
        from foleyd.library_export import export as copy

        paths = [str(path) for path in copy(reply.clips, ready_folder(out), kind)]
        output.body["paths"] = paths
        for path in paths:
            output.line(path)


@app.command(epilog="Example: foleyd library rebuild")
def rebuild(library: _Where = None, as_json: _Json = False) -> None:
    """Make the index anew from the clips and the journal."""
    with Output(as_json) as output:
        reply = _asked(output, library, action="rebuild")
        output.line(f"{count(reply.total)}, {in_words(reply.bytes)}.")


@app.command(epilog="Example: foleyd library prune --keep 5GB")
def prune(
    keep: Annotated[
        str, typer.Option("--keep", metavar="SIZE", help="What may stay, such as 500MB, 5GB or 2GiB.")
    ],
    library: _Where = None,
    as_json: _Json = False,
) -> None:
    """Let go of what was used longest ago until the library is as small as this.

    First go takes that no clip is made of, then rendered clips, then imported ones. What a Set, a hold or a
    favourite keeps stays.
    """
    with Output(as_json) as output:
        reply = _asked(output, library, action="prune", keep_bytes=size_in_bytes(keep))
        output.line(
            f"{count(reply.changed)} pruned, {in_words(reply.freed)} freed: "
            f"{count(reply.total)}, {in_words(reply.bytes)} left."
        )


@app.command(epilog="Example: foleyd library usage --json")
def usage(library: _Where = None, as_json: _Json = False) -> None:
    """Say how large the library is."""
    with Output(as_json) as output:
        reply = _asked(output, library, action="usage")
        output.line(f"{count(reply.total)}, {in_words(reply.bytes)}.")


def size_in_bytes(text: str) -> int:
    """The number of bytes that a size such as "500MB", "5 GB" or "2GiB" means. Raises BadRequest."""
    found = _SIZE.fullmatch(text)
    if found is None or found[2].upper() not in _UNITS:
        raise BadRequest(f"keep is '{text[:40]}': give a size such as 500MB, 5GB or 2GiB.")
    return round(float(found[1]) * _UNITS[found[2].upper()])


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
        reply = _asked(
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


def _change(library: Path | None, as_json: bool, **fields: Any) -> None:
    with Output(as_json) as output:
        reply = _asked(output, library, **fields)
        output.line(f"{count(reply.changed)} changed.")


def _asked(
    output: Output, library: Path | None, buffers: Sequence[bytes] = (), **fields: object
) -> LibraryReply:
    """What the library answers; it goes to `output` whole, and its notes to standard error."""
    import msgspec

    from foleyd.library_access import ask
    from foleyd.messages import LibraryRequest

    try:
        request = msgspec.convert(fields, LibraryRequest)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The library does not take that ({error}): see 'foleyd library --help'.") from None
    reply = ask(request, buffers, library=library)
    output.body |= {name: getattr(reply, name) for name in reply.__struct_fields__}
    _tell(reply.notes)
    return reply


def _tell(notes: Sequence[str] | map[str]) -> None:
    for note in notes:
        print(note, file=sys.stderr)


def _listed(tags: str) -> tuple[str, ...]:
    return tuple(tag for tag in tags.split(",") if tag.strip())
