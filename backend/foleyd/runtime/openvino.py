"""OpenVINO on the CPU: networks that were exported and tried beforehand (`foleyd.engines.prepare`).

Every clip is a row of its own, and rows are computed apart: a clip is the same to the bit whatever else is in
its batch. The two rows that guidance needs run side by side, each on its share of the processor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from foleyd.engines.folder import write_whole
from foleyd.errors import BadRequest
from foleyd.runtime import Part, memory, prepared
from foleyd.runtime.eager import Eager
from foleyd.runtime.prepared import Prepared, precision_option

SIDE_BY_SIDE = 2
"""Rows of a network of every step that run at once."""
RESIDENT_BYTES = 256 * 2**20
"""Weights that one network may hold ready in several shapes; one shape may be larger."""
EVERY_STEP_BYTES = 512 * 2**20
"""As that, of a network of every step."""
SHORT_FRAMES = 8
"""Latent frames of the call that packs the weights of a network for all lengths."""
BLOBS = "blobs"
"""The folder of compiled networks, in that of the prepared ones."""


class OpenVino:
    """See `foleyd.runtime.Runtime`. Parts that were not prepared (the text tower) run in torch."""

    name = "openvino"
    together = 1

    def __init__(self, folder: Path, record: Prepared, precision: str, threads: int | None) -> None:
        import openvino

        self._plain = Eager("cpu", "float32", threads)
        self._folder, self._record = folder, record
        self.precision = record.precision if precision == "auto" else precision
        self.device = self._plain.device
        self._core = openvino.Core()
        self._networks: list[Compiled] = []

    @classmethod
    def open(
        cls, model: Path, device: str, precision: str, threads: int | None, *, insisted: bool
    ) -> OpenVino:
        """The runtime for the model in folder `model`. Raises BadRequest for a model that was not prepared,
        for another device than the CPU, and for a precision that was not found right here."""
        if device not in ("auto", "cpu"):
            raise BadRequest(f"the runtime 'openvino' runs on the CPU, not on {device!r}: choose cpu.")
        found = prepared.find(model)
        if found is None:
            raise BadRequest(f"{model.name} is not prepared for OpenVINO: run 'foleyd models prepare'.")
        folder, record = found
        allowed = ("auto", *record.precisions())
        if precision not in allowed:
            raise BadRequest(
                f"the precision {precision!r} does not run with OpenVINO on this processor: choose "
                f"{' or '.join(allowed)}."
            )
        return cls(folder, record, precision, threads)

    @property
    def threads(self) -> int:
        """CPU threads that one operation may use."""
        return self._plain.threads

    @property
    def about(self) -> str:
        """What it computes on, in words."""
        return f"{self._plain.about}, OpenVINO {self.precision}"

    @property
    def compiled(self) -> int:
        """Shapes compiled since the start, without those that were found compiled on the disk."""
        return sum(network.compiled for network in self._networks)

    @contextmanager
    def limit(self, threads: int | None) -> Iterator[None]:
        """Use that many CPU threads inside the block, and as many as before after it."""
        with self._plain.limit(threads):
            yield

    def place(self, part: Part) -> Callable[..., Any]:
        """The prepared network of that name."""
        if part.name not in self._record.networks:
            return self._plain.place(part)
        precision, way = self._record.way(part.name, part.precision or self.precision)
        options = {**way.options, **precision_option(precision)}
        path = self._folder / f"{part.name}.xml"
        network = Compiled(self._core, path, part, options, lambda: self.threads)
        self._networks.append(network)
        return network

    def get_ready(self, frames: int) -> None:
        """Load what every render calls, the network of every step for that length."""
        for network in self._networks:
            if network.part.usual:
                network.get_ready(frames)

    def settle(self, frames: int, clips: int) -> None:
        """Every length is run alike."""

    def warm_up(self, lengths: Sequence[int]) -> bool:
        """There is nothing to do."""
        return False

    def release(self) -> None:
        """Drop the networks and give their memory back to the system."""
        for network in self._networks:
            network.release()
        self._networks.clear()
        self._plain.release()
        memory.give_back()


@dataclass
class Shape:
    """A network compiled for one shape: a request for each row that is computed at once. `packed`: whether it
    was called, and holds its weights as it wants them."""

    requests: list[Any]
    packed: bool = False


class Compiled:
    """A prepared network, compiled when it is first called: for each of its part's lengths apart, and once
    for all others.

    A fixed shape is up to a third faster, and has everything ready when it is loaded. A network for all
    lengths makes code for each new one in its first call, which on AMX takes several times as long as the
    call.
    """

    def __init__(
        self, core: Any, path: Path, part: Part, options: dict[str, str], threads: Callable[[], int]
    ) -> None:
        self.compiled = 0
        self.part = part
        self._core, self._path, self._options = core, path, options
        self._threads = threads
        self._ready: OrderedDict[tuple[Any, ...], Shape] = OrderedDict()
        room = EVERY_STEP_BYTES if part.every_step else RESIDENT_BYTES
        self._most = max(1, room // path.with_suffix(".bin").stat().st_size)
        assert part.inputs is not None
        self._lengths = {
            tuple(tuple(tensor.shape[1:]) for tensor in part.inputs(1, frames)) for frames in part.lengths
        }

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        """As the module that it was made of: tensors with a row a clip, or without rows for all of them."""
        arrays = [tensor.float().contiguous().numpy() for tensor in tensors]
        shape = self._shape([array.shape for array in arrays])
        requests = shape.requests
        count = max(len(array) for array in arrays if array.ndim)
        made: list[torch.Tensor] = []
        for first in range(0, count, len(requests)):
            begun = []
            for row, request in zip(range(first, count), requests, strict=False):
                request.start_async([array[row : row + 1] if array.ndim else array for array in arrays])
                begun.append(request)
            for request in begun:
                request.wait()
                made.append(torch.from_numpy(request.get_output_tensor().data.copy()))
        if not shape.packed:
            # what is compiled has its own copy of the weights that it was read from
            memory.let_go(self._path.parent)
            shape.packed = True
        return torch.cat(made)

    def get_ready(self, frames: int) -> None:
        """Compile for clips of so many latent frames, and call it once: the first call packs the weights."""
        assert self.part.inputs is not None
        lengths = self.part.lengths or (SHORT_FRAMES,)
        own = next((length for length in lengths if length >= frames), lengths[-1])
        self(*self.part.inputs(SIDE_BY_SIDE if self.part.every_step else 1, own))

    def compile(self) -> None:
        """Leave every shape that a render may need on the disk, compiled."""
        assert self.part.inputs is not None
        for frames in self.part.lengths:
            self._shape([tuple(tensor.shape) for tensor in self.part.inputs(1, frames)])
        if not self.part.every_step:
            self._shape([tuple(tensor.shape) for tensor in self.part.inputs(1, SHORT_FRAMES)])

    def release(self) -> None:
        """Drop what is compiled."""
        self._ready.clear()

    def _shape(self, shapes: list[tuple[int, ...]]) -> Shape:
        own = tuple(shape[1:] for shape in shapes)
        fixed = self.part.every_step or own in self._lengths
        key: tuple[Any, ...] = (self._threads(), *(own if fixed else ()))
        if key not in self._ready:
            while len(self._ready) >= self._most:
                self._ready.popitem(last=False)
            self._ready[key] = Shape(self._compile(shapes, fixed))
            memory.let_go(self._path.parent)
        self._ready.move_to_end(key)
        return self._ready[key]

    def _compile(self, shapes: list[tuple[int, ...]], fixed: bool) -> list[Any]:
        threads = self._threads()
        streams = min(SIDE_BY_SIDE, threads) if self.part.every_step else 1
        told = {
            **self._options,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
            # compiled without the weights, which lie beside it: a few megabytes a shape
            "CACHE_MODE": "OPTIMIZE_SIZE",
        }
        wanted = [[1, *shape[1:]] if shape else [] for shape in shapes]
        if not fixed:
            for shape, axis in zip(wanted, self.part.length_axes(), strict=True):
                if axis is not None:
                    shape[axis] = -1
        kept = self._blob(f"{wanted} {told}")
        network = self._kept(kept, told)
        if network is None:
            model = self._core.read_model(self._path)
            model.reshape(dict(enumerate(wanted)))
            network = self._core.compile_model(model, "CPU", told)
            self.compiled += 1
            kept.parent.mkdir(exist_ok=True)
            write_whole(kept, network.export_model().getvalue())
        return [network.create_infer_request() for _ in range(streams)]

    def _blob(self, what: str) -> Path:
        return self._path.parent / BLOBS / f"{self._path.stem}-{sha256(what.encode()).hexdigest()[:16]}.blob"

    def _kept(self, blob: Path, told: dict[str, Any]) -> Any:
        """The network as an earlier run compiled it, None where none did or that cannot be used."""
        if not blob.is_file():
            return None
        weights = {"WEIGHTS_PATH": str(self._path.with_suffix(".bin"))}
        try:
            return self._core.import_model(blob.read_bytes(), "CPU", {**told, **weights})
        except RuntimeError:
            return None
