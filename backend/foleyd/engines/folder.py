"""What an AudioLDM checkpoint folder consists of, on disk or in a hub's list of files.

The layout is that of diffusers' ``AudioLDMPipeline``: ``model_index.json`` and one folder a component. This
module knows the names, chooses the files that are needed, hashes them, and reads and writes foleyd's two own
files: ``foleyd.json`` (what the model is: licence, title, defaults) and ``foleyd-files.json`` (every file
with size and SHA-256, so that a folder can be checked and named without reading gigabytes).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from foleyd.errors import ModelBroken

_T = TypeVar("_T")

INDEX = "model_index.json"
DESCRIPTION = "foleyd.json"
MANIFEST = "foleyd-files.json"

AUDIOLDM_LICENCE = "CC-BY-NC-SA-4.0"  # of every checkpoint its authors published
CHUNK_BYTES = 1 << 20
_HEADER_LIMIT_BYTES = 100_000_000  # what the safetensors library itself accepts


class Component(msgspec.Struct, frozen=True):
    """One part of a checkpoint: ``files`` holds alternatives, best first, each a set of names that go
    together."""

    name: str
    files: tuple[tuple[str, ...], ...]
    weights: tuple[str, ...] = ()  # safetensors names, then
    pickles: tuple[str, ...] = ()  # the .bin name that converts to each
    extras: tuple[str, ...] = ()
    class_name: str = ""  # demanded in model_index.json; "" takes any


_DIFFUSERS = (("diffusion_pytorch_model.safetensors",), ("diffusion_pytorch_model.bin",))
_TRANSFORMERS = (("model.safetensors",), ("pytorch_model.bin",))

COMPONENTS = (
    Component(
        "tokenizer",
        files=(("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",)),
        extras=(
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
            "vocab.txt",
        ),
    ),
    Component("text_encoder", (("config.json",),), *_TRANSFORMERS, class_name="ClapTextModelWithProjection"),
    Component("unet", (("config.json",),), *_DIFFUSERS, class_name="UNet2DConditionModel"),
    Component("vae", (("config.json",),), *_DIFFUSERS, class_name="AutoencoderKL"),
    Component(
        "vocoder",
        (("config.json",),),
        weights=("model.safetensors", "diffusion_pytorch_model.safetensors"),
        pickles=("pytorch_model.bin", "diffusion_pytorch_model.bin"),
    ),
    Component("scheduler", (("scheduler_config.json",),)),
)


class Choice(msgspec.Struct, frozen=True):
    """The files of a checkpoint that foleyd uses, as relative names with "/"; ``convert`` maps .bin →
    safetensors."""

    files: tuple[str, ...]
    convert: dict[str, str]


class File(msgspec.Struct, frozen=True):
    """One file of a model folder: relative name with "/", size in bytes, SHA-256 in lower-case hex."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """``foleyd-files.json``: the files of a folder and where they came from ("" where that is nowhere)."""

    files: tuple[File, ...]
    id: str = ""
    revision: str = ""
    converted: tuple[File, ...] = ()  # the .bin files as downloaded; they are gone


class Description(msgspec.Struct, frozen=True):
    """The part of ``foleyd.json`` that says what a model is; the engine reads its own keys from the same
    file."""

    licence: str = AUDIOLDM_LICENCE
    sellable: bool = False
    title: str = ""


def choose(names: Collection[str], where: str) -> Choice:
    """Choose from the file names of a repository or folder those that an AudioLDM checkpoint needs.

    Safetensors are preferred; a component that has only a .bin gets it listed in ``convert`` too. ``where``
    names the model in the error. Raises ModelBroken naming what is missing.
    """
    files = [INDEX]
    convert: dict[str, str] = {}
    missing = [] if INDEX in names else [INDEX]
    for part in COMPONENTS:
        have = {name.removeprefix(f"{part.name}/") for name in names if name.startswith(f"{part.name}/")}
        group = next((group for group in part.files if have.issuperset(group)), None)
        if group is None:
            missing.append(f"{part.name}/{part.files[0][0]}")
            continue
        chosen = [*group, *(name for name in part.extras if name in have and name not in group)]
        if part.weights:
            safe = next((name for name in part.weights if name in have), None)
            pickle = next(
                (pair for pair in zip(part.pickles, part.weights, strict=True) if pair[0] in have), None
            )
            if safe is not None:
                chosen.append(safe)
            elif pickle is not None:
                chosen.append(pickle[0])
                convert[f"{part.name}/{pickle[0]}"] = f"{part.name}/{pickle[1]}"
            else:
                missing.append(f"{part.name}/{part.weights[0]}")
        files += [f"{part.name}/{name}" for name in chosen]
    if missing:
        raise ModelBroken(f"{where} is not a whole AudioLDM checkpoint: it lacks {', '.join(missing)}.")
    return Choice(tuple(files), convert)


def check_index(text: bytes, where: str) -> None:
    """Raise ModelBroken unless ``model_index.json`` describes the parts that the AudioLDM engine is made
    of."""
    try:
        index = json.loads(text)
    except (ValueError, RecursionError):
        index = None
    if not isinstance(index, dict):
        raise ModelBroken(f"{where} has a {INDEX} that is not a JSON object.")
    for part in COMPONENTS:
        entry: Any = index.get(part.name)
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], str):
            raise ModelBroken(f"{where} is not an AudioLDM checkpoint: its {INDEX} names no {part.name}.")
        if part.class_name and entry[1] != part.class_name:
            raise ModelBroken(
                f"{where} is not an AudioLDM checkpoint: its {part.name} is a {entry[1]}, "
                f"not a {part.class_name}."
            )


def names_in(folder: Path) -> tuple[str, ...]:
    """The files of a checkpoint folder down to the depth that matters, as sorted relative names with "/"."""
    top = [path.name for path in folder.iterdir() if path.is_file()]
    parts = [part for part in folder.iterdir() if part.is_dir() and not part.name.startswith(".")]
    below = [f"{part.name}/{path.name}" for part in parts for path in part.iterdir() if path.is_file()]
    return tuple(sorted(top + below))


def model_files(folder: Path) -> tuple[str, ...]:
    """The files of a folder that shape its sound: the index and each component's weights, settings and
    words."""
    kept = (".safetensors", ".json", ".txt")
    return tuple(name for name in names_in(folder) if name == INDEX or ("/" in name and name.endswith(kept)))


def sha256(path: Path, seen: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, lower-case hex; ``seen`` gets the size in bytes of each piece read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK_BYTES):
            digest.update(piece)
            if seen is not None:
                seen(len(piece))
    return digest.hexdigest()


def content_revision(files: Iterable[File]) -> str:
    """A name for the content of a folder: 16 hex digits over (relative name, SHA-256), whatever the order."""
    digest = hashlib.sha256(b"foleyd model folder 1\n")
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.sha256} {file.name}\n".encode())
    return digest.hexdigest()[:16]


def take_stock(folder: Path) -> tuple[File, ...]:
    """Read and hash the files of a checkpoint folder that shape its sound."""
    return tuple(
        File(name, (folder / name).stat().st_size, sha256(folder / name)) for name in model_files(folder)
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``foleyd-files.json``, whole or not at all."""
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's ``foleyd-files.json``, None where it has none. Raises ModelBroken for one that cannot be
    read."""
    return _read(folder / MANIFEST, Manifest)


def write_description(folder: Path, description: Description) -> None:
    """State licence, sellable and title in ``foleyd.json``; the engine's own keys in it stay as they are."""
    path = folder / DESCRIPTION
    kept = _read(path, dict[str, Any]) or {}
    write_whole(path, json.dumps(kept | msgspec.to_builtins(description), indent=1).encode() + b"\n")


def read_description(folder: Path) -> Description:
    """What ``foleyd.json`` says; the AudioLDM authors' licence where there is none. Raises ModelBroken if
    unreadable."""
    return _read(folder / DESCRIPTION, Description) or Description()


def check_safetensors(path: Path, where: str) -> None:
    """Raise ModelBroken unless the file is as long as its safetensors header says: a cut download shows at
    once."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_LIMIT_BYTES):
            raise ModelBroken(f"{where}: {path.name} is not a safetensors file or is cut short.")
        try:
            header = json.loads(stream.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            whole = 8 + length + max(ends, default=0) == size
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            whole = False
    if not whole:
        raise ModelBroken(f"{where}: {path.name} is not a safetensors file or is cut short.")


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelBroken(
            f"{path.parent.name}/{path.name} cannot be read ({error}): get the model again."
        ) from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it is there complete or not at all."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
