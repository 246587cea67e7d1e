"""How a network runs: on which device, in which precision, by whose kernels.

An engine hands its networks to a `Runtime` and calls what it gets back. The networks take and give float32
tensors on the runtime's device, whatever happens inside, so an engine is the same code above every runtime.
"""

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from foleyd.errors import BadRequest


class Runtime(Protocol):
    """One way to run networks on one device."""

    @property
    def name(self) -> str:
        """Its name in `RUNTIMES`; part of a take's identity."""

    @property
    def precision(self) -> str:
        """What the networks compute in: "float32", "bfloat16" or "float16"."""

    @property
    def device(self) -> Any:
        """The torch device that its networks take their tensors on."""

    @property
    def threads(self) -> int:
        """CPU threads that one operation may use."""

    @property
    def about(self) -> str:
        """What it computes on, in words."""

    def limit(self, threads: int | None) -> AbstractContextManager[None]:
        """Use that many CPU threads, at least 1, inside the block; None changes nothing.

        Raises `BadRequest` for a number below 1.
        """

    def place(self, network: Any, precision: str | None = None) -> Callable[..., Any]:
        """Take over a `torch.nn.Module` and return what to call in its place.

        The module takes and gives float32 and casts inside to its own weights' type. `precision` overrides
        the runtime's, for networks that run rarely and lose by rounding.
        """

    def release(self) -> None:
        """Let go of every network that was placed and give the memory back to the system."""


RUNTIMES: Mapping[str, str] = {"torch": "foleyd.runtime.eager:Eager"}
"""The runtimes by name, each as `module:class`, so that only the one that is used is imported."""


def open_runtime(name: str, device: str, precision: str, threads: int | None = None) -> Runtime:
    """Start a runtime. `device` "auto" takes a CUDA GPU where there is one, else an Apple GPU, else the CPU;
    `threads` None leaves the choice to it.

    Raises `BadRequest` for a name, device or precision that this machine or runtime does not have.
    """
    if name not in RUNTIMES:
        raise BadRequest(f"the runtime {name!r} is unknown: choose one of {', '.join(RUNTIMES)}.")
    module, _, attribute = RUNTIMES[name].partition(":")
    return cast(Runtime, getattr(importlib.import_module(module), attribute)(device, precision, threads))
