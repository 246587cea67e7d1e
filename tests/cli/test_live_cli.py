"""``foleyd live`` before it plays: what it refuses, and its errands that need no device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "foleyd-test-none")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")


def test_help_names_what_it_is_for(run: Run) -> None:
    said = run("live", "--help").out
    for words in ("--show", "--resume", "--osc-allow", "--midi-in", "--headless", "foleyd serve"):
        assert words in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--device", "no such card"), "no audio device"),
        (("--mixer", "fast"), "there is no mixer 'fast': choose auto, numba or numpy."),
        (("--collect",), "--collect needs --show FILE"),
        (("--show", "{broken}", "--collect"), "line 1"),
        (("--show", "{nowhere}", "--collect"), "cannot read"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(
    run: Run, own_home: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"pads": {"99": {}}}')
    places = {"broken": broken, "nowhere": tmp_path / "nowhere.json"}
    ran = run("live", "--mixer", "numpy", "--headless", *(one.format(**places) for one in arguments))
    assert ran.status in (1, 2)
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_clips_are_copied_beside_the_show(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    soundfile.write(elsewhere / "noise.wav", [0.1, -0.1], 48_000)
    show = tmp_path / "show" / "friday.json"
    show.parent.mkdir()
    clip = {"path": str(elsewhere / "noise.wav"), "name": "noise"}
    show.write_text(json.dumps({"pads": {"1": {"clip": clip}}}))
    ran = run("live", "--show", show, "--collect")
    assert (ran.status, ran.paths) == (0, [show.parent / "friday clips" / "noise.wav"])
    assert json.loads(show.read_text())["pads"]["1"]["clip"]["path"] == "friday clips/noise.wav"
