"""``foleyd build``: only what changed, names that stay, nobody's work written over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foleyd.audio.export import read_recipe

Run = Callable[..., Any]
LIST = """
[project]
name = "Arcade"
folder = "assets"
sellable = true
[defaults]
steps = 4
seconds = 0.5
[sounds.laser]
prompt = "a laser shot"
count = 2
format = "ogg"
folder = "weapons"
[sounds."door open"]
prompt = "a wooden door creaks"
"""


@pytest.fixture
def listed(tmp_path: Path, own_home: Path) -> Path:
    path = tmp_path / "game" / "sounds.toml"
    path.parent.mkdir()
    path.write_text(LIST)
    return path


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def statuses(run: Run, listed: Path, *more: str) -> dict[str, str]:
    found: dict[str, str] = run("build", listed, "--check", "--json", *more).json["steps"]
    return found


def test_a_project_from_its_first_build_to_its_last(
    run: Run, listed: Path, no_worker: Callable[[], None]
) -> None:
    root = listed.parent
    before = run("build", listed, "--check")
    assert before.status == 1
    assert "2 of 2 sounds are not up to date (2 new): run 'foleyd build'" in before.err
    assert list(files(root)) == ["sounds.toml"]

    first = run("build", listed)
    assert first.status == 0, first.err
    made = files(root)
    sounds = ["assets/door-open.wav", "assets/weapons/laser-01.ogg", "assets/weapons/laser-02.ogg"]
    assert sorted(made) == [*sounds, "sounds.lock.json", "sounds.toml"]
    assert sorted(path.relative_to(root).as_posix() for path in first.paths) == sounds
    assert read_recipe(root / sounds[1]).prompt == "a laser shot"
    assert read_recipe(root / sounds[1]).seed != read_recipe(root / sounds[2]).seed
    assert run("build", listed, "--check").status == 0
    told = run("build", listed, "--licences")
    assert len(told.out.splitlines()) == 3
    assert all("Apache-2.0  may be sold  starter" in line for line in told.out.splitlines())

    # another recipe for one sound: the other's file is not touched, and takes that are kept are enough
    listed.write_text(LIST.replace("count = 2", "count = 1"))
    assert statuses(run, listed) == {"laser": "changed", "door open": "unchanged"}
    no_worker()
    again = run("build", listed)
    assert again.status == 0, again.err
    now = files(root)
    assert sorted(now) == [
        "assets/door-open.wav",
        "assets/weapons/laser.ogg",
        "sounds.lock.json",
        "sounds.toml",
    ]
    assert now["assets/door-open.wav"] == made["assets/door-open.wav"]

    # somebody's work stays; only --force makes it anew
    (root / "assets/door-open.wav").write_bytes(b"louder")
    assert statuses(run, listed) == {"laser": "unchanged", "door open": "edited"}
    kept = run("build", listed)
    assert (kept.status, kept.out) == (0, "")
    assert "door open: a file was changed by hand and is left alone" in kept.err
    assert files(root)["assets/door-open.wav"] == b"louder"
    assert run("build", listed, "--force").status == 0
    assert files(root)["assets/door-open.wav"] == made["assets/door-open.wav"]

    # a file that went is made again, as it was
    (root / "assets/door-open.wav").unlink()
    assert statuses(run, listed)["door open"] == "missing"
    assert run("build", listed).status == 0
    assert files(root)["assets/door-open.wav"] == made["assets/door-open.wav"]

    # a sound that left the list goes when it is told to, and only what was built
    listed.write_text(LIST.partition('[sounds."door open"]')[0].replace("count = 2", "count = 1"))
    (root / "assets" / "mine.wav").write_bytes(b"mine")
    left = run("build", listed)
    assert "door open: no longer in the list; --prune removes its files" in left.err
    assert (root / "assets/door-open.wav").exists()
    assert run("build", listed, "--prune").status == 0
    assert sorted(files(root)) == [
        "assets/mine.wav",
        "assets/weapons/laser.ogg",
        "sounds.lock.json",
        "sounds.toml",
    ]
    assert list(json.loads((root / "sounds.lock.json").read_text())["sounds"]) == ["laser"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("count = 2", "count = 0"), "sounds.laser has count 0: give 1 to 64"),
        (("count = 2", "cuont = 2"), "sounds.laser has no 'cuont': did you mean 'count'?"),
        (("seconds = 0.5", "seconds = 999"), "seconds is 999"),
        (('folder = "weapons"', 'folder = "../up"'), "give one below the list's own"),
        (('folder = "assets"', 'folder = "/tmp"'), "give one below the list's own"),
        (('"ogg"', '"mp3"'), "format is 'mp3'"),
        (('prompt = "a laser shot"', ""), "a recipe needs a prompt"),
        (("[sounds.laser]", "[noise.laser]"), "holds 'noise'"),
        (('"door open"', "'../door'"), "a sound is called '../door'"),
        (('"door open"]', '"Door-Open"]\nprompt = "x"\n[sounds."door open"]'), "both have the file"),
        (("[defaults]", "[defaults"), "is not TOML"),
    ],
)
def test_a_list_that_is_wrong_is_refused(
    run: Run, listed: Path, no_worker: Callable[[], None], change: tuple[str, str], says: str
) -> None:
    no_worker()
    listed.write_text(LIST.replace(*change))
    ran = run("build", listed)
    assert ran.status == 2, ran.err
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert list(files(listed.parent)) == ["sounds.toml"]


def test_files_of_others_and_broken_records_stop_a_build(
    run: Run, listed: Path, no_worker: Callable[[], None]
) -> None:
    no_worker()
    (listed.parent / "assets").mkdir()
    mine = listed.parent / "assets" / "door-open.wav"
    mine.write_bytes(b"mine")
    ran = run("build", listed)
    assert ran.status == 2
    assert "assets/door-open.wav is there and was not built" in ran.err
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    (listed.parent / "sounds.lock.json").write_text("[")
    assert "sounds.lock.json cannot be read" in run("build", listed).err
    assert run("build", listed.parent / "none.toml").status == 2
