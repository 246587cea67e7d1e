"""What the commands of ``foleyd library`` share: the group, its options, and the way to the library."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foleyd.errors import BadRequest
from foleyd.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foleyd.messages import LibraryReply

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

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Where = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        help="The library's folder; the running daemon's, or foleyd's own, when absent.",
        show_default=False,
    ),
]
Clips = Annotated[list[str], typer.Argument(metavar="CLIP…", help="Ids of clips or of Sets.")]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only clips with this tag; may be given again."),
]
Rating = Annotated[int | None, typer.Option("--rating", min=1, max=5, help="Only clips rated so or better.")]
Favourites = Annotated[bool, typer.Option("--favourites", help="Only favourites.")]
Set = Annotated[str, typer.Option("--set", metavar="SET", help="Only clips of this Set.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Clips to list at most.")]
Offset = Annotated[int, typer.Option("--offset", min=0, help="Clips to pass over first.")]


def asked(output: Output, library: Path | None, data: Sequence[bytes] = (), **fields: object) -> LibraryReply:
    """What the library answers; it goes to `output` whole, and its notes to standard error."""
    import msgspec

    from foleyd.library_access import ask
    from foleyd.messages import LibraryRequest

    try:
        request = msgspec.convert(fields, LibraryRequest)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The library does not take that ({error}): see 'foleyd library --help'.") from None
    reply = ask(request, data, library=library)
    output.body |= {name: getattr(reply, name) for name in reply.__struct_fields__}
    tell(reply.notes)
    return reply


def tell(notes: Iterable[str]) -> None:
    for note in notes:
        print(note, file=sys.stderr)
