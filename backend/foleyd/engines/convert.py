"""Turn a ``.bin`` checkpoint, which is a pickle, into safetensors: once, in a process of its own.

A pickle is a program. ``torch.load(weights_only=True)`` runs only the few operations that build tensors, and
it does so here in a child with no secrets in its environment, in an empty folder, with limits on memory, time
and what it may write. The child is ``python -m foleyd.engines.convert SOURCE TARGET``: it prints one JSON
line, {"tensors": n} or {"error": "..."}. Nothing else in foleyd reads a pickle.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import foleyd
from foleyd.engines.folder import check_safetensors
from foleyd.errors import DiskFull, ModelBroken

_SLOWEST_BYTES_PER_S = 5_000_000  # an old disk that is also busy
_START_S = 300  # importing torch on a cold, loaded machine
_TORCH_BYTES = 16 << 30  # address space, not memory: a CUDA build of torch maps this much by being imported
_SLACK_BYTES = 16 << 20

# What Python and torch need to start; tokens and keys that live in the environment stay outside.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")


def convert_file(source: Path, target: Path) -> None:
    """Write the tensors of the pickled checkpoint ``source`` to the safetensors file ``target``, or nothing
    at all.

    The source is left as it is. Raises ModelBroken if it holds anything but named tensors (it is not run),
    DiskFull if there is no room.
    """
    size = source.stat().st_size
    name = f"{source.parent.name}/{source.name}"
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=target.parent) as room:
        made = Path(room, "out.safetensors")
        environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "HOME": room, "TMPDIR": room, "TEMP": room, "TMP": room}
        command = [
            sys.executable,
            "-P",
            "-m",
            "foleyd.engines.convert",
            str(source.absolute()),
            str(made.absolute()),
        ]
        # The child stands in another folder and may run from a source tree: both need absolute places.
        places = [str(Path(foleyd.__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(place).absolute()) for place in places if place)
        try:
            child = subprocess.run(
                command,
                cwd=room,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_START_S + size / _SLOWEST_BYTES_PER_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ModelBroken(
                f"{name} took too long to convert and was given up: pull the model again."
            ) from error
        _judge(child.stdout, child.returncode, name)
        check_safetensors(made, name)
        with made.open("rb+") as stream:
            os.fsync(stream.fileno())
        made.replace(target)


def _judge(output: bytes, status: int, name: str) -> None:
    try:
        report: Any = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        report = {}
    if not isinstance(report, dict):
        report = {}
    if report.get("full"):
        raise DiskFull(
            f"There is no room to convert {name}: free about twice its size and pull the model again."
        )
    if "error" in report:
        raise ModelBroken(f"{name} was not loaded: {report['error']}; take another model or revision.")
    if status != 0 or "tensors" not in report:
        raise ModelBroken(
            f"{name} could not be converted: its reader ended with status {status}; take another model."
        )


def main(arguments: list[str]) -> int:
    """The child: convert ``arguments`` = [source, target] and print what came of it as one JSON line."""
    source, target = Path(arguments[0]), Path(arguments[1])
    _limit(source.stat().st_size)
    try:
        report: dict[str, object] = {"tensors": convert_here(source, target)}
    except OSError as error:
        report = {
            "error": f"it cannot be read ({error.strerror})",
            "full": error.errno in (errno.ENOSPC, errno.EDQUOT),
        }
    except Refused as error:
        report = {"error": str(error)}
    print(json.dumps(report))
    return 1 if "error" in report else 0


class Refused(Exception):
    """Why a file is not taken for weights, as half a sentence."""


def _limit(size: int) -> None:
    if sys.platform == "win32":
        return  # Windows has no such limits; weights_only and the timeout hold there too
    import resource

    seconds = int(_START_S + size / _SLOWEST_BYTES_PER_S)
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, size + _SLACK_BYTES),
        (resource.RLIMIT_AS, _TORCH_BYTES + 4 * size),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def convert_here(source: Path, target: Path) -> int:
    """What the child does, in this process and without its limits; the number of tensors written.

    Raises Refused for what is not a table of named tensors, OSError if it cannot be read or written.
    """
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    size = source.stat().st_size
    zipped = zipfile.is_zipfile(source)
    if zipped:
        try:
            with zipfile.ZipFile(source) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
        except zipfile.BadZipFile as error:
            raise Refused("it is damaged or no checkpoint") from error
        if unpacked > size:
            raise Refused("it unpacks to more than its own size, which weights do not")
    try:
        state = torch.load(source, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise Refused("it is a pickle that asks for more than tensors, and may be harmful") from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
        raise Refused("it is damaged or no checkpoint") from error
    if not isinstance(state, dict) or not state:
        raise Refused("it holds no table of tensors")
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise Refused("it holds things other than named tensors")
    if any(value.layout != torch.strided or value.is_quantized for value in state.values()):
        raise Refused("it holds tensors that are sparse or quantised")
    # A view may claim far more elements than the file has bytes: copying it out would eat all memory.
    if sum(value.numel() * value.element_size() for value in state.values()) > size + _SLACK_BYTES:
        raise Refused("its tensors claim more than the file holds")
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in state.items():
        plain = value.detach().contiguous()
        start = plain.untyped_storage().data_ptr()
        tensors[name] = (
            plain.clone() if start in seen else plain
        )  # tied weights: safetensors stores no sharing
        seen.add(start)
    try:
        save_file(tensors, target, metadata={"format": "pt"})
    except SafetensorError as error:
        if "os error 28" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise Refused("its tensors cannot be written as safetensors") from error
    except (KeyError, ValueError, RuntimeError) as error:
        raise Refused("its tensors cannot be written as safetensors") from error
    return len(tensors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
