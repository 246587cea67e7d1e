"""``foleyd library``: find clips, say things of them, keep, bring in, take out and let go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleyd import library_finding_cli
from foleyd.destination import FORMATS, format_named, ready_folder
from foleyd.errors import BadRequest
from foleyd.library_command import Clips, Json, Limit, Offset, Where, app, asked, tell
from foleyd.library_print import count, in_full, in_words
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.messages import ClipInfo

__all__ = ["app", "library_finding_cli", "size_in_bytes"]

_UNITS = {"": 1, "B": 1}
_UNITS |= {
    unit: 1000**power for power, unit in enumerate("kMGT", 1) for unit in (unit.upper(), f"{unit.upper()}B")
}
_UNITS |= {f"{unit}IB": 1024**power for power, unit in enumerate("KMGT", 1)}
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", re.ASCII)


@app.command(epilog="Example: foleyd library show clip-7x2a --json")
def show(clips: Clips, library: Where = None, as_json: Json = False) -> None:
    """Show all that is known of clips."""
    with Output(as_json) as output:
        reply = asked(output, library, action="show", clips=tuple(clips))
        output.line("\n\n".join(in_full(clip) for clip in reply.clips))


@app.command(epilog="Example: foleyd library tag impact,metal clip-7x2a clip-c4dq")
def tag(
    tags: Annotated[str, typer.Argument(metavar="TAG,…", help="Tags, with commas between them.")],
    clips: Clips,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Give clips tags."""
    _change(library, as_json, action="tag", clips=tuple(clips), tags=_listed(tags))


@app.command(epilog="Example: foleyd library untag metal clip-7x2a")
def untag(
    tags: Annotated[str, typer.Argument(metavar="TAG,…", help="Tags, with commas between them.")],
    clips: Clips,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Take tags away from clips."""
    _change(library, as_json, action="untag", clips=tuple(clips), tags=_listed(tags))


@app.command(epilog="Example: foleyd library rate 5 clip-7x2a")
def rate(
    stars: Annotated[int, typer.Argument(min=0, max=5, help="1 to 5; 0 takes the rating away.")],
    clips: Clips,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Rate clips."""
    _change(library, as_json, action="rate", clips=tuple(clips), rating=stars)


@app.command(epilog="Example: foleyd library favourite clip-7x2a")
def favourite(clips: Clips, library: Where = None, as_json: Json = False) -> None:
    """Make clips favourites, which are never pruned."""
    _change(library, as_json, action="favourite", clips=tuple(clips))


@app.command(epilog="Example: foleyd library unfavourite clip-7x2a")
def unfavourite(clips: Clips, library: Where = None, as_json: Json = False) -> None:
    """Make clips favourites no more."""
    _change(library, as_json, action="unfavourite", clips=tuple(clips))


@app.command(epilog='Example: foleyd library rename clip-7x2a "Door, heavy"')
def rename(
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="The id of a clip or of a Set.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; '' gives the prompt back.")],
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Give a clip, or a Set, a name."""
    _change(library, as_json, action="rename", clips=(clip,), name=name)


@app.command(epilog="Example: foleyd library delete clip-7x2a --force")
def delete(
    clips: Clips,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a hold, a Set or a favourite keeps.")
    ] = False,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Delete clips and the takes that they were made of; a Set's id deletes the Set and its clips."""
    with Output(as_json) as output:
        reply = asked(output, library, action="delete", clips=tuple(clips), force=force)
        output.line(f"{count(reply.changed)} deleted, {in_words(reply.freed)} freed.")
    if reply.notes:
        raise typer.Exit(1)


@app.command(epilog='Example: foleyd library hold "Opening Night" clip-7x2a clip-c4dq')
def hold(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The show or session that needs them.")],
    clips: Clips,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Keep clips from being pruned, in the name of a show or a session."""
    _change(library, as_json, action="hold", name=name, clips=tuple(clips))


@app.command(epilog='Example: foleyd library release "Opening Night"')
def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The show or session.")],
    clips: Annotated[
        list[str] | None, typer.Argument(metavar="CLIP…", help="Ids of clips or of Sets; all when absent.")
    ] = None,
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Hold clips no more."""
    _change(library, as_json, action="release", name=name, clips=tuple(clips or ()))


@app.command(epilog="Example: foleyd library holds --json")
def holds(library: Where = None, as_json: Json = False) -> None:
    """List what shows and sessions hold."""
    with Output(as_json) as output:
        reply = asked(output, library, action="holds")
        for name, clips in reply.holds.items():
            output.line(f"{name}: {count(len(clips))}")
            for clip in clips:
                output.line(f"  {clip}")


@app.command(epilog="Example: foleyd library sets --limit 10")
def sets(limit: Limit = 100, offset: Offset = 0, library: Where = None, as_json: Json = False) -> None:
    """List Sets, the newest first."""
    with Output(as_json) as output:
        for one in asked(output, library, action="sets", limit=limit, offset=offset).sets:
            output.line(f"{one.set_id}  {count(len(one.clips))}  {one.name}")


@app.command("import", epilog="Example: foleyd library import door.wav field/*.flac")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="WAV, AIFF, FLAC, Ogg, Opus, MP3 and the like.")
    ],
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Copy recorded audio into the library; the same audio is never kept twice."""
    from foleyd.library_access import described, file_bytes, opened
    from foleyd.messages import LibraryRequest

    clips: list[ClipInfo] = []
    refused: list[BadRequest] = []
    with Output(as_json) as output, opened(library) as ask:
        output.body["clips"] = clips
        for file in files:
            try:
                data = file_bytes(file)
                about = described(data, file.name)
                reply = ask(LibraryRequest(action="import", buffers=(about,)), (data,))
            except BadRequest as error:
                refused.append(error)
                continue
            clips += reply.clips
            tell(reply.notes)
            for clip in reply.clips:
                output.line(f"{clip.clip_id}  {clip.seconds:.2f} s  {clip.name}")
        output.body["refused"] = [str(error) for error in refused]
        if refused and not clips:
            raise refused[0]
        tell(map(str, refused))
    if refused:
        raise typer.Exit(1)


@app.command(epilog="Example: foleyd library export set-mm5b3mzdyvalrc2pwfhozs3i -o pack/ --format flac")
def export(
    clips: Clips,
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
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Copy clips into a folder, under names that say what they are; nothing else there is written over."""
    kind = None if format_name is None else format_named(format_name)
    with Output(as_json) as output:
        reply = asked(output, library, action="show", clips=tuple(clips))
        from foleyd.library_export import export as copy

        paths = [str(path) for path in copy(reply.clips, ready_folder(out), kind)]
        output.body["paths"] = paths
        for path in paths:
            output.line(path)


@app.command(epilog="Example: foleyd library rebuild")
def rebuild(library: Where = None, as_json: Json = False) -> None:
    """Make the index anew from the clips and the journal."""
    with Output(as_json) as output:
        reply = asked(output, library, action="rebuild")
        output.line(f"{count(reply.total)}, {in_words(reply.bytes)}.")


@app.command(epilog="Example: foleyd library prune --keep 5GB")
def prune(
    keep: Annotated[
        str, typer.Option("--keep", metavar="SIZE", help="What may stay, such as 500MB, 5GB or 2GiB.")
    ],
    library: Where = None,
    as_json: Json = False,
) -> None:
    """Let go of what was used longest ago until the library is as small as this.

    First go takes that no clip is made of, then rendered clips, then imported ones. What a Set, a hold or a
    favourite keeps stays.
    """
    with Output(as_json) as output:
        reply = asked(output, library, action="prune", keep_bytes=size_in_bytes(keep))
        output.line(
            f"{count(reply.changed)} pruned, {in_words(reply.freed)} freed: "
            f"{count(reply.total)}, {in_words(reply.bytes)} left."
        )


@app.command(epilog="Example: foleyd library usage --json")
def usage(library: Where = None, as_json: Json = False) -> None:
    """Say how large the library is."""
    with Output(as_json) as output:
        reply = asked(output, library, action="usage")
        output.line(f"{count(reply.total)}, {in_words(reply.bytes)}.")


def size_in_bytes(text: str) -> int:
    """The number of bytes that a size such as "500MB", "5 GB" or "2GiB" means. Raises BadRequest."""
    found = _SIZE.fullmatch(text)
    if found is None or found[2].upper() not in _UNITS:
        raise BadRequest(f"keep is '{text[:40]}': give a size such as 500MB, 5GB or 2GiB.")
    return round(float(found[1]) * _UNITS[found[2].upper()])


def _change(library: Path | None, as_json: bool, **fields: Any) -> None:
    with Output(as_json) as output:
        reply = asked(output, library, **fields)
        output.line(f"{count(reply.changed)} changed.")


def _listed(tags: str) -> tuple[str, ...]:
    return tuple(tag for tag in tags.split(",") if tag.strip())
