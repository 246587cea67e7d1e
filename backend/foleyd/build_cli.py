"""``foleyd build``: the sounds of a game from a list that is kept with its code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foleyd import computing
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.build import Lock

EPILOG = """\b
A list:
  [project]
  name = "Arcade"            # creator, folder (below the list's own), sellable = true
  [defaults]
  format = "ogg"             # any option of 'foleyd render', and count, folder, category
  [sounds.laser]
  prompt = "a laser shot"
  count = 4                  # laser-01.ogg … laser-04.ogg: they differ and are equally loud
  [sounds.rain]
  prompt = "heavy rain on a tin roof"
  seconds = 8

\b
Names come from the list, never from prompt or seed, so a game's references stay. What was made
stands in NAME.lock.json, to be kept under version control with the list: a second build renders
what changed and nothing else, and --check fails where one would. A file that was changed by hand
is left alone, and nothing is removed that was not built.
"""


def build(
    source: Annotated[Path, typer.Argument(metavar="LIST", help="The list of sounds.")] = Path("sounds.toml"),
    check: Annotated[
        bool, typer.Option("--check", help="Render nothing; fail where something is not up to date.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Make files that were changed by hand anew, too.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove built files of sounds that left the list.")
    ] = False,
    licences: Annotated[
        bool, typer.Option("--licences", help="Print what was built under which licence; build nothing.")
    ] = False,
    device: computing.Device = computing.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Render a project's sounds from a list: what changed, under names that stay."""
    with Output(as_json) as output:
        from foleyd import build as builds
        from foleyd import project
        from foleyd.daemon.job import Session
        from foleyd.daemon.takes import Takes
        from foleyd.talk import Talk

        wanted = project.read(source)
        if licences:
            lock = builds.read_lock(wanted)
            output.body["sounds"] = lock.sounds
            for line in _licences(lock):
                output.line(line)
            return
        with (
            Talk() as talk,
            Session(takes=Takes(), device=device, sellable=wanted.sellable, listen=talk.listen) as session,
        ):
            steps = builds.plan(session, wanted)
            output.body["steps"] = {step.name: step.status for step in steps}
            for step in steps:
                talk.say(f"{step.name}: {step.status}")
            if check:
                builds.check(steps)
            else:
                builds.run(session, talk, wanted, steps, force=force, prune=prune, output=output)


def _licences(lock: Lock) -> list[str]:
    return [
        f"{file.file}  {made.licence}  {'may be sold' if made.sellable else 'may not be sold'}  "
        f"{made.model} {made.revision[:12]}"
        for made in lock.sounds.values()
        for file in made.files
    ]
