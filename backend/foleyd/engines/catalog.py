"""The models on this machine, and how others get here: list, resolve, pull, verify, remove.

A model is named "starter" (it ships with foleyd), "owner/name" as on the hub (kept in the store, one folder a
revision), or by the path of a checkpoint folder of the user's own. Only :func:`pull` talks to the network;
rendering resolves what is here and never downloads. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import foleyd
from foleyd.engines import folder as layout
from foleyd.engines.store import MODEL_ID, Store
from foleyd.errors import BadRequest, ModelBroken, ModelMissing
from foleyd.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable

    from foleyd.engines.hub import Plan, Report

STARTER_ID = "starter"
STARTER = Path(foleyd.__file__).parent / "starter" / "model"
FOLDER_PREFIX = "folder:"


class Known(msgspec.Struct, frozen=True):
    """A checkpoint on the hub that foleyd was made for; ``bytes`` is about what a pull brings."""

    title: str
    bytes: int
    licence: str = layout.AUDIOLDM_LICENCE
    sellable: bool = False


KNOWN: dict[str, Known] = {
    "cvssp/audioldm-s-full-v2": Known("AudioLDM small, longer training", 1_690_000_000),
    "cvssp/audioldm-s-full": Known("AudioLDM small", 1_690_000_000),
    "cvssp/audioldm-s-text-ft": Known("AudioLDM small, tuned on captions", 1_690_000_000),
    "cvssp/audioldm-m-full": Known("AudioLDM medium", 2_610_000_000),
    "cvssp/audioldm-m-text-ft": Known("AudioLDM medium, tuned on captions", 2_610_000_000),
    "cvssp/audioldm-l-full": Known("AudioLDM large", 3_900_000_000),
}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model on disk.

    ``id`` goes into recipes: "starter", "owner/name", or "folder:NAME" for a folder of the user's own, so
    that no path of a machine ends up in a clip. ``revision`` is the hub's commit, else 16 hex digits over the
    content. ``bytes`` is the size of ``files`` (relative names); ``source`` is "starter", "store" or
    "folder"; ``problem`` is the sentence why the model cannot be used, "" where it can.
    """

    id: str
    revision: str
    folder: Path
    source: str
    title: str
    licence: str
    sellable: bool
    bytes: int
    files: tuple[str, ...]
    problem: str = ""


def canonical(model: str) -> str:
    """The full name of a model: "audioldm-s-full-v2" is "cvssp/audioldm-s-full-v2"; other names stay as they
    are."""
    return next((known for known in KNOWN if known.split("/")[1] == model), model)


def resolve(model: str, revision: str = "", *, folders: bool = True) -> Entry:
    """Find a model on this machine; nothing is downloaded.

    ``revision`` "" takes the one pulled last; else the full one or its first 7 or more digits. ``folders``
    False refuses paths (for requests that come over a wire). Raises ModelMissing with the command that brings
    the model, ModelBroken if it is here but cannot be used, BadRequest for a name that can be no model.
    """
    name = canonical(model)
    if name == STARTER_ID:
        entry = _starter()
    elif MODEL_ID.fullmatch(name):
        entry = _stored(name, revision)
    elif name.startswith(FOLDER_PREFIX):
        own = name.removeprefix(FOLDER_PREFIX)
        raise ModelMissing(f"This sound came from a model folder named {own!r}: give its path with --model.")
    elif folders and _is_path(name):
        try:
            entry = _own(Path(name).expanduser())
        except RuntimeError as error:
            raise BadRequest(
                f"{name!r} names a home folder that is not here: give the folder's path."
            ) from error
    else:
        raise BadRequest(f"{name!r} is no model: give 'starter' or a hub name such as {next(iter(KNOWN))!r}.")
    if entry.problem:
        raise ModelBroken(entry.problem)
    if revision and not _is_revision(entry.revision, revision):
        raise ModelMissing(
            f"{entry.id} is here as revision {entry.revision[:12]}, not {revision[:12]}: "
            "leave the revision out to use it."
        )
    return entry


def entries() -> tuple[Entry, ...]:
    """Every model on this machine, usable or not: the starter first, then the store by name, last pulled
    first."""
    store = Store(home("models"))
    found = [_starter()] if STARTER.is_dir() else []
    for name in store.ids():
        found += [
            _describe(store.folder(name, commit), "store", name, commit) for commit in store.revisions(name)
        ]
    return tuple(found)


def pull(
    model: str,
    revision: str = "",
    *,
    progress: Report | None = None,
    endpoint: str | None = None,
    offline: bool = False,
    agree: Callable[[Plan], bool] | None = None,
) -> Entry:
    """Bring a model from the hub, checked and as safetensors; complete or not at all.

    A pull that was cut short goes on where it stopped; a model that is here already is checked by its hashes
    and repaired. ``agree`` sees what is to be downloaded (size, licence) and may say no: then Cancelled is
    raised. Raises Offline, ModelMissing, ModelBroken, DiskFull, BadRequest.
    """
    from foleyd.engines import pull as work

    name = canonical(model)
    if name == STARTER_ID:
        return resolve(STARTER_ID)
    if not MODEL_ID.fullmatch(name):
        raise BadRequest(f"{model!r} is no hub model: give its name as 'owner/name'.")
    commit = work.bring(Store(home("models")), name, revision, progress, endpoint, offline, agree)
    return resolve(name, commit)


def remove(model: str, revision: str = "") -> int:
    """Delete a pulled model, or one revision of it, and what a broken-off pull left; bytes freed.

    Raises BadRequest for the starter and for folders of the user's own, ModelMissing if nothing is here.
    """
    name = canonical(model)
    if name == STARTER_ID:
        raise BadRequest("The starter ships with foleyd and stays: it goes when foleyd is uninstalled.")
    if not MODEL_ID.fullmatch(name):
        raise BadRequest(
            f"{model!r} is no pulled model: 'foleyd models list' names them; delete own folders by hand."
        )
    return Store(home("models")).remove(name, revision)


def verify(entry: Entry, progress: Callable[[int, int], None] | None = None) -> tuple[str, ...]:
    """Read every file of a model and compare it with its hash; a sentence for each thing that is wrong.

    ``progress`` gets (bytes read, bytes in all). A folder without ``foleyd-files.json`` has no hashes: there
    only the form is checked.
    """
    if entry.problem:
        return (entry.problem,)
    manifest = layout.read_manifest(entry.folder)
    if manifest is None:
        return ()
    total, done = sum(file.size for file in manifest.files), 0

    def seen(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    return tuple(
        f"{entry.id}: {file.name} has changed since it was stored: {_remedy(entry.source, entry.id)}."
        for file in manifest.files
        if layout.sha256(entry.folder / file.name, seen) != file.sha256
    )


def in_words(count: int) -> str:
    """A number of bytes for people: "80 MB", "1.7 GB"."""
    for limit, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= limit:
            value = count / limit
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count} bytes"


def _starter() -> Entry:
    if not STARTER.is_dir():
        raise ModelMissing("This copy of foleyd came without its starter model: install foleyd again.")
    return _describe(STARTER, "starter", STARTER_ID, "")


def _own(folder: Path) -> Entry:
    if not folder.is_dir():
        raise ModelMissing(f"There is no model folder {str(folder)!r}: check the path.")
    whole = folder.resolve()
    return _describe(whole, "folder", FOLDER_PREFIX + whole.name, "")


def _stored(name: str, revision: str) -> Entry:
    store = Store(home("models"))
    commits = store.revisions(name)
    match = [commit for commit in commits if not revision or _is_revision(commit, revision)]
    if match:
        return _describe(store.folder(name, match[0]), "store", name, match[0])
    if commits:
        raise ModelMissing(
            f"{name} is here, but not as revision {revision}: "
            f"run 'foleyd models pull {name} --revision {revision}'."
        )
    known = KNOWN.get(name)
    about = f" ({in_words(known.bytes)}, {known.licence})" if known else ""
    hint = f"; a folder is written './{name}'" if Path(name).is_dir() else ""
    raise ModelMissing(f"{name} is not on this machine: run 'foleyd models pull {name}'{about}{hint}.")


def _describe(folder: Path, source: str, name: str, commit: str) -> Entry:
    problem = ""
    files: tuple[str, ...] = ()
    about, size, revision = layout.Description(), 0, commit
    try:
        about = layout.read_description(folder)
        files = _check(folder, name)
        size = sum((folder / file).stat().st_size for file in files)
        revision = commit or _content_revision(folder, files, source)
    except ModelBroken as error:
        problem = f"{str(error).rstrip('.')}: {_remedy(source, name)}."
    return Entry(
        id=name,
        revision=revision,
        folder=folder,
        source=source,
        title=about.title or (KNOWN[name].title if name in KNOWN else name.removeprefix(FOLDER_PREFIX)),
        licence=about.licence,
        sellable=about.sellable,
        bytes=size,
        files=files,
        problem=problem,
    )


def _check(folder: Path, name: str) -> tuple[str, ...]:
    """The model's files, after what can be checked without reading them; ModelBroken for what is wrong."""
    choice = layout.choose(layout.names_in(folder), name)
    if choice.convert:
        raise ModelBroken(
            f"{name} has {next(iter(choice.convert))} only, a pickle, which foleyd does not load"
        )
    layout.check_index((folder / layout.INDEX).read_bytes(), name)
    manifest = layout.read_manifest(folder)
    for file in manifest.files if manifest else ():
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            raise ModelBroken(f"{name}: {file.name} is missing or has another size than when it was stored")
    files = layout.model_files(folder)
    for file_name in files:
        if file_name.endswith(".safetensors"):
            layout.check_safetensors(folder / file_name, name)
    return files


def _content_revision(folder: Path, files: tuple[str, ...], source: str) -> str:
    # A user's own folder may be trained further in place: what a manifest once said of it proves nothing.
    manifest = None if source == "folder" else layout.read_manifest(folder)
    if manifest is not None:
        return layout.content_revision(manifest.files)
    # Reading gigabytes at every render would be felt: the hash is kept until a size or a time of change
    # differs.
    stats = [(name, (folder / name).stat()) for name in files]
    seen = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
    stamp = hashlib.sha256(seen.encode()).hexdigest()
    note = home("cache") / "models" / hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    with contextlib.suppress(OSError, ValueError):
        old, revision = note.read_text(encoding="ascii").split()
        if old == stamp:
            return revision
    revision = layout.content_revision(layout.take_stock(folder))
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        layout.write_whole(note, f"{stamp} {revision}\n".encode())
    return revision


_REMEDIES = {
    "starter": "install foleyd again",
    "store": "run 'foleyd models pull {name}'",
    "folder": "save the folder again as a whole, with safe_serialization=True",
}


def _remedy(source: str, name: str) -> str:
    return _REMEDIES[source].format(name=name)


def _is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or bool(re.match(r"[A-Za-z]:[\\/]", name))


def _is_revision(have: str, asked: str) -> bool:
    return have == asked or (len(asked) >= 7 and have.startswith(asked))
