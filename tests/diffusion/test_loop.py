"""The loop with networks whose right answer is known: data that is one single point, `CLEAN`.

For such data the noise, the velocity and the clean latents that a perfect network predicts can be written
down, so every scheduler has to arrive at `CLEAN`, whatever it was told that the network predicts.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch

from foleyd.diffusion import noise, schedulers
from foleyd.diffusion.guidance import Guidance, Guided
from foleyd.diffusion.loop import Moment, sample
from foleyd.errors import BadRequest, Cancelled
from foleyd.recipe import SCHEDULERS

CLEAN = torch.linspace(-2.0, 2.0, 2 * 8 * 4).reshape(1, 2, 8, 4)
AUDIOLDM = {
    "_class_name": "DDIMScheduler",
    "beta_end": 0.0195,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
ZERO_TERMINAL = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
DISTILLED = {"_class_name": "LCMScheduler"}
# DDIM as published stops at the noise of the first training step, 0.04
CLOSE = 0.05


def perfect(config: Mapping[str, Any], name: str) -> Callable[..., torch.Tensor]:
    """The network that was trained on `CLEAN` alone, by the definition of each prediction type."""
    signal = schedulers.make(name, config, 1).alphas_cumprod.double()
    noise_to_signal = ((1 - signal) / signal).sqrt()

    def predict(latents: torch.Tensor, timestep: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        place, rest = divmod(float(timestep), 1)
        level = float(signal[int(place)])
        if rest:
            between = torch.lerp(noise_to_signal[int(place)], noise_to_signal[int(place) + 1], rest)
            level = 1 / (1 + float(between) ** 2)
        alpha, beta = level**0.5, (1 - level) ** 0.5
        epsilon = (latents - alpha * CLEAN) / beta
        answers = {
            "epsilon": epsilon,
            "v_prediction": alpha * epsilon - beta * CLEAN,
            "sample": CLEAN.expand_as(latents),
        }
        return answers[config["prediction_type"]]

    return predict


def walk(name: str, config: Mapping[str, Any], steps: int, **options: Any) -> torch.Tensor:
    sources = noise.generators([3, 4])
    empty = torch.zeros(2, 1)
    guided = Guided(options.pop("network", perfect(config, name)), empty, empty, Guidance(1.0))
    return sample(
        guided,
        schedulers.make(name, config, steps),
        noise.normal(tuple(CLEAN.shape[1:]), sources),
        sources,
        steps,
        **options,
    )


def distance(latents: torch.Tensor) -> float:
    return float((latents - CLEAN).square().mean().sqrt())


@pytest.mark.parametrize("steps", [1, 2, 7, 60])
@pytest.mark.parametrize(
    "config",
    [
        *({**AUDIOLDM, "prediction_type": prediction} for prediction in schedulers.PREDICTIONS),
        *({**AUDIOLDM, **DISTILLED, "prediction_type": prediction} for prediction in schedulers.PREDICTIONS),
        # not epsilon: where there is no signal left, the noise says nothing about the data
        *(
            {**AUDIOLDM, **ZERO_TERMINAL, "prediction_type": prediction}
            for prediction in ("v_prediction", "sample")
        ),
    ],
    ids=lambda config: f"{config['_class_name']}-{config['prediction_type']}-{len(config)}",
)
def test_every_listed_scheduler_arrives(config: dict[str, Any], steps: int) -> None:
    distances = {name: distance(walk(name, config, steps)) for name in schedulers.fitting(config)}
    assert all(value < CLOSE for value in distances.values()), distances


def test_a_scheduler_that_takes_one_prediction_for_another_does_not_arrive() -> None:
    told = {**AUDIOLDM, "prediction_type": "epsilon"}
    network = perfect({**AUDIOLDM, "prediction_type": "v_prediction"}, "ddim")
    assert distance(walk("ddim", told, 20, network=network)) > 10 * CLOSE


def test_the_table_has_the_schedulers_that_a_recipe_may_name() -> None:
    assert tuple(schedulers.METHODS) == SCHEDULERS


def test_only_what_works_is_listed() -> None:
    usual = ("ddim", "dpmpp-2m", "dpmpp-2m-sde", "unipc", "euler", "euler-a", "heun")
    assert schedulers.fitting(AUDIOLDM) == usual
    assert schedulers.fitting({**AUDIOLDM, "prediction_type": "v_prediction"}) == usual
    assert schedulers.fitting({**AUDIOLDM, **DISTILLED}) == (*usual, "lcm")
    assert "euler-a" not in schedulers.fitting({**AUDIOLDM, "prediction_type": "sample"})
    assert "heun" not in schedulers.fitting({**AUDIOLDM, **ZERO_TERMINAL})
    assert schedulers.fitting({**AUDIOLDM, "prediction_type": "flow_prediction"}) == ()


def test_an_unknown_scheduler_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"'plms' is unknown: choose one of ddim, dpmpp-2m"):
        schedulers.make("plms", AUDIOLDM, 5)


@pytest.mark.parametrize(("name", "steps", "evaluations"), [("ddim", 5, 5), ("unipc", 5, 5), ("heun", 5, 9)])
def test_progress_and_cancel_frame_every_evaluation(name: str, steps: int, evaluations: int) -> None:
    config = {**AUDIOLDM, "prediction_type": "epsilon"}
    events: list[str] = []
    network = perfect(config, name)

    def seen(*tensors: torch.Tensor) -> torch.Tensor:
        events.append("run")
        return network(*tensors)

    def asked() -> bool:
        events.append("ask")
        return False

    walk(
        name,
        config,
        steps,
        network=seen,
        cancelled=asked,
        progress=lambda step, of: events.append(f"{step}/{of}"),
    )
    assert [event for event in events if "/" in event] == [f"{step}/5" for step in range(1, 6)]
    work = [event for event in events if "/" not in event]
    assert work == ["ask", "run"] * evaluations + ["ask"]
    assert events[-2:] == ["5/5", "ask"]


@pytest.mark.parametrize("stop", range(6))
def test_a_cancel_is_heard_before_the_next_evaluation(stop: int) -> None:
    config = {**AUDIOLDM, "prediction_type": "epsilon"}
    network = perfect(config, "euler")
    runs = 0

    def counted(*tensors: torch.Tensor) -> torch.Tensor:
        nonlocal runs
        runs += 1
        return network(*tensors)

    with pytest.raises(Cancelled, match=rf"after {stop} of 5 steps"):
        walk("euler", config, 5, network=counted, cancelled=lambda: runs >= stop)
    assert runs == stop


def test_hooks_see_each_step_and_may_replace_the_latents() -> None:
    config = {**AUDIOLDM, "prediction_type": "epsilon"}
    seen: list[Moment] = []

    def watch(moment: Moment) -> None:
        seen.append(moment)

    def erase(moment: Moment) -> torch.Tensor | None:
        return torch.zeros_like(moment.latents) if moment.step == moment.steps else None

    untouched = walk("dpmpp-2m", config, 6, hooks=[watch])
    assert [(moment.step, moment.steps) for moment in seen] == [(step, 6) for step in range(1, 7)]
    assert torch.equal(seen[-1].latents, untouched)
    assert all(before.timestep > after.timestep for before, after in pairwise(seen))
    assert not walk("dpmpp-2m", config, 6, hooks=[erase]).any()


def test_latents_stay_single_precision_under_a_network_that_is_not() -> None:
    config = {**AUDIOLDM, "prediction_type": "epsilon"}
    kinds: set[torch.dtype] = set()
    walk("dpmpp-2m", config, 3, hooks=[lambda moment: kinds.add(moment.latents.dtype)])
    assert kinds == {torch.float32}
