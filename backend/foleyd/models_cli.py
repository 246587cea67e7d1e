"""``foleyd models list | show | pull | prepare | remove | adapters``: parse, call the catalog, print.

What a program may read goes to standard output, everything for people about it (questions, progress, errors)
to standard error. Heavy imports stay inside the commands.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

from foleyd import adapters_cli
from foleyd.errors import BadRequest, Cancelled, FoleydError

if TYPE_CHECKING:
    from foleyd.engines.catalog import Entry
    from foleyd.engines.hub import Plan, Progress, Report

app = typer.Typer(
    name="models",
    help="The models on this machine: list them, look at one, pull, prepare or remove one.",
    no_args_is_help=True,
)
app.add_typer(adapters_cli.app)

_JSON = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_MODEL = Annotated[str, typer.Argument(metavar="MODEL", help="'starter', 'owner/name', or a folder's path.")]
_HERE = Annotated[
    str, typer.Option("--revision", help="A commit, or its first 7 digits; else the one pulled last.")
]
_THERE = Annotated[str, typer.Option("--revision", help="A commit or a branch; else the newest.")]
_GONE = Annotated[str, typer.Option("--revision", help="A commit; else every revision of the model.")]
_STORED = Annotated[str, typer.Argument(metavar="MODEL", help="'owner/name' of a model that was pulled.")]
_YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list", epilog="Example: foleyd models list --json")
def list_models(as_json: _JSON = False) -> None:
    """List the models that are here, and those that a pull brings."""
    from foleyd.engines import catalog

    with _reported():
        here = catalog.entries()
        loaded = _loaded()
        names = {entry.id for entry in here}
        away = {name: known for name, known in catalog.KNOWN.items() if name not in names}
        if as_json:
            rows = [{**_facts(entry), "loaded": entry.id == loaded} for entry in here]
            rows += [
                {
                    "id": name,
                    "here": False,
                    "title": known.title,
                    "licence": known.licence,
                    "sellable": known.sellable,
                    "bytes": known.bytes,
                }
                for name, known in away.items()
            ]
            _print_json(rows)
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table("model", "here", "size", "licence", "sell?", "title", box=None, pad_edge=False)
        for entry in here:
            state = "broken" if entry.problem else "loaded" if entry.id == loaded else "yes"
            sell = "yes" if entry.sellable else "no"
            size = catalog.in_words(entry.bytes)
            table.add_row(*map(escape, (entry.id, state, size, entry.licence, sell, entry.title)))
        for name, known in away.items():
            size = f"~{catalog.in_words(known.bytes)}"
            table.add_row(name, "no", size, known.licence, "yes" if known.sellable else "no", known.title)
        console = Console()
        if not console.is_terminal:
            console.width = 160  # a pipe has no width; names must stay whole for grep
        console.print(table)
        _tell_adapters()


@app.command("show", epilog="Example: foleyd models show starter --verify")
def show_model(
    model: _MODEL,
    revision: _HERE = "",
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare its hash.")] = False,
    as_json: _JSON = False,
) -> None:
    """Show what is known of one model: licence, size, place, files."""
    from foleyd.engines import catalog

    with _reported():
        entry = catalog.resolve(model, revision)
        problems = catalog.verify(entry) if verify else ()
        if as_json:
            _print_json(_facts(entry) | {"files": entry.files} | ({"problems": problems} if verify else {}))
        else:
            rows = {
                "model": entry.id,
                "title": entry.title,
                "revision": entry.revision,
                "licence": entry.licence,
                "sellable": "yes" if entry.sellable else "no: for private use and study, not for sale",
                "size": f"{catalog.in_words(entry.bytes)} in {len(entry.files)} files",
                "folder": str(entry.folder),
            }
            if verify:
                rows["hashes"] = "differ" if problems else "as stored"
            for name, value in rows.items():
                typer.echo(f"{name:9} {value}")
        for problem in problems:
            typer.echo(problem, err=True)
        if problems:
            raise typer.Exit(1)


@app.command("pull", epilog="Example: foleyd models pull cvssp/audioldm-s-full-v2")
def pull_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The hub's 'owner/name'.")],
    revision: _THERE = "",
    yes: _YES = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Touch no network (also: FOLEYD_OFFLINE=1 or HF_HUB_OFFLINE=1).")
    ] = False,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="Another hub's address; else HF_ENDPOINT.")
    ] = None,
    as_json: _JSON = False,
) -> None:
    """Bring a model from the hub: size and licence first, then a download that can be broken off and goes on.

    Every file is checked by its hash. Weights that exist only as a pickle are turned into safetensors.
    """
    from foleyd.engines import catalog

    with _reported(), _bar(model) as report:
        entry = catalog.pull(
            model,
            revision,
            progress=report,
            endpoint=endpoint,
            offline=offline,
            agree=lambda plan: _shown(plan) and (yes or _ask("Download it?")),
        )
    if as_json:
        _print_json(_facts(entry))
    else:
        typer.echo(f"{entry.id} is here: {catalog.in_words(entry.bytes)}, {entry.licence}, {entry.folder}")


@app.command("prepare", epilog="Example: foleyd models prepare cvssp/audioldm-s-full-v2")
def prepare_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="'starter', 'owner/name', or a folder's path.")
    ] = "starter",
    revision: _HERE = "",
    as_json: _JSON = False,
) -> None:
    """Make a model ready for OpenVINO on this processor, which renders several times faster than torch.

    Every network is exported, tried in each precision and measured, once; 'foleyd serve' does the same in the
    background. 'auto' then takes the faster runtime.
    """
    from foleyd.engines import catalog, prepare

    with _reported():
        entry = catalog.resolve(model, revision)
        _, record = prepare.prepare(entry.folder, lambda line: typer.echo(line, err=True))
        if as_json:
            _print_json({"id": entry.id, **msgspec.to_builtins(record)})
            return
        for name, network in record.networks.items():
            ways = ", ".join(
                f"{precision} {way.seconds * 1e3:.1f} ms (error {way.error:.2%})"
                for precision, way in network.ways.items()
            )
            typer.echo(f"{name:9} torch {network.torch_seconds * 1e3:.1f} ms, OpenVINO {ways}")
        taken = f"openvino in {record.precision}" if record.pays("auto") else "torch, which is faster here"
        typer.echo(f"{entry.id} is prepared: 'auto' takes {taken}.")


@app.command("remove", epilog="Example: foleyd models remove cvssp/audioldm-s-full-v2 --yes")
def remove_model(model: _STORED, revision: _GONE = "", yes: _YES = False, as_json: _JSON = False) -> None:
    """Delete a pulled model from this machine, and what was prepared of it; the starter and your own folders
    stay."""
    from foleyd.engines import catalog
    from foleyd.runtime import prepared

    with _reported():
        name = catalog.canonical(model)
        if name == _loaded():
            raise BadRequest(f"The daemon has {name} in memory: end 'foleyd serve' first.")
        if not yes and not _ask(f"Delete {name} from this machine?"):
            raise Cancelled(f"{name} was left as it is.")
        goes = [entry for entry in catalog.entries() if (entry.id, entry.source) == (name, "store")]
        freed = sum(prepared.forget(entry.folder) for entry in goes if entry.revision.startswith(revision))
        freed += catalog.remove(name, revision)
    if as_json:
        _print_json({"id": name, "freed_bytes": freed})
    else:
        typer.echo(f"{name} is gone, {catalog.in_words(freed)} freed.")


def _tell_adapters() -> None:
    from foleyd.engines import adapters

    names = [f"{one.name} ({one.card.base})" for one in adapters.entries() if not one.problem]
    if names:
        typer.echo(f"\nadapters, as 'foleyd models adapters list' says more of: {', '.join(names)}")


def _loaded() -> str:
    """The model that the running daemon has in memory, "" where there is none."""
    from foleyd.client import Client

    client = Client.connect_running(name="models")
    if client is None:
        return ""
    with client:
        return client.status().worker.model


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "here": True,
        "title": entry.title,
        "licence": entry.licence,
        "sellable": entry.sellable,
        "bytes": entry.bytes,
        "revision": entry.revision,
        "source": entry.source,
        "folder": str(entry.folder),
        "problem": entry.problem,
    }


def _shown(plan: Plan) -> bool:
    """Say how big a download is and under which licence; it is said with --yes too."""
    from foleyd.engines.catalog import in_words

    sell = "may be sold" if plan.sellable else "may not be sold"
    typer.echo(
        f"{plan.id} at {plan.revision[:12]}: {in_words(plan.bytes)} from {plan.endpoint}; "
        f"licence {plan.licence}, what it makes {sell}.",
        err=True,
    )
    if plan.convert:
        count = len(plan.convert)
        typer.echo(f"{count} of its weight files are pickles and will be converted once.", err=True)
    return True


def _ask(question: str) -> bool:
    if not sys.stdin.isatty():
        raise BadRequest(f"{question} Nobody is here to answer: say it beforehand with --yes.")
    # Not typer.confirm: it lets a blank slip onto standard output, which belongs to the answer.
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """End with one sentence on standard error and the error's exit status."""
    try:
        yield
    except FoleydError as error:
        _end(error)
    except KeyboardInterrupt:
        _end(Cancelled("Stopped; the same command goes on from there."))


def _end(error: FoleydError) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(error.exit_status)


_DOING = {"wait": "waits for another pull", "download": "", "check": "checks", "convert": "converts"}


@contextlib.contextmanager
def _bar(model: str) -> Iterator[Report | None]:
    """A progress bar on a terminal, nothing anywhere else. It appears with the first report, after the
    question."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bars.add_task(model, total=None)

    def report(progress: Progress) -> None:
        if progress.phase == "download" and not bars.live.is_started:
            bars.start()
        words = f"{_DOING[progress.phase]} {progress.file}".strip()
        bars.update(task, description=words or model, completed=progress.done, total=progress.total or None)

    try:
        yield report
    finally:
        bars.stop()


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


if __name__ == "__main__":
    app()
