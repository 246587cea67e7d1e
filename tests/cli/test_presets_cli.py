"""`foleyd presets`: what it prints where, and what it does to the user's banks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foleyd_live import preset_schema

Run = Callable[..., Any]


@pytest.fixture
def folder(own_home: Path) -> Path:
    """Where the user's banks go."""
    return own_home / "presets"


def written(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def broken(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "broken.json"
    path.write_text('{"odd": 1, "presets": [\n{"name": "x", "recipe": {"prompt": "x", "steps": 900}}]}')
    return path


def test_list_shows_what_ships(run: Run) -> None:
    lines = run("presets", "list").out.splitlines()
    assert lines[0].split() == ["preset", "category", "seed", "prompt", "tags"]
    assert any(line.startswith("drums/Snare") and "a snare drum hit" in line for line in lines)
    assert any(line.startswith("weather/") for line in lines)


def test_list_finds_by_words_tags_and_category(run: Run) -> None:
    def found(*options: str) -> list[str]:
        return [row["preset"] for row in run("presets", "list", "--json", *options).json["presets"]]

    assert len(found()) == 128
    assert len(found("weather")) == 16
    assert found("--search", "CYMBAL crash") == ["drums/Crash"]
    assert found("--tag", "rain", "--tag", "soft") == ["weather/Light rain"]
    assert found("--category", "thun") == ["weather/Far thunder", "weather/Thunder clap"]
    nothing = run("presets", "list", "--search", "no such thing")
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "There are no such presets.\n")


def test_list_names_broken_banks_and_shows_the_others(run: Run, folder: Path) -> None:
    path = broken(folder)
    ran = run("presets", "list", "--json")
    reason = f"{path}, line 2: steps is 900: give a whole number from 1 to 200."
    assert ran.json["broken"] == {"broken": reason}
    assert ran.err == f"{reason}\n"
    assert len(ran.json["presets"]) == 128
    alone = run("presets", "list", "broken")
    assert (alone.status, alone.err) == (2, f"foleyd: {reason}\n")


def test_show_tells_all_of_a_bank_or_a_preset(run: Run) -> None:
    bank = run("presets", "show", "drums", "--json").json
    assert (bank["bank"]["name"], bank["bank"]["origin"], len(bank["presets"])) == ("drums", "shipped", 16)
    one = run("presets", "show", "drums/closed hat", "--json").json["preset"]
    assert one["preset"] == "drums/Closed hat"
    assert one["recipe"]["prompt"] == "a closed hi-hat"
    assert isinstance(one["seed"], int)
    assert one["play"]["choke"] == 1
    lines = run("presets", "show", "drums/closed hat").out.splitlines()
    assert "category MUSCPerc" in lines
    ran = run("presets", "show", "drums/gong")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("foleyd: bank drums has no preset 'gong'")


def test_the_shipped_banks_are_right_and_their_schema_is_no_bank(run: Run) -> None:
    files = sorted((Path(__file__).parents[2] / "presets").glob("*.json"))
    ran = run("presets", "check", *files)
    assert (ran.status, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == len(files) - 1


def test_check_says_line_reason_and_what_is_not_known(run: Run, folder: Path, tmp_path: Path) -> None:
    bad = broken(folder)
    good = tmp_path / "good.json"
    good.write_text('{"presets": [],\n"odd": 1}')
    ran = run("presets", "check", good, bad)
    assert ran.status == 1
    assert ran.out.splitlines() == [
        f"{good}: 0 presets, no mistake",
        f"{good}, line 2: 'odd' is not known here and is kept as it is.",
        f"{bad}, line 2: steps is 900: give a whole number from 1 to 200.",
    ]
    assert ran.err == "foleyd: 1 of 2 banks cannot be used.\n"
    assert run("presets", "check", good).status == 0
    everything = run("presets", "check", "--json")
    assert everything.status == 1
    named = {Path(one["file"]).stem: bool(one["problem"]) for one in everything.json["checked"]}
    assert named.pop("broken")
    assert len(named) == 8
    assert not any(named.values())
    assert "cannot read" in run("presets", "check", tmp_path / "nowhere.json").out


def test_new_makes_a_bank_and_presets_in_it(run: Run, folder: Path) -> None:
    ran = run("presets", "new", "mine", "--title", "My bells", "--about", "for the hall")
    assert (ran.status, ran.out) == (0, f"mine is in {folder / 'mine.json'}\n")
    ran = run(
        *("presets", "new", "mine/Doorbell", "--prompt", "an old doorbell", "--seed", "7,9", "--steps", "5"),
        *("--tag", "door", "--category", "BELLDoor", "--play", "gain=-3", "--play", "mode=gate", "--json"),
    )
    assert ran.json["preset"]["seed"] == [7, 9]
    assert written(folder, "mine") == {
        "format": 1,
        "title": "My bells",
        "about": "for the hall",
        "presets": [
            {
                "name": "Doorbell",
                "category": "BELLDoor",
                "tags": ["door"],
                "recipe": {"prompt": "an old doorbell", "steps": 5, "seed": [7, 9]},
                "play": {"gain": -3.0, "mode": "gate"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("new mine/Bell", "prompt is empty"),
        ("new mine/Bell --prompt x --steps 0", "steps is 0"),
        ("new mine/Bell --prompt x --seed often", "seed is 'often'"),
        ("new mine/Bell --prompt x --play gain", "play is 'gain': give NAME=VALUE with one of name, colour"),
        ("new mine/Bell --prompt x --play clip=a", "play is 'clip=a'"),
        ("new mine/Bell --prompt x --play gain=loud", "pad/gain is 'loud': give a number -60 to 12 dB."),
        ("new mine/Bell --prompt x --play gain=99", "pad/gain is 99"),
        ("new mine/Bell --prompt x --category bells", "category is 'bells'"),
        ("new mine --prompt x", "mine names a bank alone"),
        ("new Mine/Bell --prompt x", "'Mine' is no name of a bank"),
        ("new drums", "there is a bank drums already"),
        ("new drums/Snare --prompt x", "drums has a preset 'Snare' already: rename it, or --replace."),
        ("remove drums --yes", "bank drums ships with foleyd and stays"),
        ("remove drums/Snare", "bank drums ships with foleyd and stays"),
        ("remove mine --yes", "you have no bank 'mine'"),
        ("remove mine", "Nobody is here to answer"),
        ("install nowhere.json", "cannot read nowhere.json"),
        ("export nothing", "there is no bank 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    run: Run, folder: Path, line: str, reason: str
) -> None:
    ran = run("presets", *line.split())
    assert ran.status == 2, ran
    assert ran.out == ""
    assert ran.err.startswith("foleyd: ")
    assert ran.err.count("\n") == 1
    assert reason in ran.err
    assert not list(folder.glob("*.json"))


def test_new_in_a_bank_that_ships_makes_a_copy_of_yours(run: Run, folder: Path) -> None:
    assert run("presets", "new", "drums/Gong", "--prompt", "a gong", "--seed", "random").status == 0
    assert [one["name"] for one in written(folder, "drums")["presets"]][-1] == "Gong"
    assert written(folder, "drums")["presets"][-1]["recipe"]["seed"] == "random"
    assert run("presets", "show", "drums", "--json").json["bank"]["origin"] == "user"
    changed = run("presets", "new", "drums/gong", "--prompt", "a big gong", "--replace", "--json").json
    assert (changed["preset"]["recipe"], changed["preset"]["seed"]) == ({"prompt": "a big gong"}, "random")
    assert run("presets", "remove", "drums/Gong").out == "drums: 16 presets left.\n"
    ran = run("presets", "remove", "drums", "--yes")
    assert ran.out == "drums is gone. The one that ships with foleyd is seen again.\n"
    assert not (folder / "drums.json").exists()


def test_install_and_export_are_each_others_way_back(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("presets", "export", "weather", "-o", tmp_path)
    copy = tmp_path / "weather.json"
    assert (ran.status, ran.out) == (0, f"{copy}\n")
    assert "is there already" in run("presets", "export", "weather", "-o", copy).err
    assert run("presets", "export", "weather", "-o", copy, "--replace").status == 0
    ran = run("presets", "install", copy, "--name", "storm")
    assert ran.out == f"storm: 16 presets, in {folder / 'storm.json'}\n"
    assert (folder / "storm.json").read_bytes() == copy.read_bytes()
    again = run("presets", "install", copy, "--name", "storm")
    assert again.status == 1
    assert "say --replace" in again.err
    ran = run("presets", "install", copy)
    assert ran.err == "It goes before the bank weather that ships with foleyd.\n"
    refused = run("presets", "install", broken(tmp_path))
    assert (refused.status, refused.err) == (
        2,
        f"foleyd: {tmp_path / 'broken.json'}, line 2: steps is 900: give a whole number from 1 to 200.\n",
    )


def test_schema_prints_the_schema(run: Run) -> None:
    assert run("presets", "schema").json == preset_schema.schema()


@pytest.mark.parametrize("command", ["list", "show", "check", "install", "remove", "new", "export", "schema"])
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    ran = run("presets", command, "--help")
    assert ran.status == 0
    assert f"Example: foleyd presets {command}" in " ".join(ran.out.split())
