"""Rendering with the AudioLDM engine: progress, cancel, faults, batches, the embedding cache, unloading."""

import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import audioldm_reference as reference
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import Step
from foleyd.engines.networks import Denoiser
from foleyd.errors import BadRequest, Cancelled, RenderFailed
from foleyd.recipe import Recipe, make, take_id

BATCH_TOLERANCE = 1e-4
"""How far a clip of a batch may be from the same clip alone, in float32, as a part of its peak."""
STEPS = 4


@pytest.fixture
def engine(folder: Path) -> Iterator[AudioLDM]:
    loaded = base.load(folder)
    assert isinstance(loaded, AudioLDM)
    yield loaded
    loaded.unload()


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "a deep kick drum", "seconds": 0.64, "seed": 5, "steps": STEPS}
    return reference.resolved(engine.capabilities, **{**usual, **values})


class Broken:
    """A network whose answers, from the `after`-th call on, pass through `spoil`."""

    def __init__(
        self, network: Callable[..., Any], spoil: Callable[[torch.Tensor], torch.Tensor], after: int = 0
    ):
        self.network, self.spoil, self.after, self.calls = network, spoil, after, 0

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        answer: torch.Tensor = self.network(*tensors)
        return self.spoil(answer) if self.calls > self.after else answer


def test_a_take_says_what_it_is(engine: AudioLDM) -> None:
    wanted = recipe(engine, seconds=1.0)
    (take,) = engine.render([wanted])
    assert take.samples.dtype == np.float32
    assert take.samples.shape == (20480,)  # 1.28 s, the next length that is generated
    assert (take.rate, take.seed, take.bucket, engine.bucket(wanted)) == (16000, 5, "t32", "t32")
    assert (take.runtime, take.precision, take.threads) == ("torch", "float32", torch.get_num_threads())
    assert take.take_id == take_id(wanted, runtime="torch", precision="float32", bucket="t32")


def test_guidance_may_act_on_a_part_of_the_way_and_be_rescaled(engine: AudioLDM) -> None:
    usual = engine.networks.denoise
    rows: list[int] = []

    def counted(latents: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        rows.append(len(latents))
        answer: torch.Tensor = usual(latents, *rest)
        return answer

    engine.networks.denoise = counted
    ways: list[dict[str, Any]] = [
        {"guidance": 4.0},
        {"guidance": 4.0, "guidance_from": 0.25, "guidance_to": 0.75},
        {"guidance": 4.0, "guidance_rescale": 0.7},
        {"guidance": 1.0},
    ]
    takes = [engine.render([recipe(engine, **way)])[0] for way in ways]
    assert rows == [2, 2, 2, 2, 1, 2, 2, 1, 2, 2, 2, 2, 1, 1, 1, 1]
    assert len({take.take_id for take in takes}) == len(ways)
    assert not any(np.array_equal(a.samples, b.samples) for a, b in itertools.combinations(takes, 2))
    with pytest.raises(BadRequest, match="differ in guidance_from"):
        engine.render([recipe(engine), recipe(engine, guidance_from=0.5)])


def test_a_part_of_all_the_weight_is_that_prompt_alone(engine: AudioLDM) -> None:
    def samples(prompt: str) -> np.ndarray:
        return engine.render([recipe(engine, prompt=prompt)])[0].samples

    rain, fire = samples("rain"), samples("fire")
    assert np.array_equal(samples("rain:1 | fire:0"), rain)
    assert np.array_equal(samples("rain:0 | fire:0.4"), fire)
    mixed = samples("rain:0.7 | fire:0.3")
    assert min(np.abs(mixed - one).max() for one in (rain, fire)) > 1e-3 * np.abs(rain).max()


def test_one_recipe_gives_the_same_samples_again(engine: AudioLDM, folder: Path) -> None:
    wanted = recipe(engine, scheduler="euler-a")
    first, again = engine.render([wanted])[0], engine.render([wanted])[0]
    assert np.array_equal(first.samples, again.samples)
    fresh = base.load(folder)
    assert np.array_equal(first.samples, fresh.render([wanted])[0].samples)
    fresh.unload()


@pytest.mark.parametrize("scheduler", ["dpmpp-2m", "dpmpp-2m-sde", "euler-a", "heun"])
def test_a_batch_is_what_its_clips_are_alone(engine: AudioLDM, scheduler: str) -> None:
    recipes = [
        recipe(engine, scheduler=scheduler, seed=seed, prompt=prompt, negative=negative)
        for seed, prompt, negative in [(1, "rain", ""), (2, "a kick drum", "hiss"), (3, "rain", "wind")]
    ]
    together = engine.render(recipes)
    assert [take.seed for take in together] == [1, 2, 3]
    for one, take in zip(recipes, together, strict=True):
        (alone,) = engine.render([one])
        peak = np.abs(alone.samples).max()
        assert np.abs(take.samples - alone.samples).max() <= BATCH_TOLERANCE * peak
        assert take.take_id == alone.take_id
    first, _, third = (take.samples for take in together)
    assert np.abs(first - third).max() > 100 * BATCH_TOLERANCE * np.abs(first).max()


@pytest.mark.parametrize("scheduler", ["ddim", "heun"])
def test_progress_is_told_at_every_step(engine: AudioLDM, scheduler: str) -> None:
    told: list[Step] = []
    engine.render([recipe(engine, scheduler=scheduler)], progress=told.append)
    assert told == [Step(step, STEPS) for step in range(1, STEPS + 1)]


@pytest.mark.parametrize("stop", range(STEPS + 1))
def test_a_cancel_stops_before_the_next_run_of_the_unet(
    engine: AudioLDM, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    unet = Broken(engine.networks.denoise, lambda answer: answer)
    monkeypatch.setattr(engine.networks, "denoise", unet)
    decoder = Broken(engine.networks.decode, lambda answer: answer)
    monkeypatch.setattr(engine.networks, "decode", decoder)
    told: list[Step] = []
    with pytest.raises(Cancelled):
        engine.render([recipe(engine)], progress=told.append, cancelled=lambda: unet.calls >= stop)
    assert (unet.calls, len(told), decoder.calls) == (stop, stop, 0)


def test_a_cancel_is_heard_between_the_decoders_too(
    engine: AudioLDM, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Broken(engine.networks.decode, lambda answer: answer)
    vocoder = Broken(engine.networks.vocode, lambda answer: answer)
    monkeypatch.setattr(engine.networks, "decode", decoder)
    monkeypatch.setattr(engine.networks, "vocode", vocoder)
    both = [recipe(engine, seed=1), recipe(engine, seed=2)]
    with pytest.raises(Cancelled):
        engine.render(both, cancelled=lambda: decoder.calls == 1)
    assert (decoder.calls, vocoder.calls) == (1, 0)


@pytest.mark.parametrize("network", ["denoise", "decode", "vocode"])
@pytest.mark.parametrize(("value", "reason"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_what_is_no_number_is_a_failure(
    engine: AudioLDM, monkeypatch: pytest.MonkeyPatch, network: str, value: float, reason: str
) -> None:
    def spoil(answer: torch.Tensor) -> torch.Tensor:
        return torch.full_like(answer, value)

    # one scheduler turns infinity minus infinity into NaN, so the UNet's fault enters at its last step
    after = STEPS - 1 if network == "denoise" else 0
    monkeypatch.setattr(engine.networks, network, Broken(getattr(engine.networks, network), spoil, after))
    with pytest.raises(RenderFailed, match=rf"{reason.upper()} in the .* of seed 5") as caught:
        engine.render([recipe(engine, scheduler="dpmpp-2m", guidance=1.0)])
    assert caught.value.reason == reason


def test_one_bad_clip_of_a_batch_is_named(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(answer: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.arange(len(answer)).reshape(-1, 1, 1, 1) == 1, torch.nan, answer)

    monkeypatch.setattr(engine.networks, "denoise", Broken(engine.networks.denoise, spoil))
    with pytest.raises(RenderFailed, match="NAN in the latents of seed 22"):
        engine.render([recipe(engine, seed=seed, guidance=1.0) for seed in (21, 22, 23)])


@pytest.mark.parametrize("offset", [0.0, 0.3], ids=["zero", "constant"])
def test_silence_is_a_failure_unless_it_was_asked_for(
    engine: AudioLDM, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    def spoil(answer: torch.Tensor) -> torch.Tensor:
        return answer / answer.abs().max() * 9e-4 + offset

    monkeypatch.setattr(engine.networks, "vocode", Broken(engine.networks.vocode, spoil))
    with pytest.raises(RenderFailed, match="silence for seed 5") as caught:
        engine.render([recipe(engine)])
    assert caught.value.reason == "silence"
    (take,) = engine.render([recipe(engine)], check_silence=False)
    assert np.abs(take.samples - offset).max() < 1e-3


def test_want_of_memory_is_a_failure_of_its_own(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(answer: torch.Tensor) -> torch.Tensor:
        return torch.empty(2**58, dtype=torch.uint8)

    monkeypatch.setattr(engine.networks, "decode", Broken(engine.networks.decode, spoil))
    with pytest.raises(RenderFailed, match="no room for 1 clips") as caught:
        engine.render([recipe(engine)])
    assert caught.value.reason == "memory"


def test_another_error_keeps_its_own_face(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(answer: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr(engine.networks, "denoise", Broken(engine.networks.denoise, spoil))
    with pytest.raises(RuntimeError, match="wires crossed"):
        engine.render([recipe(engine)])


def test_each_text_is_embedded_once(engine: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = 0
    forward = transformers.ClapTextModelWithProjection.forward

    def counted(*values: Any, **named: Any) -> Any:
        nonlocal runs
        runs += 1
        return forward(*values, **named)

    monkeypatch.setattr(transformers.ClapTextModelWithProjection, "forward", counted)
    engine.render([recipe(engine, seed=seed) for seed in (1, 2, 3)])
    assert runs == 1  # the prompt: the empty text of the unconditional half came with the model
    engine.render([recipe(engine, seed=4)])
    assert runs == 1
    engine.render([recipe(engine, negative="hiss")])
    assert runs == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": 5}, "differ in steps"),
        ({"guidance": 3.0}, "differ in guidance"),
        ({"scheduler": "ddim"}, "differ in scheduler"),
        ({"seconds": 1.28}, "differ in seconds"),
    ],
)
def test_a_batch_of_different_kinds_is_refused(
    engine: AudioLDM, change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(BadRequest, match=complaint):
        engine.render([recipe(engine), recipe(engine, **change)])


def test_lengths_of_one_bucket_share_a_batch(engine: AudioLDM) -> None:
    short, long = recipe(engine, seconds=0.61), recipe(engine, seconds=0.64)
    takes = engine.render([short, long])
    assert [len(take.samples) for take in takes] == [10240, 10240]
    assert takes[0].take_id != takes[1].take_id


def test_what_the_model_cannot_do_is_refused(engine: AudioLDM) -> None:
    with pytest.raises(BadRequest, match="no recipe"):
        engine.render([])
    with pytest.raises(BadRequest, match=r"scheduler is 'lcm': this model takes ddim, dpmpp-2m"):
        engine.render([recipe(engine, scheduler="lcm")])
    with pytest.raises(BadRequest, match="leaves seed, steps, guidance or scheduler open"):
        engine.render([make(prompt="rain")])


def test_hooks_reach_the_loop(engine: AudioLDM) -> None:
    steps: list[int] = []
    engine.render([recipe(engine)], hooks=[lambda moment: steps.append(moment.step)])
    assert steps == [1, 2, 3, 4]


def test_unloading_lets_every_network_go(folder: Path) -> None:
    engine = base.load(folder)
    assert isinstance(engine, AudioLDM)
    wanted = recipe(engine)
    engine.render([wanted])
    held: list[Any] = [engine.networks, engine.networks.prompts]
    for network in (engine.networks.denoise, engine.networks.decode, engine.networks.vocode):
        assert isinstance(network, torch.nn.Module)
        held += [network, *network.parameters()]
    watched = [weakref.ref(thing) for thing in held]
    del held, network
    assert all(reference() is not None for reference in watched)
    engine.unload()
    gc.collect()
    assert [reference() for reference in watched if reference() is not None] == []
    assert engine.capabilities.rate == 16000
    with pytest.raises(RuntimeError, match="unloaded"):
        engine.render([wanted])


def test_a_reduced_network_is_told_the_exact_timestep() -> None:
    """bfloat16 has no 999: it would be taken for 1000."""
    told: list[tuple[torch.dtype, float]] = []

    class Unet(torch.nn.Module):
        dtype = torch.bfloat16

        def forward(self, latents: torch.Tensor, timestep: torch.Tensor, **named: Any) -> tuple[torch.Tensor]:
            told.extend([(latents.dtype, float(timestep)), (named["class_labels"].dtype, float(timestep))])
            return (latents,)

    prediction = Denoiser(Unet())(torch.ones(1, 8, 4, 4), torch.tensor(999.0), torch.ones(1, 2))
    assert told == [(torch.bfloat16, 999.0)] * 2
    assert prediction.dtype == torch.float32


def test_reduced_precision_is_close_and_is_another_take(engine: AudioLDM, folder: Path) -> None:
    wanted = recipe(engine, scheduler="ddim")
    (exact,) = engine.render([wanted])
    reduced = base.load(folder, precision="bfloat16")
    (rough,) = reduced.render([wanted])
    reduced.unload()
    error = np.sqrt(np.mean((rough.samples - exact.samples) ** 2) / np.mean(exact.samples**2))
    assert 1e-4 < error < 0.2
    assert rough.precision == "bfloat16"
    assert rough.take_id != exact.take_id
