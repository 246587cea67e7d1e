"""``foleyd pack``: sounds for a game or a sampler, several of each, ready to be played in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from foleyd import computing, options, recipe
from foleyd.destination import FORMATS, format_named, ready_folder
from foleyd.errors import BadRequest
from foleyd.output import Output

MOST_SOUNDS = 64
"""Sounds of one prompt that a pack may have."""

EPILOG = """\b
Examples:
  foleyd pack "a laser shot" --count 8 -o lasers/
  foleyd pack "footstep on gravel" "footstep on wood" --count 6 --format ogg -o steps/
  foleyd pack "a deep kick drum" "snare drum hit" --map sfz --map decent --name "First Kit" -o kit/
  foleyd pack "a laser shot" --category LASRMisc --creator ANNA --name Arcade -o lasers/

\b
Each prompt gets as many sounds as --count says, by the first seeds (from --seed on) whose sounds
differ; silence, failures and near-duplicates are left out. All sounds of a prompt are as loud as
the quietest of them at the ceiling. pack.json lists them with recipes, hashes and the licence;
the same command makes the same files again.
"""


@options.recipe_options
def pack(
    given: dict[str, Any],
    prompts: Annotated[
        list[str], typer.Argument(metavar="PROMPT...", help="What to hear.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder of the pack.")],
    count: Annotated[int, typer.Option(metavar="NUMBER", help="Sounds of each prompt.")] = 4,
    name: Annotated[str, typer.Option(metavar="TEXT", help="The pack's name.")] = "pack",
    category: Annotated[
        str,
        typer.Option(
            metavar="CATID",
            help="Name the files by the Universal Category System, with this category, as LASRMisc.",
            show_default=False,
        ),
    ] = "",
    creator: Annotated[str, typer.Option(metavar="TEXT", help="The creator in such names.")] = "foleyd",
    format_name: Annotated[str, typer.Option("--format", metavar="NAME", help=", ".join(FORMATS))] = "wav",
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME", help="'sfz' or 'decent': write a map for samplers, too."),
    ] = None,
    sellable: Annotated[
        bool, typer.Option("--sellable", help="Refuse models whose licence forbids selling the sounds.")
    ] = False,
    device: computing.Device = computing.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the sounds.")] = False,
) -> None:
    """Make several different, equally loud sounds of each prompt, named, numbered and listed."""
    with Output(as_json) as output:
        from foleyd.daemon.job import Session
        from foleyd.daemon.takes import Takes
        from foleyd.pack import Naming, make
        from foleyd.sampler_map import MAPS
        from foleyd.talk import Talk

        if not 1 <= count <= MOST_SOUNDS:
            raise BadRequest(f"count is {count}: give 1 to {MOST_SOUNDS} sounds of a prompt.")
        unknown = next((one for one in maps or [] if one not in MAPS), None)
        if unknown is not None:
            raise BadRequest(f"map is '{unknown:.40}': give one of {', '.join(MAPS)}.")
        values = options.read(given)
        if values.get("level", "peak") != "peak":
            raise BadRequest("a pack levels its sounds to each other: leave --level out.")
        model = str(values.pop("model", ""))
        kind, naming = format_named(format_name), Naming(name, category, creator)
        bases = [recipe.make(**{"seed": 0, **values, "prompt": prompt}) for prompt in prompts]
        folder = ready_folder(out)
        with (
            Talk() as talk,
            Session(takes=Takes(), device=device, sellable=sellable, listen=talk.listen) as session,
        ):
            made = make(
                session,
                talk,
                bases,
                count,
                model=model,
                folder=folder,
                naming=naming,
                kind=kind,
                maps=maps or [],
                output=output,
            )
            output.body["pack"] = made
            allowed = "may be sold" if made.sellable else "may not be sold"
            talk.say(f"{len(made.sounds)} sounds, licence {made.licence}: they {allowed}.")
