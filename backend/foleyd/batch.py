"""``foleyd render --batch``: a table of prompts, of which only what changed is rendered again.

A run is planned whole before anything is rendered: every row is read, checked against its model and given
its file; the first that cannot be done stops the run with its line and the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec

from foleyd import options, recipe
from foleyd.audio.atomic import replacing
from foleyd.audio.export import read_meta
from foleyd.daemon.clips import held
from foleyd.daemon.job import Session
from foleyd.destination import SUFFIXES, clip_name, format_for, format_named, picture_of, ready_folder
from foleyd.errors import BadRequest, Cancelled, FoleydError, RenderFailed
from foleyd.orders import Order, fill
from foleyd.output import Output
from foleyd.recipe import Recipe
from foleyd.table import Row, read_table
from foleyd.talk import Interrupts, Talk

Status = Literal["rendered", "finished", "unchanged", "failed", "cancelled", "waiting"]
"""What became of a row. ``finished``: the take was kept, only the finishing was done again."""

REPORT_FORMAT = 1
_OTHER_SOUNDS = {".mp3", ".m4a", ".aac", ".aif", ".aiff", ".opus", ".wma", ".w64", ".caf"}
"""Endings of sounds that foleyd does not write; any other is part of the name ("kick v1.2")."""


class Planned(msgspec.Struct, frozen=True):
    """A row with its order; `unchanged` where its file holds that clip already."""

    row: Row
    order: Order
    unchanged: bool


class Plan(msgspec.Struct, frozen=True):
    """A whole batch, checked. `report` is where its report goes."""

    source: Path
    folder: Path
    report: Path
    rows: tuple[Planned, ...]


class Line(msgspec.Struct, kw_only=True):
    """A row in the report. `file` is relative to the folder; `sha256` of the file, "" where there is none."""

    line: int
    file: str
    status: Status
    prompt: str
    seed: int
    recipe_id: str
    clip_id: str = ""
    take_id: str = ""
    sha256: str = ""
    render_seconds: float = 0.0
    error: str = ""


class Report(msgspec.Struct, kw_only=True):
    """What a run did, as it is written beside the clips."""

    format: int = REPORT_FORMAT
    batch: str
    folder: str
    counts: dict[str, int]
    rows: list[Line]


def plan(
    session: Session,
    source: Path,
    out: str | None,
    values: Mapping[str, object],
    model: str,
    format_name: str | None,
    picture: bool,
) -> Plan:
    """Read and check a batch file. `values` and `model` are the command line's; `out` the folder (default:
    the file's name without its ending, in the current folder).

    Raises BadRequest with file, line and reason for the first row that cannot be done, and what the session
    raises.
    """
    table = read_table(source)
    folder = Path(out or source.stem)
    report = folder / f"{source.stem}.report.json"
    sums = _sums(report)
    default = format_named(format_name or "wav")
    seen: Counter[str] = Counter()
    owners: dict[Path, int] = {report.resolve(): 0}
    planned = []
    for row in table:
        with _at(source, row.line):
            wanted, called = _recipe(row, values, model)
            occurrence = seen[wanted.prompt]
            seen[wanted.prompt] += 1
            if wanted.seed is None:
                wanted = recipe.change(wanted, seed=stable_seed(wanted.prompt, occurrence))
            request = session.prepare(wanted, called)
            name = (
                _file_name(row.file, default.suffix)
                if row.file
                else clip_name(request.recipe) + default.suffix
            )
            path = folder / name
            kind = format_for(path, None if path.suffix.lower() != default.suffix else format_name)
            outputs = [path.resolve(), *([picture_of(path).resolve()] if picture else [])]
            for output in outputs:
                other = owners.setdefault(output, row.line)
                if other != row.line:
                    whose = f"line {other} writes" if other else "the report is"
                    raise BadRequest(f"{whose} {name} too: give this row a 'file' of its own.")
            if path.exists() and name not in sums and not _is_clip(path):
                raise BadRequest(f"{path} is there and no clip of foleyd's: move it, or give another 'file'.")
            order = Order(request=request, path=path, subtype=kind.subtype, picture=picture)
            planned.append(Planned(row, order, _is_unchanged(order, sums.get(name))))
    for parent in sorted({folder, *(one.order.path.parent for one in planned)}):
        ready_folder(parent)
    return Plan(source, folder, report, tuple(planned))


def run(session: Session, talk: Talk, plan: Plan, output: Output) -> None:
    """Render what changed, in order, and write the report, also when the run is cut short.

    The path of every row's clip goes to `output`, the report into its body. A row whose render fails does
    not stop the others. Raises RenderFailed at the end if any did, or Cancelled, or what stopped the run.
    """
    lines = [_line(one, plan.folder) for one in plan.rows]
    try:
        with Interrupts(session.interrupt, session.kill):
            for one, line in zip(plan.rows, lines, strict=True):
                _fill(session, talk, one, line)
                if line.status != "failed":
                    output.line(str(one.order.path))
    finally:
        counts: dict[str, int] = dict(Counter(str(line.status) for line in lines))
        report = Report(batch=plan.source.name, folder=str(plan.folder), counts=counts, rows=lines)
        with replacing(plan.report) as beside:
            beside.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
        output.body.update(report=str(plan.report), **msgspec.structs.asdict(report))
    said = ", ".join(f"{number} {status}" for status, number in counts.items()) or "no rows"
    talk.say(f"{plan.source.name}: {said}; report in {plan.report}")
    failed = [line for line in lines if line.status == "failed"]
    if failed:
        raise RenderFailed(
            f"{len(failed)} of {len(lines)} rows failed, first line {failed[0].line}: {failed[0].error}"
        )


def stable_seed(prompt: str, occurrence: int) -> int:
    """The seed of a row that names none: from its prompt, and from how many rows before it have the same."""
    digest = hashlib.sha256(f"foleyd batch seed 1\n{occurrence}\n{prompt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % recipe.DRAWN_SEEDS


def _fill(session: Session, talk: Talk, one: Planned, line: Line) -> None:
    if one.unchanged:
        line.status = "unchanged"
        return
    try:
        clip = fill(session, talk, one.order)
    except RenderFailed as error:
        line.status, line.error = "failed", str(error)
        talk.say(f"line {line.line}: {error}")
    except FoleydError as error:
        line.status = "cancelled" if isinstance(error, Cancelled) else "failed"
        line.error = str(error)
        raise
    else:
        line.status = "finished" if clip.kept else "rendered"
        line.clip_id, line.take_id = clip.clip_id, clip.take_id
        line.render_seconds = round(clip.render_seconds, 3)
        line.sha256 = _sha256(one.order.path)


def _recipe(row: Row, values: Mapping[str, object], model: str) -> tuple[Recipe, str]:
    """The recipe of a row and what it calls its model: its own columns, then the command line, then the
    defaults."""
    mine = options.read(row.values)
    merged = {**options.read(row.defaults), **values, **({"model": model} if model else {}), **mine}
    return recipe.make(prompt=row.prompt, **{k: v for k, v in merged.items() if k != "model"}), str(
        merged.get("model", "")
    )


def _file_name(given: str, suffix: str) -> str:
    """A row's file as a path inside the folder, with the batch's ending where it has none. Raises
    BadRequest."""
    name = given.replace("\\", "/")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or ":" in name or not pure.name or "\0" in name:
        raise BadRequest(f"file is {given!r:.80}: give a name inside the folder, such as 'drums/kick.wav'.")
    if pure.suffix.lower() in _OTHER_SOUNDS:
        raise BadRequest(f"file is {given!r:.80}: foleyd writes {', '.join(SUFFIXES)}.")
    return str(pure) if pure.suffix.lower() in SUFFIXES else str(pure) + suffix


class _at(contextlib.AbstractContextManager[None]):
    """Put file and line in front of what is refused inside."""

    def __init__(self, source: Path, line: int) -> None:
        self._where = f"{source.name} line {line}"

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, RenderFailed) or not isinstance(error, FoleydError):
            return
        raise type(error)(f"{self._where}: {error}") from error


def _line(one: Planned, folder: Path) -> Line:
    made = one.order.request.recipe
    meta = held(one.order.path, made, one.order.subtype) if one.unchanged else None
    return Line(
        line=one.row.line,
        file=one.order.path.relative_to(folder).as_posix(),
        status="waiting",
        prompt=made.prompt,
        seed=made.seed or 0,
        recipe_id=recipe.recipe_id(made),
        clip_id=meta.clip_id if meta else "",
        take_id=meta.take_id if meta else "",
        sha256=_sha256(one.order.path) if meta else "",
    )


def _is_unchanged(order: Order, known: str | None) -> bool:
    """Whether the file is there, of this recipe and kind, and (where an earlier report knows it) not edited
    since."""
    if order.picture and not picture_of(order.path).is_file():
        return False
    if held(order.path, order.request.recipe, order.subtype) is None:
        return False
    return known in (None, "", _sha256(order.path))


def _is_clip(path: Path) -> bool:
    """Whether foleyd made the file; what somebody else made is never written over."""
    try:
        read_meta(path)
    except BadRequest:
        return False
    return True


def _sums(report: Path) -> dict[str, str]:
    """File name to hash, from the report of an earlier run; nothing where there is none that can be read."""
    try:
        earlier = msgspec.json.decode(report.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return {}
    return {line.file: line.sha256 for line in earlier.rows}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
