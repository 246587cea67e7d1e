"""``foleyd render --batch``: only what changed is rendered, names stay, and a bad row stops it at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foleyd import batch, recipe
from foleyd.audio.export import read_clip, read_recipe

Run = Callable[..., Any]
Fault = Callable[[str], None]

TABLE = """prompt,seconds,file,seed,level
a bell,0.5,,,
"a gong, far away",0.5,big/gong.flac,4,none
a bell,0.5,,,
"""
BELL = f"a-bell-{batch.stable_seed('a bell', 0)}.wav"
BELL_2 = f"a-bell-{batch.stable_seed('a bell', 1)}.wav"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def statuses(ran: Any) -> list[str]:
    return [row["status"] for row in ran.json["rows"]]


def test_a_batch_is_rendered_once_and_then_only_where_it_changed(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None]
) -> None:
    source, folder = tmp_path / "sounds.csv", tmp_path / "made"
    source.write_text(TABLE, encoding="utf-8")
    line = ("render", "--batch", source, "--model", model, "-o", folder)
    first = run(*line)
    assert first.status == 0, first.err
    assert first.paths == [folder / BELL, folder / "big/gong.flac", folder / BELL_2]
    assert names(folder) == sorted([BELL, BELL_2, "big/gong.flac", "sounds.report.json"])
    report = json.loads((folder / "sounds.report.json").read_text())
    assert report["counts"] == {"rendered": 3}
    assert [row["line"] for row in report["rows"]] == [2, 3, 4]
    assert not np.array_equal(read_clip(folder / BELL)[0], read_clip(folder / BELL_2)[0])
    gong = read_recipe(folder / "big/gong.flac")
    assert (gong.prompt, gong.seed, gong.level) == ("a gong, far away", 4, "none")

    no_worker()
    before = {name: (folder / name).stat().st_mtime_ns for name in names(folder)[:-1]}
    second = run(*line, "--json")
    assert second.status == 0, second.err
    assert statuses(second) == ["unchanged"] * 3
    assert [row["sha256"] for row in second.json["rows"]] == [row["sha256"] for row in report["rows"]]
    assert [row["clip_id"] for row in second.json["rows"]] == [row["clip_id"] for row in report["rows"]]
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before

    source.write_text(TABLE.replace("4,none", "4,peak"), encoding="utf-8")
    assert statuses(run(*line, "--json")) == ["unchanged", "finished", "unchanged"]
    (folder / BELL).unlink()
    assert statuses(run(*line, "--json")) == ["finished", "unchanged", "unchanged"]
    data = bytearray((folder / BELL).read_bytes())
    data[-3] ^= 1
    (folder / BELL).write_bytes(data)
    assert statuses(run(*line, "--json")) == ["finished", "unchanged", "unchanged"]
    assert statuses(run(*line, "--json", "--picture")) == ["finished"] * 3
    assert statuses(run(*line, "--json", "--picture")) == ["unchanged"] * 3
    assert statuses(run(*line, "--json", "--format", "wav16")) == ["finished", "unchanged", "finished"]

    source.write_text(TABLE + "a new sound,0.5,,,\n", encoding="utf-8")
    stopped = run(*line, "--format", "wav16")
    assert stopped.status == 1
    report = json.loads((folder / "sounds.report.json").read_text())
    assert [row["status"] for row in report["rows"]] == ["unchanged", "finished", "unchanged", "failed"]
    assert "could not be started" in report["rows"][3]["error"]


def test_toml_rows_defaults_and_the_command_line(
    run: Run, model: str, tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault("none")
    monkeypatch.chdir(tmp_path)
    Path("pack.toml").write_text(
        """
[defaults]
seconds = 0.5
steps = 7
fade-out = 20

[[clip]]
prompt = "one"
steps = 3

[[clip]]
prompt = "two"
seed = 9.0
file = "deux"
trim = false
"""
    )
    ran = run("render", "--batch", "pack.toml", "--model", model, "--steps", 5, "--format", "flac")
    assert ran.status == 0, ran.err
    assert ran.paths == [Path(f"pack/one-{batch.stable_seed('one', 0)}.flac"), Path("pack/deux.flac")]
    one, two = (read_recipe(path) for path in ran.paths)
    assert (one.steps, one.seconds, one.fade_out, one.trim) == (3, 0.5, 20, True)
    assert (two.steps, two.seconds, two.seed, two.trim) == (5, 0.5, 9, False)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.csv", "prompt,seconds\na,1\nb,999\n", "b.csv line 3: seconds is 999"),
        ("b.csv", 'prompt,seconds\n"a\nb",1\n\nc,x\n', "b.csv line 5: seconds is 'x'"),
        ("b.csv", "prompt,sceduler\na,ddim\n", "b.csv line 1: there is no column 'sceduler': did you mean"),
        ("b.csv", "prompt,scheduler\na,lcm\n", "b.csv line 2: scheduler is 'lcm'"),
        ("b.csv", "prompt,file\na,../x.wav\n", "b.csv line 2: file is '../x.wav'"),
        ("b.csv", "prompt,file\na,/x.wav\n", "b.csv line 2: file is '/x.wav'"),
        ("b.csv", "prompt,file\na,C:\\x.wav\n", "b.csv line 2: file is"),
        ("b.csv", "prompt,file\na,x.wav\nb,./x.wav\n", "b.csv line 3: line 2 writes x.wav too"),
        ("b.csv", "prompt,seed\na,1\na,1\n", "b.csv line 3: line 2 writes a-1.wav too"),
        ("b.csv", "prompt,file\na,kick v1.2\nb,x.mp3\n", "b.csv line 3: file is 'x.mp3': foleyd writes .wav"),
        ("b.csv", "prompt,model\na,a/b\n", "b.csv line 2: a/b is not on this machine"),
        ("b.csv", "prompt,seed\na,1\n,2\n", "b.csv line 3: the prompt is missing"),
        ("b.toml", '[[clip]]\nprompt="a"\n\n[[clip]]\nprompt="b"\nsteps=0\n', "b.toml line 4: steps is 0"),
        ("b.toml", '[[clip]]\nprompt="a"\nwhat=1\n', "b.toml line 1: there is no column 'what'"),
    ],
)  # fmt: skip
def test_a_bad_row_stops_the_batch_before_anything_is_rendered(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None], name: str, text: str, said: str
) -> None:
    no_worker()
    (tmp_path / name).write_text(text)
    ran = run("render", "--batch", tmp_path / name, "--model", model, "-o", tmp_path / "made")
    assert ran.status in (1, 2)
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_file_that_foleyd_did_not_make_is_never_written_over(run: Run, model: str, tmp_path: Path) -> None:
    source, folder = tmp_path / "sounds.csv", tmp_path / "made"
    source.write_text("prompt,file\na bell,mine.wav\n", encoding="utf-8")
    folder.mkdir()
    (folder / "mine.wav").write_bytes(b"a recording that exists once")
    ran = run("render", "--batch", source, "--model", model, "-o", folder)
    assert ran.status == 2
    assert "line 2" in ran.err
    assert "mine.wav" in ran.err
    assert (folder / "mine.wav").read_bytes() == b"a recording that exists once"


def test_a_row_that_fails_does_not_stop_the_others(
    run: Run, model: str, tmp_path: Path, fault: Fault
) -> None:
    fault("bad_words")
    (tmp_path / "b.csv").write_text("prompt,file\na,a\nbad,b\nc,c\n")
    line = (
        "render",
        "--batch",
        tmp_path / "b.csv",
        "--model",
        model,
        "--steps",
        5,
        "-o",
        tmp_path / "made",
        "--json",
    )
    ran = run(*line)
    assert ran.status == 1
    assert statuses(ran) == ["rendered", "failed", "rendered"]
    assert ran.json["counts"] == {"rendered": 2, "failed": 1}
    assert "1 of 3 rows failed, first line 3: the samples are not numbers" in ran.err
    assert names(tmp_path / "made") == ["a.wav", "b.report.json", "c.wav"]
    fault("none")
    assert statuses(run(*line)) == ["unchanged", "rendered", "unchanged"]


def test_ctrl_c_leaves_a_report_of_what_was_done(run: Run, model: str, tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "b.csv").write_text("prompt,file\na,a\nb,b\nc,c\n")
    line = ("render", "--batch", tmp_path / "b.csv", "--model", model, "--steps", 5, "-o", tmp_path, "--json")
    fault("bad_words")
    run(*line)
    (tmp_path / "b.csv").write_text("prompt,file,seed\na,a,\nb,b,1\nc,c,1\n")
    fault("ctrl_c")
    ran = run(*line)
    assert ran.status == 130
    assert statuses(ran) == ["unchanged", "cancelled", "waiting"]
    assert ran.json["error"]["code"] == "cancelled"


def test_seeds_of_rows_depend_on_the_prompt_alone() -> None:
    assert batch.stable_seed("a bell", 0) == 5_430_191
    drawn = {batch.stable_seed("a bell", place) for place in range(200)}
    assert len(drawn) == 200
    assert max(drawn) < recipe.DRAWN_SEEDS
