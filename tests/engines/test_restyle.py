"""Restyling, held to the codec, to the text operation, and to the paper's equations worked out here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import audioldm_reference as reference
import foleyd
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound, Step
from foleyd.engines.mel import LogMel
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

STARTER = Path(foleyd.__file__).parent / "starter" / "model"
HASH = "a" * 64
STEPS = 4
EPSILON = {"timestep_spacing": "leading"}


@pytest.fixture(scope="module")
def starter() -> Iterator[AudioLDM]:
    loaded = base.load(STARTER)
    assert isinstance(loaded, AudioLDM)
    yield loaded
    loaded.unload()


def knocks(seconds: float, rate: int = 16_000, seed: int = 0) -> NDArray[np.float32]:
    """Four bursts of noise with silence between them, float32 `[n]`."""
    time = np.arange(round(seconds * rate)) / rate
    beat = (time * 4 / seconds) % 1.0
    hiss = np.random.default_rng(seed).normal(0, 0.2, len(time))
    return (hiss * np.exp(-12 * beat)).astype(np.float32)


def source(seconds: float = 0.64, rate: int = 16_000, channels: int = 1) -> dict[str, SourceSound]:
    return {HASH: SourceSound(np.stack([knocks(seconds, rate)] * channels), rate)}


def wanted(engine: AudioLDM, strength: float, **values: object) -> Recipe:
    usual: dict[str, object] = {
        "operation": "restyle",
        "prompt": "a deep kick drum",
        "seconds": 0.64,
        "seed": 5,
        "steps": STEPS,
        "strength": strength,
        "sources": [{"role": "source", "sha256": HASH}],
    }
    return reference.resolved(engine.capabilities, **{**usual, **values})


def text(engine: AudioLDM, **values: object) -> Recipe:
    usual: dict[str, object] = {"prompt": "a deep kick drum", "seconds": 0.64, "seed": 5, "steps": STEPS}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def latents_of(folder: Path, sound: NDArray[np.float32], peak: float, *, centred: bool) -> torch.Tensor:
    """A sound's latents as diffusers' own autoencoder gives them, in float64 where it matters."""
    vae = diffusers.AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False)
    scaled = torch.from_numpy(sound * np.float32(peak / np.abs(sound).max()))
    mel = LogMel(centred=centred)(scaled.unsqueeze(0))
    found: torch.Tensor = vae.encode(mel.unsqueeze(1)).latent_dist.mode() * vae.config.scaling_factor
    return found


def sounded(folder: Path, latents: torch.Tensor) -> NDArray[np.float32]:
    """Latents through diffusers' and transformers' own decoder and vocoder."""
    pipeline = reference.open_pipeline(folder)
    with torch.inference_mode():
        mel = pipeline.decode_latents(latents)
        samples: NDArray[np.float32] = pipeline.mel_spectrogram_to_waveform(mel)[0].numpy()
    return samples


def agrees(ours: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    assert np.abs(other).max() > 0.05
    assert np.abs(ours - other[: len(ours)]).max() <= reference.TOLERANCE * np.abs(other).max()


@torch.inference_mode()
def test_strength_0_is_the_codec_s_round_trip(engine: AudioLDM, folder: Path) -> None:
    told: list[Step] = []
    [take] = engine.render([wanted(engine, 0)], sources=source(), progress=told.append)
    assert told == []
    agrees(take.samples, sounded(folder, latents_of(folder, knocks(0.64), 0.5, centred=True)))


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp-2m", "dpmpp-2m-sde", "unipc", "euler-a", "heun"])
def test_strength_1_is_what_the_words_alone_give(engine: AudioLDM, scheduler: str) -> None:
    [take] = engine.render([wanted(engine, 1, scheduler=scheduler)], sources=source())
    [plain] = engine.render([text(engine, scheduler=scheduler)])
    assert np.array_equal(take.samples, plain.samples)
    assert take.take_id != plain.take_id


@pytest.mark.parametrize("guidance", [1.0, 2.5])
@torch.inference_mode()
def test_it_is_sdedit_by_the_paper_s_equations(engine: AudioLDM, folder: Path, guidance: float) -> None:
    """x = √ᾱ z + √(1 − ᾱ) ε at the level of the strength, then deterministic DDIM steps to the clean end."""
    strength, steps = 0.6, 5
    [take] = engine.render(
        [wanted(engine, strength, scheduler="ddim", steps=steps, guidance=guidance)], sources=source()
    )
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    betas = np.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000) ** 2
    signal = np.cumprod(1 - betas)
    levels = [1 + 1000 // steps * k for k in reversed(range(steps))]
    taken = levels[steps - round(strength * steps) :]

    clean = latents_of(folder, knocks(0.64), 0.5, centred=True).double()
    noise = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(5)).unsqueeze(0).double()
    latents = signal[taken[0]] ** 0.5 * clean + (1 - signal[taken[0]]) ** 0.5 * noise
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    words, nothing = (engine.networks.prompts.embed([text]) for text in ("a deep kick drum", ""))
    for level, after in zip(taken, [*taken[1:], 0], strict=True):
        epsilon, free = (
            unet(latents.float(), level, encoder_hidden_states=None, class_labels=labels).sample.double()
            for labels in (words, nothing)
        )
        epsilon = free + guidance * (epsilon - free)
        here, there = signal[level], signal[after]
        guess = (latents - (1 - here) ** 0.5 * epsilon) / here**0.5
        latents = there**0.5 * guess + (1 - there) ** 0.5 * epsilon
    agrees(take.samples, sounded(folder, latents.float()))


def test_a_batch_has_a_source_for_each(engine: AudioLDM) -> None:
    sources = {HASH: source()[HASH], "b" * 64: SourceSound(knocks(0.64, 44_100, seed=9)[None], 44_100)}
    other = [{"role": "source", "sha256": "b" * 64}]
    recipes = [wanted(engine, 0.5), wanted(engine, 0.5, seed=6, sources=other)]
    together = engine.render(recipes, sources=sources)
    for one, take in zip(recipes, together, strict=True):
        [alone] = engine.render([one], sources=sources)
        assert np.abs(take.samples - alone.samples).max() <= 1e-4 * np.abs(alone.samples).max()
    assert np.abs(together[0].samples - together[1].samples).max() > 0.01
    with pytest.raises(BadRequest, match=r"differ in strength: render those apart"):
        engine.render([wanted(engine, 0.5), wanted(engine, 0.75)], sources=sources)


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"), [(44_100, 2, 0.64), (8_000, 1, 0.3), (96_000, 2, 5)]
)
def test_any_rate_width_and_length_is_heard(
    engine: AudioLDM, rate: int, channels: int, seconds: float
) -> None:
    [take] = engine.render([wanted(engine, 0.5)], sources=source(seconds, rate, channels))
    assert take.samples.shape == (10_240,)
    assert np.isfinite(take.samples).all()


def test_only_the_steps_that_are_left_are_taken(engine: AudioLDM) -> None:
    for strength, left in ((0.01, 1), (0.5, 2), (0.51, 3), (1, 4)):
        told: list[Step] = []
        engine.render([wanted(engine, strength)], sources=source(), progress=told.append)
        assert told == [Step(step, left) for step in range(1, left + 1)]


def test_a_source_that_did_not_come_is_refused(engine: AudioLDM) -> None:
    with pytest.raises(BadRequest, match=r"^the recipe's source did not come with it: "):
        engine.render([wanted(engine, 0.5)])


def envelope(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level in dB of every 20 ms, the floor at -60 dB of the loudest."""
    power = np.square(samples[: len(samples) // 320 * 320], dtype=np.float64).reshape(-1, 320).mean(1)
    found: NDArray[np.float64] = 10 * np.log10(np.maximum(power / power.max(), 1e-6))
    return found


def test_the_starter_leaves_the_source_s_envelope_step_by_step(starter: AudioLDM) -> None:
    sources = {HASH: SourceSound(knocks(2.56)[None], 16_000)}
    correlations = []
    for strength in (0, 0.5, 0.75, 1):
        found = []
        for seed, prompt in enumerate(("a bright glockenspiel note", "wind", "a string pad")):
            one = wanted(starter, strength, seconds=2.56, steps=6, seed=seed, prompt=prompt)
            [take] = starter.render([one], sources=sources)
            found.append(np.corrcoef(envelope(knocks(2.56)), envelope(take.samples))[0, 1])
        correlations.append(float(np.mean(found)))
    assert correlations == sorted(correlations, reverse=True)
    assert correlations[0] > 0.9
    assert correlations[-1] < 0.6
