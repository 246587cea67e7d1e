"""The best of several seeds: a sketch of each is made in a few steps and listened to.

AudioLDM's own command line does so with finished sounds (Liu et al. 2023: candidates ranked by CLAP). A
sketch is enough, since a sampler that draws no noise of its own goes the same way from the same seed in few
steps and in many.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch.nn import functional

from foleyd import recipe
from foleyd.choice import SKETCH_STEPS, STRIDE, seed_behind
from foleyd.engines import operations
from foleyd.engines.audio_tower import AudioTower
from foleyd.engines.base import Capabilities, SourceSound, Step
from foleyd.engines.prompts import Prompts
from foleyd.errors import RenderFailed
from foleyd.recipe import Recipe, frames_at, steps_taken

Progress = Callable[[Step], None]
Sound = Callable[[Recipe, Progress], torch.Tensor]
"""Renders a sketch: samples `[1, n]`."""


class Audition:
    """Sketches made by `sound` for a model that is `able`, heard by its `tower` and held against its
    `prompts`."""

    def __init__(self, sound: Sound, tower: AudioTower, prompts: Prompts, able: Capabilities) -> None:
        self._sound, self._tower, self._prompts, self._able = sound, tower, prompts, able

    def best(
        self, recipes: Sequence[Recipe], count: int, progress: Progress
    ) -> tuple[list[Recipe], Progress]:
        """The resolved recipes, each with that of `count` seeds whose sketch is nearest to its words, and a
        progress that goes on where that of the sketches ended."""
        before = len(recipes) * count * steps(recipes[0])
        done, of = itertools.count(1), before + steps_taken(recipes[0])

        def stepped(step: Step) -> None:
            progress(Step(next(done), of))

        chosen = [self._nearest(one, count, stepped) for one in recipes]
        return chosen, lambda step: progress(Step(before + step.step, of))

    def _nearest(self, made: Recipe, count: int, progress: Progress) -> Recipe:
        said = functional.normalize(self._prompts.mixed(operations.words(made)), dim=-1)

        def near(sketch: Recipe) -> float:
            heard = self._heard(sketch, progress)
            return -1.0 if heard is None else float((heard * said).sum())

        return recipe.change(made, seed=max(sketches(made, count, self._able), key=near).seed)

    def _heard(self, sketch: Recipe, progress: Progress) -> torch.Tensor | None:
        """The unit vector `[1, d]` of what will be kept of a sketch; None where that is no sound."""
        try:
            samples = self._sound(sketch, progress)
        except RenderFailed:
            return None
        kept = samples[:, : frames_at(sketch, self._able.rate)]
        return self._tower.embed(SourceSound(kept.cpu().numpy(), self._able.rate))


def sketches(made: Recipe, count: int, able: Capabilities) -> Iterator[Recipe]:
    """A sketch of a resolved recipe for each of `count` seeds, its own first, by the quicker vocoder where
    there are two."""
    for number in range(count):
        yield recipe.change(
            made,
            seed=seed_behind(made.seed or 0, number * STRIDE),
            steps=steps(made),
            vocoder="fast" if "fast" in able.vocoders else made.vocoder,
        )


def steps(made: Recipe) -> int:
    """Sampling steps of a sketch of a resolved recipe: one that has fewer is its own sketch."""
    return min(SKETCH_STEPS, made.steps or SKETCH_STEPS)
