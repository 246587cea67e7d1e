"""Layers: each part is its own sound to the bit, and every envelope hands over at equal power."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import audioldm_reference as reference
import foleyd
from foleyd.engines import base, layers
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import Step
from foleyd.errors import BadRequest, Cancelled
from foleyd.recipe import Recipe, change, make, steps_taken

STARTER = Path(foleyd.__file__).parent / "starter" / "model"
WHOLE: dict[str, object] = {
    "operation": "layers",
    "prompt": "a metal hit",
    "attack": "a click",
    "tail": "a long ring",
    "attack_until": 0.1,
    "tail_from": 0.4,
    "seconds": 0.64,
    "seed": 7,
    "steps": 3,
}


def whole(engine: AudioLDM, **values: object) -> Recipe:
    return reference.resolved(engine.capabilities, **{**WHOLE, **values})


def alone(engine: AudioLDM, prompt: str) -> np.ndarray:
    usual = {"prompt": prompt, "seconds": 0.64, "seed": 7, "steps": 3}
    [take] = engine.render([reference.resolved(engine.capabilities, **usual)])
    return take.samples


def test_each_part_is_its_own_sound_to_the_bit_where_it_is_alone(engine: AudioLDM) -> None:
    [take] = engine.render([whole(engine)])
    second = 16_000
    places = {"a click": (0.0, 0.05), "a metal hit": (0.15, 0.3), "a long ring": (0.5, 0.64)}
    for prompt, (begin, end) in places.items():
        part = slice(round(begin * second), round(end * second))
        assert np.array_equal(take.samples[part], alone(engine, prompt)[part]), prompt
    between = slice(round(0.06 * second), round(0.14 * second))
    assert not np.array_equal(take.samples[between], alone(engine, "a click")[between])


def test_one_of_attack_and_tail_is_enough(engine: AudioLDM) -> None:
    [struck] = engine.render([whole(engine, tail=None)])
    assert np.array_equal(struck.samples[:800], alone(engine, "a click")[:800])
    assert np.array_equal(struck.samples[2400:], alone(engine, "a metal hit")[2400:])
    [ringing] = engine.render([whole(engine, attack=None)])
    assert np.array_equal(ringing.samples[:4800], alone(engine, "a metal hit")[:4800])
    assert np.array_equal(ringing.samples[8000:], alone(engine, "a long ring")[8000:])


def test_the_envelopes_keep_the_power() -> None:
    made = make(**WHOLE)
    rate = 16_000
    ones = np.ones(rate, np.float32)
    power = np.zeros(rate)
    for layer in layers.layers(made):
        power += layers.mixed([(layer, ones)], rate).astype(np.float64) ** 2
    assert np.abs(power - 1).max() < 1e-5


def test_progress_counts_all_parts_and_cancelling_ends_them(engine: AudioLDM) -> None:
    seen: list[Step] = []
    one = whole(engine)
    engine.render([one], progress=seen.append)
    assert steps_taken(one) == 9
    assert seen == [Step(step, 9) for step in range(1, 10)]
    with pytest.raises(Cancelled):
        engine.render([one], cancelled=lambda: len(seen) > 12, progress=seen.append)
    assert len(seen) < 18


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"attack": None, "tail": None}, "attack and tail are missing"),
        ({"attack_until": 0.3}, "tail from 0.6 s on or later"),
        ({"operation": "text"}, "belongs to 'layers'"),
    ],
)
def test_what_layers_need(values: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        make(**{**WHOLE, **values})


def test_a_click_on_rain_has_the_click_first_and_the_rain_after() -> None:
    starter = base.load(STARTER)
    usual = {"seconds": 1.28, "seed": 2, "steps": 6}
    fields = {"attack": "closed hi-hat", "prompt": "a deep kick drum", "tail": "heavy rain on a tin roof"}
    one = reference.resolved(
        starter.capabilities, **usual, **fields, operation="layers", attack_until=0.06, tail_from=0.6
    )
    [take], [again] = starter.render([one]), starter.render([one])
    rain = change(one, operation="text", prompt=fields["tail"], **dict.fromkeys(layers.BOUND_FIELDS))
    [alone_] = starter.render([rain])
    starter.unload()
    assert np.array_equal(take.samples, again.samples)
    hat, kick, ringing = take.parts
    assert [part.prompt for part, _ in take.parts] == [fields["attack"], fields["prompt"], fields["tail"]]
    assert (ringing[0], ringing[1].take_id) == (rain, alone_.take_id)
    places = (slice(0, 480), slice(2000, 6000), slice(12_800, 20_480))
    for place, (_, part) in zip(places, (hat, kick, ringing), strict=True):
        mine, others = take.samples[place], take.samples[place] - part.samples[place]
        assert float(np.sum(others**2)) < 0.01 * float(np.sum(mine**2))
    assert np.array_equal(take.samples[12_800:], alone_.samples[12_800:])
    power = [float(np.mean(take.samples[begin:end] ** 2)) for begin, end in ((0, 9000), (12_800, 20_480))]
    assert min(power) > 1e-5
