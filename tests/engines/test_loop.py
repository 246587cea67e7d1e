"""Loops: the length to the sample, and no seam where the end meets the beginning."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import audioldm_reference as reference
import foleyd
from foleyd.audio.finish import finish
from foleyd.engines import base, circle
from foleyd.engines.audioldm import AudioLDM
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

STARTER = Path(foleyd.__file__).parent / "starter" / "model"
SEEDS = range(36)
_WINDOW = 512


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "gusty wind", "operation": "loop", "seed": 3, "steps": 4}
    return reference.resolved(engine.capabilities, **{**usual, **values})


@pytest.mark.parametrize(
    ("fields", "frames"),
    [
        ({"seconds": 1}, 16_000),
        ({"seconds": 0.613}, 9_808),
        ({"bars": 1, "bpm": 127.3}, 30_165),
        ({"bars": 0.5, "bpm": 99, "beats": 3}, 14_545),
    ],
)
def test_a_loop_is_as_long_as_was_asked_to_the_sample(
    engine: AudioLDM, fields: dict[str, object], frames: int
) -> None:
    wanted = recipe(engine, **fields)
    pieces: list[base.Piece] = []
    [take] = engine.render([wanted], heard=pieces.append)
    assert len(take.samples) == frames
    assert [(piece.start, piece.of, len(piece.samples)) for piece in pieces] == [(0, frames, frames)]
    assert take.bucket == engine.bucket(wanted) != engine.bucket(recipe(engine, **fields, operation="text"))
    clip = finish(take.samples, take.rate, wanted)
    assert clip.loops == ((0, clip.samples.shape[1] - 1),)
    assert clip.samples.shape[1] == round(Fraction(frames, 16_000) * 48_000) or "bars" in fields


def test_seeds_differ_and_a_batch_is_what_each_is_alone(engine: AudioLDM) -> None:
    recipes = [recipe(engine, seconds=0.8, seed=seed) for seed in (1, 2)]
    together = engine.render(recipes)
    for one, take in zip(recipes, together, strict=True):
        [alone] = engine.render([one])
        assert np.abs(take.samples - alone.samples).max() <= 1e-4 * np.abs(alone.samples).max()
    assert np.abs(together[0].samples - together[1].samples).max() > 0.001


def test_a_length_the_model_does_not_do_is_refused(engine: AudioLDM) -> None:
    longest = engine.capabilities.seconds[1]
    assert longest < 30.0 or engine.bucket(recipe(engine, seconds=30)) == "c750"
    if longest < 30.0:
        with pytest.raises(BadRequest, match="this model makes clips of"):
            engine.bucket(recipe(engine, seconds=30))


def test_wrapping_goes_around_as_often_as_it_must() -> None:
    latents = torch.arange(5.0)[None, None, :, None]
    around = circle.Circle(frames=5, around=13)
    assert around.wrapped(latents).flatten().tolist() == [1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    seen: list[int] = []

    def network(latents: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        seen.append(latents.shape[2])
        return latents + 1

    nothing = torch.zeros(())
    made = around.denoise(network)(latents, nothing, nothing)
    assert made.flatten().tolist() == [1, 2, 3, 4, 5]
    assert seen == [13]


@pytest.mark.parametrize(("frames", "around"), [(1, 64), (32, 64), (33, 96), (64, 96), (65, 100), (80, 112)])
def test_a_circle_takes_the_shortest_length_with_a_margin(frames: int, around: int) -> None:
    place = circle.place(frames, (32, 64, 96), 4)
    assert place == circle.Circle(frames, around)
    assert min(place.before, around - frames - place.before) >= circle.MARGIN


@pytest.mark.parametrize("reach", [None, 3])
def test_a_log_mel_is_read_around_its_circle(reach: int | None) -> None:
    # a "vocoder" that gives each frame's first band as its samples
    def vocode(mel: torch.Tensor) -> torch.Tensor:
        return mel[:, :, 0].repeat_interleave(160, dim=1)

    points = torch.arange(100) / 100
    mel = torch.sin(2 * torch.pi * points)[None, :, None].repeat(1, 1, 64)
    seconds = Fraction(1050, 1001)
    made = circle.sound(vocode, mel, seconds=seconds, rate=16_000, hop=160, reach=reach)[0].numpy()
    assert len(made) == round(seconds * 16_000)
    # half a mel frame of stairs, and what the band-limited reading makes of them
    expected = np.sin(2 * np.pi * (np.arange(len(made)) / len(made) - 0.005))
    assert np.abs(made - expected).max() < 0.06


def flux(sound: NDArray[np.floating], at: int) -> float:
    """The largest rise of the log-spectrum around a frame between one window and the next, half a window on,
    read around the circle."""
    taper = np.hanning(_WINDOW)

    def spectrum(first: int) -> NDArray[np.float64]:
        index = (np.arange(_WINDOW) + first) % len(sound)
        return np.log(1e-3 + np.abs(np.fft.rfft(taper * sound[index])))

    hop = _WINDOW // 2
    rises = (spectrum(one) - spectrum(one - hop) for one in (at - 2 * hop, at - 3 * hop // 2, at - hop))
    return max(float(np.maximum(rise, 0).mean()) for rise in rises)


def seam_rank(sound: NDArray[np.floating]) -> float:
    """The share of the places inside the sound that change less than its seam does."""
    inside = [flux(sound, at) for at in range(_WINDOW, len(sound) - _WINDOW, _WINDOW // 2)]
    return float(np.mean(np.array(inside) < flux(sound, 0)))


def test_the_starter_makes_loops_without_a_seam() -> None:
    engine = base.load(STARTER)
    assert isinstance(engine, AudioLDM)
    fields = {"bars": 0.75, "bpm": 117, "steps": 6, "guidance": 1, "rate": 16_000, "level": "none"}
    bare = {"operation": "text", "trim": False, "fade_in": 0, "fade_out": 0}
    ranks = {}
    for name, more, seeds in (("loop", {}, SEEDS), ("cut", bare, SEEDS[:6])):
        recipes = [recipe(engine, seed=seed, **{**fields, **more}) for seed in seeds]
        takes = engine.render(recipes)
        clips = [finish(take.samples, take.rate, one) for one, take in zip(recipes, takes, strict=True)]
        ranks[name] = np.array([seam_rank(clip.samples[0]) for clip in clips])
    engine.unload()
    # a place like any other is above the 95th percentile of the others once in twenty times
    assert np.sum(ranks["loop"] > 0.95) <= 5
    assert 0.2 < ranks["loop"].mean() < 0.8
    assert np.sum(ranks["cut"] > 0.95) >= 5
