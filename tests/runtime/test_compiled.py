"""Compiled torch: what is compiled when, and what runs meanwhile; the compiler itself is a stand-in here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from foleyd import recipe
from foleyd.bench import random_model as tiny
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.errors import BadRequest, RenderFailed
from foleyd.recipe import Recipe
from foleyd.runtime import Part, compiled, eager, open_runtime

BIN = 4
Call = Callable[..., Any]


class Compiler:
    """Stands in for TorchInductor: gives networks back as they are, with an error of so much."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []
        self.error = 0.0
        self.broken = False

    def __call__(self, network: Call, inputs: tuple[torch.Tensor, ...], options: dict[str, Any]) -> Call:
        if self.broken:
            raise RuntimeError("no such\ninstruction")
        rows, frames = inputs[0].shape[0], inputs[0].shape[-2]
        self.shapes.append((rows, frames))

        def call(*tensors: torch.Tensor) -> torch.Tensor:
            assert [one.shape for one in tensors] == [one.shape for one in inputs]
            assert all(one.dtype == torch.float32 and one.is_contiguous() for one in tensors)
            found: torch.Tensor = network(*tensors) * (1 + self.error)
            return found

        return call


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    one = Compiler()
    monkeypatch.setattr(compiled, "build", one)
    monkeypatch.setattr(compiled, "lacks", lambda device: "")
    return one


class Net(nn.Module):
    """A row a clip, a level for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(BIN, BIN)
        self.calls = 0

    def forward(self, latents: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.tanh(self.mix(latents)) * level.float()


def drawn(rows: int, frames: int) -> tuple[torch.Tensor, ...]:
    return torch.randn((rows, frames, BIN), generator=torch.Generator().manual_seed(rows)), torch.tensor(5.0)


def placed(network: nn.Module, *, every_step: bool = True) -> Part:
    return Part("net", lambda: network, drawn, every_step=every_step)


def test_nothing_is_compiled_while_somebody_waits(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = compiled.Compiled.open(None, "cpu", "float32", None, insisted=False)
    call = runtime.place(placed(Net()))
    runtime.settle(8, 1)
    expected = call(*drawn(2, 8))
    assert (runtime.name, runtime.compiled, compiler.shapes) == ("torch", 0, [])
    # what a render missed goes first, then the shortest
    assert runtime.warm_up([4, 8, 16])
    assert compiler.shapes == [(2, 8), (1, 8)]
    assert runtime.warm_up([4, 8, 16])
    assert compiler.shapes[2:] == [(2, 4), (1, 4)]
    # the render that was begun in torch ends in it
    assert runtime.name == "torch"
    runtime.settle(8, 1)
    assert (runtime.name, runtime.compiled) == ("compiled", 4)
    assert torch.equal(call(*drawn(2, 8)), expected)
    # whole timesteps and views come, too
    strided = torch.randn(1, BIN, 8).transpose(1, 2)
    assert call(strided, torch.tensor(5)).shape == (1, 8, BIN)
    assert runtime.warm_up([4, 8, 16])
    assert not runtime.warm_up([4, 8, 16])
    assert runtime.compiled == 6
    for frames in (4, 16, 8, 4):
        runtime.settle(frames, 1)
        call(*drawn(2, frames))
        call(*drawn(1, frames))
    assert runtime.compiled == 6
    runtime.release()
    assert not runtime.warm_up([4, 8, 16, 32])


@pytest.mark.parametrize(("frames", "clips"), [(8, 2), (0, 1), (32, 1)])
def test_other_shapes_run_in_plain_torch_and_say_so(compiler: Compiler, frames: int, clips: int) -> None:
    runtime = compiled.Compiled.open(None, "cpu", "float32", None, insisted=False)
    call = runtime.place(placed(Net()))
    while runtime.warm_up([8]):
        pass
    runtime.settle(frames, clips)
    assert runtime.name == "torch"
    assert call(*drawn(4, 12)).shape == (4, 12, BIN)


def test_networks_that_are_called_once_are_left_alone(compiler: Compiler) -> None:
    runtime = compiled.Compiled.open(None, "cpu", "float32", None, insisted=True)
    network = Net()
    assert runtime.place(placed(network, every_step=False)) is network
    runtime.settle(8, 1)
    assert (compiler.shapes, runtime.name) == ([], "torch")


def test_who_insists_waits_for_the_length_that_is_wanted(compiler: Compiler) -> None:
    runtime = compiled.Compiled.open(None, "cpu", "float32", None, insisted=True)
    runtime.place(placed(Net()))
    runtime.settle(8, 1)
    assert (runtime.name, compiler.shapes) == ("compiled", [(2, 8), (1, 8)])
    runtime.settle(8, 1)
    assert runtime.compiled == 2


@pytest.mark.parametrize("fault", ["broken", "wrong"])
def test_what_cannot_be_compiled_or_is_wrong_is_not_used(
    compiler: Compiler, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    compiler.broken, compiler.error = fault == "broken", 0.01
    patient = compiled.Compiled.open(None, "cpu", "float32", None, insisted=False)
    call = patient.place(placed(Net()))
    assert patient.warm_up([8])
    assert not patient.warm_up([8])
    patient.settle(8, 1)
    assert patient.name == "torch"
    assert call(*drawn(2, 8)).shape == (2, 8, BIN)
    assert ("no such instruction" in capfd.readouterr().err) == (fault == "broken")
    insisting = compiled.Compiled.open(None, "cpu", "float32", None, insisted=True)
    insisting.place(placed(Net()))
    with pytest.raises(RenderFailed, match="choose the runtime torch"):
        insisting.settle(8, 1)


def test_a_machine_without_a_compiler_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BadRequest, match=r"needs a C\+\+ compiler: install g\+\+"):
        open_runtime("compiled", "cpu", "float32")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else None)
    assert open_runtime("compiled", "cpu", "float32").about.endswith(", compiled")
    assert "not on mps" in compiled.lacks(torch.device("mps"))


@pytest.mark.parametrize(("triton", "taken"), [(True, "compiled"), (False, "torch")])
def test_auto_takes_it_on_cuda_where_it_can_compile(
    monkeypatch: pytest.MonkeyPatch, triton: bool, taken: str
) -> None:
    opened: list[tuple[str, bool]] = []

    def open_(name: str) -> Callable[..., str]:
        return lambda *how, insisted: opened.append((name, insisted)) or name  # type: ignore[func-returns-value]

    monkeypatch.setattr(eager, "device_of", lambda name: torch.device("cuda"))
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: object() if triton else None)
    monkeypatch.setattr(compiled.Compiled, "open", open_("compiled"))
    monkeypatch.setattr(eager.Eager, "open", open_("torch"))
    open_runtime("auto", "auto", "auto")
    open_runtime("compiled", "auto", "auto")
    assert opened == [(taken, False), ("compiled", True)]


# through an engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = {"auto_seconds": 1.0, "min_generate_seconds": 0.64, "steps": 2, "scheduler": "ddim"}
    return tiny.build(tmp_path_factory.mktemp("models") / "tiny", card=card)


def wanted(engine: AudioLDM, **fields: Any) -> Recipe:
    made = {"prompt": "a bell", "seed": 1, "seconds": 0.5, "steps": 2, **fields}
    return recipe.resolve(recipe.make(**made), engine.capabilities)


def test_a_take_says_by_which_of_the_two_it_was_made(folder: Path, compiler: Compiler) -> None:
    loaded: dict[str, Any] = {
        name: base.load(folder, device="cpu", runtime=name) for name in ("torch", "compiled")
    }
    plain, ours = loaded["torch"], loaded["compiled"]
    [reference] = plain.render([wanted(plain)], check_silence=False)
    [take] = ours.render([wanted(ours)], check_silence=False)
    assert (take.runtime, reference.runtime) == ("compiled", "torch")
    assert take.take_id != reference.take_id
    assert np.array_equal(take.samples, reference.samples)
    # guided on a part of the way, as a loop, and two at once
    for fields in ({"guidance_from": 0.5}, {"operation": "loop"}):
        assert ours.render([wanted(ours, **fields)], check_silence=False)[0].runtime == "compiled"
    pair = ours.render([wanted(ours), wanted(ours, seed=2)], check_silence=False)
    assert [one.runtime for one in pair] == ["torch", "torch"]
    before = ours.compiled
    assert ours.warm_up()
    assert ours.compiled > before
    assert not plain.warm_up()
    for engine in loaded.values():
        engine.unload()


def test_layers_of_two_runtimes_are_not_called_compiled(folder: Path, compiler: Compiler) -> None:
    engine: Any = base.load(folder, device="cpu", runtime="compiled")
    made = wanted(engine, operation="layers", attack="a click")
    [take] = engine.render([made], check_silence=False)
    assert {part.runtime for _, part in take.parts} == {take.runtime} == {"compiled"}
    engine.unload()
