"""``foleyd demo``: two sounds, so that a newcomer hears in a minute what this machine can do.

They come the way that a DAW or a live host gets them: a daemon is asked over OSC, says how far it is, and
says where the clip lies; a live host then plays them, where anything here can play.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer

from foleyd.destination import picture_of, ready_folder, slug
from foleyd.osc_request import OscRequests
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.talk import Talk

EPILOG = """\b
Examples:
  foleyd demo
  foleyd demo -o sounds/ --json
"""


class Show(NamedTuple):
    """A sound of the demo: its words, and a seed that does them justice with the starter model."""

    prompt: str
    seed: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A sound of the demo that was made: files, and what can be measured of it."""

    prompt: str
    seed: int
    clip_id: str
    path: str
    picture: str
    seconds: float
    true_peak_dbtp: float | None
    loudness_lufs: float | None


SHOWS: tuple[Show, ...] = (Show("a deep kick drum", 10), Show("a bright glockenspiel note", 17))


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder for the clips and pictures.")
    ] = Path("foleyd-demo"),
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="The model that renders.")] = "starter",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the clips.")] = False,
) -> None:
    """Ask a daemon over OSC for two sounds, and say where they are, how long and how loud."""
    from foleyd.talk import Talk

    with Output(as_json) as output, Talk() as talk:
        folder = ready_folder(out)
        clips: list[Shown] = []
        output.body["clips"] = clips
        with _daemon(model, talk) as address, OscRequests(address) as osc:
            for number, one in enumerate(SHOWS, 1):
                clips.append(_shown(one, number, osc, folder, talk))
                output.line(clips[-1].path)
                talk.say(_told(clips[-1]))
        talk.say(_heard([Path(clip.path) for clip in clips]))
        talk.say(f'Now try: foleyd render "{SHOWS[0].prompt}" --count 3 -o {folder}')


@contextlib.contextmanager
def _daemon(model: str, talk: Talk) -> Iterator[tuple[str, int]]:
    """Where a daemon with this model takes OSC: the one that runs, or one for the length of the demo."""
    from foleyd.client import Client
    from foleyd.private_daemon import private_daemon

    running = Client.connect_running() if model == "starter" else None
    if running is not None:
        with running:
            osc = running.info().osc
        if osc:
            host, _, port = osc.rpartition(":")
            talk.say(f"Asking the daemon that is running (OSC {osc}).")
            yield host, int(port)
            return
    talk.say("Starting a daemon …")
    with private_daemon("--model", model) as told:
        talk.say(f"It listens to OSC on {told.osc} and keeps its clips in {told.library}.")
        yield told.osc_address


def _shown(one: Show, number: int, osc: OscRequests, folder: Path, talk: Talk) -> Shown:
    """One sound asked for and found, copied into `folder` with its picture."""
    from foleyd.audio import measure
    from foleyd.audio.export import read_clip, read_meta
    from foleyd.audio.picture import draw
    from foleyd.daemon.job import Stepped

    talk.say(f'/foleyd/render {number} "{one.prompt}" seed {one.seed}')
    talk.begin(one.prompt)
    clip_id, found = osc.render(
        number,
        one.prompt,
        lambda step, steps: talk.listen(Stepped(step, steps)),
        seed=one.seed,
        client="demo",
    )
    path = folder / f"{slug(one.prompt)}.wav"
    shutil.copyfile(found, path)
    samples, rate = read_clip(path)
    meta = read_meta(path)
    draw(picture_of(path), samples, rate, meta.recipe.prompt)
    loudness = measure.lufs(samples, rate)
    peak = measure.true_peak_dbtp(samples, rate)
    return Shown(
        prompt=one.prompt,
        seed=one.seed,
        clip_id=clip_id,
        path=str(path),
        picture=str(picture_of(path)),
        seconds=round(samples.shape[-1] / rate, 3),
        true_peak_dbtp=round(peak, 2) if math.isfinite(peak) else None,
        loudness_lufs=None if loudness is None else round(loudness, 2),
    )


def _heard(clips: list[Path]) -> str:
    from foleyd.errors import FoleydError
    from foleyd.heard import play

    try:
        return f"Played on {play(clips)}."
    except FoleydError as error:
        return f"Not played ({error}): the files and pictures above are what there is."


def _told(clip: Shown) -> str:
    peak = "silent" if clip.true_peak_dbtp is None else f"true peak {clip.true_peak_dbtp:.1f} dB"
    loudness = "too short for a loudness" if clip.loudness_lufs is None else f"{clip.loudness_lufs:.1f} LUFS"
    return f"{clip.prompt}: {clip.seconds:.2f} s, {peak}, {loudness}\n  {clip.path}\n  {clip.picture}"
