"""``foleyd demo``: two sounds, so that a newcomer hears in a minute what this machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from foleyd import recipe
from foleyd.destination import FORMATS, ready_folder, slug
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.daemon.clips import Clip

EPILOG = """\b
Examples:
  foleyd demo
  foleyd demo -o sounds/ --json
"""


class Show(NamedTuple):
    """A sound of the demo: its words, and a seed that does them justice with the starter model."""

    prompt: str
    seed: int


SHOWS: tuple[Show, ...] = (Show("a deep kick drum", 2), Show("a bright glockenspiel note", 21))


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder for the clips and pictures.")
    ] = Path("foleyd-demo"),
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="The model that renders.")] = "starter",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the clips.")] = False,
) -> None:
    """Render two sounds with pictures, and say where they are, how long and how loud."""
    from foleyd.daemon.job import Session
    from foleyd.daemon.takes import Takes
    from foleyd.orders import Order, fill_all
    from foleyd.talk import Talk

    kind = FORMATS["wav"]
    with Output(as_json) as output, Talk() as talk, Session(takes=Takes(), listen=talk.listen) as session:
        requests = [session.prepare(recipe.make(prompt=one.prompt, seed=one.seed), model) for one in SHOWS]
        folder = ready_folder(out)
        orders = [
            Order(
                request=request,
                path=folder / f"{slug(request.recipe.prompt)}{kind.suffix}",
                subtype=kind.subtype,
                picture=True,
            )
            for request in requests
        ]
        clips = [_measured(clip) for clip in fill_all(session, talk, orders, output)]
        output.body["clips"] = clips
        if not as_json:
            for clip in clips:
                talk.say(_told(clip))
            talk.say(f'Now try: foleyd render "{SHOWS[0].prompt}" --count 3 -o {folder}')


def _measured(clip: Clip) -> Clip:
    """The clip with its loudness, which a render does not take the time to measure unless it is asked for
    one."""
    import msgspec

    from foleyd.audio import measure
    from foleyd.audio.export import read_clip

    loudness = measure.lufs(*read_clip(clip.path))
    return msgspec.structs.replace(clip, loudness_lufs=None if loudness is None else round(loudness, 2))


def _told(clip: Clip) -> str:
    peak = "silent" if clip.true_peak_dbtp is None else f"true peak {clip.true_peak_dbtp:.1f} dB"
    loudness = "too short for a loudness" if clip.loudness_lufs is None else f"{clip.loudness_lufs:.1f} LUFS"
    return f"{clip.prompt}: {clip.seconds:.2f} s, {peak}, {loudness}\n  {clip.path}\n  {clip.picture}"
