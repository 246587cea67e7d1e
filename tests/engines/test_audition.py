"""The best of several seeds: each is sketched and listened to, the nearest to its words is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import audioldm_reference as reference
from foleyd.choice import SKETCH_STEPS, STRIDE
from foleyd.engines import audition
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound, Step
from foleyd.errors import Cancelled
from foleyd.recipe import DRAWN_SEEDS, SEED_LIMIT, Recipe, change, frames_at

STEPS = 6
COUNT = 3


@pytest.fixture(scope="module")
def folder(hearing: Path) -> Path:
    """The engine's."""
    return hearing


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "gusty wind", "seconds": 0.64, "seed": 7, "steps": STEPS}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def nearness(engine: AudioLDM, wanted: Recipe) -> float:
    """How near what comes of a recipe is to its words."""
    [take] = engine.render([wanted])
    kept = take.samples[None, : frames_at(wanted, take.rate)]
    heard = engine._late.audio_tower().embed(SourceSound(kept, take.rate))
    said = torch.nn.functional.normalize(engine.networks.prompts.embed([wanted.prompt]), dim=-1)
    assert heard is not None
    return float((heard * said).sum())


@pytest.mark.parametrize("operation", ["text", "loop"])
def test_the_seed_is_taken_whose_sketch_is_nearest_to_its_words(engine: AudioLDM, operation: str) -> None:
    wanted = recipe(engine, operation=operation)
    quick = [
        change(wanted, seed=7 + number * STRIDE, steps=SKETCH_STEPS, vocoder="fast")
        for number in range(COUNT)
    ]
    near = [nearness(engine, one) for one in quick]
    assert len(set(near)) == COUNT
    [take] = engine.render([wanted], best_of=COUNT)
    assert take.seed == quick[int(np.argmax(near))].seed
    # it is the sound that its seed names, made in all its steps
    [named] = engine.render([change(wanted, seed=take.seed)])
    assert take.take_id == named.take_id
    assert np.array_equal(take.samples, named.samples)


def test_every_recipe_of_a_batch_has_a_choice_of_its_own(engine: AudioLDM) -> None:
    wanted = [recipe(engine, prompt=prompt, seed=seed) for prompt, seed in (("rain", 1), ("a gong", 2))]
    together = [take.seed for take in engine.render(wanted, best_of=COUNT)]
    assert together == [engine.render([one], best_of=COUNT)[0].seed for one in wanted]
    assert [seed % STRIDE for seed in together] == [1, 2]


def test_progress_counts_the_steps_of_the_sketches_first(engine: AudioLDM) -> None:
    seen: list[Step] = []
    engine.render([recipe(engine)], best_of=COUNT, progress=seen.append)
    of = COUNT * SKETCH_STEPS + STEPS
    assert seen == [Step(step, of) for step in range(1, of + 1)]
    few: list[Step] = []
    engine.render([recipe(engine, steps=2)], best_of=2, progress=few.append)
    assert few == [Step(step, 6) for step in range(1, 7)]


def test_it_is_cancelled_between_two_steps_of_a_sketch(engine: AudioLDM) -> None:
    seen: list[Step] = []
    with pytest.raises(Cancelled):
        engine.render(
            [recipe(engine)],
            best_of=COUNT,
            progress=seen.append,
            cancelled=lambda: len(seen) == SKETCH_STEPS + 1,
        )
    assert len(seen) == SKETCH_STEPS + 1


@pytest.mark.parametrize("limit", [DRAWN_SEEDS, SEED_LIMIT])
def test_seeds_stay_within_their_range_and_are_all_different(engine: AudioLDM, limit: int) -> None:
    last = recipe(engine, seed=limit - 1)
    seeds = [one.seed for one in audition.sketches(last, 16, engine.capabilities)]
    assert len(set(seeds)) == 16
    assert seeds[0] == limit - 1
    # hosts that only know float32 must be able to send back what was drawn
    assert all(seed is not None and 0 <= seed < limit for seed in seeds)


def test_only_what_will_be_kept_is_listened_to(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, heard = engine._late.audio_tower(), []
    hear = tower.embed
    monkeypatch.setattr(tower, "embed", lambda sound: (heard.append(sound.samples.shape), hear(sound))[1])
    engine.render([recipe(engine, seconds=0.5)], best_of=2)
    engine.render([recipe(engine, seconds="auto")], best_of=2)
    whole = round(engine.capabilities.auto_seconds * 16_000)
    assert heard == [(1, 8000)] * 2 + [(1, whole)] * 2


def test_a_sketch_that_is_no_sound_is_not_chosen(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = recipe(engine)
    [best] = engine.render([wanted], best_of=COUNT)
    tower = engine._late.audio_tower()
    hear, heard = tower.embed, iter(range(COUNT))
    places = [7 + number * STRIDE for number in range(COUNT)]

    def deaf(sound: SourceSound) -> torch.Tensor | None:
        return None if places[next(heard)] == best.seed else hear(sound)

    monkeypatch.setattr(tower, "embed", deaf)
    [other] = engine.render([wanted], best_of=COUNT)
    assert other.seed in set(places) - {best.seed}
