"""`foleyd train` from the outside: help, refusals, and a stop that leaves something to go on from."""

import importlib.util
import subprocess
import sys

import pytest

from foleyd import cli


def test_help_says_what_it_needs_and_how_long_it_takes():
    done = subprocess.run(
        [sys.executable, "-m", "foleyd.cli", "train", "starter", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in (
        "fluid-soundfont-gm",
        "sonic-pi-samples",
        "--work",
        "--output",
        "--steps",
        "--from",
        "--part",
        "Example",
    ):
        assert word in done.stdout


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch, tmp_path, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fluidsynth" else real(name)
    )
    status = cli.main(["train", "starter", "--work", str(tmp_path / "w"), "--output", str(tmp_path / "o")])
    assert status == 1
    said = capsys.readouterr().err
    assert "pyfluidsynth" in said
    assert "foleyd[train]" in said
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "starter"],
        ["train", "starter", "--work", "w", "--output", "o", "--steps", "0"],
        ["train", "starter", "--work", "w", "--output", "o", "--part", "ear"],
        ["train", "starter", "--work", "w", "--output", "o", "--from", "starter", "--part", "vocoder"],
    ],
)
def test_bad_usage_is_one_line(arguments, capsys):
    assert cli.main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
