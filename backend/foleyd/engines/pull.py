"""One pull from end to end: ask the hub, agree, make sure of the room, fetch, convert, check in."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from foleyd.engines import folder as layout
from foleyd.engines import hub
from foleyd.engines.catalog import KNOWN, in_words, resolve, verify
from foleyd.engines.convert import convert_file
from foleyd.engines.hub import Plan, Progress, Report
from foleyd.engines.store import Store
from foleyd.errors import Cancelled, DiskFull, ModelBroken, ModelMissing, Offline

_SPARE_BYTES = 64 << 20


def bring(
    store: Store,
    model: str,
    revision: str,
    progress: Report | None,
    endpoint: str | None,
    offline: bool,
    agree: Callable[[Plan], bool] | None,
) -> str:
    """Have a revision of a hub model whole in the store and make it the current one; its commit.

    The arguments and errors are those of :func:`foleyd.engines.catalog.pull`; ``model`` is a valid full name.
    """
    report: Report = progress or (lambda _: None)
    switch = "--offline" if offline else hub.switched_off()
    if switch:
        raise Offline(f"{model} cannot be pulled while {switch} forbids the network: pull without it.")
    task = _as_known(hub.plan(model, revision, endpoint=endpoint))
    try:
        lock = store.lock(model)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with _held(lock, report):
            if not _sound(store, task, report):
                if agree is not None and not agree(task):
                    raise Cancelled(f"{model} was not downloaded.")
                _fill(store, task, report)
            store.prefer(model, task.revision)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"There is no room left for {model}: free some space and pull it again."
            ) from error
        raise ModelMissing(
            f"{model} could not be stored ({error.strerror or error}): "
            f"make {store.root} writable or set FOLEYD_HOME, and pull it again."
        ) from error
    return task.revision


def _as_known(task: Plan) -> Plan:
    """For the checkpoints foleyd knows, its own word on the licence counts, whatever a mirror states."""
    known = KNOWN.get(task.id)
    if known is None:
        return task
    return msgspec.structs.replace(task, licence=known.licence, sellable=known.sellable, title=known.title)


def _sound(store: Store, task: Plan, report: Report) -> bool:
    """Whether the revision is in the store, and whole down to its hashes."""
    if task.revision not in store.revisions(task.id):
        return False

    def checked(done: int, total: int) -> None:
        report(Progress("check", "", done, total))

    try:
        return not verify(resolve(task.id, task.revision), checked)
    except ModelBroken:
        return False


def _fill(store: Store, task: Plan, report: Report) -> None:
    if task.revision in store.revisions(task.id):
        store.reopen(task.id, task.revision)
    room = store.room(task.id, task.revision)
    room.mkdir(parents=True, exist_ok=True)
    need = hub.missing_bytes(task, room) + task.room - task.bytes + _SPARE_BYTES
    free = shutil.disk_usage(room).free
    if free < need:
        raise DiskFull(
            f"{task.id} needs {in_words(need)} of disk and {in_words(free)} are free at {store.root}: "
            "free some, or set FOLEYD_HOME to another disk."
        )
    hub.fetch(task, room, report)
    _convert(task, room, report)
    _tidy(task, room)
    _label(task, room)
    store.accept(task.id, task.revision)


def _convert(task: Plan, room: Path, report: Report) -> None:
    sizes = {file.name: file.size for file in task.files}
    total, done = sum(sizes[name] for name in task.convert), 0
    for source, target in task.convert.items():
        report(Progress("convert", source, done, total))
        try:
            convert_file(room / source, room / target)
        except ModelBroken as error:
            shutil.rmtree(room)  # what will not convert today will not tomorrow, and a pickle is not kept
            raise ModelBroken(f"{task.id}: {error}") from error
        done += sizes[source]
    if task.convert:
        report(Progress("convert", "", total, total))


def _tidy(task: Plan, room: Path) -> None:
    """Leave in the room what the model consists of: no pickle, no part of an earlier try."""
    keep = {task.convert.get(file.name, file.name) for file in task.files}
    for path in sorted(room.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path.relative_to(room).as_posix() not in keep:
            path.unlink()


def _label(task: Plan, room: Path) -> None:
    """Write beside the model what it is, and the hashes of its files."""
    stated = {file.name: file.digest for file in task.files if file.kind == "sha256"}
    files = tuple(
        layout.File(name, (room / name).stat().st_size, stated.get(name) or layout.sha256(room / name))
        for name in layout.model_files(room)
    )
    converted = tuple(
        layout.File(file.name, file.size, stated.get(file.name, ""))
        for file in task.files
        if file.name in task.convert
    )
    layout.write_description(room, layout.Description(task.licence, task.sellable, task.title))
    layout.write_manifest(room, layout.Manifest(files, task.id, task.revision, converted))


@contextmanager
def _held(path: Path, report: Report) -> Iterator[None]:
    """One pull of a model at a time: a second one says that it waits, then finds the model here."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(Progress("wait", "", 0, 0))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
