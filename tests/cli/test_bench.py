"""``foleyd bench``: figures that add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from foleyd.bench import stages, startup

Run = Callable[..., Any]


def test_bench_cli_times_every_kind_of_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "KINDS", dict(list(startup.KINDS.items())[::4]))
    figures = run("bench", "cli", "--runs", 1, "--json").json["starts"]
    assert [one["name"] for one in figures] == ["python", "foleyd --help"]
    assert figures[0]["ratio"] == 1.0
    assert figures[1]["ratio"] == figures[1]["median"] / figures[0]["median"]
    assert all(one["fastest"] <= one["median"] for one in figures)


def test_bench_render_splits_a_render_into_its_stages(run: Run, model: str) -> None:
    ran = run(
        "bench",
        "render",
        "--model",
        model,
        "--seconds",
        3,
        "--steps",
        3,
        "--runs",
        1,
        "--device",
        "cpu",
        "--json",
    )
    assert ran.status == 0, ran.err
    body = ran.json
    assert [one["name"] for one in body["stages"]] == list(stages.LABELS)
    calls = {one["name"]: one["calls"] for one in body["stages"]}
    # three seconds are 384 mel frames, of which a HiFi-GAN makes 154, 128 and 102
    assert (calls["prompts"], calls["denoise"], calls["decode"], calls["vocode"]) == (2, 3, 1, 3)
    inside = [one for one in body["stages"] if one["name"] in (*stages.NETWORKS, "loop")]
    assert sum(one["share"] for one in inside) == pytest.approx(1.0)
    assert sum(one["seconds"] for one in inside) == pytest.approx(body["render_seconds"])
    assert body["audio_seconds"] >= 3.0
    assert (body["model"], body["recipe"]["steps"], body["precision"]) == ("folder:tiny", 3, "float32")


def test_tables_show_every_figure() -> None:
    lines = startup.table([startup.Start("python", 0.0101, 0.009, 1.0), startup.Start("x", 0.2, 0.1, 19.8)])
    assert [line.split() for line in lines] == [
        ["start", "median", "fastest", "ratio"],
        ["python", "10", "ms", "9", "ms", "1.00"],
        ["x", "200", "ms", "100", "ms", "19.80"],
    ]


def test_a_clock_adds_up_what_it_is_put_around() -> None:
    waits: list[str] = []
    clock = stages.Clock(lambda: waits.append("waited"))
    double = clock.around("double", lambda value: 2 * value)
    assert [double(2), double(3)] == [4, 6]
    assert clock.calls == {"double": 2}
    assert clock.seconds["double"] >= 0.0
    assert len(waits) == 4
    clock.reset()
    assert clock.seconds == clock.calls == {}
