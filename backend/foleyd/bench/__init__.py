"""``foleyd bench``: figures of this machine, measured the same way every time."""

from __future__ import annotations

import importlib
from typing import Annotated, Any, Literal

import msgspec
import typer

from foleyd import computing
from foleyd.output import Output

app = typer.Typer(
    help="Measure the command line's start, a render's stages, a daemon's answers, the live host's audio.",
    no_args_is_help=False,
)

_JSON = typer.Option("--json", help="Print the figures as one JSON object.")


@app.command("cli", epilog="\b\nExample:\n  foleyd bench cli --runs 20\n")
def cli(
    runs: Annotated[int, typer.Option(min=1, max=1000, metavar="NUMBER", help="Starts of each kind.")] = 9,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Time how long the command line takes to start, and its imports.

    The kinds take turns, so that what else the machine does hits all alike; ratios are to an empty Python.
    """
    from foleyd.bench import startup

    with Output(as_json) as output:
        figures = startup.measure(runs)
        output.body.update(runs=runs, starts=figures)
        for line in startup.table(figures):
            output.line(line)


@app.command("render", epilog="\b\nExample:\n  foleyd bench render --model starter --seconds 5 --runs 3\n")
def render(
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="The model to measure.")] = "starter",
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Length of the clip.")] = 5.0,
    steps: Annotated[int, typer.Option(metavar="NUMBER", help="Sampling steps.")] = 10,
    guidance: Annotated[
        float, typer.Option(metavar="NUMBER", help="Guidance; 1 halves the work of a step.")
    ] = 2.5,
    runs: Annotated[
        int, typer.Option(min=1, max=100, metavar="NUMBER", help="Renders; the median counts.")
    ] = 3,
    device: computing.Device = computing.AUTO,
    precision: computing.Precision = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    threads: computing.Threads = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Time the stages of a render: load, text, network, decoder, vocoder, finishing, file.

    The first render is not counted. Silence is let through, so that random weights can be measured.
    """
    from foleyd import recipe
    from foleyd.bench import stages

    with Output(as_json) as output:
        wanted = recipe.make(
            prompt="a deep kick drum", seed=1, seconds=seconds, steps=steps, guidance=guidance, level="none"
        )
        figures = stages.measure(
            model, wanted, runs, device=device, precision=precision, runtime=runtime, threads=threads
        )
        output.body.update(stages.as_json(figures))
        for line in stages.table(figures):
            output.line(line)


@app.command(
    "daemon", epilog="\b\nExamples:\n  foleyd bench daemon\n  foleyd bench daemon --runs 1000 --json\n"
)
def measure_daemon(
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="The model that renders.")] = "starter",
    seconds: Annotated[
        float, typer.Option(min=0.3, max=30, metavar="SECONDS", help="Length of the clip that is delivered.")
    ] = 5.0,
    runs: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="NUMBER", help="Round trips of each kind.")
    ] = 300,
    jobs: Annotated[
        int, typer.Option(min=1, max=1000, metavar="NUMBER", help="Renders whose time is foretold.")
    ] = 30,
    starts: Annotated[int, typer.Option(min=1, max=100, metavar="NUMBER", help="Starts of a daemon.")] = 3,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Time a daemon: its start, admission and cancelling while it renders, sounds that are kept, delivery.

    It is a daemon of its own, with an empty library that goes with it; one that runs is left alone, and ought
    not to render meanwhile. 'busy' is measured while the worker renders with all cores.
    """
    from foleyd.bench import daemon as bench

    with Output(as_json) as output:
        figures = bench.measure(model, starts=starts, runs=runs, jobs=jobs, seconds=seconds)
        output.body.update(msgspec.structs.asdict(figures))
        for line in bench.table(figures):
            output.line(line)


@app.command(
    "live",
    epilog="\b\nExamples:\n  foleyd bench live\n  foleyd bench live --seconds 600 --mixer numba --json\n",
)
def live(
    seconds: Annotated[
        float, typer.Option(min=2, max=3600, metavar="SECONDS", help="Length of each of the runs.")
    ] = 20.0,
    voices: Annotated[int, typer.Option(min=1, max=64, metavar="NUMBER", help="Looping voices.")] = 32,
    block: Annotated[
        int, typer.Option(min=16, max=4096, metavar="FRAMES", help="Frames of a block, at 48 kHz.")
    ] = 128,
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="What the daemon renders.")] = "starter",
    device: Annotated[
        str, typer.Option(metavar="NAME|NUMBER", help="Audio device; a jackd of its own where there is none.")
    ] = "",
    mixer: Annotated[
        Literal["both", "numba", "numpy"], typer.Option(help="The compiled one, the reference, or both.")
    ] = "both",
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Count underruns and time the audio callback while daemons render.

    Each mixer plays without a daemon, beside one that keeps a core free for it, and with a second one beside
    that which does not know of it. On a jackd of its own it plays without and with real-time priority, where
    the system grants it.
    """
    measured = importlib.import_module("foleyd_live.bench")
    with Output(as_json) as output:
        figures: list[Any] = []
        mixers = measured.MIXERS if mixer == "both" else (mixer,)
        for figure in measured.measure(seconds, voices, block, model, device, mixers):
            if not figures:
                for line in measured.heading(figure):
                    output.line(line)
            figures.append(figure)
            output.line(measured.line(figure))
        output.body.update(measured.as_json(figures))
