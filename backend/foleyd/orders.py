"""Orders: which clip goes into which file, drafts included. The commands that render make them, and fill them
one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from foleyd.daemon import clips, haste
from foleyd.daemon.clips import Clip
from foleyd.daemon.haste import Deadline
from foleyd.daemon.job import Session
from foleyd.daemon.models import Request
from foleyd.destination import clip_name, free_name, unpictured
from foleyd.errors import Cancelled, RenderFailed
from foleyd.output import Output
from foleyd.recipe import Recipe
from foleyd.talk import Interrupts, Talk

DRAFT = ".draft"
"""What stands behind the name of a draft's file."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One clip to be made: what, where, in which sample kind, whether a picture goes beside it, and how many
    other seeds are tried where it comes out as no sound. `named`: whether the file's name says the seed;
    `draft`: whether it is the draft of another one, `due`: whether it has to be there in time where there is
    a deadline."""

    request: Request
    path: Path
    subtype: str
    picture: bool = False
    retries: int = 0
    named: bool = False
    draft: bool = False
    due: bool = True


def drafted(orders: Sequence[Order], steps: int) -> list[Order]:
    """The orders with a draft of each before them all, in so many steps, in a file beside the clip's:
    ``kick.draft.wav`` for ``kick.wav``. A deadline is for the drafts. Raises BadRequest for a draft of no
    fewer steps than its sound."""
    taken: set[Path] = set()
    drafts = []
    for order in orders:
        request = haste.draft(order.request, steps)

        def same(path: Path, made: Recipe = request.recipe, subtype: str = order.subtype) -> bool:
            return clips.held(path, made, subtype) is not None

        name, suffix = order.path.stem + DRAFT, order.path.suffix
        path = (
            free_name(order.path.parent, name, suffix, taken, same)
            if order.named
            else order.path.with_name(name + suffix)
        )
        drafts.append(msgspec.structs.replace(order, request=request, path=path, picture=False, draft=True))
    return [*drafts, *(msgspec.structs.replace(order, due=False) for order in orders)]


def fill(session: Session, talk: Talk, order: Order, deadline: Deadline | None = None) -> Clip:
    """Make the sound, write the file, and say so on standard error. Raises what the session and the writer
    raise."""
    talk.begin(order.request.recipe.prompt)
    sound = session.sound(order.request, retries=order.retries, deadline=deadline)
    path, asked, made = order.path, order.request.recipe, sound.request.recipe
    if made.seed != asked.seed and order.named:
        name = clip_name(made) + (DRAFT if order.draft else "")
        path = free_name(path.parent, name, path.suffix, set(), free=unpictured(order.picture))
    if made.steps != asked.steps:
        talk.say(f"  {made.steps} steps instead of {asked.steps}, to be there in time")
    clip = clips.write(sound, path, order.subtype, session.sources, picture=order.picture)
    talk.say(f"{'draft of ' if order.draft else ''}{sentence(clip)}")
    for note in clip.notes:
        talk.say(f"  note: {note}")
    return clip


def fill_all(
    session: Session,
    talk: Talk,
    orders: Sequence[Order],
    output: Output,
    *,
    quiet: bool = False,
    deadline: Deadline | None = None,
) -> list[Clip]:
    """Fill orders in turn and return the clips that are no drafts; paths go to `output` as they come (not
    where it is `quiet`), and clips and drafts into its body. Those that are due share the `deadline`.

    A render that fails does not keep the others from being made: RenderFailed is raised at the end. Ctrl-C
    raises Cancelled, with the clips before it complete; TooSlow comes at once.
    """
    made: list[Clip] = []
    drafts: list[Clip] = []
    output.body["clips"] = made
    if any(order.draft for order in orders):
        output.body["drafts"] = drafts
    failed: list[RenderFailed] = []
    wanted = sum(not order.draft for order in orders)
    due = sum(order.due for order in orders)
    with Interrupts(session.interrupt, session.kill):
        for order in orders:
            share = deadline.share(due) if deadline is not None and order.due else None
            due -= order.due
            try:
                clip = fill(session, talk, order, share)
            except RenderFailed as error:
                if wanted == 1 and not order.draft:
                    raise
                talk.say(f'"{order.request.recipe.prompt}": {error}')
                if not order.draft:
                    failed.append(error)
            except Cancelled:
                raise Cancelled(f"Cancelled: {len(made)} of {wanted} clips were written.") from None
            else:
                (drafts if order.draft else made).append(clip)
                if not quiet:
                    output.line(clip.path)
    if failed:
        raise RenderFailed(
            f"{len(failed)} of {wanted} clips failed, the first because: {failed[0]}", failed[0].reason
        )
    return made


def sentence(clip: Clip) -> str:
    """A clip in one line: words, seed, length, loudness, and how it came about."""
    level = "silent" if clip.true_peak_dbtp is None else f"{clip.true_peak_dbtp:.1f} dBTP"
    loudness = "" if clip.loudness_lufs is None else f", {clip.loudness_lufs:.1f} LUFS"
    how = "from a kept take" if clip.kept else f"rendered in {clip.render_seconds:.1f} s"
    return f'"{clip.prompt}": seed {clip.seed}, {clip.seconds:.2f} s, {level}{loudness}, {how}'
