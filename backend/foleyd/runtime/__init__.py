"""How a network runs: on which device, in which precision, by whose kernels.

An engine hands its networks to a `Runtime` and calls what it gets back. The networks take and give float32
tensors on the runtime's device, whatever happens inside, so an engine is the same code above every runtime.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from foleyd.errors import BadRequest


@dataclass(frozen=True)
class Part:
    """One network of a model, before it is loaded.

    `build` loads it: a `torch.nn.Module` that takes and gives float32 and casts inside to its own weights'
    type. `inputs(rows, frames)` gives tensors to call that module with: a row a clip, or without rows what
    holds for all of them; for clips of that many latent frames. A runtime that has the network in a format
    of its own leaves `build` alone. `precision` overrides the runtime's, for networks that run rarely and
    lose by rounding. `every_step`: whether it is called at every step, which pays for more work beforehand.
    `usual`: whether every render calls it. `lengths`: the latent frames that it is nearly always called with,
    in ascending order; a longer clip is given to it in pieces of the last, where it is not called at every
    step.
    """

    name: str
    build: Callable[[], Any]
    inputs: Callable[[int, int], tuple[Any, ...]] | None = None
    precision: str | None = None
    every_step: bool = False
    usual: bool = True
    lengths: Sequence[int] = ()

    def length_axes(self) -> list[int | None]:
        """The axis of each input that grows with the clip, None for an input that does not grow."""
        if self.inputs is None:
            return []
        short, long = ([tuple(tensor.shape) for tensor in self.inputs(1, frames)] for frames in (8, 16))
        return [
            next((axis for axis, (a, b) in enumerate(zip(*both, strict=True)) if a != b), None)
            for both in zip(short, long, strict=True)
        ]


class Runtime(Protocol):
    """One way to run networks on one device."""

    @property
    def name(self) -> str:
        """Its name in `RUNTIMES`; part of a take's identity. Where some lengths are not ready, the name of
        what makes the render that was settled last."""

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

    @property
    def together(self) -> int:
        """Rows that one call computes in less time than as many calls, and no longer bit for bit as alone; 1
        where nothing is gained by that."""

    @property
    def compiled(self) -> int:
        """Shapes compiled since the start, without those that were found compiled on the disk."""

    def limit(self, threads: int | None) -> AbstractContextManager[None]:
        """Use that many CPU threads, at least 1, inside the block; None changes nothing.

        Raises `BadRequest` for a number below 1.
        """

    def place(self, part: Part) -> Callable[..., Any]:
        """Get a part ready and return what to call: tensors in, a tensor out, as its module has it."""

    def get_ready(self, frames: int) -> None:
        """All parts are placed: load what a render of so many latent frames calls, so that the first has
        nothing to wait for that need not be compiled."""

    def settle(self, frames: int, clips: int) -> None:
        """A render of so many clips at once comes next, in so many latent frames (0: in no length that was
        made ready); until the next one nothing changes in how its networks are run."""

    def warm_up(self, lengths: Sequence[int]) -> bool:
        """Make one more of these lengths (latent frames) ready, and say whether there was one. May be called
        from another thread than renders, which go on meanwhile."""

    def release(self) -> None:
        """Let go of every network that was placed and give the memory back to the system."""


AUTO = "auto"
RUNTIMES: Mapping[str, str] = {
    "torch": "foleyd.runtime.eager:Eager",
    "openvino": "foleyd.runtime.openvino:OpenVino",
    "compiled": "foleyd.runtime.compiled:Compiled",
}
"""The runtimes by name, each as `module:class`, so that only the one that is used is imported. The class has
`open(model, device, precision, threads, insisted)`; `insisted`: whether it was named, so that a render would
rather wait than have another."""


def check(name: str) -> None:
    """Raise `BadRequest` unless `name` is a runtime's, or "auto"."""
    if name not in (AUTO, *RUNTIMES):
        raise BadRequest(f"the runtime {name!r} is unknown: choose one of {', '.join((AUTO, *RUNTIMES))}.")


def open_runtime(
    name: str, device: str, precision: str, threads: int | None = None, model: Path | None = None
) -> Runtime:
    """Start a runtime for the model in folder `model`.

    `name` "auto" takes OpenVINO on a CPU where the model was prepared for it and that was found faster,
    compiled torch on CUDA where there is a compiler, torch elsewhere. `device` "auto" takes a CUDA GPU where
    there is one, else an Apple GPU, else the CPU; `precision` "auto" what suits the device; `threads` None
    leaves the choice to the runtime.

    Raises `BadRequest` for a name, device or precision that this machine or runtime does not have.
    """
    check(name)
    insisted = name != AUTO
    if name == AUTO:
        name = _fastest(device, precision, model)
    module, _, attribute = RUNTIMES[name].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    return cast(Runtime, kind.open(model, device, precision, threads, insisted=insisted))


def _fastest(device: str, precision: str, model: Path | None) -> str:
    from foleyd.runtime import eager, prepared

    place = eager.device_of(device)
    if place.type == "cuda":
        from foleyd.runtime import compiled

        return "torch" if compiled.lacks(place) else "compiled"
    if model is None or place.type != "cpu":
        return "torch"
    found = prepared.find(model)
    return "openvino" if found is not None and found[1].pays(precision) else "torch"
