"""``foleyd bench speed``: every way to make a sound is measured, and what cannot be is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foleyd.bench import distance, numbers, peak, random_model, ready, speed, speed_table
from foleyd.bench.stages import NETWORKS
from foleyd.errors import BadRequest

Run = Callable[..., Any]
CLOSE_NATS = 0.01


def test_speed_takes_every_way_in_turns(run: Run, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MIXED_SECONDS", (1.0, 0.5))
    monkeypatch.setattr(peak, "SIZE", 256)
    order: list[tuple[str, float]] = []
    real = speed.Contest.turn
    monkeypatch.setattr(
        speed.Contest,
        "turn",
        lambda self, case, turn: order.append((case.name, case.seconds)) or real(self, case, turn),
    )
    ran = run(
        *("bench", "speed", "--model", model, "--seconds", "0.64", "--steps", 2, "--runs", 2),
        *("--device", "cpu", "--runtime", "torch", "--json"),
    )
    assert ran.status == 0, ran.err
    body = ran.json
    results = {(one["name"], one["seconds"]): one for one in body["results"]}
    assert order == 2 * list(results)
    names = [
        "stock diffusers",
        "torch float32",
        "default",
        "draft",
        "default, fast vocoder",
        "draft, fast vocoder",
    ]
    batches = [("default, batch of 2", 0.64), ("default, batch of 4", 0.64)]
    assert list(results) == [(name, seconds) for seconds in (0.64,) for name in names] + batches
    for (name, seconds), one in results.items():
        assert set(one["parts"]) == set(NETWORKS)
        assert 0 < one["first"] <= one["total"]
        assert one["clip"] == pytest.approx(one["total"] / one["batch"])
        assert one["real_time"] == pytest.approx(seconds / one["clip"])
        assert one["ratio"] == pytest.approx(results["stock diffusers", seconds]["total"] / one["clip"])
        assert one["peak_share"] == pytest.approx(one["operations_a_second"] / body["peak"]["float32"])
        assert one["steps"] == (speed.DRAFT_STEPS if name.startswith("draft") else 2)
        assert (one["log_mel_l1"] is None) == name.startswith(("stock", "draft"))
    for name, seconds in [(name, seconds) for seconds in (0.64,) for name in names[1:3]] + batches:
        assert results[name, seconds]["log_mel_l1"] < CLOSE_NATS
    # another vocoder is another sound
    assert results["default, fast vocoder", 0.64]["log_mel_l1"] > CLOSE_NATS
    assert (body["model"], body["random"], body["error"]) == ("folder:tiny", False, None)
    assert body["mixed"]["seconds"] == [1.0, 0.5]
    assert body["mixed"]["compiled"] == 0
    worker = body["worker"]
    assert 0 < worker["loaded_bytes"] <= worker["peak_bytes"]
    assert min(worker["ready_seconds"], worker["first_seconds"], worker["second_seconds"]) > 0


def test_a_starter_without_a_fast_vocoder_is_held_against_the_stock_pipeline() -> None:
    entry = ready.entry("starter")
    with speed.Contest(entry, "cpu", "auto", "torch", None) as contest:
        wanted = speed.cases((1.28,), 1, contest.ours["default"].capabilities.vocoders)
        assert [case.name for case in wanted][:4] == ["stock diffusers", "torch float32", "default", "draft"]
        contest.warm_up(wanted[:2])
        turns = {case: [contest.turn(case, 1)] for case in wanted[:2]}
        contest.products.turn()
        same = contest.result(wanted[1], turns)
    assert same.log_mel_l1 is not None
    assert same.log_mel_l1 < CLOSE_NATS
    assert all(seconds > 0 for seconds in same.parts.values())
    assert same.operations_a_second * same.clip > 1e9


def test_the_table_has_a_line_for_every_result() -> None:
    result = speed.Result(
        name="default", seconds=5.12, steps=10, batch=1, vocoder="own", runtime="openvino",
        precision="bfloat16", total=2.0, first=1.5, clip=2.0, ratio=4.6, real_time=2.56,
        parts=dict.fromkeys(NETWORKS, 0.125), log_mel_l1=0.04, operations_a_second=8e11, peak_share=0.5,
    )  # fmt: skip
    figures = speed.Figures(
        model="m", revision="0123456789abcdef", random=True, device="CPU", threads=2, scheduler="ddim",
        guidance=2.5, runs=3, peak={"bfloat16": 1.6e12}, results=(result,),
        mixed=speed.Mixed((1.0, 2.0), 0, 1.5),
        worker=speed.Footprint(
            ready_seconds=4.0, first_seconds=2.5, second_seconds=2.0, loaded_bytes=None,
            rendered_bytes=1_300_000_000, peak_bytes=1_400_000_000,
        ),
    )  # fmt: skip
    lines = speed_table.table(figures)
    assert lines[0] == "m 0123456789ab: ddim, guidance 2.5"
    assert speed_table.RANDOM in lines
    [line] = [line for line in lines if line.startswith("default")]
    figure = ["10", "2.000", "4.60", "2.56", "1.500", "0.125", "0.125", "0.125", "0.125", "50%", "0.040"]
    assert line.split() == ["default", *figure]
    assert lines[-3:] == [
        "2 mixed lengths back to back: 0 compiled, 1.5 s",
        "a worker: ready after 4.00 s, first render 2.50 s, second 2.00 s",
        "its memory: 1.30 GB after two renders, 1.40 GB at most",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("speed", "--seconds", "fast"), "--seconds is 'fast'"),
        (("speed", "--seconds", "0.1,5"), "--seconds is '0.1,5'"),
        (("speed", "--seconds", "nan"), "--seconds is 'nan'"),
        (("speed", "--model", "no/such"), "no/such"),
        (("speed", "--runtime", "steam"), "the runtime 'steam' is unknown"),
        (("quality", "--steps", "4,2.5"), "--steps is '4,2.5'"),
        (("quality", "--steps", ""), "--steps is ''"),
        (("quality", "--schedulers", "euler-a"), "--schedulers names 'euler-a'"),
    ],
)
def test_a_bad_option_is_one_sentence(run: Run, options: tuple[str, ...], said: str) -> None:
    ran = run("bench", *options)
    assert ran.status in (1, 2)
    assert ran.status == (1 if "no/such" in options else 2)
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert ran.out == ""


def test_numbers_are_read_once_each() -> None:
    assert numbers.read("2, 1,2", "seconds", 0.3, 30) == (2.0, 1.0)
    assert numbers.read_whole("4,8", "steps", 1, 1000) == (4, 8)
    with pytest.raises(BadRequest, match=re.escape("from 1 to 9")):
        numbers.read_whole("10", "steps", 1, 9)


def test_the_distance_is_in_nats() -> None:
    sound = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert distance.log_mel_l1(sound, sound[:8000]) < 0.02  # the edges differ
    assert distance.log_mel_l1(sound, sound / np.float32(np.e)) == pytest.approx(1.0, abs=1e-3)


def test_products_and_work_are_counted() -> None:
    products = peak.Products(torch.device("cpu"), lambda: None)
    products.add("float32")
    assert products.best == {}
    products.turn()
    assert products.best["float32"] > 0

    class Networks:
        denoise: Any = torch.nn.Linear(8, 16, bias=False)
        vocode_fast = None

    networks = Networks()
    before = networks.denoise
    with peak.counted(networks, ("denoise", "vocode_fast")) as work, torch.inference_mode():
        networks.denoise(torch.ones(4, 8))
        networks.denoise(torch.ones(4, 8))
    assert work == {"denoise": 2 * 2 * 4 * 8 * 16}
    assert networks.denoise is before


def test_a_random_model_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_model, "PUBLISHED", random_model.TINY)
    built = ready.entry("full")
    assert random_model.is_random(built.folder)
    assert ready.entry("full").revision == built.revision
    assert not random_model.is_random(random_model.build(tmp_path / "plain"))
