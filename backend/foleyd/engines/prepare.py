"""Preparing a model for OpenVINO on this machine: its networks are exported, tried and measured, once.

``python -m foleyd.engines.prepare FOLDER`` does it in a process of its own, so that a worker goes on serving
with torch meanwhile. Each network is tried in yet another process in each precision: a compiler that crashes
on this processor, or gives wrong numbers, costs nobody a sound.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import msgspec
import numpy as np
import numpy.typing as npt
import torch

from foleyd.engines import base, checkpoint
from foleyd.engines.folder import write_whole
from foleyd.errors import BadRequest, FoleydError, ModelBroken
from foleyd.runtime import Part, open_runtime, prepared
from foleyd.runtime.prepared import RECORD, Network, Prepared, Way

ERROR_LIMITS = {"bfloat16": 0.03, "float32": 1e-3}
"""Largest relative error at which a precision is taken for right."""
CAPABILITIES = {"bfloat16": "BF16", "float32": "FP32"}
"""What OpenVINO calls them where it says what a processor can do."""
OPTIONS: tuple[dict[str, str], ...] = ({}, {"SNIPPETS_MODE": "DISABLE"})
"""What OpenVINO is told, the better first: some of its versions crash on some processors where they generate
code of their own for small operations."""
TIMESTEPS = (999.0, 501.0, 1.0)
"""Noise levels at which a network of every step is compared."""
EXAMPLE_ROWS = 3
"""Rows of the tensors that a network is exported with: an exporter may take 1 or 2 for a constant."""
LARGE = 50_000_000
"""Weights from which a network is kept in 16 bits."""
TRIAL = "foleyd.runtime.trial"
TRIAL_S = 900.0
"""Seconds after which a trial is given up: a large network beside other work needs minutes."""
NICE = 10
"""Priority of a process that prepares beside others, as `nice` counts."""
Log = Callable[[str], None]


def silent(line: str) -> None:
    """Progress that nobody asked for."""


def prepare(model: Path, log: Log = silent) -> tuple[Path, Prepared]:
    """Prepare the model in folder `model` unless it is; where it lies and its record.

    `log` is told of every step in words. Raises BadRequest where OpenVINO is not installed, ModelBroken or
    ModelMissing for a folder that is no model, FoleydError where no precision gives the right numbers.
    """
    if not prepared.version():
        raise BadRequest("OpenVINO is not installed: 'pip install openvino', or choose the runtime torch.")
    place = prepared.place(model)
    place.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(place.with_name(f"{place.name}.lock")):
        if (found := prepared.find(model)) is not None:
            return found
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=place.parent) as name:
            draft = Path(name) / "draft"
            draft.mkdir()
            record = _record(model, draft, log)
            write_whole(draft / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
        log("compiles every length")
        _compile(model)
    return place, record


def _record(model: Path, draft: Path, log: Log) -> Prepared:
    about = checkpoint.read(model)
    networks = {part.name: _network(part, about, draft, log) for part in _parts(about)}
    return Prepared(
        model=model.name,
        openvino=prepared.version(),
        processor=prepared.processor(),
        threads=torch.get_num_threads(),
        networks=networks,
    )


def _compile(model: Path) -> None:
    """Leave every shape that a render may need on the disk, compiled."""
    about = checkpoint.read(model)
    runtime = open_runtime("openvino", "cpu", "auto", None, model)
    for part in _parts(about):
        network: Any = runtime.place(part)
        network.compile()
    runtime.release()


def _parts(about: checkpoint.Checkpoint) -> list[Part]:
    """The parts that can be exported."""
    parts = importlib.import_module(base.family_of(about.folder).module).parts(about)
    return [part for part in parts if part.inputs is not None]


def _network(part: Part, about: checkpoint.Checkpoint, draft: Path, log: Log) -> Network:
    log(f"{part.name}: exports it")
    network = part.build().eval().requires_grad_(False)
    assert part.inputs is not None
    frames = about.geometry.frames(about.settings.auto_seconds)
    path = draft / f"{part.name}.xml"
    export(network, part.inputs(EXAMPLE_ROWS, 4 * about.geometry.stride), part.length_axes(), path)
    single = part.inputs(1, frames)
    cases = [single]
    if part.every_step:
        cases = [tuple(t if t.ndim else torch.tensor(level) for t in single) for level in TIMESTEPS]
    right, seconds = _with_torch(network, cases)
    ways, faults = {}, []
    precisions = [part.precision] if part.precision else native()
    for precision in precisions:
        log(f"{part.name}: tries {precision}")
        found = _try(path, cases, right, precision)
        if isinstance(found, str):
            faults.append(found)
            continue
        ways[precision] = found
        log(f"{part.name}: {precision} {found.seconds:.4f} s, torch {seconds:.4f} s, error {found.error:.2%}")
    if not ways:
        raise FoleydError(
            f"OpenVINO {faults[-1]} for {part.name} on this processor: choose the runtime torch."
        )
    return Network(ways=ways, torch_seconds=seconds, every_step=part.every_step)


def native() -> list[str]:
    """The precisions of `ERROR_LIMITS` that OpenVINO computes in on this processor. It takes the others too,
    and computes in float32 then: a record of that would name a precision that no sound was made in."""
    import openvino

    does = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name in ERROR_LIMITS if CAPABILITIES[name] in does]


def export(
    network: torch.nn.Module, example: tuple[torch.Tensor, ...], lengths: list[int | None], path: Path
) -> None:
    """Write `network` in OpenVINO's format to `path` (.xml, and .bin beside it), for any number of rows and
    any length along the axes in `lengths`."""
    import openvino

    dynamic = []
    for tensor, length in zip(example, lengths, strict=True):
        axes = {0: torch.export.Dim.AUTO} if tensor.ndim else {}
        dynamic.append(axes | ({length: torch.export.Dim.AUTO} if length is not None else {}) or None)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network, example, dynamic_shapes=tuple(dynamic))
        model = openvino.convert_model(program)
    weights = sum(parameter.numel() for parameter in network.parameters())
    openvino.save_model(model, path, compress_to_fp16=weights > LARGE)


def _with_torch(
    network: torch.nn.Module, cases: list[tuple[torch.Tensor, ...]]
) -> tuple[list[npt.NDArray[np.float32]], float]:
    """What torch makes of each case in float32, and a call's seconds."""
    with torch.inference_mode():
        right = [network(*case).numpy() for case in cases]
        took = []
        for _ in range(3):
            began = time.perf_counter()
            network(*cases[0])
            took.append(time.perf_counter() - began)
    return right, min(took)


def _try(
    path: Path, cases: list[tuple[torch.Tensor, ...]], right: list[npt.NDArray[np.float32]], precision: str
) -> Way | str:
    """Run the cases in a process of its own; what was wrong with the last way where none is right."""
    fault = ""
    with tempfile.TemporaryDirectory(prefix="foleyd-") as name:
        given, answer = Path(name) / "given.npz", Path(name) / "answer.npz"
        arrays: dict[str, Any] = {
            f"{number}_{place}": tensor.numpy()
            for number, case in enumerate(cases)
            for place, tensor in enumerate(case)
        }
        np.savez(given, **arrays)
        for options in OPTIONS:
            told = msgspec.json.encode(options).decode()
            words = (sys.executable, "-P", "-m", TRIAL, path, precision, told, given, answer)
            try:
                done = subprocess.run(list(map(str, words)), capture_output=True, timeout=TRIAL_S)
            except subprocess.TimeoutExpired:
                fault = f"takes more than {TRIAL_S / 60:.0f} minutes"
                continue
            if done.returncode:
                fault = "crashes"
                continue
            with np.load(answer, allow_pickle=False) as found:
                seconds = float(found["seconds"])
                error = max(_error(found[f"out_{case}"], want) for case, want in enumerate(right))
            if error <= ERROR_LIMITS[precision]:
                return Way(options=options, error=error, seconds=seconds)
            fault = "gives wrong numbers"
    return fault


def _error(found: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> float:
    if found.shape != right.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.linalg.norm(found - right) / max(float(np.linalg.norm(right)), 1e-12))


def main(arguments: list[str]) -> int:
    """``python -m foleyd.engines.prepare FOLDER``: one line a step; 0 where the model is prepared, 1 else."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    try:
        prepare(Path(arguments[0]), lambda line: print(line, flush=True))
    except (FoleydError, ModelBroken, OSError, RuntimeError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
