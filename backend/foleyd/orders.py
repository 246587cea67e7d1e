"""Orders: which clip goes into which file. The commands that render make them, and fill them one after the
other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from foleyd.daemon import clips
from foleyd.daemon.clips import Clip
from foleyd.daemon.job import Session
from foleyd.daemon.models import Request
from foleyd.destination import free_path
from foleyd.errors import Cancelled, RenderFailed
from foleyd.output import Output
from foleyd.talk import Interrupts, Talk


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One clip to be made: what, where, in which sample kind, whether a picture goes beside it, and how many
    other seeds are tried where it comes out as no sound. `named`: whether the file's name says the seed."""

    request: Request
    path: Path
    subtype: str
    picture: bool = False
    retries: int = 0
    named: bool = False


def fill(session: Session, talk: Talk, order: Order) -> Clip:
    """Make the sound, write the file, and say so on standard error. Raises what the session and the writer
    raise."""
    talk.begin(order.request.recipe.prompt)
    sound = session.sound(order.request, retries=order.retries)
    path = order.path
    if sound.request.recipe != order.request.recipe and order.named:
        path = free_path(path.parent, sound.request.recipe, path.suffix, set(), picture=order.picture)
    clip = clips.write(sound, path, order.subtype, session.sources, picture=order.picture)
    talk.say(sentence(clip))
    for note in clip.notes:
        talk.say(f"  note: {note}")
    return clip


def fill_all(
    session: Session, talk: Talk, orders: Sequence[Order], output: Output, *, quiet: bool = False
) -> list[Clip]:
    """Fill orders in turn; their paths go to `output` as they come (not where it is `quiet`), and the clips
    into its body.

    A render that fails does not keep the others from being made: RenderFailed is raised at the end. Ctrl-C
    raises Cancelled, with the clips before it complete.
    """
    made: list[Clip] = []
    output.body["clips"] = made
    failed: list[RenderFailed] = []
    with Interrupts(session.interrupt, session.kill):
        for order in orders:
            try:
                clip = fill(session, talk, order)
            except RenderFailed as error:
                if len(orders) == 1:
                    raise
                talk.say(f'"{order.request.recipe.prompt}": {error}')
                failed.append(error)
            except Cancelled:
                raise Cancelled(f"Cancelled: {len(made)} of {len(orders)} clips were written.") from None
            else:
                made.append(clip)
                if not quiet:
                    output.line(clip.path)
    if failed:
        raise RenderFailed(
            f"{len(failed)} of {len(orders)} clips failed, the first because: {failed[0]}", failed[0].reason
        )
    return made


def sentence(clip: Clip) -> str:
    """A clip in one line: words, seed, length, loudness, and how it came about."""
    level = "silent" if clip.true_peak_dbtp is None else f"{clip.true_peak_dbtp:.1f} dBTP"
    loudness = "" if clip.loudness_lufs is None else f", {clip.loudness_lufs:.1f} LUFS"
    how = "from a kept take" if clip.kept else f"rendered in {clip.render_seconds:.1f} s"
    return f'"{clip.prompt}": seed {clip.seed}, {clip.seconds:.2f} s, {level}{loudness}, {how}'
