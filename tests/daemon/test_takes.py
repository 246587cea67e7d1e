"""Kept takes: found by their sound, whole or not there, never half."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile

from foleyd import paths, recipe
from foleyd.audio import atomic
from foleyd.daemon.takes import Takes, digest
from foleyd.errors import DiskFull
from foleyd.messages import TakeInfo
from foleyd.recipe import Recipe

SAMPLES = np.random.default_rng(1).standard_normal(500).astype(np.float32)


def identity(made: Recipe, precision: str = "float32") -> TakeInfo:
    how = {"runtime": "torch", "precision": precision, "bucket": "t64"}
    return TakeInfo(
        take_id=recipe.take_id(made, **how),
        recipe=recipe.to_json(made),
        seed=made.seed or 0,
        threads=1,
        rate=16_000,
        frames=len(SAMPLES),
        sha256=digest(SAMPLES),
        **how,
    )


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_a_take_is_found_again_to_the_bit(tmp_path: Path, full: Recipe) -> None:
    kept = Takes(tmp_path).keep(full, identity(full), SAMPLES)
    assert kept.unkept == ""
    found = Takes(tmp_path).find(full)
    assert found is not None
    assert found.identity == kept.identity
    np.testing.assert_array_equal(found.samples, SAMPLES)
    assert files(tmp_path) == [f"{identity(full).take_id}.wav"]


def test_a_take_is_a_wav_that_others_read(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    samples, rate = soundfile.read(takes.path(full, identity(full).take_id), dtype="float32")
    assert rate == 16_000
    np.testing.assert_array_equal(samples, SAMPLES)


def test_another_finishing_has_the_same_take_and_another_seed_has_not(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    other = recipe.change(full, rate=44_100, level="none")
    assert takes.find(other) is not None
    assert takes.has(other)
    assert takes.find(recipe.change(full, seed=8)) is None
    assert not takes.has(recipe.change(full, seed=8))


def test_any_precision_serves_unless_one_is_asked_for(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full, "bfloat16"), SAMPLES)
    assert takes.find(full) is not None
    assert takes.find(full, precision="float32") is None
    assert takes.find(full, runtime="openvino") is None
    takes.keep(full, identity(full, "float32"), SAMPLES)
    found = takes.find(full, precision="float32", runtime="torch")
    assert found is not None
    assert found.identity.precision == "float32"


def test_the_first_take_of_a_name_stays(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    path = takes.path(full, identity(full).take_id)
    first = path.stat()
    takes.keep(full, identity(full), SAMPLES)
    assert path.stat().st_ino == first.st_ino
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"RIFF\0\0\0\0WAVE",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:],
        lambda data: data.replace(b"take", b"tale", 1),
        lambda data: data.replace(b'{"take_id"', b'{"take_ix"'),
        lambda data: data.replace(b'"sha256":"', b'"sha256":"\xff'),
    ],
    ids=["empty", "bare", "cut", "half", "one bit", "no label", "other label", "no text"],
)
def test_a_damaged_take_is_missing_and_goes(tmp_path: Path, full: Recipe, damage: Any) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    path = takes.path(full, identity(full).take_id)
    path.write_bytes(damage(path.read_bytes()))
    assert takes.find(full) is None
    assert files(tmp_path) == []


def test_a_take_that_cannot_be_read_now_stays(
    tmp_path: Path, full: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert takes.find(full) is None
    assert takes.find(full) is not None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_does_not_cost_the_sound(
    tmp_path: Path, full: Recipe, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_: int) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.os, "fsync", fail)
    take = Takes(tmp_path).keep(full, identity(full), SAMPLES)
    assert os.strerror(number) in take.unkept
    assert str(tmp_path) in take.unkept
    np.testing.assert_array_equal(take.samples, SAMPLES)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_does_not_cost_the_sound(tmp_path: Path, full: Recipe) -> None:
    (tmp_path / "takes").write_text("a file stands where the folder should be")
    take = Takes(tmp_path / "takes").keep(full, identity(full), SAMPLES)
    assert take.unkept.startswith("The take could not be kept")
    assert Takes(tmp_path / "takes").find(full) is None


def test_what_a_kill_left_is_swept_and_whole_takes_stay(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    path = takes.path(full, identity(full).take_id)
    (path.parent / f".{path.stem}.0123456789ab.part.wav").write_bytes(b"RIFF")
    (tmp_path / "sound-gone").mkdir()
    (tmp_path / "sound-gone" / ".take-x.0123456789ab.part.wav").write_bytes(b"")
    assert takes.sweep() == 2
    assert files(tmp_path) == [path.name]
    assert not (tmp_path / "sound-gone").exists()


def test_a_sweep_while_a_take_is_written_does_not_cost_the_take(
    tmp_path: Path, full: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes, real, swept = Takes(tmp_path), os.fsync, []

    def fsync(number: int) -> None:
        if not swept:
            swept.append(takes.sweep())
        real(number)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    assert takes.keep(full, identity(full), SAMPLES).unkept == ""
    assert swept == [1]
    assert takes.find(full) is not None


def test_entries_tell_sizes_and_what_was_used_last(tmp_path: Path, full: Recipe) -> None:
    takes, other = Takes(tmp_path), recipe.change(full, seed=8)
    for one in (full, other):
        takes.keep(one, identity(one), SAMPLES)
        os.utime(takes.path(one, identity(one).take_id), (1000, 1000))
    takes.find(other)
    kept = {take.take_id: take for take in takes.entries()}
    assert kept[identity(full).take_id].used == 1000 < kept[identity(other).take_id].used
    assert all(take.size == take.path.stat().st_size > 2000 for take in kept.values())
    assert takes.remove(kept[identity(full).take_id].path) == kept[identity(full).take_id].size
    assert takes.remove(kept[identity(full).take_id].path) == 0
    assert [take.take_id for take in takes.entries()] == [identity(other).take_id]


def test_room_is_looked_at_before_a_render(
    tmp_path: Path, full: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = Takes(tmp_path / "not" / "made" / "yet")
    takes.check_room(full)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 150_000_000}))
    with pytest.raises(DiskFull, match=r"has 150 MB free.*foleyd library prune"):
        takes.check_room(full)


def test_an_unresolved_recipe_names_no_take(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="resolve"):
        Takes(tmp_path).find(recipe.make(prompt="a bell"))


def test_takes_live_in_the_library() -> None:
    assert Takes().root == paths.home("library") / "takes"
