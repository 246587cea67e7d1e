"""The plain runtime: torch, operation by operation, on CPU, CUDA or an Apple GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foleyd.errors import BadRequest
from foleyd.runtime import Part, memory

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
    "mps": ("float32", "float16"),
}
"""What each kind of device computes in. Half precision on a CPU overflows and is slower than single."""
SUITED: Mapping[str, str] = {"cpu": "float32", "cuda": "bfloat16", "mps": "float32"}
"""What each computes in unless told otherwise: on a GPU that has it, half the memory and twice the speed."""

TOGETHER: Mapping[str, int] = {"cpu": 1, "cuda": 8, "mps": 4}
"""Clips that each makes faster as one batch. A GPU waits for Python between small operations; a processor has
enough to do with one clip, and the first of four would be there after the time of four."""


class Eager:
    """See `foleyd.runtime.Runtime`. `threads` sets torch's thread count for the whole process."""

    name = "torch"
    compiled = 0

    def __init__(self, device: str = "auto", precision: str = "float32", threads: int | None = None) -> None:
        self.device = device_of(device)
        wanted = SUITED[self.device.type] if precision == "auto" else precision
        self.precision = _check_precision(wanted, self.device)
        if threads is not None:
            _set_threads(threads)
        self._placed: list[nn.Module] = []

    @classmethod
    def open(
        cls, model: Path | None, device: str, precision: str, threads: int | None, *, insisted: bool
    ) -> Eager:
        """The runtime, which is the same for every model."""
        return cls(device, precision, threads)

    @property
    def together(self) -> int:
        """Clips that are made faster as one batch."""
        return TOGETHER[self.device.type]

    @property
    def threads(self) -> int:
        """CPU threads that one operation may use."""
        return torch.get_num_threads()

    @property
    def about(self) -> str:
        """What it computes on, in words."""
        return _ABOUT[self.device.type](self.device)

    @contextmanager
    def limit(self, threads: int | None) -> Iterator[None]:
        """Use that many CPU threads inside the block, and as many as before after it."""
        if threads is None:
            yield
            return
        before = torch.get_num_threads()
        _set_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def place(self, part: Part) -> Callable[..., Any]:
        """Load the part, move it to the device and precision, in inference mode, and return the module."""
        dtype = DTYPES[_check_precision(part.precision or self.precision, self.device)]
        network: nn.Module = part.build()
        network.to(device=self.device, dtype=dtype).eval().requires_grad_(False)
        self._placed.append(network)
        return network

    def get_ready(self, frames: int) -> None:
        """Every part was loaded when it was placed."""

    def settle(self, frames: int, clips: int) -> None:
        """Every length is run alike."""

    def warm_up(self, lengths: Sequence[int]) -> bool:
        """There is nothing to do."""
        return False

    def release(self) -> None:
        """Drop the modules; what their owners drop too is freed and goes back to the system."""
        self._placed.clear()
        memory.give_back()


def device_of(name: str) -> torch.device:
    """The torch device of that name, the best there is for "auto". Raises BadRequest for one that is
    not there."""
    if name == "auto":
        name = next(kind for kind, is_there in _PREFERRED.items() if is_there())
    kind, _, number = name.partition(":")
    if kind not in PRECISIONS or (number and not number.isdecimal()) or (kind != "cuda" and number):
        raise BadRequest(f"the device {name!r} is unknown: choose auto, cpu, cuda, cuda:N or mps.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BadRequest("the device 'mps' is not there: this machine has no Apple GPU, choose auto or cpu.")
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


def _set_threads(count: int) -> None:
    if count < 1:
        raise BadRequest(f"threads is {count}: give at least 1.")
    torch.set_num_threads(count)


_PREFERRED: Mapping[str, Callable[[], bool]] = {
    "cuda": lambda: torch.cuda.is_available(),
    "mps": lambda: torch.backends.mps.is_available(),
    "cpu": lambda: True,
}
"""What "auto" tries, in order."""


def _about_cpu(device: torch.device) -> str:
    count = torch.get_num_threads()
    return f"CPU, {count} thread{'s' if count > 1 else ''}"


def _about_cuda(device: torch.device) -> str:
    found = torch.cuda.get_device_properties(device)
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB"


def _about_mps(device: torch.device) -> str:
    return "Apple GPU"


_ABOUT: Mapping[str, Callable[[torch.device], str]] = {
    "cpu": _about_cpu,
    "cuda": _about_cuda,
    "mps": _about_mps,
}
