"""Compiled torch: the network of every step, fused by TorchInductor for one length of clip after the other.

Nothing is compiled while somebody waits: a render of a length that is not ready runs in plain torch, and says
so, while a thread of its own compiles for the next ones (`warm_up`). Who insists on this runtime waits for
the length that is wanted. What was compiled is held to plain torch's numbers before it is used; on a GPU its
kernels are then recorded as one CUDA graph.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from foleyd.errors import BadRequest, RenderFailed
from foleyd.runtime import Part
from foleyd.runtime.eager import Eager

ROWS = (2, 1)
"""Rows that the network of every step is called with for one clip: with guidance, and without."""
ERROR_LIMITS: Mapping[str, float] = {"float32": 1e-3, "bfloat16": 0.03, "float16": 0.03}
"""Largest difference to plain torch, root mean square over that of the output, at which what was compiled is
taken for right."""
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "cpu": {"cpp.dynamic_threads": True},
    "cuda": {"triton.cudagraphs": True},
}
"""What TorchInductor is told. One graph spares a GPU the wait for Python between small operations."""


@dataclass
class _Placed:
    """A network of every step, and what of it was compiled: by rows and latent frames, None for a shape that
    cannot be."""

    part: Part
    network: Callable[..., Any]
    compiled: dict[tuple[int, int], Callable[..., Any] | None] = field(default_factory=dict)
    proven: set[tuple[int, int]] = field(default_factory=set)


class Compiled:
    """See `foleyd.runtime.Runtime`. `waits`: whether a render waits for what it lacks."""

    together = 1

    def __init__(self, plain: Eager, *, waits: bool) -> None:
        self._plain, self._waits = plain, waits
        self._placed: list[_Placed] = []
        self._missed: list[int] = []
        self._frames = 0
        self._turn = threading.Lock()
        self.compiled = 0
        if plain.device.type == "cuda":
            # CUDA graphs belong to the thread that has imported this: the one that renders
            importlib.import_module("torch._inductor.cudagraph_trees")

    @classmethod
    def open(
        cls, model: Path | None, device: str, precision: str, threads: int | None, *, insisted: bool
    ) -> Compiled:
        """The runtime, which is the same for every model. Raises BadRequest where nothing compiles for the
        device."""
        plain = Eager(device, precision, threads)
        lacking = lacks(plain.device)
        if lacking:
            raise BadRequest(lacking)
        return cls(plain, waits=insisted)

    @property
    def name(self) -> str:
        """The runtime of the render that was settled last."""
        return "compiled" if self._frames else self._plain.name

    @property
    def precision(self) -> str:
        """What the networks compute in."""
        return self._plain.precision

    @property
    def device(self) -> torch.device:
        """Where they take their tensors."""
        return self._plain.device

    @property
    def threads(self) -> int:
        """CPU threads that one operation may use."""
        return self._plain.threads

    @property
    def about(self) -> str:
        """What it computes on, in words."""
        return f"{self._plain.about}, compiled"

    def limit(self, threads: int | None) -> AbstractContextManager[None]:
        """Use that many CPU threads inside the block."""
        return self._plain.limit(threads)

    def place(self, part: Part) -> Callable[..., Any]:
        """Load the part; where it is called at every step, what is returned takes the compiled one as
        settled."""
        network = self._plain.place(part)
        if not part.every_step or part.inputs is None:
            return network
        placed = _Placed(part, network)
        self._placed.append(placed)

        def call(*tensors: torch.Tensor) -> Any:
            key = max(len(tensor) for tensor in tensors if tensor.ndim), self._frames
            ready = placed.compiled.get(key) if self._frames else None
            if ready is None:
                return network(*tensors)
            # what it was compiled for, nothing else: schedulers give whole timesteps, too
            return ready(*(one.to(self.device, torch.float32).contiguous() for one in tensors))

        return call

    def get_ready(self, frames: int) -> None:
        """Every part was loaded when it was placed."""

    def settle(self, frames: int, clips: int) -> None:
        """Choose by what the next render runs; a length that is not ready is compiled for next."""
        self._frames = 0
        if clips != 1 or not frames or not self._placed:
            return
        if self._waits:
            self._compile(frames)
            if not self._ready(frames):
                raise RenderFailed(
                    "torch cannot compile this model for this length: choose the runtime torch.", "error"
                )
        if self._ready(frames):
            self._frames = frames
        elif frames not in self._missed:
            self._missed.append(frames)

    def warm_up(self, lengths: Sequence[int]) -> bool:
        """Compile for one more length, those that renders missed first, and say whether there was one."""
        for frames in (*self._missed, *lengths):
            if any((rows, frames) not in placed.compiled for placed in self._placed for rows in ROWS):
                self._compile(frames)
                return True
        return False

    def release(self) -> None:
        """Drop the networks and give their memory back."""
        self._placed.clear()
        self._frames = 0
        self._plain.release()

    def _compile(self, frames: int) -> None:
        for placed in list(self._placed):
            for rows in ROWS:
                with self._turn:
                    if (rows, frames) not in placed.compiled:
                        placed.compiled[rows, frames] = self._built(placed, rows, frames)

    def _built(self, placed: _Placed, rows: int, frames: int) -> Callable[..., Any] | None:
        inputs = self._inputs(placed, rows, frames)
        try:
            made = build(placed.network, inputs, dict(OPTIONS[self.device.type]))
        except Exception as error:  # a compiler has no end of ways to fail, and plain torch goes on
            print(f"compiled: {placed.part.name}: {' '.join(str(error).split()):.300}", file=sys.stderr)
            return None
        self.compiled += 1
        return made

    def _ready(self, frames: int) -> bool:
        """Whether all that a render of the length calls is there and right."""
        return all(self._right(placed, rows, frames) for placed in self._placed for rows in ROWS)

    def _right(self, placed: _Placed, rows: int, frames: int) -> bool:
        key = rows, frames
        made = placed.compiled.get(key)
        if made is None or key in placed.proven:
            return made is not None
        inputs = self._inputs(placed, rows, frames)
        try:
            with torch.inference_mode():
                right = placed.network(*inputs)
                made(*inputs)  # a graph is recorded from the second call on
                found = made(*inputs).clone()
            error = float((found - right).norm() / right.norm().clamp(min=1e-12))
        except Exception as failure:
            print(f"compiled: {placed.part.name}: {' '.join(str(failure).split()):.300}", file=sys.stderr)
            error = float("inf")
        if not error <= ERROR_LIMITS[self.precision]:
            placed.compiled[key] = None
            return False
        placed.proven.add(key)
        return True

    def _inputs(self, placed: _Placed, rows: int, frames: int) -> tuple[torch.Tensor, ...]:
        assert placed.part.inputs is not None
        return tuple(tensor.to(self.device) for tensor in placed.part.inputs(rows, frames))


def build(network: Any, inputs: tuple[torch.Tensor, ...], options: dict[str, Any]) -> Callable[..., Any]:
    """`network` compiled for inputs of exactly these shapes: it is exported first, so that nothing guards it
    and no later call can compile it again."""
    import torch._inductor as inductor

    with torch.no_grad():
        exported = torch.export.export(network, inputs).module()
        compiled = inductor.compile(exported, list(inputs), options=options)

    def call(*tensors: torch.Tensor) -> Any:
        made = compiled(*tensors)
        return made[0] if isinstance(made, list | tuple) else made

    return call


def lacks(device: torch.device) -> str:
    """What compiling for the device lacks here, as a sentence; "" where it can be done."""
    return _LACKS.get(device.type, _lacks_everything)(device)


def _lacks_on_cpu(device: torch.device) -> str:
    named = os.environ.get("CXX", "").split()
    if any(shutil.which(name) for name in (*named[:1], "g++", "clang++", "cl")):
        return ""
    return "the runtime 'compiled' needs a C++ compiler: install g++ or clang++, or choose torch."


def _lacks_on_cuda(device: torch.device) -> str:
    if importlib.util.find_spec("triton") is not None:
        return ""
    return "the runtime 'compiled' needs Triton on a GPU: install the package triton, or choose torch."


def _lacks_everything(device: torch.device) -> str:
    return f"the runtime 'compiled' runs on the CPU and on CUDA, not on {device.type}: choose torch."


_LACKS: Mapping[str, Callable[[torch.device], str]] = {"cpu": _lacks_on_cpu, "cuda": _lacks_on_cuda}
