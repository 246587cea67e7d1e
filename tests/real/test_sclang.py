"""SuperCollider's language asks for a sound over OSC, follows it and opens the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from programs import Program
from serving import Served

HERE = Path(__file__).parent
SCREENLESS = {"QTWEBENGINE_DISABLE_SANDBOX": "1", "QT_QPA_PLATFORM": "offscreen"}
Run = Callable[[str], Program]


@pytest.fixture
def run(program: Callable[[str, str], str], served: Served, home: Path) -> Run:
    """Runs a script, which gets the port of OSC, to its end."""

    def run_script(name: str) -> Program:
        sclang = program("sclang", "supercollider-language")
        command = (sclang, "-D", HERE / name, str(served.osc[1]))
        with Program(*command, home=home, environment=SCREENLESS) as running:
            assert running.ended() == 0, running.lines
        return running

    return run_script


def test_a_sound_is_asked_for_followed_and_opened(run: Run, served: Served) -> None:
    said = run("render.scd").told("foleyd ")
    assert [words[0] for words in said] == ["queued", "progress", "progress", "done", "file", "peak"]
    queued, *progress, done, file, peak = said
    assert queued[1:] == ["7", "0"]
    assert [words[1:] for words in progress] == [["7", "1", "2"], ["7", "2", "2"]]
    assert done[1:3] == ["/foleyd/render", "7"]
    _, _, _, clip, path, seconds = done
    assert clip.startswith("clip-")
    assert Path(path).is_relative_to(served.told["library"])
    assert float(seconds) == 0.5
    assert file[1:] == ["24000", "48000", "2"]
    samples, rate = soundfile.read(path, dtype="float32")
    assert (samples.shape, rate) == ((24_000, 2), 48_000)
    assert float(peak[1]) == pytest.approx(abs(samples).max(), rel=1e-5)


def test_a_bad_request_is_told_what_is_wrong_with_it(run: Run) -> None:
    said = run("refusals.scd").told("foleyd fail ")
    # they are looked at at once, so that their order is not given
    about = {number: (command, code, " ".join(words)) for command, number, code, *words in said}
    assert {command for command, _, _ in about.values()} == {"/foleyd/render"}
    assert {code for _, code, _ in about.values()} == {"bad_request"}
    assert "steps" in about["1"][2]
    assert "'colour' is no field" in about["2"][2]
    assert about["3"][2].endswith(".")
