"""``foleyd render`` in a hurry: drafts before the clips, and steps that keep a deadline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import believed_costs
import gated_worker
from foleyd.audio.export import read_recipe
from foleyd.wire.connection import default_path
from serving import Served

Run = Callable[..., Any]
SHORT = ("--seed", 1, "--seconds", 0.5)
STEP_S = 10.0
"""What a step of the clips above is believed to take: no start of a process makes a difference to that."""


@pytest.fixture
def slow_machine(own_home: Path) -> Path:
    """A machine that is believed to be slow."""
    believed_costs.believe(own_home, STEP_S)
    return own_home


def test_drafts_come_first_and_stay_beside_the_clips(
    run: Run, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("none")
    command = ("render", "a bell", "a gong", *SHORT, "--steps", 5, "--draft", 2, "-o", tmp_path)
    ran = run(*command)
    assert ran.status == 0, ran.err
    names = ["a-bell-1.draft.wav", "a-gong-1.draft.wav", "a-bell-1.wav", "a-gong-1.wav"]
    assert [path.name for path in ran.paths] == names
    assert [read_recipe(tmp_path / name).steps for name in names] == [2, 2, 5, 5]
    assert ran.err.splitlines()[0].startswith('draft of "a bell": seed 1')
    again = run(*command, "--json", "--picture")
    assert [clip["recipe"]["steps"] for clip in again.json["clips"]] == [5, 5]
    assert [clip["path"] for clip in again.json["drafts"]] == [str(path) for path in ran.paths[:2]]
    assert len(list(tmp_path.glob("*.wav"))) == 4
    one = run("render", "a bell", *SHORT, "--steps", 5, "--draft", 2, "-o", tmp_path / "one.flac")
    assert [path.name for path in one.paths] == ["one.draft.flac", "one.flac"]


def test_a_draft_that_is_no_sound_does_not_stop_the_clip(
    run: Run, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("bad_words")  # at the third step, which a draft of two steps does not reach
    ran = run("render", "bad", "good", *SHORT, "--steps", 5, "--draft", 3, "-o", tmp_path)
    assert ran.status == 1
    assert [path.name for path in ran.paths] == ["good-1.draft.wav", "good-1.wav"]
    assert ran.err.count('"bad": the samples are not numbers') == 2
    assert "1 of 2 clips failed" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--steps", 4, "--draft", 4), "draft is 4, the sound itself has 4 steps: give fewer."),
        (("--draft", 0), "--draft"),
        (("--within", 0), "--within"),
    ],
)
def test_haste_that_makes_no_sense_is_refused(
    run: Run, tmp_path: Path, no_worker: Callable[[], None], arguments: tuple[object, ...], said: str
) -> None:
    no_worker()
    ran = run("render", "a bell", *SHORT, *arguments, "-o", tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_table_has_no_deadline(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "sounds.csv"
    table.write_text("prompt\na bell\n")
    ran = run("render", "--batch", table, "--within", 5)
    assert ran.status == 2
    assert "leave them out with --batch" in ran.err


@pytest.mark.parametrize(("count", "within", "steps"), [(1, 1000, 20), (1, 128, 12), (2, 256, 12)])
def test_as_many_steps_as_the_time_allows(
    run: Run,
    slow_machine: Path,
    tmp_path: Path,
    fault: Callable[[str], None],
    count: int,
    within: float,
    steps: int,
) -> None:
    fault("none")
    ran = run("render", "a bell", *SHORT, "--count", count, "--within", within, "-o", tmp_path, "--json")
    assert ran.status == 0, ran.err
    # the first was done at once, so that the second has all the time
    assert [clip["recipe"]["steps"] for clip in ran.json["clips"]] == [steps, 20][:count]
    assert f"{steps} steps instead of 20" in ran.err or steps == 20
    kept = json.loads((slow_machine / "cache" / "costs.json").read_bytes())
    assert [one["work"]["steps"] for one in kept["seen"]["an abacus"]][8:] == [steps, 20][:count]


def test_too_little_time_is_refused_before_a_model_is_loaded(
    run: Run, slow_machine: Path, tmp_path: Path, no_worker: Callable[[], None]
) -> None:
    no_worker()
    ran = run("render", "a bell", *SHORT, "--within", 5, "-o", tmp_path, "--json")
    assert ran.status == 1
    assert ran.json["error"]["code"] == "too_slow"
    assert "This would take about 4" in ran.err  # what the fewest steps need
    assert "longer than the 5 s given: nothing would fit" in ran.err
    # who says how many steps gets those or nothing
    ran = run("render", "a bell", *SHORT, "--steps", 20, "--within", 128, "-o", tmp_path)
    assert ran.status == 1
    assert "12 steps instead of 20 would fit" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_deadline_is_for_the_drafts(
    run: Run, slow_machine: Path, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("none")
    ran = run("render", "a bell", *SHORT, "--draft", 10, "--within", 60, "-o", tmp_path)
    assert ran.status == 1
    assert "instead of 10 would fit" in ran.err
    ran = run("render", "a bell", *SHORT, "--draft", 4, "--within", 60, "-o", tmp_path)
    assert ran.status == 0, ran.err
    assert [read_recipe(path).steps for path in ran.paths] == [4, 20]


def test_a_model_that_is_loaded_too_late_is_told_so(
    run: Run, model: str, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("none")
    ran = run("render", "a bell", "--seconds", 0.5, "--model", model, "--within", 0.01, "-o", tmp_path)
    assert ran.status == 1
    assert "start 'foleyd serve'" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_the_daemon_keeps_the_deadline(run: Run, slow_machine: Path, tmp_path: Path) -> None:
    usual = default_path()
    usual.parent.mkdir(mode=0o700)
    with Served(slow_machine, "--connection-file", str(usual), worker=gated_worker.COMMAND):
        late = run("render", "a bell", *SHORT, "--within", 5, "-o", tmp_path)
        assert late.status == 1
        assert "This would take about 4" in late.err
        ran = run("render", "a bell", *SHORT, "--within", 128, "--json", "-o", tmp_path)
        assert ran.status == 0, ran.err
        assert ran.json["clips"][0]["recipe"]["steps"] == 12
        drafted = run("render", "a gong", *SHORT, "--draft", 4, "-o", tmp_path)
        assert drafted.status == 0, drafted.err
        assert [read_recipe(path).steps for path in drafted.paths] == [4, 20]
    assert gated_worker.steps(slow_machine, "a bell") == list(range(13))
