"""The plain runtime: torch, operation by operation, on CPU or CUDA."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from foleyd.errors import BadRequest
from foleyd.runtime import memory

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
}
"""What each kind of device computes in. Half precision on a CPU overflows and is slower than single."""


class Eager:
    """See `foleyd.runtime.Runtime`. `threads` sets torch's thread count for the whole process."""

    name = "torch"

    def __init__(self, device: str = "auto", precision: str = "float32", threads: int | None = None) -> None:
        self.device = _device(device)
        self.precision = _check_precision(precision, self.device)
        if threads is not None:
            if threads < 1:
                raise BadRequest(f"threads is {threads}: give at least 1.")
            torch.set_num_threads(threads)
        self._placed: list[nn.Module] = []

    @property
    def threads(self) -> int:
        """CPU threads that one operation may use."""
        return torch.get_num_threads()

    def place(self, network: nn.Module, precision: str | None = None) -> Callable[..., Any]:
        """Move the module to the device and precision, in inference mode, and return it."""
        dtype = DTYPES[_check_precision(precision or self.precision, self.device)]
        network.to(device=self.device, dtype=dtype).eval().requires_grad_(False)
        self._placed.append(network)
        return network

    def release(self) -> None:
        """Drop the modules; what their owners drop too is freed and goes back to the system."""
        self._placed.clear()
        memory.give_back()


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in PRECISIONS or (number and not number.isdecimal()) or (kind == "cpu" and number):
        raise BadRequest(f"the device {name!r} is unknown: choose auto, cpu, cuda or cuda:N.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BadRequest(
            f"the device {name!r} is not there: this machine has {torch.cuda.device_count()} CUDA devices, "
            "choose another or cpu."
        )
    return torch.device(name)


def _check_precision(precision: str, device: torch.device) -> str:
    allowed = PRECISIONS[device.type]
    if precision not in allowed:
        raise BadRequest(
            f"the precision {precision!r} does not run on {device.type}: choose {' or '.join(allowed)}."
        )
    return precision
