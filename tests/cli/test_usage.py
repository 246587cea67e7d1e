"""The command line itself: help, bad usage in one line, and errors of every kind."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from foleyd import __version__, cli, options
from foleyd.errors import DiskFull, FoleydError, Offline
from foleyd.fields import FIELDS
from foleyd.values import accepts

Run = Callable[..., Any]


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rendr x", "No such command 'rendr'. Did you mean 'render'"),
        ("render x --stps 3", "No such option: --stps"),
        ("render x --count many", "'--count'"),
        ("render x --count 0", "count is 0"),
        ("render x --count 1001", "at most 1000"),
        ("render", "nothing to render"),
        ("render x -o", "requires an argument"),
        ("render x --steps 999", "steps is 999: give a whole number from 1 to 200."),
        ("render x --steps 2.5", "steps is 2.5"),
        ("render x --seconds nan", "seconds is"),
        ("render x --seconds forever", "or 'auto'"),
        ("render x --guidance 0.5", "guidance is 0.5: give a number from 1 to 20."),
        ("render x --scheduler magic", "one of ddim"),
        ("render x --level loud", "one of peak, lufs, none"),
        ("render x --rate 44100.5", "rate is 44100.5"),
        ("render x --rate 4000", "8000 to 192000 Hz"),
        ("render x --seed -1", "seed is"),
        ("render x --seed 2147483647 --count 2", "past 2147483647"),
        ("render --batch b.csv x", "--batch takes its clips from the file"),
        ("render --batch b.json", "give a .csv or a .toml file"),
        ("render --batch nowhere.csv", "nowhere.csv cannot be read"),
        ("render --from nowhere.wav", "cannot read nowhere.wav"),
        ("render x --format mp3", "format is 'mp3'"),
        ("render x --format mp3 -o here/", "format is 'mp3'"),
        ("render x -o a.mp3", "use .wav, .flac, .ogg"),
        ("render x -o a.wav --format flac", "'a.wav' ends with .wav but format 'flac' with .flac"),
        ("render x y -o a.wav", "one file for 2 clips"),
        ("render x --model a/b/c", "is no model"),
        ("models", "Usage: foleyd models"),
        ("bench", "Missing command"),
        ("bench cli --runs 0", "--runs"),
        ("", "Usage: foleyd"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_2(
    run: Run, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = line.split()
    if arguments[:1] == ["render"] and "--model" not in arguments:
        arguments[1:1] = ["--model", model]
    ran = run(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert said in words(ran.err)
    assert "Traceback" not in ran.err
    assert "│" not in ran.err
    if not said.startswith("Usage"):
        assert ran.err.startswith("foleyd: ")
        assert ran.err.count("\n") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "line", ["--help", "-h", "render --help", "render -h", "demo --help", "doctor --help"]
)
def test_help_has_an_example(run: Run, line: str) -> None:
    ran = run(*line.split())
    assert (ran.status, ran.err) == (0, "")
    assert re.search(r"Examples?:\n +foleyd ", ran.out)


@pytest.mark.parametrize("name", ["cli", "render"])
def test_bench_help_has_an_example(run: Run, name: str) -> None:
    assert f"foleyd bench {name} --" in run("bench", name, "--help").out


def test_the_help_of_render_says_what_the_table_of_fields_says(run: Run) -> None:
    said = words(run("render", "--help").out)
    flags = [field for field in FIELDS.values() if field.flag]
    assert len(flags) > 10
    for field in flags:
        assert field.flag.replace("/", " / ") in said
        assert words(options.help_text(field)) in said
    assert accepts(FIELDS["seconds"]).removeprefix("a ") in said


def test_the_list_of_commands_is_the_table(run: Run) -> None:
    listed = run("--help").out
    for name, row in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(row.summary)}$", listed, re.MULTILINE)


def test_version(run: Run) -> None:
    assert run("--version").out == f"foleyd {__version__}\n"


def test_help_imports_nothing_that_it_does_not_need() -> None:
    probe = """
import sys
from foleyd import cli
cli.main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
print(*sorted(name for name in sys.modules if name.startswith("foleyd")), file=sys.stderr)
"""
    for line in (["--help"], ["render", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", probe, *line], capture_output=True, text=True, check=True
        )
        top, ours = (set(row.split()) for row in done.stderr.splitlines()[-2:])
        assert not top & {"torch", "numpy", "matplotlib", "soundfile", "soxr", "rich", "transformers"}
        assert "foleyd.daemon.job" not in ours
        assert ("foleyd.render_cli" in ours) == (line[0] == "render")


def test_a_package_that_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = cli.Command("no_such_package_of_anybody:app", "Trains.")
    monkeypatch.setitem(cli.COMMANDS, "train", broken)
    ran = run("train")
    assert ran.status == 1
    assert "'foleyd train' needs the Python package 'no_such_package_of_anybody'" in ran.err
    assert "pip install 'foleyd[train]'" in ran.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DiskFull("No room."), 1, "foleyd: No room.\n"),
        (Offline("No net."), 1, "foleyd: No net.\n"),
        (KeyboardInterrupt(), 130, "foleyd: Cancelled.\n"),
        (ZeroDivisionError("in\ntwo lines"), 1, "foleyd: Something went wrong inside foleyd"),
    ],
)
def test_an_error_is_one_line_and_its_traceback_waits_for_debug(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
) -> None:
    from foleyd import render_cli

    def fails(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(render_cli, "_one_way_in", fails)
    ran = run("render", "x")
    assert (ran.status, ran.err.count("\n")) == (status, 1)
    assert ran.err.startswith(said)
    if isinstance(error, FoleydError):
        monkeypatch.setenv("FOLEYD_DEBUG", "1")
        assert "Traceback" in run("render", "x").err


def test_json_names_the_error_too(run: Run, model: str) -> None:
    ran = run("render", "x", "--model", model, "--steps", "0", "--json")
    assert ran.status == 2
    assert ran.json["error"]["code"] == "bad_request"
    assert ran.json["error"]["message"] in ran.err
