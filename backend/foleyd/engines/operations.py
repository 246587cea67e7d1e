"""What each operation does around the sampling loop: where it starts, and what it does at the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from foleyd import anew, mixture
from foleyd.audio import band
from foleyd.diffusion import noise, noisy
from foleyd.diffusion.loop import Hook, Moment
from foleyd.engines import windows
from foleyd.engines.base import SourceSound, never
from foleyd.engines.checkpoint import Checkpoint
from foleyd.engines.encoder import Ear
from foleyd.engines.windows import Windows
from foleyd.recipe import Recipe, steps_taken


class Start(NamedTuple):
    """Where sampling starts: `latents` `[n, c, t, f]` that are as noisy as step `begin` wants them, and what
    is done at the steps."""

    latents: torch.Tensor
    begin: int = 0
    hooks: tuple[Hook, ...] = ()


class Bench(NamedTuple):
    """What an operation works with: the `scheduler` of this render, fresh, and its `steps`; the `noise`
    that the recipes' seeds draw `[n, c, t, f]`; the `sources` by hash; how to get the ear for them; and the
    `windows` that a long sound is made in."""

    scheduler: Any
    steps: int
    noise: torch.Tensor
    sources: Mapping[str, SourceSound]
    ear: Callable[[], Ear]
    windows: Windows | None = None
    cancelled: Callable[[], bool] = never


def drawn_seed(recipe: Recipe) -> int:
    """The seed that the noise of a recipe is drawn with: a variation begins with that of its centre, and has
    its noise at the steps; the end of a morph is the other sound."""
    seed = recipe.seed if recipe.centre is None else recipe.centre
    if recipe.mix == 1:
        seed = other_seed(recipe)
    return seed or 0


def other_seed(recipe: Recipe) -> int:
    """The seed of the sound that a morph goes to."""
    return (recipe.seed if recipe.towards_seed is None else recipe.towards_seed) or 0


def words(recipe: Recipe) -> tuple[mixture.Part, ...]:
    """The words that a recipe is conditioned on."""
    if recipe.towards is None:
        return mixture.parts(recipe.prompt)
    return mixture.between(recipe.prompt, recipe.towards, recipe.mix or 0.0)


def windows_of(about: Checkpoint, recipe: Recipe) -> Windows | None:
    """The windows that a recipe is made in: those that touch what is the model's; None where it is made in
    one piece."""
    size = about.window(recipe)
    if size is None:
        return None
    frames, a_second = about.frames(recipe), about.geometry.rate / about.geometry.samples(1)
    spans = [
        (math.floor(start * a_second), math.ceil(min(stop * a_second, frames)))
        for start, stop in anew.spans(recipe) or ((0.0, math.inf),)
    ]
    return windows.place(frames, size, spans)


def start(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    """Where the sampling of a batch starts; its recipes have one operation and the same fields of it."""
    return _STARTS[recipes[0].operation](bench, recipes)


def _text(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    return Start(bench.noise)


def _restyle(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    begin = bench.steps - steps_taken(recipes[0])
    if begin == 0:
        return Start(bench.noise)
    return Start(
        noisy.at_step(bench.scheduler, _heard(bench, recipes), bench.noise, begin, bench.steps), begin
    )


def _vary(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    seeds = [recipe.seed or 0 for recipe in recipes]
    return Start(noise.around(bench.noise, seeds, [recipe.distance or 0.0 for recipe in recipes]))


def _morph(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    # what lies on the way from a noise to itself is that noise, not a turn of it
    turns = [0.0 if drawn_seed(one) == other_seed(one) else one.mix or 0.0 for one in recipes]
    return Start(noise.between(bench.noise, [other_seed(one) for one in recipes], turns))


def _anew(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    clean, ear, steps = _heard(bench, recipes), bench.ear(), bench.steps
    own = torch.stack([_own(one, clean, ear) for one in recipes])[:, None]
    return Start(bench.noise, hooks=(_put_back(bench, clean, own, steps),))


def _upscale(bench: Bench, recipes: Sequence[Recipe]) -> Start:
    clean, ear, steps = _heard(bench, recipes), bench.ear(), bench.steps
    own = torch.zeros(len(recipes), 1, 1, clean.shape[3], dtype=torch.bool, device=clean.device)
    for row, one in enumerate(recipes):
        source = bench.sources[one.sources[0].sha256]
        own[row, ..., : ear.bins_below(band.cutoff(one.cutoff, *source))] = True
    return Start(bench.noise, hooks=(_put_back(bench, clean, own, steps),))


def _put_back(bench: Bench, clean: torch.Tensor, own: torch.Tensor, steps: int) -> Hook:
    """After each step the source's latents come back, as noisy as the rest, where the sound is its `own`."""

    def put_back(moment: Moment) -> torch.Tensor:
        left = noisy.after_step(bench.scheduler, clean, bench.noise, moment.step, steps)
        return torch.where(own, left, moment.latents)

    return put_back


def _own(recipe: Recipe, clean: torch.Tensor, ear: Ear) -> torch.Tensor:
    """Which of the latents `[t, f]` are the source's: those that no span touches, those beside a band."""
    frames = torch.arange(clean.shape[2], device=clean.device)
    own = torch.ones_like(frames, dtype=torch.bool)
    for start, stop in anew.spans(recipe):
        own &= (frames < math.floor(ear.place(start))) | (frames >= ear.place(stop))
    beside = torch.zeros(clean.shape[3], dtype=torch.bool, device=clean.device)
    if (redone := anew.band(recipe)) is not None:
        low, high = redone
        beside[: ear.bins_below(low)] = True
        beside[ear.bins_to(high) :] = True
    return own[:, None] | beside


def _heard(bench: Bench, recipes: Sequence[Recipe]) -> torch.Tensor:
    """The latents of each recipe's source, `[n, c, t, f]`."""
    ear, frames = bench.ear(), bench.noise.shape[2]
    heard = []
    for one in recipes:
        source, goes_on = bench.sources[one.sources[0].sha256], one.operation == "extend"
        heard.append(
            ear.hear(
                source,
                frames,
                lead_s=anew.lead(one),
                goes_on=goes_on,
                windows=bench.windows,
                cancelled=bench.cancelled,
            ).latents
        )
    return torch.cat(heard)


_STARTS: Mapping[str, Callable[[Bench, Sequence[Recipe]], Start]] = {
    "text": _text,
    "restyle": _restyle,
    "vary": _vary,
    "inpaint": _anew,
    "extend": _anew,
    "loop": _text,
    "morph": _morph,
    "like": _text,
    "upscale": _upscale,
}
