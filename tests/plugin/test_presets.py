"""The plugin's banks against those of the Python side: the same places, the same refusals, the same lock, and
what one writes the other takes."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import pytest
from typer.testing import CliRunner

from foleyd.errors import BadRequest
from foleyd_live import plugin_fields, presets, presets_cli
from foleyd_live.banks import BankChanged, Banks, shipped_folder
from plugin_build import SOURCE, Desk

BELL = {
    "name": "Doorbell",
    "mood": "old",
    "recipe": {"prompt": "an old doorbell", "echo": 3, "seconds": 2, "seed": [7, 9]},
    "play": {"gain": -3, "mode": "gate", "colour": "#aabbcc", "wobble": 1},
}


def bank_of(**preset: Any) -> dict[str, Any]:
    return {"format": 1, "later": [1], "presets": [{**BELL, **preset}]}


def test_the_tables_of_the_core_are_those_of_the_code() -> None:
    written = (SOURCE / "core" / "preset_fields.inc").read_text(encoding="utf-8")
    assert written == plugin_fields.text(), (
        "run: python -m foleyd_live.plugin_fields bridge/plugin/core/preset_fields.inc"
    )


@pytest.mark.parametrize(
    "environment",
    [{"FOLEYD_HOME": "/some/where"}, {"FOLEYD_HOME": " ~/elsewhere "}, {}, {"XDG_DATA_HOME": "/data"}],
    ids=["moved", "in the home directory", "usual", "moved by the desktop"],
)
def test_both_look_for_banks_in_the_same_places(
    desk: Desk, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FOLEYD_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    told = desk("folders")
    assert Path(told["user"]) == Banks().user
    assert Path(told["shipped"]) == shipped_folder()


def test_the_banks_that_ship_are_read_whole(desk: Desk, tmp_path: Path) -> None:
    told = desk("banks", tmp_path, shipped_folder() or "")
    assert {name: bank["presets"] for name, bank in told.items()} == {
        bank.name: [one.name for one in bank.presets] for bank in Banks(tmp_path).all()
    }
    assert all(bank["problem"] == "" and not bank["users"] for bank in told.values())


WRONG: dict[str, dict[str, Any]] = {
    "no name": {"name": ""},
    "slash": {"name": "a/b"},
    "spaces": {"name": " a"},
    "category": {"category": "x1"},
    "tag": {"tags": ["a,b"]},
    "no recipe": {"recipe": None},
    "no prompt": {"recipe": {}},
    "empty prompt": {"recipe": {"prompt": ""}},
    "long prompt": {"recipe": {"prompt": "x" * 1001}},
    "seconds": {"recipe": {"prompt": "a", "seconds": 601}},
    "steps": {"recipe": {"prompt": "a", "steps": 2.5}},
    "scheduler": {"recipe": {"prompt": "a", "scheduler": "x"}},
    "seed": {"recipe": {"prompt": "a", "seed": -1}},
    "no seeds": {"recipe": {"prompt": "a", "seed": []}},
    "bars without tempo": {"recipe": {"prompt": "a", "bars": 2}},
    "two lengths": {"recipe": {"prompt": "a", "bars": 2, "bpm": 120, "seconds": 2}},
    "gain": {"play": {"gain": 13}},
    "mode": {"play": {"mode": "loud"}},
    "colour": {"play": {"colour": "red"}},
    "mute": {"play": {"mute": 2}},
    "play": {"play": []},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_python_refuses_the_core_refuses_at_the_same_line(desk: Desk, tmp_path: Path, case: str) -> None:
    file = tmp_path / "bells.json"
    file.write_text(json.dumps(bank_of(**WRONG[case]), indent=1), encoding="utf-8")
    with pytest.raises(BadRequest) as refused:
        presets.read("bells", file.read_bytes(), label=str(file))
    place = str(refused.value).partition(": ")[0]
    problem = desk("banks", tmp_path, "")["bells"]["problem"]
    assert problem.partition(": ")[0] == place, (problem, str(refused.value))


def test_a_pad_saved_by_the_plugin_is_a_bank_that_foleyd_takes(desk: Desk, tmp_path: Path) -> None:
    Banks(tmp_path)._write("bells", json.dumps(bank_of()).encode(), expected="")
    said = desk("pad", tmp_path, "", "bells", "Doorbell", "mine", "Bell again")
    assert said == f"mine/Bell again is saved in {tmp_path / 'mine.json'}"
    checked = CliRunner().invoke(presets_cli.app, ["check", str(tmp_path / "mine.json")])
    assert checked.exit_code == 0, checked.output
    saved = Banks(tmp_path).get("mine").preset("Bell again")
    assert saved.recipe == {"prompt": "an old doorbell", "seconds": 2.0}
    assert saved.seeds == (7,)
    assert saved.play["gain"] == pytest.approx(-7.1)
    assert saved.play["mode"] == "gate"


def test_a_preset_put_into_a_bank_keeps_what_is_not_known(desk: Desk, tmp_path: Path) -> None:
    Banks(tmp_path)._write("bells", json.dumps(bank_of()).encode(), expected="")
    bell = {"name": "doorbell", "recipe": {"prompt": "a bell"}}
    desk("put", tmp_path, "", "bells", "replace", 10, given=bell)
    document = Banks(tmp_path).get("bells").document
    assert list(document) == ["format", "later", "presets"]
    (row,) = document["presets"]
    assert row["mood"] == "old"
    assert row["recipe"] == {"prompt": "a bell", "echo": 3}
    assert row["play"] == {"wobble": 1}


def test_the_core_waits_for_pythons_lock_and_python_is_told_of_a_change(desk: Desk, tmp_path: Path) -> None:
    banks = Banks(tmp_path)
    mine = presets.put(presets.make("bells", {"format": 1, "presets": []}), BELL)
    gong = {"name": "Gong", "recipe": {"prompt": "a gong"}}
    with filelock.FileLock(f"{tmp_path / 'bells.json'}.lock"):
        assert "another program is writing" in desk.refusal(
            "put", tmp_path, "", "bells", "new", 0.1, given=gong
        )
        assert not (tmp_path / "bells.json").exists()
    desk("put", tmp_path, "", "bells", "new", 10, given=gong)
    with pytest.raises(BankChanged):
        banks.save(mine)
    assert [one.name for one in banks.get("bells").presets] == ["Gong"]


def test_many_writers_at_once_lose_nothing(desk: Desk, tmp_path: Path) -> None:
    """Each writes its presets again until the bank has them; nobody overwrites another's."""
    names = {f"{who} {k}" for who in ("core", "python") for k in range(6)}

    def python() -> None:
        banks = Banks(tmp_path)
        for name in sorted(one for one in names if one.startswith("python")):
            while True:
                bank = (
                    banks.get("all")
                    if "all" in banks.names()
                    else presets.make("all", {"format": 1, "presets": []})
                )
                try:
                    banks.save(presets.put(bank, {"name": name, "recipe": {"prompt": "a"}}))
                    break
                except BankChanged:
                    continue

    other = threading.Thread(target=python)
    other.start()
    for name in sorted(one for one in names if one.startswith("core")):
        preset = {"name": name, "recipe": {"prompt": "a"}}
        while "changed by another" in desk.refusal(
            "put", tmp_path, "", "all", "new", 60, given=preset, may_work=True
        ):
            pass
    other.join()
    assert {one.name for one in Banks(tmp_path).get("all").presets} == names
    assert {one.name for one in tmp_path.iterdir()} == {"all.json", "all.json.lock"}


def test_a_refused_preset_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    empty = {"name": "x", "recipe": {"prompt": ""}}
    said = desk.refusal("put", tmp_path, "", "bells", "new", 10, given=empty)
    assert "prompt is ''" in said
    assert not list(tmp_path.iterdir())
    with pytest.raises(subprocess.CalledProcessError):
        desk("put", tmp_path, "", "Bells!", "new", 10, given=BELL)
