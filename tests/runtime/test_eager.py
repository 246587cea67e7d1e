"""The plain torch runtime."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from foleyd.errors import BadRequest
from foleyd.runtime import Part, memory, open_runtime


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_network_is_placed_in_the_asked_precision_and_learns_nothing() -> None:
    runtime = open_runtime("torch", "cpu", "bfloat16")
    network = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    placed = runtime.place(Part("net", lambda: network))
    assert isinstance(placed, nn.Module)
    assert not placed.training
    for parameter in network.parameters():
        assert (parameter.dtype, parameter.device.type, parameter.requires_grad) == (
            torch.bfloat16,
            "cpu",
            False,
        )
    exact: Any = runtime.place(Part("net", lambda: nn.Linear(3, 2), precision="float32"))
    assert exact.weight.dtype == torch.float32


def test_threads_are_set_and_told() -> None:
    assert open_runtime("torch", "cpu", "float32", threads=1).threads == 1
    assert torch.get_num_threads() == 1
    torch.set_num_threads(2)
    assert open_runtime("torch", "cpu", "float32").threads == 2


def test_auto_is_a_device_that_is_there() -> None:
    runtime = open_runtime("torch", "auto", "float32")
    assert runtime.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("there", "taken"), [(("cuda", "mps"), "cuda"), (("mps",), "mps"), (("cuda",), "cuda"), ((), "cpu")]
)
def test_auto_takes_the_fastest_that_is_there(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], taken: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert open_runtime("torch", "auto", "float32").device.type == taken


def test_threads_are_limited_for_a_while() -> None:
    runtime = open_runtime("torch", "cpu", "float32", threads=2)
    assert runtime.about == "CPU, 2 threads"
    with runtime.limit(1):
        assert (runtime.threads, torch.get_num_threads(), runtime.about) == (1, 1, "CPU, 1 thread")
    with runtime.limit(None):
        assert runtime.threads == 2
    with pytest.raises(BadRequest, match="threads is 0"), runtime.limit(0):
        pass
    assert runtime.threads == 2


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (
            ("abacus", "cpu", "float32", None),
            "runtime 'abacus' is unknown: choose one of auto, torch, openvino",
        ),
        (("torch", "toaster", "float32", None), "device 'toaster' is unknown: choose auto, cpu, cuda"),
        (("torch", "cpu:1", "float32", None), "device 'cpu:1' is unknown"),
        (("torch", "cuda:x", "float32", None), "device 'cuda:x' is unknown"),
        (("torch", "cuda:999", "float32", None), "device 'cuda:999' is not there"),
        (("torch", "mps:1", "float32", None), "device 'mps:1' is unknown"),
        (("torch", "cpu", "float16", None), "'float16' does not run on cpu: choose float32 or bfloat16"),
        (("torch", "cpu", "float8", None), "'float8' does not run on cpu"),
        (("torch", "cpu", "float32", 0), "threads is 0"),
    ],
)
def test_what_is_not_there_is_refused(values: tuple[str, str, str, int | None], complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        open_runtime(*values)


def test_want_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.uint8)
    assert memory.ran_out(caught.value)
    assert memory.ran_out(MemoryError())
    assert memory.ran_out(torch.OutOfMemoryError())
    assert not memory.ran_out(RuntimeError("wires crossed"))
