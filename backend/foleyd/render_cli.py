"""``foleyd render``: sentences in, sound files out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from foleyd import choice, computing, options, recipe
from foleyd.choice import MOST
from foleyd.destination import FORMATS, format_for, format_named, free_path, is_folder, ready_folder
from foleyd.errors import BadRequest, ModelMissing
from foleyd.output import Output
from foleyd.series import series

if TYPE_CHECKING:
    from foleyd.daemon.job import Session
    from foleyd.daemon.models import Request
    from foleyd.orders import Order
    from foleyd.recipe import Recipe
    from foleyd.talk import Talk

MOST_CLIPS = 1000
"""Clips that one command without ``--batch`` may ask for."""

EPILOG = """\b
Examples:
  foleyd render "a deep kick drum" -o kick.wav
  foleyd render "rain on a tin roof" "distant thunder" -o weather/ --seconds 6 --picture
  foleyd render "a laser shot" --count 4 --seed 10 --format flac
  foleyd render "a glass bell" --count 8 --rank -o bells/
  foleyd render "a glass bell" --best-of 8 -o bell.wav
  foleyd render --from kick.wav --rate 44100 -o kick44.wav
  foleyd render --from kick.wav --operation vary --distance 0.2 --count 8 -o kicks/
  foleyd render "rain:0.7 | fire:0.3" -o storm.wav
  foleyd render --batch sounds.csv -o sounds/
  foleyd render "a steel door" --operation restyle --source knock.wav --strength 0.5
  foleyd render "a dog barks" --operation inpaint --source street.wav --redo-from 1.5 --redo-to 2
  foleyd render "gusty wind" --operation extend --source wind.wav --after 4
  foleyd render "gusty wind" --operation loop --bars 2 --bpm 127.3
  foleyd render "a deep kick drum" --draft 4 -o kick.wav
  foleyd render "a deep kick drum" --within 3 -o kick.wav

\b
Seeds: clip k of a prompt (from 0) has seed S + k. S is --seed, else with --from the clip's own,
else drawn for each prompt. The seed is told with every clip and is part of its file name.
One that is drawn is the first of several that the clip is chosen from (--best-of): each is
sketched in four steps and listened to, and the one nearest to its words is made. Drafts and
--within take the first.

\b
Files: the file that -o FILE names is replaced. In a folder no other clip is overwritten: where
the name is taken, -2, -3, … goes behind it.

\b
Batches: a CSV with a header, or TOML with [[clip]] tables and a [defaults] table. Columns are
'prompt', 'file' and the options above that shape the sound, without their dashes. What a row
leaves open is taken from the command line, then from [defaults]. A row without a seed gets one
made from its prompt, so a second run finds everything done. Every row is checked before the
first is rendered, and a report (NAME.report.json beside the clips) says what became of each.

\b
Haste: --draft makes every clip in a few steps first, into NAME.draft.wav beside it, and tells of all of
them before the clips themselves are begun; a draft stays where it is, so that nothing that plays it is
taken away. --within chooses as many steps as the time allows where none are given, for all clips of
the command together (of --draft: for the drafts), or refuses and says what would fit. It knows after the
first render on this machine; a 'foleyd serve' has no model to load and so fits more in.

\b
Daemon: a 'foleyd serve' that runs has the model in memory and makes the sounds; they are in its
library, too. With --device, with a model in a folder, or with none running, the command has a
worker of its own.
"""


@options.recipe_options
def render(
    given: dict[str, Any],
    prompts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROMPT", help="What to hear; each prompt becomes a clip.", show_default=False
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|DIR",
            help="The file, or the folder for several; the current folder when absent.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="NUMBER", help="Clips of each prompt, with seeds that count up.")
    ] = 1,
    rank: Annotated[
        bool,
        typer.Option("--rank", help="Listen to the clips and list them, the nearest to their words first."),
    ] = False,
    best_of: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            min=1,
            max=MOST,
            help="Seeds to choose from: a sketch of each is listened to, and the one nearest to its words "
            "made. When absent, the model's own number where no seed is given; 1 takes the first at once.",
            show_default=False,
        ),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(
            "--retry",
            metavar="NUMBER",
            min=0,
            max=8,
            help="Other seeds to try where a clip comes out silent, broken, clipped, with a constant offset "
            "or far from its words; the best is taken.",
        ),
    ] = 0,
    draft: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            min=1,
            max=200,
            help="Make each clip in so many steps first, as NAME.draft.wav, see below.",
            show_default=False,
        ),
    ] = None,
    within_s: Annotated[
        float | None,
        typer.Option(
            "--within",
            metavar="SECONDS",
            min=0.01,
            max=86_400,
            help="Take as many steps as fit into so many seconds, or refuse; see below.",
            show_default=False,
        ),
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help=", ".join(f"'{name}': {format.about}" for name, format in FORMATS.items())
            + "; what the file's ending says when absent, else wav.",
            show_default=False,
        ),
    ] = None,
    picture: Annotated[
        bool, typer.Option("--picture", help="Draw waveform and spectrogram into a PNG beside each clip.")
    ] = False,
    sellable: Annotated[
        bool, typer.Option("--sellable", help="Refuse models whose licence forbids selling the sounds.")
    ] = False,
    origin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CLIP",
            help="Render again from the recipe inside a clip; the other options change it.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CLIP",
            help="The sound that --operation starts from: a file, or a clip of the library by its id.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="CSV|TOML", help="Render the rows of a table, see below.", show_default=False),
    ] = None,
    device: computing.Device = computing.AUTO,
    precision: computing.Precision = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    daemon: Annotated[
        bool,
        typer.Option(
            "--daemon/--no-daemon", help="Ask the running daemon where there is one, or never; see below."
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object about the clips instead of their paths.")
    ] = False,
) -> None:
    """Turn sentences into sound files.

    The paths of the clips go to standard output, everything else to standard error. One process holds the
    model for the whole command. Ctrl-C stops between two steps and leaves nothing half-written; twice stops
    at once.
    """
    began = time.monotonic()
    with Output(as_json) as output:
        _one_way_in(prompts, origin, batch, count, source)
        if rank and batch is not None:
            raise BadRequest("--rank lists the clips of prompts: leave it out with --batch.")
        if batch is not None and (draft, within_s) != (None, None):
            raise BadRequest(
                "--draft and --within are for sounds that are waited for: leave them out with --batch."
            )
        if batch is not None and best_of is not None:
            raise BadRequest("--best-of chooses for prompts: leave it out with --batch.")
        values = options.read(given)
        model = str(values.pop("model", ""))
        from foleyd.talk import Talk

        # with another adapter it is another sound, which the clip's runtime may not be able to make
        how = _how(precision, runtime, None if "adapter" in values else origin)
        with (
            Talk() as talk,
            _session(daemon and device == computing.AUTO, device, how, sellable, talk) as session,
        ):
            if batch is not None:
                from foleyd.batch import plan, run

                run(session, talk, plan(session, batch, out, values, model, format_name, picture), output)
            else:
                wanted = _wanted(prompts, origin, _started(session, source, values), count)
                import msgspec

                drawn = origin is None and "seed" not in values
                hurried = (draft, within_s) != (None, None)
                requests = [
                    _chosen(_prepared(session, one, model, origin), best_of, drawn, hurried) for one in wanted
                ]

                from foleyd.daemon.haste import Deadline
                from foleyd.orders import drafted, fill_all

                orders = [
                    msgspec.structs.replace(one, retries=retries)
                    for one in _orders(requests, out, format_name, picture, origin)
                ]
                deadline = None
                if within_s is not None:
                    # what was said, by the clip that is rendered again too, is kept
                    chosen = "steps" in values or origin is not None or draft is not None
                    deadline = Deadline(within_s, began, open=not chosen)
                if draft is not None:
                    orders = drafted(orders, draft)
                made = fill_all(session, talk, orders, output, quiet=rank, deadline=deadline)
                if rank:
                    from foleyd.ranked import ranked

                    ranked(made, talk, output)


class _How(NamedTuple):
    """What takes are pinned to, None where any serves."""

    precision: str | None
    runtime: str | None


def _how(precision: str, runtime: str, origin: Path | None) -> _How:
    """What was asked for; else what the clip `origin` was computed with, so that it comes out the same."""
    asked = _How(computing.pinned(precision), computing.pinned(runtime))
    if origin is None:
        return asked
    from foleyd.audio.export import read_meta

    made = read_meta(origin).made
    told = {name: str(made.get(name) or "") or None for name in _How._fields}
    return _How(asked.precision or told["precision"], asked.runtime or told["runtime"])


def _session(daemon: bool, device: str, how: _How, sellable: bool, talk: Talk) -> Session:
    """The running daemon where it may be asked and there is one, else a worker of our own."""
    from foleyd import paths
    from foleyd.daemon.estimate import CostModel
    from foleyd.daemon.job import Session
    from foleyd.daemon.takes import Takes

    cost = CostModel(paths.home("cache") / "costs.json")
    if daemon:
        from foleyd.client import Client

        client = Client.connect_running(name="render")
        if client is not None:
            from foleyd.daemon_session import DaemonSession

            return DaemonSession(
                client, takes=Takes(), **how._asdict(), sellable=sellable, listen=talk.listen, cost=cost
            )
    return Session(
        takes=Takes(), device=device, **how._asdict(), sellable=sellable, listen=talk.listen, cost=cost
    )


def _one_way_in(
    prompts: list[str] | None, origin: Path | None, batch: Path | None, count: int, source: str | None
) -> None:
    """Refuse a command line that says what to render twice, or not at all."""
    if batch is not None and (prompts or origin or source or count != 1):
        raise BadRequest(
            "--batch takes its clips from the file: leave out prompts, --from, --source and --count."
        )
    if batch is None and origin is None and not prompts:
        raise BadRequest(
            'There is nothing to render: say in words what to hear, as in foleyd render "a deep kick drum".'
        )
    if not 1 <= count * max(1, len(prompts or [])) <= MOST_CLIPS:
        raise BadRequest(f"count is {count}: give 1 or more, for at most {MOST_CLIPS} clips in all.")


def _started(session: Session, source: str | None, values: dict[str, object]) -> dict[str, object]:
    """The fields that were given, with the source's."""
    if source is None:
        return values
    from foleyd import source_access
    from foleyd.daemon.sources import started

    return started(values, {"source": source_access.given(source, session.sources)})


def _wanted(
    prompts: list[str] | None, origin: Path | None, values: dict[str, object], count: int
) -> list[Recipe]:
    """The recipes that the command line asks for, in order: every prompt `count` times."""
    if origin is not None:
        from foleyd.audio.export import read_recipe

        start = _near(read_recipe(origin), values)
        bases = [recipe.change(start, prompt=prompt) for prompt in prompts] if prompts else [start]
    else:
        bases = [recipe.make(prompt=prompt, **values) for prompt in prompts or []]
    return [one for base in bases for one in series(base, count)]


def _near(origin: Recipe, values: dict[str, object]) -> Recipe:
    """A clip's recipe with what was given; a variation of a clip stays near its seed."""
    if values.get("operation") == "vary" and origin.operation == "text":
        values = {"centre": origin.seed, **values}
    return recipe.change(origin, **values)


def _prepared(session: Session, wanted: Recipe, model: str, origin: Path | None) -> Request:
    if wanted.sources:
        from foleyd import source_access

        source_access.recover(wanted, session.sources)
    try:
        return session.prepare(wanted, model)
    except ModelMissing as error:
        if origin is None or model:
            raise
        raise ModelMissing(
            f"{origin.name} was made with {wanted.model} {wanted.revision[:12]}, which is not here: "
            f"bring it with 'foleyd models pull', or name another with --model ({error})"
        ) from error


def _chosen(request: Request, asked: int | None, drawn: bool, hurried: bool) -> Request:
    """The request, and how many seeds its sound is chosen from where its own was `drawn`."""
    import msgspec

    base = recipe.change(request.recipe, seed=None) if drawn else request.recipe
    count = choice.best_of(asked, base, request.capabilities, hurried=hurried)
    return msgspec.structs.replace(request, best_of=count)


def _orders(
    requests: list[Request], out: str | None, format_name: str | None, picture: bool, origin: Path | None
) -> list[Order]:
    """Which clip goes where, settled before anything is rendered."""
    from foleyd.daemon.clips import held
    from foleyd.orders import Order

    if out is not None and not is_folder(out):
        path = Path(out)
        if len(requests) > 1:
            raise BadRequest(
                f"{out} is one file for {len(requests)} clips: give a folder, as in -o {path.stem}/."
            )
        kind = format_for(path, format_name)
        ready_folder(path.parent)
        return [Order(request=requests[0], path=path, subtype=kind.subtype, picture=picture)]
    kind = format_named(format_name or "wav")
    folder = ready_folder(Path(out or "."))
    taken = {origin.resolve()} if origin is not None else set()
    orders = []
    for request in requests:
        made = request.recipe

        def same(path: Path, made: Recipe = made) -> bool:
            return held(path, made, kind.subtype) is not None

        path = free_path(folder, made, kind.suffix, taken, same, picture=picture)
        orders.append(Order(request=request, path=path, subtype=kind.subtype, picture=picture, named=True))
    return orders
