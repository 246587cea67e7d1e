"""Sounds in windows: held to the paper's equation worked out here, to what networks are given, to joints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import audioldm_reference as reference
import foleyd
from foleyd import anew
from foleyd.audio import patch
from foleyd.bench import random_model as tiny
from foleyd.diffusion import noise
from foleyd.engines import base, sounding, windows
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import Piece, SourceSound, Step
from foleyd.engines.vocoder import FrameVocoder
from foleyd.errors import BadRequest, Cancelled
from foleyd.recipe import Recipe

HASH = "a" * 64
STARTER = Path(foleyd.__file__).parent / "starter" / "model"
RATE = 16_000
STEPS = 3
SIZE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = {
        "seconds": [0.3, 0.64],
        "auto_seconds": 0.64,
        "min_generate_seconds": 0.32,
        "window_seconds": 0.64,
    }
    return tiny.build(tmp_path_factory.mktemp("tiny"), card=card)


def wanted(engine: AudioLDM, **values: object) -> Recipe:
    usual: dict[str, object] = {"prompt": "gusty wind", "seed": 5, "steps": STEPS}
    if values.get("operation") == "extend":
        usual["sources"] = [{"role": "source", "sha256": HASH}]
    return reference.resolved(engine.capabilities, **{**usual, **values})


def hiss(seconds: float) -> SourceSound:
    samples = np.random.default_rng(2).normal(0, 0.2, (1, round(seconds * RATE)))
    return SourceSound(samples.astype(np.float32), RATE)


def test_where_windows_lie() -> None:
    assert windows.place(16, 16, [(0, 16)]).starts == (0,)
    whole = windows.place(44, 16, [(0, 44)])
    assert whole.starts == (0, 8, 16, 24, 28)
    assert whole.runs == ((0, 44),)
    # what touches no span is nobody's work
    ends = windows.place(160, 16, [(0, 4), (150, 160)])
    assert ends.starts == (0, 136, 144)
    assert ends.runs == ((0, 16), (136, 160))


def test_averages_of_one_sound_are_that_sound() -> None:
    placed, sound = windows.place(44, 16, [(0, 28)]), torch.randn(2, 3, 88, generator=torch.Generator())
    made = placed.averaged(
        lambda start: sound[:, :, 2 * start : 2 * start + 32], base.never, axis=2, factor=2
    )
    torch.testing.assert_close(made[:, :, :80], sound[:, :, :80])
    assert not made[:, :, 80:].any()


@torch.inference_mode()
def test_it_is_the_paper_s_equation(engine: AudioLDM, folder: Path) -> None:
    """Each step: a DDIM step of every window alone, then their weighted mean (MultiDiffusion, equation 5)."""
    ended: list[torch.Tensor] = []
    one = wanted(engine, seconds=1.6, scheduler="ddim")
    engine.render([one], hooks=[lambda moment: ended.append(moment.latents)])
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000, dtype=torch.float64)
    signal = torch.cumprod(1 - betas**2, 0)
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    words, nothing = (engine.networks.prompts.embed([text]) for text in (one.prompt, ""))
    latents = noise.normal((8, 40, 16), noise.generators([5])).double()
    shape = (torch.sin(torch.pi * (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE) ** 2)[:, None]
    scheduler = diffusers.DDIMScheduler.from_config(config, timestep_spacing="leading")
    scheduler.set_timesteps(STEPS)
    levels = [int(level) for level in scheduler.timesteps]
    for step, level in enumerate(levels):
        here, after = signal[level], signal[levels[step + 1]] if step + 1 < STEPS else signal[0]
        total, weight = torch.zeros_like(latents), torch.zeros(40, 1, dtype=torch.float64)
        for start in (0, 8, 16, 24):
            part = latents[:, :, start : start + SIZE]
            epsilon, free = (
                unet(part.float(), level, encoder_hidden_states=None, class_labels=row).sample.double()
                for row in (words, nothing)
            )
            epsilon = free + (one.guidance or 1) * (epsilon - free)
            guess = (part - (1 - here) ** 0.5 * epsilon) / here**0.5
            total[:, :, start : start + SIZE] += shape * (after**0.5 * guess + (1 - after) ** 0.5 * epsilon)
            weight[start : start + SIZE] += shape
        latents = total / weight
        assert torch.allclose(ended[step].double(), latents, atol=2e-3), step


def seen_by(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch, recipe: Recipe) -> dict[str, int]:
    """The numbers in the largest tensor that each network was given, by its name."""
    largest: dict[str, int] = {}
    networks = engine.networks

    def watched(name: str, network: object) -> object:
        def called(*tensors: torch.Tensor) -> object:
            largest[name] = max(largest.get(name, 0), tensors[0].numel())
            return network(*tensors)  # type: ignore[operator]

        return called

    with monkeypatch.context() as patched:
        patched.setattr(sounding, "WHOLE_FRAMES", 192)
        for name in ("denoise", "decode", "vocode"):
            patched.setattr(networks, name, watched(name, getattr(networks, name)))
        ear = engine._late.ear()
        patched.setattr(ear, "_encode", watched("encode", ear._encode))
        before = recipe.before or recipe.after or 0
        engine.render([recipe], sources={HASH: hiss(float(recipe.seconds) - before)})
    return largest


def test_what_a_network_is_given_does_not_grow_with_the_sound(
    engine: AudioLDM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sounding, "WINDOW_FRAMES", 64)
    two, eight = (
        seen_by(engine, monkeypatch, wanted(engine, operation="extend", seconds=seconds, after=seconds / 2))
        for seconds in (2.56, 10.24)
    )
    assert two == eight
    assert two["denoise"] == 2 * 8 * SIZE * 16  # guided: two rows
    assert two["encode"] == two["decode"] * 64 * 4 // (8 * 16) == SIZE * 4 * 64


def test_only_windows_near_what_is_added_are_computed(
    engine: AudioLDM, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(
        engine.networks,
        "denoise",
        lambda latents, *rest, real=engine.networks.denoise: (
            counted.append(latents.shape[2]) or real(latents, *rest)
        ),
    )
    pieces: list[Piece] = []
    source, recipe = hiss(6.0), wanted(engine, operation="extend", seconds=6.4, after=0.4)
    [take] = engine.render([recipe], sources={HASH: source}, heard=pieces.append)
    assert len(counted) <= 3 * STEPS
    assert engine.bucket(recipe) == "w160.136-160"
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), take.samples)
    assert len(take.samples) == round(6.4 * RATE)
    assert not take.samples[: round(5 * RATE)].any()
    assert take.samples[round(5.9 * RATE) :].any()


def test_a_long_sound_tells_of_each_step_and_is_cancelled_between_windows(engine: AudioLDM) -> None:
    told: list[Step] = []
    engine.render([wanted(engine, seconds=1.6)], progress=told.append)
    assert told == [Step(step, STEPS) for step in range(1, STEPS + 1)]
    looks = iter([False] * 3 + [True])
    told.clear()
    with pytest.raises(Cancelled, match="between two of its windows"):
        engine.render([wanted(engine, seconds=1.6)], progress=told.append, cancelled=lambda: next(looks))
    assert told == []


def test_what_is_made_in_one_piece_and_no_longer(engine: AudioLDM) -> None:
    assert engine.bucket(wanted(engine, seconds=0.64)) == "t16"
    assert engine.bucket(wanted(engine, seconds=0.65)).startswith("w")
    with pytest.raises(BadRequest, match=r"the length is 1 s: this model makes clips of 0.3 to 0.64 s"):
        engine.bucket(wanted(engine, operation="loop", seconds=1))
    with pytest.raises(BadRequest, match=r"seconds is 31: 'loop' makes 0\.3 to 30 s"):
        wanted(engine, operation="loop", seconds=31)
    with pytest.raises(BadRequest, match=r"seconds is 601: give a number from 0\.3 to 600 s"):
        wanted(engine, seconds=601)


def test_how_much_is_computed(engine: AudioLDM) -> None:
    assert anew.computed(wanted(engine, seconds=20), 30) == 20
    assert anew.computed(wanted(engine, seconds=60), 30) == 120
    assert anew.computed(wanted(engine, operation="extend", seconds=60, after=10), 30) == 20
    assert anew.computed(wanted(engine), 30) is None


def test_a_source_in_windows_is_heard_as_in_one_piece(engine: AudioLDM) -> None:
    ear, source = engine._late.ear(), hiss(1.6)
    wave = torch.from_numpy(source.samples)
    whole = ear._log_mel(wave)
    for start in (0, 8, 24):
        torch.testing.assert_close(ear._part(wave, start, SIZE), whole[:, 4 * start : 4 * (start + SIZE)])


@torch.inference_mode()
def test_a_vocoder_in_pieces_gives_the_samples_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = FrameVocoder.from_folder(STARTER / "vocoder")
    assert vocoder.receptive_frames <= sounding.MARGIN
    mel = torch.randn(1, 700, 64, generator=torch.Generator().manual_seed(1)) + sounding.QUIET_MEL
    [whole] = sounding.vocode(vocoder, mel, 160, None)
    monkeypatch.setattr(sounding, "WHOLE_FRAMES", 500)
    parts = list(sounding.vocode(vocoder, mel, 160, None))
    assert len(parts) > 1
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=0)


def measured(sound: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Level in dB and spectral centroid in octaves of every 160 ms."""
    parts = sound[: len(sound) // 2560 * 2560].reshape(-1, 2560) * np.hanning(2560)
    power = np.abs(np.fft.rfft(parts, axis=1)) ** 2
    hertz = np.fft.rfftfreq(2560, 1 / RATE)
    return 10 * np.log10(power.sum(1)), np.log2((power * hertz).sum(1) / power.sum(1))


def test_the_starter_goes_on_for_long_without_a_jump(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STARTER, tmp_path / "starter"))
    card = json.loads((folder / "foleyd.json").read_text())
    card |= {"seconds": [0.3, 2.56], "window_seconds": 2.56}
    (folder / "foleyd.json").write_text(json.dumps(card))
    engine = base.load(folder)
    assert isinstance(engine, AudioLDM)
    [wind] = engine.render([wanted(engine, seconds=1.28, steps=6, seed=3)])
    source = SourceSound(wind.samples[None, : round(1.28 * RATE)], RATE)
    recipe = wanted(engine, operation="extend", after=6.4, seconds=7.68, steps=6)
    [take] = engine.render([recipe], sources={HASH: source})
    engine.unload()
    frames = round(7.68 * RATE)
    own = patch.laid_out(source.samples, 0, frames)
    made = patch.patched(own, RATE, take.samples, take.rate, 1.28, np.inf)[0]
    np.testing.assert_array_equal(made[: round(1.28 * RATE)], source.samples[0])
    for figure in measured(made):
        # windows begin and end every 1.28 s, each eighth of these parts: the change there is one like others;
        # the first is the source's own end
        change = np.abs(np.diff(figure))
        joints = np.zeros(len(change), dtype=bool)
        joints[15::8] = True
        assert change[joints].max() <= max(change[~joints].max(), 1e-9) * 1.25
        assert np.median(change[joints]) <= np.quantile(change[~joints], 0.8)
        # nor does it drift away from how it began
        assert abs(np.median(figure[-16:]) - np.median(figure[8:24])) < 3 * figure[8:].std() + 1
