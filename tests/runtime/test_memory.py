"""Memory that a process gives back without losing what is in it."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from foleyd.bench import random_model as tiny
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.runtime import memory
from resident_pages import resident

PAGES = 64
SIZE = PAGES * mmap.PAGESIZE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system keeps no such count")


@contextmanager
def mapped(path: Path, access: int) -> Iterator[mmap.mmap]:
    """A file of ones, mapped and read from end to end."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\1" * SIZE)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), SIZE, access=access) as view:
        assert sum(view[:: mmap.PAGESIZE]) == PAGES
        yield view


def test_pages_of_a_mapped_file_go_and_come_back(tmp_path: Path) -> None:
    inside, beside = tmp_path / "model" / "unet.bin", tmp_path / "model-2" / "unet.bin"
    with mapped(inside, mmap.ACCESS_READ) as view, mapped(beside, mmap.ACCESS_READ):
        assert resident(inside) * 1024 == SIZE
        memory.let_go(tmp_path / "model")
        assert resident(inside) == 0
        assert resident(beside) * 1024 == SIZE
        assert view[:] == b"\1" * SIZE


def test_what_was_written_to_a_private_mapping_stays(tmp_path: Path) -> None:
    with mapped(tmp_path / "weights.bin", mmap.ACCESS_COPY) as view:
        view[5] = 9
        memory.let_go(tmp_path)
        assert view[:6] == b"\1\1\1\1\1\t"


def test_a_text_tower_rests_when_a_text_was_heard(tmp_path: Path) -> None:
    """Weights that are used as the file has them are in memory only while they are used."""
    folder = tiny.build(tmp_path / "tiny")
    file = folder / "text_encoder" / "model.safetensors"
    engine = base.load(folder, runtime="torch")
    assert isinstance(engine, AudioLDM)
    prompts = engine.networks.prompts
    heard = prompts.embed(["a bell"])
    assert resident(file) == 0
    prompts._kept.clear()
    assert torch.equal(prompts.embed(["a bell"]), heard)
    engine.unload()


def test_pages_of_tensors_go_that_are_used_as_a_file_has_them(tmp_path: Path) -> None:
    with mapped(tmp_path / "weights.bin", mmap.ACCESS_READ):
        pass
    size = SIZE - mmap.PAGESIZE - 4
    used = torch.from_file(str(tmp_path / "weights.bin"), shared=True, size=SIZE, dtype=torch.uint8)
    part, own = used[4 : 4 + size], torch.ones(SIZE, dtype=torch.uint8)
    assert int(used.sum()) == SIZE
    memory.Pages(list(memory.unchanged(tmp_path)), [part, own]).let_go()
    # what others use on its first page and after its end is theirs
    assert resident(tmp_path / "weights.bin") * 1024 == 2 * mmap.PAGESIZE
    assert (int(part.sum()), int(own.sum())) == (size, SIZE)


def test_a_text_tower_is_in_memory_a_layer_at_a_time(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "narrow", tiny.NARROW)
    file = folder / "text_encoder" / "model.safetensors"
    engine = base.load(folder, runtime="torch")
    assert isinstance(engine, AudioLDM)
    layers = engine.networks.prompts._tower.tower.text_model.encoder.layer  # type: ignore[attr-defined]
    held: list[int] = []
    for layer in layers:
        for first in (True, False):
            layer.register_forward_hook(lambda *_: held.append(resident(file)), prepend=first)
    engine.networks.prompts.embed(["a bell"])
    size = sum(weight.nbytes for weight in layers[0].parameters()) / 1024
    assert len(held) == 2 * len(layers)
    for before, after in zip(held[::2], held[1::2], strict=True):
        assert before - after > 0.7 * size
    engine.unload()


def test_memory_that_ran_out_is_told_from_other_faults() -> None:
    assert memory.ran_out(MemoryError())
    assert memory.ran_out(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert not memory.ran_out(RuntimeError("shapes do not fit"))
