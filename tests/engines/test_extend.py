"""Extending: what a source's surroundings are made of, and what of it is left alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import audioldm_reference as reference
import foleyd
from foleyd import anew
from foleyd.audio import patch
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound
from foleyd.recipe import Recipe

HASH = "a" * 64
STARTER = Path(foleyd.__file__).parent / "starter" / "model"
RATE = 16_000


def wanted(engine: AudioLDM, **values: object) -> Recipe:
    usual: dict[str, object] = {
        "operation": "extend",
        "prompt": "gusty wind",
        "seed": 5,
        "steps": 4,
        "sources": [{"role": "source", "sha256": HASH}],
    }
    return reference.resolved(engine.capabilities, **{**usual, **values})


def hiss(seconds: float) -> SourceSound:
    samples = np.random.default_rng(2).normal(0, 0.2, (1, round(seconds * RATE)))
    return SourceSound(samples.astype(np.float32), RATE)


def test_the_parts_that_are_made(engine: AudioLDM) -> None:
    both = wanted(engine, before=0.2, after=0.3, seconds=1)
    assert anew.spans(both) == ((0.0, 0.2), (0.7, math.inf))
    assert anew.spans(wanted(engine, after=0.3, seconds=1)) == ((0.7, math.inf),)
    assert anew.spans(wanted(engine, before=0.3, seconds=1)) == ((0.0, 0.3),)
    inpainted = wanted(engine, operation="inpaint", seconds=1, redo_from=0.25, redo_to=0.5)
    assert anew.spans(inpainted) == ((0.25, 0.5),)
    assert anew.spans(wanted(engine, operation="restyle", seconds=1)) == ()


@pytest.mark.parametrize(("before", "after", "own"), [(0.2, 0.2, range(5, 11)), (0, 0.21, range(10))])
def test_the_source_s_own_latents_stay(engine: AudioLDM, before: float, after: float, own: range) -> None:
    ended: list[torch.Tensor] = []
    recipes = [wanted(engine, before=before, after=after, seconds=0.64, seed=seed) for seed in (1, 2)]
    source = hiss(0.64 - before - after)
    hooks = [lambda moment: ended.append(moment.latents)]
    one, other = engine.render(recipes, sources={HASH: source}, hooks=hooks)
    same = torch.isclose(ended[-1][0], ended[-1][1], atol=1e-6).all(dim=(0, 2))
    assert same.nonzero().flatten().tolist() == list(own)
    assert np.abs(one.samples - other.samples).max() > 0.001


def test_a_source_is_heard_as_sound_that_goes_on(engine: AudioLDM) -> None:
    ear, source = engine._late.ear(), hiss(0.2)
    plain = ear.samples(source, 6400)
    assert np.array_equal(plain[:3200], source.samples[0])
    assert not plain[3200:].any()
    mirrored = ear.samples(source, 6400, 0.1, True)
    assert np.array_equal(mirrored[1600:4800], source.samples[0])
    assert np.array_equal(mirrored[:1600], mirrored[1601:3201][::-1])
    assert np.std(mirrored[4800:]) == pytest.approx(0.2, rel=0.1)


def test_joints_have_no_step_and_the_source_is_to_the_bit() -> None:
    rate, seconds = 44_100, 1.0
    time = np.arange(round(rate * seconds)) / rate
    source = (0.4 * np.sin(2 * np.pi * 110 * time + 1)).astype(np.float32)[None]
    lead, frames = round(0.5 * rate), 2 * rate
    take = (0.2 * np.sin(2 * np.pi * 130 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    made = patch.laid_out(source, lead, frames)
    for start, stop in ((0.0, 0.5), (1.5, math.inf)):
        made = patch.patched(made, rate, take, RATE, start, stop)
    assert made.shape == (1, frames)
    np.testing.assert_array_equal(made[:, lead : lead + rate], source)
    # 130 Hz at this height moves by 0.0075 from sample to sample, and a joint of two such by twice that
    assert np.abs(np.diff(made)).max() < 0.016
    # made as loud as the source
    assert np.std(made[:, : lead - 500]) == pytest.approx(np.std(source), rel=0.05)


def test_the_starter_goes_on_as_loud_and_as_bright_as_its_source() -> None:
    engine = base.load(STARTER)
    assert isinstance(engine, AudioLDM)
    [wind] = engine.render([wanted(engine, operation="text", sources=(), seconds=2.56, steps=10, seed=3)])
    source = SourceSound(wind.samples[None, :20_480], wind.rate)
    recipes = [wanted(engine, after=1.28, seconds=2.56, steps=10, seed=seed) for seed in range(4)]
    own = patch.laid_out(source.samples, 0, 40_960)
    for take in engine.render(recipes, sources={HASH: source}):
        made = patch.patched(own, wind.rate, take.samples, take.rate, 1.28, math.inf)[0]
        np.testing.assert_array_equal(made[:20_480], source.samples[0])
        before, behind = made[10_000:20_480], made[20_480:31_000]
        assert 0.5 < np.std(behind) / np.std(before) < 2
        spectra = [np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2 for part in (before, behind)]
        centres = [float((np.arange(len(s)) * s).sum() / s.sum()) / len(s) * RATE / 2 for s in spectra]
        assert 0.4 < centres[1] / centres[0] < 2.5
        steps = np.abs(np.diff(made))
        assert steps[20_320:20_640].max() <= 1.2 * max(steps[:20_000].max(), steps[21_000:].max())
    engine.unload()
