"""Kept takes: found by their sound, whole or not there, never half."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from foleyd import paths, recipe
from foleyd.daemon.takes import Identity, Takes, digest
from foleyd.errors import DiskFull
from foleyd.recipe import Recipe

SAMPLES = np.random.default_rng(1).standard_normal(500).astype(np.float32)


def identity(made: Recipe, precision: str = "float32") -> Identity:
    how = {"runtime": "torch", "precision": precision, "bucket": "t64"}
    return Identity(
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
    found = Takes(tmp_path).find(full)
    assert found is not None
    assert found.identity == kept.identity
    np.testing.assert_array_equal(found.samples, SAMPLES)
    assert files(tmp_path) == ["take.json", "take.wav"]


def test_another_finishing_has_the_same_take_and_another_seed_has_not(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    assert takes.find(recipe.change(full, rate=44_100, level="none")) is not None
    assert takes.find(recipe.change(full, seed=8)) is None


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
    takes.keep(full, identity(full), SAMPLES)
    assert files(tmp_path) == ["take.json", "take.wav"]


@pytest.mark.parametrize("name", ["take.wav", "take.json"])
@pytest.mark.parametrize("content", [None, b"", b"RIFF\0\0\0\0WAVE", b"{}", b"\xff\xfe"])
def test_a_damaged_take_is_missing_and_goes(
    tmp_path: Path, full: Recipe, name: str, content: bytes | None
) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    [path] = tmp_path.rglob(name)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert takes.find(full) is None
    assert files(tmp_path) == []


def test_a_take_that_cannot_be_read_now_stays(
    tmp_path: Path, full: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)

    def refuse(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert takes.find(full) is None
    assert takes.find(full) is not None


def test_one_wrong_bit_is_noticed(tmp_path: Path, full: Recipe) -> None:
    takes = Takes(tmp_path)
    takes.keep(full, identity(full), SAMPLES)
    [path] = tmp_path.rglob("take.wav")
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    assert takes.find(full) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, full: Recipe, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def write(path: Path, *_: Any, **__: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(number, "full")

    monkeypatch.setattr(soundfile, "write", write)
    with pytest.raises(DiskFull, match="FOLEYD_HOME"):
        Takes(tmp_path).keep(full, identity(full), SAMPLES)
    assert files(tmp_path) == []


def test_an_unresolved_recipe_names_no_take(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="resolve"):
        Takes(tmp_path).find(recipe.make(prompt="a bell"))


def test_takes_live_in_foleyds_own_folder() -> None:
    assert Takes().root == paths.home("takes")
