"""Builds a project's sounds: what changed in the list is rendered, all else stays as it is.

What was made is written down beside the list, with the hash of every file. A file that is not what was
written down is somebody's work and is left alone; nothing is removed that was not made here.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from foleyd import recipe
from foleyd.audio.atomic import replacing
from foleyd.daemon import clips
from foleyd.daemon.job import Session
from foleyd.daemon.models import Request
from foleyd.destination import ready_folder
from foleyd.errors import BadRequest, FoleydError, RenderFailed
from foleyd.output import Output
from foleyd.pack import choose, levelled
from foleyd.project import Project, Wanted
from foleyd.talk import Interrupts, Talk

Status = Literal["unchanged", "new", "changed", "missing", "edited", "stale"]
"""Of a sound: as it was written down, not made yet, another recipe, a file gone, a file that somebody
changed, no longer in the list."""
FORMAT = 1


class File(msgspec.Struct, frozen=True):
    """A file that was made, relative to the list."""

    file: str
    sha256: str
    seed: int
    clip_id: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A sound that was made: what of, which files, and under which licence."""

    fingerprint: str
    prompt: str
    model: str
    revision: str
    licence: str
    sellable: bool
    files: tuple[File, ...]


class Lock(msgspec.Struct, frozen=True):
    """What a build wrote down."""

    format: int = FORMAT
    sounds: dict[str, Made] = {}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a build does about a sound; `wanted` and `request` are None for one that left the list."""

    name: str
    status: Status
    wanted: Wanted | None = None
    request: Request | None = None
    fingerprint: str = ""


class OutOfDate(FoleydError):
    """A check found sounds that are not what the list says."""

    code = "out_of_date"


def plan(session: Session, project: Project) -> list[Step]:
    """What is to be done, by name; nothing is rendered or written. Raises BadRequest for a file that is there
    and was not made by a build, and what the session raises for a model."""
    lock = read_lock(project)
    steps = []
    for wanted in project.sounds:
        request = session.prepare(wanted.recipe)
        found = _fingerprint(wanted, request)
        made = lock.sounds.get(wanted.name)
        _refuse_foreign(project, wanted, lock)
        steps.append(
            Step(
                name=wanted.name,
                status=_status(project, wanted, found, made),
                wanted=wanted,
                request=request,
                fingerprint=found,
            )
        )
    listed = {wanted.name for wanted in project.sounds}
    steps += [Step(name=name, status="stale") for name in lock.sounds if name not in listed]
    return steps


def run(
    session: Session,
    talk: Talk,
    project: Project,
    steps: list[Step],
    *,
    force: bool,
    prune: bool,
    output: Output,
) -> None:
    """Render what is new, changed or missing; with `force` also what somebody edited. `prune` removes the
    files of sounds that left the list, as far as they are as they were made.

    Raises RenderFailed at the end if a sound failed; the others are made all the same.
    """
    sounds = dict(read_lock(project).sounds)
    failed: list[str] = []
    with Interrupts(session.interrupt, session.kill):
        for step in steps:
            if step.status == "unchanged":
                continue
            if step.status == "edited" and not force:
                talk.say(f"{step.name}: a file was changed by hand and is left alone; --force makes it anew")
                continue
            if step.wanted is None:
                if prune:
                    _remove(project, talk, sounds.pop(step.name))
                    _write_lock(project, sounds)
                else:
                    talk.say(f"{step.name}: no longer in the list; --prune removes its files")
                continue
            before = sounds.get(step.name)
            try:
                sounds[step.name] = _build(session, talk, project, step, output)
            except RenderFailed as error:
                failed.append(f"{step.name}: {error}")
                talk.say(failed[-1])
                continue
            _write_lock(project, sounds)
            if before is not None:
                _remove(project, talk, before, keep=sounds[step.name])
    if failed:
        raise RenderFailed(f"{len(failed)} of {len(steps)} sounds failed, the first because: {failed[0]}")


def check(steps: list[Step]) -> None:
    """Raise OutOfDate unless every sound is as the list says."""
    counts = Counter(step.status for step in steps if step.status != "unchanged")
    if counts:
        said = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        raise OutOfDate(
            f"{sum(counts.values())} of {len(steps)} sounds are not up to date ({said}): run 'foleyd build'."
        )


def read_lock(project: Project) -> Lock:
    """What the last build wrote down. Raises BadRequest for a file that is none of ours."""
    try:
        return msgspec.json.decode(project.lock.read_bytes(), type=Lock)
    except FileNotFoundError:
        return Lock()
    except (OSError, msgspec.MsgspecError) as error:
        raise BadRequest(
            f"{project.lock.name} cannot be read ({error}): bring it back from your version control, or move "
            "it away with the sounds."
        ) from error


def _build(session: Session, talk: Talk, project: Project, step: Step, output: Output) -> Made:
    assert step.wanted is not None
    assert step.request is not None
    wanted, by = step.wanted, step.request.model
    chosen = choose(session, talk, step.request.recipe, wanted.count, "")
    files = []
    for sound, file in zip(levelled(chosen, session), wanted.files, strict=True):
        path = project.root / file
        ready_folder(path.parent)
        clip = clips.write(sound, path, wanted.kind.subtype, session.sources)
        files.append(File(str(file), _sha256(path), clip.seed, clip.clip_id))
        output.line(str(path))
    return Made(
        fingerprint=step.fingerprint,
        prompt=wanted.recipe.prompt,
        model=by.id,
        revision=by.revision,
        licence=by.licence,
        sellable=by.sellable,
        files=tuple(files),
    )


def _fingerprint(wanted: Wanted, request: Request) -> str:
    parts = [
        recipe.recipe_id(request.recipe),
        str(wanted.count),
        wanted.kind.subtype,
        *map(str, wanted.files),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _status(project: Project, wanted: Wanted, fingerprint: str, made: Made | None) -> Status:
    if made is None:
        return "new"
    there = [one for one in made.files if (project.root / one.file).exists()]
    if any(_sha256(project.root / one.file) != one.sha256 for one in there):
        return "edited"
    if made.fingerprint != fingerprint:
        return "changed"
    return "unchanged" if len(there) == len(made.files) else "missing"


def _refuse_foreign(project: Project, wanted: Wanted, lock: Lock) -> None:
    ours = {one.file for made in lock.sounds.values() for one in made.files}
    for file in wanted.files:
        if str(file) not in ours and (project.root / file).exists():
            raise BadRequest(
                f"{file} is there and was not built: move it, or give the sound '{wanted.name}' another name."
            )


def _remove(project: Project, talk: Talk, made: Made, keep: Made | None = None) -> None:
    kept = {one.file for one in keep.files} if keep else set()
    for one in made.files:
        path = project.root / one.file
        if one.file in kept or not path.exists():
            continue
        if _sha256(path) == one.sha256:
            path.unlink()
            talk.say(f"{one.file}: removed")
        else:
            talk.say(f"{one.file}: changed by hand, so it stays")


def _write_lock(project: Project, sounds: Mapping[str, Made]) -> None:
    with replacing(project.lock) as beside:
        lock = Lock(sounds=dict(sorted(sounds.items())))
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
