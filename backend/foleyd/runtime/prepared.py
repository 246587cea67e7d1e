"""What was prepared of a model for OpenVINO on this machine: networks in its format, and what was measured of
them.

It is kept in foleyd's cache under a name that holds for these files, this version of OpenVINO and this
processor; anything else has to be prepared anew. Nothing here imports torch or OpenVINO.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path

import msgspec

from foleyd import paths
from foleyd.engines.folder import model_files

FORMAT = 3
"""Counted up when networks are exported, tried or compiled in another way."""
RECORD = "prepared.json"
PACKAGE = "openvino"
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
"""The precisions that are tried, and what OpenVINO calls them."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One precision in which a network was tried and found right.

    `options`: what OpenVINO has to be told; `error`: root mean square of the difference to torch in float32,
    over that of the output; `seconds`: a call's wall clock.
    """

    options: dict[str, str]
    error: float
    seconds: float


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared network: the ways it can be run in by precision, what a call takes with torch in float32,
    and whether it is called at every step."""

    ways: dict[str, Way]
    torch_seconds: float
    every_step: bool


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a prepared model, its `networks` by the names of their parts."""

    model: str
    openvino: str
    processor: str
    threads: int
    networks: dict[str, Network]

    @property
    def precision(self) -> str:
        """The fastest precision that every network has, where it has a choice."""
        return min(self.precisions(), key=self.seconds)

    def precisions(self) -> tuple[str, ...]:
        """What the model as a whole can be run in; a network with one way is run in that anyway."""
        choices = [set(network.ways) for network in self.networks.values() if len(network.ways) > 1]
        common = set.intersection(*choices) if choices else set.union(*map(set, self._ways()))
        return tuple(sorted(common))

    def way(self, name: str, precision: str) -> tuple[str, Way]:
        """The network's own precision where the model runs in `precision`, and how it is run."""
        ways = self.networks[name].ways
        own = precision if precision in ways else next(iter(ways))
        return own, ways[own]

    def seconds(self, precision: str | None = None, steps: int = 20) -> float:
        """A render with guidance, roughly, in seconds of wall clock; None: with torch in float32."""
        return sum(
            (network.torch_seconds if precision is None else self.way(name, precision)[1].seconds)
            * (2 * steps if network.every_step else 1)
            for name, network in self.networks.items()
        )

    def pays(self, precision: str) -> bool:
        """Whether it is faster here than torch in float32, in `precision` ("auto": the fastest)."""
        precision = self.precision if precision == "auto" else precision
        return precision in self.precisions() and self.seconds(precision) < self.seconds()

    def _ways(self) -> list[dict[str, Way]]:
        return [network.ways for network in self.networks.values()]


def precision_option(precision: str) -> dict[str, str]:
    """What OpenVINO is told for a precision by foleyd's name."""
    return {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]}


def version() -> str:
    """The version of OpenVINO that is installed, "" where none is."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return ""


def processor() -> str:
    """This machine's processor and the instructions that matter, in one line."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    wide = [flag for flag in (flags.group(1).split() if flags else []) if flag.startswith(("amx", "avx"))]
    return " ".join([name.group(1) if name else platform.machine(), *sorted(wide)])


def place(model: Path) -> Path:
    """The folder that holds what was prepared of the model in folder `model`, there or not."""
    digest = hashlib.sha256(f"{FORMAT} {version()} {processor()}".encode())
    for name in model_files(model):
        found = (model / name).stat()
        digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return paths.home("cache") / PACKAGE / digest.hexdigest()[:24]


def is_wanting(model: Path) -> bool:
    """Whether the model in folder `model` could be prepared and is not."""
    return bool(version()) and find(model) is None


def find(model: Path) -> tuple[Path, Prepared] | None:
    """What was prepared of the model in folder `model`, and where; None where nothing was, or where it cannot
    be read."""
    if not version():
        return None
    folder = place(model)
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=Prepared)
    except (OSError, msgspec.MsgspecError):
        return None
    whole = all((folder / f"{name}.xml").is_file() and one.ways for name, one in record.networks.items())
    return (folder, record) if whole and record.networks else None


def forget(model: Path) -> int:
    """Delete what was prepared of the model in folder `model`; bytes freed."""
    if not version() or not (folder := place(model)).is_dir():
        return 0
    freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
    return freed
