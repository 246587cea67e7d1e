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
from foleyd.choice import SKETCH_STEPS, STRIDE
from foleyd.engines import operations
from foleyd.engines.audio_tower import AudioTower
from foleyd.engines.base import Capabilities, SourceSound, Step
from foleyd.engines.prompts import Prompts
from foleyd.errors import RenderFailed
from foleyd.recipe import SEED_LIMIT, Recipe, steps_taken

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
        before = len(recipes) * steps(recipes[0], count)
        done, of = itertools.count(1), before + steps_taken(recipes[0])

        def stepped(step: Step) -> None:
            progress(Step(next(done), of))

        def near(sketch: Recipe) -> float:
            return self._near(sketch, stepped)

        chosen = [max(sketches(one, count, self._able), key=near) for one in recipes]
        return (
            [recipe.change(one, seed=sketch.seed) for one, sketch in zip(recipes, chosen, strict=True)],
            lambda step: progress(Step(before + step.step, of)),
        )

    def _near(self, sketch: Recipe, progress: Progress) -> float:
        """How near what comes of `sketch` is to its words, -1 to 1; -1 for what is no sound."""
        try:
            samples = self._sound(sketch, progress)
        except RenderFailed:
            return -1.0
        heard = self._tower.embed(SourceSound(samples.cpu().numpy(), self._able.rate))
        if heard is None:
            return -1.0
        said = functional.normalize(self._prompts.mixed(operations.words(sketch)), dim=-1)
        return float((heard * said).sum())


def sketches(made: Recipe, count: int, able: Capabilities) -> Iterator[Recipe]:
    """A sketch of a resolved recipe for each of `count` seeds, its own first, by the quicker vocoder where
    there are two."""
    for number in range(count):
        yield recipe.change(
            made,
            seed=((made.seed or 0) + number * STRIDE) % SEED_LIMIT,
            steps=min(SKETCH_STEPS, made.steps or SKETCH_STEPS),
            vocoder="fast" if "fast" in able.vocoders else made.vocoder,
        )


def steps(made: Recipe, count: int) -> int:
    """Sampling steps of `count` sketches of a recipe together."""
    return count * min(SKETCH_STEPS, made.steps or SKETCH_STEPS)
