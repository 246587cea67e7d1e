"""Banks on the disk: whose goes first, what happens when two write at once, and what is left when a write
fails."""

from __future__ import annotations

import errno
import fcntl
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from foleyd.errors import BadRequest, DiskFull, FoleydError
from foleyd_live import banks as module
from foleyd_live import json_text, presets
from foleyd_live.banks import BankChanged, Banks

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0


def document(*names: str, **keys: Any) -> dict[str, Any]:
    return {**keys, "presets": [{"name": name, "recipe": {"prompt": f"a {name}"}} for name in names]}


def write(folder: Path, name: str, *names: str, **keys: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_bytes(json_text.write(document(*names, **keys)))
    return path


def named(bank: presets.Bank) -> list[str]:
    return [one.name for one in bank.presets]


@pytest.fixture
def here(tmp_path: Path) -> Banks:
    """Two banks that ship, and a user's folder that is not there yet."""
    write(tmp_path / "shipped", "drums", "kick", "snare")
    write(tmp_path / "shipped", "weather", "rain")
    (tmp_path / "shipped" / "schema.json").write_text("{}")
    return Banks(tmp_path / "user" / "presets", tmp_path / "shipped")


# finding


def test_the_users_bank_goes_before_the_one_that_ships(here: Banks) -> None:
    assert [one.origin for one in here.all()] == ["shipped", "shipped"]
    write(here.user, "drums", "gong")
    write(here.user, "mine", "bell")
    assert here.names() == ["drums", "mine", "weather"]
    assert [(one.name, one.origin) for one in here.all()] == [
        ("drums", "user"), ("mine", "user"), ("weather", "shipped"),
    ]  # fmt: skip
    assert named(here.get("drums")) == ["gong"]
    assert here.overrides("drums")
    assert not here.overrides("mine")


def test_all_is_the_same_object_until_a_file_changes(here: Banks) -> None:
    before = here.all()
    assert here.all() is before
    path = write(here.user, "mine", "bell")
    after = here.all()
    assert after is not before
    assert after[0] is before[0]
    assert here.all() is after
    path.unlink()
    assert [one.name for one in here.all()] == ["drums", "weather"]


def test_a_label_names_a_bank_or_a_preset(here: Banks) -> None:
    bank, preset = here.find("drums")
    assert (bank.name, preset) == ("drums", None)
    bank, preset = here.find("Drums/SNARE")
    assert preset is bank.presets[1]
    with pytest.raises(BadRequest, match="there is no bank 'rain': the banks are drums, weather"):
        here.find("rain")
    with pytest.raises(BadRequest, match="bank drums has no preset 'gong'"):
        here.find("drums/gong")
    with pytest.raises(BadRequest, match="there is no bank"):
        here.find("../shipped/drums")


def test_a_broken_bank_is_refused_whole_and_hides_no_other(here: Banks) -> None:
    here.user.mkdir(parents=True)
    (here.user / "drums.json").write_text('{"presets": [\n{"name": "kick"}]}')
    assert [one.name for one in here.all()] == ["weather"]
    reason = f"{here.user / 'drums.json'}, line 2: the preset has no recipe: give it one with a prompt."
    assert here.broken() == {"drums": reason}
    with pytest.raises(BadRequest) as refused:
        here.get("drums")
    assert str(refused.value) == reason


def test_the_shipped_banks_are_found_in_the_source_tree() -> None:
    assert module.shipped_folder() == ROOT / "presets"
    assert {"drums", "weather"} <= {one.name for one in Banks().all()}


def test_the_shipped_banks_are_found_where_a_wheel_was_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    share = tmp_path / "share" / "foleyd" / "presets"
    write(share, "drums", "kick")
    (share / "schema.json").write_text("{}")
    card = packages / "foleyd-9.9.dist-info"
    card.mkdir(parents=True)
    (card / "METADATA").write_text("Metadata-Version: 2.1\nName: foleyd\nVersion: 9.9\n")
    (card / "RECORD").write_text("foleyd/cli.py,,\n../../../share/foleyd/presets/schema.json,,\n")
    monkeypatch.setattr(module, "__file__", str(packages / "foleyd_live" / "banks.py"))
    monkeypatch.syspath_prepend(str(packages))
    assert module.shipped_folder() == share
    assert [one.name for one in Banks().all()] == ["drums"]


def test_the_wheel_carries_the_shipped_banks() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert said["tool"]["setuptools"]["data-files"]["share/foleyd/presets"] == ["presets/*.json"]


# writing


def test_a_change_is_saved_whole_and_what_is_not_known_with_it(here: Banks) -> None:
    write(here.user, "mine", "bell", vendor={"x": [1]})
    bank = here.get("mine")
    saved = here.save(presets.put(bank, {"name": "gong", "recipe": {"prompt": "a gong"}}))
    assert named(saved) == ["bell", "gong"]
    on_disk = json.loads((here.user / "mine.json").read_text(encoding="utf-8"))
    assert list(on_disk) == ["vendor", "presets"]
    assert on_disk["vendor"] == {"x": [1]}
    again = here.get("mine")
    assert again.document == saved.document
    assert again.stamp == saved.stamp
    here.save(presets.drop(saved, "bell"))
    assert named(here.get("mine")) == ["gong"]
    assert sorted(path.name for path in here.user.iterdir()) == ["mine.json", "mine.json.lock"]


def test_a_bank_that_ships_is_changed_as_the_users_own(here: Banks) -> None:
    before = (here.shipped / "drums.json").read_bytes() if here.shipped else b""
    saved = here.save(presets.drop(here.get("drums"), "kick"))
    assert saved.path == str(here.user / "drums.json")
    assert named(here.get("drums")) == ["snare"]
    assert here.shipped is not None
    assert (here.shipped / "drums.json").read_bytes() == before
    here.remove("drums")
    assert named(here.get("drums")) == ["kick", "snare"]


def test_who_saves_what_has_changed_meanwhile_is_told(here: Banks) -> None:
    write(here.user, "mine", "bell")
    mine, theirs = here.get("mine"), Banks(here.user, here.shipped).get("mine")
    here.save(presets.put(theirs, {"name": "gong", "recipe": {"prompt": "a gong"}}))
    with pytest.raises(BankChanged, match="was changed by another program since it was read") as told:
        here.save(presets.drop(mine, "bell"))
    assert told.value.code == "bank_changed"
    assert named(here.get("mine")) == ["bell", "gong"]
    (here.user / "mine.json").unlink()
    with pytest.raises(BankChanged, match="was removed by another program"):
        here.save(mine)
    assert not (here.user / "mine.json").exists()


def test_a_shipped_bank_that_became_the_users_meanwhile_is_not_written_over(here: Banks) -> None:
    shipped = here.get("drums")
    write(here.user, "drums", "gong")
    with pytest.raises(BankChanged, match="already"):
        here.save(presets.drop(shipped, "kick"))
    assert named(here.get("drums")) == ["gong"]


WRITER = """
import sys
from pathlib import Path
from foleyd.errors import FoleydError
from foleyd_live import presets
from foleyd_live.banks import Banks
banks = Banks(Path(sys.argv[1]))
bank = banks.get("mine")
print("read", flush=True)
sys.stdin.readline()
try:
    banks.save(presets.put(bank, {"name": sys.argv[2], "recipe": {"prompt": "x" * 500}}))
    print("saved")
except FoleydError as error:
    print(error.code)
"""


def test_of_two_programs_that_save_at_once_one_wins_and_the_other_is_told(here: Banks) -> None:
    write(here.user, "mine", "bell", vendor=1)
    for turn in range(3):
        before = named(here.get("mine"))
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, here.user, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in (f"left {turn}", f"right {turn}")
        ]
        for one in writers:
            assert one.stdout is not None
            assert one.stdout.readline() == "read\n"
        for one in writers:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [one.communicate(timeout=PATIENCE_S)[0].strip() for one in writers]
        assert sorted(said) == ["bank_changed", "saved"]
        winner = ("left", "right")[said.index("saved")]
        assert named(here.get("mine")) == [*before, f"{winner} {turn}"]
        assert here.get("mine").document["vendor"] == 1


def test_the_lock_is_the_one_that_other_programs_take(here: Banks, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here.user, "mine", "bell")
    bank = here.get("mine")
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    with (here.user / "mine.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FoleydError, match="another program is writing bank mine"):
            here.save(bank)
        with pytest.raises(FoleydError, match="another program is writing bank mine"):
            here.remove("mine")
    assert here.save(bank).stamp == bank.stamp


def test_a_full_disk_leaves_the_old_bank(here: Banks, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here.user, "mine", "bell")
    bank = here.get("mine")
    before = (here.user / "mine.json").read_bytes()

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskFull):
            here.save(presets.drop(bank, "bell"))
    assert (here.user / "mine.json").read_bytes() == before
    assert sorted(path.name for path in here.user.iterdir()) == ["mine.json", "mine.json.lock"]
    assert named(here.save(presets.drop(bank, "bell"))) == []


def test_a_folder_that_cannot_be_written_is_said(here: Banks) -> None:
    here.user.parent.mkdir(parents=True)
    here.user.write_text("in the way")
    with pytest.raises(BadRequest, match="cannot write to"):
        here.save(presets.make("mine", document("bell")))


# in and out


def test_install_takes_a_file_as_it_is(here: Banks, tmp_path: Path) -> None:
    file = tmp_path / "Metal.json"
    file.write_text('{"presets":[{"name":"Gong","recipe":{"prompt":"a gong"}}], "odd": 1}', encoding="utf-8")
    bank = here.install(file)
    assert (bank.name, named(bank), bank.origin) == ("metal", ["Gong"], "user")
    assert (here.user / "metal.json").read_bytes() == file.read_bytes()
    with pytest.raises(BankChanged, match="already"):
        here.install(file)
    file.write_text('{"presets": []}')
    assert named(here.install(file, replace=True)) == []
    assert named(here.install(file, "other")) == []


def test_install_refuses_a_broken_file_and_a_bad_name(here: Banks, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"presets": 3}')
    with pytest.raises(BadRequest, match=r"bad\.json, line 1: presets are 3"):
        here.install(file)
    with pytest.raises(BadRequest, match="no name of a bank"):
        here.install(file, "../evil")
    with pytest.raises(BadRequest, match="cannot read"):
        here.install(tmp_path / "nowhere.json")
    assert not here.user.exists()


def test_remove_takes_the_users_banks_alone(here: Banks) -> None:
    path = write(here.user, "mine", "bell")
    path.write_text("broken")
    assert here.remove("mine") == path
    assert "mine" not in here.names()
    with pytest.raises(BadRequest, match="ships with foleyd and stays"):
        here.remove("drums")
    with pytest.raises(BadRequest, match="you have no bank 'mine'"):
        here.remove("mine")


def test_export_copies_a_bank(here: Banks, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert here.export("drums", out) == out / "drums.json"
    assert here.shipped is not None
    assert (out / "drums.json").read_bytes() == (here.shipped / "drums.json").read_bytes()
    with pytest.raises(BadRequest, match="is there already"):
        here.export("drums", out)
    write(here.user, "drums", "gong")
    here.export("drums", out, replace=True)
    assert b"gong" in (out / "drums.json").read_bytes()
    with pytest.raises(BadRequest, match="cannot write"):
        here.export("drums", tmp_path / "no" / "where.json")
