"""``foleyd doctor``: is everything here that a render needs? One line a check, and what to do where
something is not."""

from __future__ import annotations

import importlib
import itertools
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from foleyd import __version__
from foleyd.errors import FoleydError
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.engines.catalog import Entry

EPILOG = """\b
Examples:
  foleyd doctor
  foleyd doctor --model ./my-model --json
  foleyd doctor --show friday.json
"""

Status = Literal["ok", "warning", "failed", "skipped"]

ROOM_NEEDED = 100_000_000
"""Bytes: below this there is no room for takes and clips."""
ROOM_WISHED = 2_000_000_000
"""Bytes: below this a pull of a bigger model would fail."""
MEMORY_WISHED = 1_500_000_000
"""Bytes: the starter and its libraries fit."""
SELF_TEST_STEPS = 4


class Check(msgspec.Struct, frozen=True):
    """One line of the report. Only "failed" makes the command fail; `detail` says what was seen, or what to
    do."""

    name: str
    status: Status
    detail: str


PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "msgspec",
    "numpy",
    "soundfile",
    "soxr",
    "pyloudnorm",
    "scipy",
    "filelock",
    "matplotlib",
    "openvino",
    "typer",
    "rich",
    "platformdirs",
)

CPU_FEATURES = (
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
)
"""Instructions that make inference faster, as the kernel names them; amd64 first, then arm64."""

MARKS: dict[Status, str] = {
    "ok": "ok      ",
    "warning": "warning ",
    "failed": "FAILED  ",
    "skipped": "skipped ",
}


def doctor(
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="The model to check and to render with.")
    ] = "starter",
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="'auto' takes a GPU where there is one; or 'cpu', 'cuda', 'cuda:1'."
        ),
    ] = "auto",
    show: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A show whose clips, device and room are checked too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as one JSON object.")] = False,
) -> None:
    """Check this machine, one line a check.

    Exit status 1 if something fails that a render needs; a warning is no failure.
    """
    with Output(as_json) as output:
        checks: list[Check] = []
        output.body["checks"] = checks
        for check in itertools.chain(examine(model, device), _of_show(show)):
            checks.append(check)
            output.line(f"{MARKS[check.status]}{check.name}: {check.detail}")
        if bad := [check.name for check in checks if check.status == "failed"]:
            raise FoleydError(f"{len(bad)} of {len(checks)} checks failed: {', '.join(bad)}.")


def examine(model: str, device: str = "auto") -> Iterator[Check]:
    """The checks, one after the other; the last, a render, takes seconds."""
    yield check_python()
    yield check_packages()
    yield check_sound_files()
    yield check_processor(_processor_text())
    yield check_memory()
    yield check_disk()
    entry, found = check_model(model)
    yield found
    if entry is None:
        yield Check("hashes", "skipped", "there is no model to check")
        yield Check("runtime", "skipped", "there is no model to run")
        yield Check("device", "skipped", "there is no model to load")
        yield Check("self-test", "skipped", "there is no model to render with")
        return
    yield check_hashes(entry)
    yield check_runtime(entry)
    yield from check_render(model, device)


def _of_show(show: Path | None) -> Iterator[Check]:
    """The checks of a show, which the live host makes."""
    if show is None:
        return iter(())
    found: Iterator[Check] = importlib.import_module("foleyd_live.show_doctor").examine(show)
    return found


def check_python() -> Check:
    """Python's version; the package itself demands one that will do."""
    return Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def check_packages(wanted: tuple[str, ...] = PACKAGES) -> Check:
    """Every distribution that a render needs, with its version."""
    found: list[str] = []
    missing: list[str] = []
    for name in wanted:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check(
            "packages", "failed", f"missing {', '.join(missing)}: run pip install {' '.join(missing)}"
        )
    return Check("packages", "ok", f"foleyd {__version__}, " + ", ".join(found))


def check_sound_files() -> Check:
    """Whether the library that reads and writes FLAC and Ogg loads."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        return Check("sound files", "failed", f"libsndfile does not load ({error}): reinstall soundfile")
    return Check("sound files", "ok", str(soundfile.__libsndfile_version__))


def check_processor(text: str) -> Check:
    """Cores and fast instructions; `text` is the kernel's description of the processor ("" where it gives
    none)."""
    cores = f"{os.cpu_count() or 1} cores"
    words = set(text.split())
    fast = [feature for feature in CPU_FEATURES if feature in words]
    if not text:
        return Check(
            "processor", "ok", f"{platform.machine()}, {cores}; the system does not tell its features"
        )
    if not fast:
        return Check(
            "processor", "warning", f"{cores}, none of {', '.join(CPU_FEATURES[:4])}: renders will be slow"
        )
    return Check("processor", "ok", f"{cores}, {' '.join(fast)}")


def check_memory() -> Check:
    """Memory that is free for a model."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        total, free = sizes["MemTotal"], sizes["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return Check("memory", "skipped", "the system does not tell")
    said = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if free < MEMORY_WISHED:
        return Check("memory", "warning", f"{said}: close other programs before a render")
    return Check("memory", "ok", said)


def check_disk() -> Check:
    """Room where takes and models are kept."""
    from foleyd import paths

    place = paths.home("library")
    standing = next(parent for parent in (place, *place.parents) if parent.exists())
    free = shutil.disk_usage(standing).free
    said = f"{free / 1e9:.1f} GB free for clips and takes in {place}"
    if not os.access(standing, os.W_OK):
        return Check(
            "disk", "failed", f"{standing} cannot be written to: set FOLEYD_HOME to a folder that can"
        )
    if free < ROOM_NEEDED:
        return Check("disk", "failed", f"{said}: free some, or set FOLEYD_HOME to another disk")
    if free < ROOM_WISHED:
        return Check("disk", "warning", f"{said}: too little for a bigger model")
    return Check("disk", "ok", said)


def check_model(model: str) -> tuple[Entry | None, Check]:
    """Whether the model is on this disk and whole in form."""
    from foleyd.engines import catalog

    try:
        entry = catalog.resolve(model)
    except FoleydError as error:
        return None, Check("model", "failed", str(error))
    licence = f"{entry.licence}, sounds may {'' if entry.sellable else 'not '}be sold"
    size = catalog.in_words(entry.bytes)
    return entry, Check(
        "model", "ok", f"{entry.id} ({entry.title}), revision {entry.revision[:12]}, {size}, {licence}"
    )


def check_hashes(entry: Entry) -> Check:
    """Whether every file of the model is what it was when it was stored."""
    from foleyd.engines import catalog, folder

    wrong = catalog.verify(entry)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return Check("hashes", "failed", f"{wrong[0]}{more}")
    manifest = folder.read_manifest(entry.folder)
    if manifest is None:
        return Check("hashes", "skipped", "the folder has no list of hashes, only its form was checked")
    return Check("hashes", "ok", f"{len(manifest.files)} files are as they were stored")


def check_runtime(entry: Entry) -> Check:
    """What would run the model's networks on this processor, and how much faster than torch in float32."""
    from foleyd.runtime import prepared

    if not prepared.version():
        return Check("runtime", "warning", "torch alone, which is several times slower: reinstall openvino")
    found = prepared.find(entry.folder)
    if found is None:
        return Check(
            "runtime",
            "ok",
            "torch; 'foleyd serve' or 'foleyd models prepare' tries whether OpenVINO is faster here",
        )
    record = found[1]
    if not record.pays("auto"):
        return Check("runtime", "ok", "torch, which is faster on this processor than OpenVINO")
    times = record.seconds() / record.seconds(record.precision)
    return Check("runtime", "ok", f"OpenVINO in {record.precision}, {times:.1f} times as fast as torch")


def check_render(model: str, device: str = "auto") -> Iterator[Check]:
    """Load the model in a worker (which says what it computes on) and render a short sound into a file."""
    try:
        from foleyd import recipe
        from foleyd.daemon import clips
        from foleyd.daemon.job import Session
    except (ImportError, OSError) as error:
        yield Check("self-test", "skipped", f"a package does not load ({error})")
        return
    with Session(takes=None, device=device) as session, tempfile.TemporaryDirectory(prefix="foleyd-") as room:
        try:
            wanted = recipe.make(prompt="a short click", seed=1, steps=SELF_TEST_STEPS, seconds=1.0)
            sound = session.sound(session.prepare(wanted, model))
            clip = clips.write(sound, Path(room, "test.wav"), "pcm24")
        except FoleydError as error:
            yield _computes_on(session.device)
            yield Check("self-test", "failed", str(error))
            return
    yield _computes_on(session.device)
    per_step = sound.seconds / SELF_TEST_STEPS
    yield Check(
        "self-test",
        "ok",
        f"{clip.seconds:.1f} s in {sound.seconds:.1f} s ({SELF_TEST_STEPS} steps, {per_step:.2f} s each)",
    )


def _computes_on(device: str) -> Check:
    return Check("device", "ok" if device else "skipped", device or "no worker told what it computes on")


def _processor_text() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
