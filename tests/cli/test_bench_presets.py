"""``foleyd bench presets``: what presets sound like, seed by seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from foleyd.bench import presets as bench
from foleyd_live import wanted

Run = Callable[..., Any]


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A bank with a preset for the starter, one without a seed, and one for another model."""
    path = tmp_path / "mine.json"
    short = {"seconds": 0.5, "steps": 1}
    rows = [
        {"name": "Kick", "recipe": {"prompt": "a deep kick drum", "seed": [4, 2], **short}},
        {"name": "Rain", "recipe": {"prompt": "heavy rain", "operation": "loop", **short}},
        {"name": "Dog", "recipe": {"prompt": "a dog", "model": "cvssp/audioldm-s-full-v2"}},
    ]
    path.write_text(json.dumps({"presets": rows}))
    return path


def test_every_seed_is_rendered_measured_and_drawn(run: Run, bank: Path, tmp_path: Path) -> None:
    sheets = tmp_path / "sheets"
    ran = run("bench", "presets", bank, "--sheets", sheets, "--runtime", "torch", "--json")
    assert ran.status == 0, ran.err
    body = ran.json
    assert (body["model"], body["presets"], body["passed_over"]) == ("starter", 2, ["mine/Dog"])
    heard = [(one["preset"], one["seed"]) for one in body["clips"]]
    assert heard == [("Kick", 4), ("Kick", 2), ("Rain", 0), ("Rain", 1), ("Rain", 2)]
    for one in body["clips"]:
        assert -1 <= one["cosine"] <= 1
        assert one["place"] in (1, 2)
        assert one["flaw"] in ("", "silence")
        assert one["seconds"] >= 0
    assert {file.name for file in sheets.iterdir()} == {"mine-1.png", "mine-2.png", "mine-3.png"}
    assert imread(sheets / "mine-1.png").shape[1] == 1600


def test_the_seed_that_came_nearest_is_pinned(bank: Path) -> None:
    def heard(preset: str, seed: int, place: int, cosine: float, flaw: str = "") -> bench.Heard:
        return bench.Heard(
            bank="mine", preset=preset, seed=seed, peak=0, onset=0, seconds=1, centroid=9, cosine=cosine,
            place=place, flaw=flaw,
        )  # fmt: skip

    clips = [
        *(heard("Kick", 4, 2, 0.9), heard("Kick", 5, 1, 0.3), heard("Kick", 6, 1, 0.4)),
        *(heard("Rain", 0, 1, 0.9, "silence"), heard("Rain", 1, 3, 0.1)),
        heard("Dog", 0, 1, 0.9, "silence"),
    ]
    seeds = bench.best(clips)
    assert seeds == {("mine", "Kick"): 6, ("mine", "Rain"): 1}
    assert wanted.pin([str(bank)], seeds) == [str(bank)]
    written = json.loads(bank.read_text())["presets"]
    assert [one["recipe"].get("seed") for one in written] == [6, 1, None]
    assert written[0]["recipe"]["prompt"] == "a deep kick drum"
    assert wanted.pin([str(bank)], {}) == []


def test_names_files_and_seeds_are_taken(bank: Path) -> None:
    rows = wanted.wanted([str(bank), "drums"], 0)
    assert rows[0] == ("mine", "Kick", {"prompt": "a deep kick drum", "seconds": 0.5, "steps": 1}, (4, 2))
    assert len(rows) == 19
    assert {seeds for *_, seeds in wanted.wanted([str(bank)], 5)} == {(0, 1, 2, 3, 4)}


def test_what_is_no_bank_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("bench", "presets", tmp_path / "none.json")
    assert ran.status == 2
    assert "cannot read" in ran.err
    assert "there is no bank 'nothing'" in run("bench", "presets", "nothing").err


def test_nearness_counts_the_words_that_lie_nearer() -> None:
    said = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    heard = np.array([0.6, 0.8], np.float32)
    assert bench.nearness(heard, said, 2) == (pytest.approx(0.96), 1)
    assert bench.nearness(heard, said, 0) == (pytest.approx(0.6), 3)
    assert bench.nearness(None, said, 0) == (0.0, 3)


def test_the_table_says_what_is_wrong_with_a_clip() -> None:
    row = bench.Heard(
        bank="mine", preset="Kick", seed=3, peak=None, onset=0, seconds=0, centroid=0, cosine=0, place=9,
        flaw="silence",
    )  # fmt: skip
    figures = bench.Figures(
        model="m", revision="0123456789abcdef", presets=1, passed_over=("mine/Dog",), clips=(row,)
    )
    lines = bench.table(figures)
    assert lines[-2].split() == ["mine/Kick", "3", "-", "0.00", "0.00", "0", "0.00", "9", "silence"]
    assert lines[-1] == "for another model: mine/Dog"
