"""``foleyd bench quality``: settings against a long render of the same noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.image import imread

from foleyd.bench import quality

Run = Callable[..., Any]
MOST_BYTES = 300_000


def test_quality_measures_every_setting(run: Run, model: str, tmp_path: Path) -> None:
    picture = tmp_path / "quality.png"
    ran = run(
        *("bench", "quality", "--model", model, "--steps", "2,5", "--schedulers", "ddim,unipc"),
        *("--seconds", 0.64, "--prompts", 2, "--reference", 12, "--picture", picture, "--json"),
    )
    assert ran.status == 0, ran.err
    body = ran.json
    rows = [(one["scheduler"], one["steps"], one["interval"], one["precision"]) for one in body["results"]]
    assert sorted(rows) == sorted(
        (name, steps, interval, "float32")
        for name in ("ddim", "unipc")
        for steps in (2, 5)
        for interval in quality.INTERVALS
    )
    points = [(one["seconds"], one["log_mel_l1"]) for one in body["results"]]
    assert points == sorted(points)
    assert all(seconds > 0 and distance > 0 for seconds, distance in points)
    front = [point for point, one in zip(points, body["results"], strict=True) if one["front"]]
    assert front[0] == points[0]
    assert [distance for _, distance in front] == sorted((distance for _, distance in front), reverse=True)
    assert (body["reference"], body["runtime"]) == (["dpmpp-2m", 12], "torch")
    assert body["prompts"] == list(quality.PROMPTS[:2])
    assert picture.stat().st_size < MOST_BYTES
    assert imread(picture).std() > 0.01


def test_more_steps_of_the_starter_come_nearer(run: Run) -> None:
    ran = run(
        *("bench", "quality", "--steps", "3,9", "--schedulers", "dpmpp-2m", "--seconds", 1.28),
        *("--prompts", 1, "--reference", 24, "--json"),
    )
    assert ran.status == 0, ran.err
    far = {one["steps"]: one["log_mel_l1"] for one in ran.json["results"] if one["interval"] == "all"}
    assert far[9] < far[3] / 2


def test_only_what_nothing_beats_is_on_the_front() -> None:
    points = [(1.0, 0.5), (2.0, 0.2), (2.0, 0.3), (3.0, 0.2), (1.0, 0.5)]
    assert [quality.is_on_front(point, points) for point in points] == [True, True, False, False, True]


def test_the_table_marks_the_front_and_says_what_random_weights_mean() -> None:
    row = quality.Result(
        scheduler="unipc", steps=8, interval="all", precision="bfloat16", seconds=0.25, log_mel_l1=0.05,
        front=True,
    )  # fmt: skip
    figures = quality.Figures(
        model="m", revision="0123456789abcdef", random=True, device="CPU", runtime="torch", guidance=2.5,
        audio_seconds=2.56, prompts=("a",), reference=("dpmpp-2m", 200), results=(row,),
    )  # fmt: skip
    lines = quality.table(figures)
    assert lines[-1].split() == ["*", "unipc", "8", "all", "bfloat16", "0.250", "0.050"]
    assert any("random" in line for line in lines)
