"""The cost model: how near its estimates come, what it keeps, and what fits a budget."""

from __future__ import annotations

import math
import random
import statistics
from pathlib import Path

import pytest

from foleyd.daemon.estimate import FEWEST_STEPS, KEPT, SHORTEST_S, CostModel, Work
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS

Parts = tuple[float, float, float, float]

MACHINES: dict[str, Parts] = {
    # seconds: fixed, an evaluation, a second of sound in an evaluation, a second of sound decoded
    "the starter on two cores": (0.02, 0.0, 0.0086, 0.031),
    "AudioLDM-S on two cores": (0.3, 0.01, 0.048, 0.83),
    "a graphics card": (0.05, 0.03, 0.0004, 0.004),
    "a slow decoder": (0.0, 0.0, 0.001, 1.0),
}
NOISE = 0.15
HELD_UP = 0.05
"""The share of renders that something else on the machine makes three times slower."""


def mixed(rng: random.Random, model: str = "m") -> Work:
    steps = rng.choice([4, 10, 20, 25, 50, 100])
    return Work(
        model=model,
        seconds=rng.choice([0.5, 1.0, 2.5, 5.12, 10.0, 30.0]),
        steps=steps,
        guided=rng.random() < 0.7,
        guided_share=rng.choice([1.0, 1.0, 0.6, 0.3]),
        batch=rng.choice([1, 1, 1, 2, 4]),
        evaluations=2 * steps - 1 if rng.random() < 0.2 else None,
    )


def exact(work: Work, parts: Parts) -> float:
    evaluations = work.evaluations or work.steps
    sound = work.seconds * work.batch
    passes = evaluations * (1 + work.guided * work.guided_share)
    return parts[0] + parts[1] * evaluations + sound * (parts[2] * passes + parts[3])


def timed(work: Work, parts: Parts, rng: random.Random) -> float:
    """Seconds on a noisy machine."""
    held_up = 3 if rng.random() < HELD_UP else 1
    return exact(work, parts) * math.exp(rng.gauss(0, NOISE)) * held_up


def teach(cost: CostModel, parts: Parts, rng: random.Random, renders: int, model: str = "m") -> None:
    for _ in range(renders):
        work = mixed(rng, model)
        cost.observe(work, timed(work, parts, rng))


def ratios(cost: CostModel, parts: Parts, rng: random.Random, jobs: int = 30) -> list[float]:
    """Actual over estimated seconds of mixed jobs, in rising order."""
    found = []
    for _ in range(jobs):
        work = mixed(rng)
        estimate = cost.estimate(work)
        assert estimate is not None
        found.append(timed(work, parts, rng) / estimate)
    return sorted(found)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", range(10))
def test_after_ten_renders_thirty_mixed_jobs_are_estimated_well(machine: str, seed: int) -> None:
    rng, cost = random.Random(seed), CostModel()
    teach(cost, MACHINES[machine], rng, 10)
    assert 0.7 <= statistics.median(ratios(cost, MACHINES[machine], rng)) <= 1.4


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_machine_that_changes_its_speed_is_followed(machine: str, factor: float) -> None:
    rng, cost = random.Random(1), CostModel()
    teach(cost, MACHINES[machine], rng, 30)
    one, two, three, four = MACHINES[machine]
    changed = (one * factor, two * factor, three * factor, four * factor)
    before = statistics.median(ratios(cost, changed, rng))
    assert not 0.7 <= before <= 1.4
    teach(cost, changed, rng, 10)
    assert 0.7 <= statistics.median(ratios(cost, changed, rng)) <= 1.4


def test_a_machine_without_noise_is_learned_exactly() -> None:
    rng, cost, parts = random.Random(3), CostModel(), MACHINES["AudioLDM-S on two cores"]
    for _ in range(30):
        work = mixed(rng)
        cost.observe(work, exact(work, parts))
    for _ in range(30):
        work = mixed(rng)
        assert cost.estimate(work) == pytest.approx(exact(work, parts), rel=0.02)


def test_one_render_is_enough_to_begin_with() -> None:
    cost = CostModel()
    work = Work(model="m", seconds=5.0, steps=10, guided=True)
    assert cost.estimate(work) is None
    cost.observe(work, 4.0)
    assert cost.estimate(work) == pytest.approx(4.0)
    longer = cost.estimate(Work(model="m", seconds=10.0, steps=10, guided=True))
    assert longer is not None
    assert 6.0 < longer < 8.0


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", range(5))
def test_more_work_never_takes_less_time(machine: str, seed: int) -> None:
    rng, cost = random.Random(seed), CostModel()
    teach(cost, MACHINES[machine], rng, 4)
    small = Work(model="m", seconds=0.5, steps=4, guided=False)
    least = cost.estimate(small)
    assert least is not None
    assert least > 0
    for more in (
        Work(model="m", seconds=30.0, steps=4, guided=False),
        Work(model="m", seconds=0.5, steps=100, guided=False),
        Work(model="m", seconds=0.5, steps=4, guided=True),
        Work(model="m", seconds=0.5, steps=4, guided=False, batch=2),
        Work(model="m", seconds=0.5, steps=4, guided=False, evaluations=7),
    ):
        estimate = cost.estimate(more)
        assert estimate is not None
        assert estimate >= least


def test_a_model_never_seen_is_taken_for_the_mean_of_the_others() -> None:
    cost = CostModel()
    for model, took in (("quick", 1.0), ("slow", 9.0)):
        cost.observe(Work(model=model, seconds=5.0, steps=10, guided=True), took)
    assert cost.estimate(Work(model="new", seconds=5.0, steps=10, guided=True)) == pytest.approx(3.0)
    assert cost.knows("quick")
    assert not cost.knows("new")


def test_models_are_learned_apart() -> None:
    rng, cost = random.Random(2), CostModel()
    teach(cost, MACHINES["the starter on two cores"], rng, 10)
    before = ratios(cost, MACHINES["the starter on two cores"], random.Random(9))
    teach(cost, MACHINES["AudioLDM-S on two cores"], rng, 10, model="big")
    assert ratios(cost, MACHINES["the starter on two cores"], random.Random(9)) == before


def test_one_device_says_nothing_about_another() -> None:
    cost = CostModel(device="CPU, 2 threads")
    work = Work(model="m", seconds=5.0, steps=10, guided=True)
    cost.observe(work, 4.0)
    cost.device = "a graphics card"
    assert cost.estimate(work) is None
    assert not cost.knows("m")


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_times_that_no_clock_gives_are_ignored(seconds: float) -> None:
    cost = CostModel()
    cost.observe(Work(model="m", seconds=5.0, steps=10, guided=True), seconds)
    assert not cost.knows("m")


# what fits


def taught() -> CostModel:
    rng, cost = random.Random(4), CostModel()
    teach(cost, MACHINES["AudioLDM-S on two cores"], rng, 20)
    return cost


def test_the_most_steps_are_found_that_fit() -> None:
    cost, work = taught(), Work(model="m", seconds=5.0, steps=100, guided=True)
    full = cost.estimate(work)
    assert full is not None
    fit = cost.fitting(work, full / 2)
    assert fit is not None
    assert fit == Work(model="m", seconds=5.0, steps=fit.steps, guided=True)
    assert FEWEST_STEPS < fit.steps < 100
    assert (cost.estimate(fit) or math.inf) <= full / 2
    more = Work(model="m", seconds=5.0, steps=fit.steps + 1, guided=True)
    assert (cost.estimate(more) or 0.0) > full / 2
    assert cost.fitting(work, full) == work


def test_evaluations_go_down_with_the_steps() -> None:
    cost, work = taught(), Work(model="m", seconds=5.0, steps=50, guided=True, evaluations=99)
    fit = cost.fitting(work, (cost.estimate(work) or 0.0) / 2)
    assert fit is not None
    assert fit.evaluations == round(99 * fit.steps / 50)


def test_with_the_fewest_steps_the_sound_is_made_shorter() -> None:
    cost, work = taught(), Work(model="m", seconds=5.0, steps=100, guided=True)
    budget = (cost.estimate(Work(model="m", seconds=3.02, steps=FEWEST_STEPS, guided=True)) or 0.0) + 1e-6
    assert cost.fitting(work, budget) == Work(model="m", seconds=3.0, steps=FEWEST_STEPS, guided=True)


def test_a_model_that_needs_two_steps_is_not_given_more() -> None:
    cost, work = taught(), Work(model="m", seconds=5.0, steps=2, guided=False)
    fit = cost.fitting(work, (cost.estimate(work) or 0.0) * 0.8)
    assert fit is not None
    assert fit.steps == 2
    assert fit.seconds < 5.0


def test_nothing_fits_where_there_is_no_time_or_no_knowledge() -> None:
    work = Work(model="m", seconds=5.0, steps=100, guided=True)
    assert taught().fitting(work, 0.0) is None
    assert taught().fitting(work, -1.0) is None
    assert CostModel().fitting(work, 1000.0) is None


def test_the_shortest_sound_is_that_of_recipes() -> None:
    assert FIELDS["seconds"].low == SHORTEST_S


# on disk


def test_what_was_learned_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "cost.json"
    cost, rng = CostModel(path, "CPU"), random.Random(6)
    teach(cost, MACHINES["a graphics card"], rng, KEPT + 10)
    teach(cost, MACHINES["a slow decoder"], rng, 3, model="other")
    cost.device = "card"
    teach(cost, MACHINES["a slow decoder"], rng, 3)
    cost.save()
    again = CostModel(path)
    assert again.device == "card"
    for device in ("card", "CPU"):
        cost.device = again.device = device
        for model in ("m", "other"):
            work = mixed(rng, model)
            assert again.estimate(work) == cost.estimate(work)
    assert CostModel(path, "CPU").device == "CPU"
    again.save()
    assert [file.name for file in path.parent.iterdir()] == ["cost.json"]


SOUND = b'{"device":"","seen":{"":[{"work":{"model":"m","seconds":5,"steps":1,"guided":true},"took":1.25}]}}'
DAMAGE = {
    "empty": b"",
    "cut short": SOUND[:-9],
    "another kind": b"[1, 2, 3]",
    "not text": b"\xff\xfe\x00",
    "a time below zero": SOUND.replace(b"1.25", b"-1.25"),
    "no number": SOUND.replace(b"1.25", b"1e999"),
    "no steps": SOUND.replace(b'"steps":1', b'"steps":0'),
    "deep": SOUND[:-1] + b',"more":' + b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_counts_as_empty_and_is_replaced(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "cost.json"
    path.write_bytes(DAMAGE[damage])
    cost = CostModel(path)
    work = Work(model="m", seconds=5.0, steps=10, guided=True)
    assert cost.estimate(work) is None
    cost.observe(work, 2.0)
    cost.save()
    assert CostModel(path).estimate(work) == pytest.approx(2.0)


def test_the_undamaged_file_of_the_same_shape_is_read(tmp_path: Path) -> None:
    # the cases above must fail for their damage, not for their shape
    path = tmp_path / "cost.json"
    path.write_bytes(SOUND)
    assert CostModel(path).knows("m")


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cost = taught()
    cost.save()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cost = CostModel(tmp_path / "file" / "cost.json")
    with pytest.raises(BadRequest, match="cannot write"):
        cost.save()
