"""Pickled checkpoints become safetensors, and a pickle that wants to do something is not obeyed."""

from __future__ import annotations

import os
import pickle
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from foleyd.engines import convert
from foleyd.errors import ModelBroken


class Harmful:
    """A pickle of this makes a folder when it is loaded the usual way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def room_of(source: Path) -> list[str]:
    return sorted(path.name for path in source.parent.iterdir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    return tmp_path / "unet" / "weights.bin"


@pytest.fixture
def target(source: Path) -> Path:
    return source.with_name("weights.safetensors")


def tensors() -> dict[str, torch.Tensor]:
    square = torch.arange(36, dtype=torch.float32).reshape(6, 6)
    return {
        "plain": square,
        "tied": square,
        "turned": square.T,
        "slice": square[2:4],
        "half": square.to(torch.bfloat16),
        "ids": torch.arange(5),
        "one": torch.tensor(2.5),
        "none": torch.empty(0),
    }


def assert_holds(path: Path, state: dict[str, torch.Tensor]) -> None:
    made = load_file(path)
    assert made.keys() == state.keys()
    for name, value in state.items():
        assert made[name].dtype == value.dtype
        assert torch.equal(made[name], value), name
    with safe_open(path, "pt") as opened:
        assert opened.metadata() == {"format": "pt"}  # transformers refuses a file without it


def test_every_tensor_arrives_as_it_was(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(tensors(), source)
    before = source.read_bytes()
    monkeypatch.setenv("HF_TOKEN", "secret")
    run, given = subprocess.run, {}

    def watched(*arguments: Any, **named: Any) -> subprocess.CompletedProcess[bytes]:
        given.update(named)
        return run(*arguments, **named)

    monkeypatch.setattr(convert.subprocess, "run", watched)
    convert.convert_file(source, target)
    assert_holds(target, tensors())
    assert source.read_bytes() == before
    assert room_of(source) == ["weights.bin", "weights.safetensors"]
    # The reader saw no secrets and worked in a room of its own that is gone.
    assert "HF_TOKEN" not in given["env"]
    assert given["env"]["HOME"] == given["cwd"]
    assert Path(given["cwd"]).parent == target.parent


def test_files_of_old_torch_convert_too(source: Path, target: Path) -> None:
    torch.save(tensors(), source, _use_new_zipfile_serialization=False)
    assert convert.convert_here(source, target) == len(tensors())
    assert_holds(target, tensors())


def test_harmful_pickle_does_not_run(source: Path, target: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    source.write_bytes(pickle.dumps(Harmful(mark)))
    with pytest.raises(ModelBroken) as caught:
        convert.convert_file(source, target)
    assert str(caught.value) == (
        "unet/weights.bin was not loaded: it is a pickle that asks for more than tensors, "
        "and may be harmful; take another model or revision."
    )
    assert not mark.exists()
    assert room_of(source) == ["weights.bin"]
    # The same file is no harmless one: loaded the usual way it does what it wants.
    pickle.loads(source.read_bytes())
    assert mark.is_dir()


@pytest.mark.parametrize("zipped", [True, False])
def test_harm_among_real_tensors_does_not_run(
    source: Path, target: Path, tmp_path: Path, zipped: bool
) -> None:
    mark = tmp_path / "it-ran"
    state = {"weight": torch.ones(3), "harm": Harmful(mark)}
    torch.save(state, source, _use_new_zipfile_serialization=zipped)
    with pytest.raises(convert.Refused, match="may be harmful"):
        convert.convert_here(source, target)
    assert not mark.exists()
    torch.load(source, weights_only=False)
    assert mark.is_dir()


def not_weights(kind: str, path: Path) -> None:
    made: dict[str, Any] = {
        "list": [torch.ones(2)],
        "empty": {},
        "nested": {"state": {"weight": torch.ones(2)}},
        "numbered": {3: torch.ones(2)},
        "sparse": {"weight": torch.eye(3).to_sparse()},
        "endless": {"weight": torch.zeros(1).expand(10**12)},
    }
    if kind in made:
        torch.save(made[kind], path)
    elif kind == "text":
        path.write_bytes(b"<html>log in first</html>")
    elif kind == "nothing":
        path.write_bytes(b"")
    elif kind == "cut":
        torch.save({"weight": torch.ones(50_000)}, path)
        path.write_bytes(path.read_bytes()[:100_000])
    elif kind == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(30_000_000))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("list", "no table of tensors"),
        ("empty", "no table of tensors"),
        ("nested", "other than named tensors"),
        ("numbered", "other than named tensors"),
        ("sparse", "sparse or quantised"),
        ("endless", "claim more than the file holds"),
        ("text", "may be harmful|damaged"),
        ("nothing", "damaged"),
        ("cut", "damaged|may be harmful"),
        ("bomb", "unpacks to more"),
    ],
)
def test_what_is_not_weights_is_refused(source: Path, target: Path, kind: str, why: str) -> None:
    not_weights(kind, source)
    with pytest.raises(convert.Refused, match=why):
        convert.convert_here(source, target)
    assert room_of(source) == ["weights.bin"]


def test_reader_that_dies_or_hangs_is_reported(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"weight": torch.ones(2)}, source)
    monkeypatch.setattr(convert.sys, "executable", "/bin/false")
    with pytest.raises(ModelBroken, match="its reader ended with status 1"):
        convert.convert_file(source, target)

    def hangs(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("reader", timeout)

    monkeypatch.setattr(convert.subprocess, "run", hangs)
    with pytest.raises(ModelBroken, match="took too long"):
        convert.convert_file(source, target)
    assert room_of(source) == ["weights.bin"]
