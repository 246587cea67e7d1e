"""``foleyd bench``: figures of this machine, measured the same way every time."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from foleyd import computing
from foleyd.output import Output

app = typer.Typer(
    help="Measure the command line's start, a render's stages, speed and quality, a daemon, the live host.",
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
    "speed",
    epilog="\b\nExamples:\n  foleyd bench speed\n  foleyd bench speed --model full --seconds 5.12 --runs 1\n",
)
def measure_speed(
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            help="The model to measure; 'full' is AudioLDM small with random weights (1.2 GB in the cache).",
        ),
    ] = "starter",
    seconds: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Lengths of the clips, with commas between them.")
    ] = "2.56,5.12,10.24",
    steps: Annotated[
        int, typer.Option(min=1, max=1000, metavar="NUMBER", help="Sampling steps; a draft has 4.")
    ] = 10,
    runs: Annotated[
        int, typer.Option(min=1, max=100, metavar="NUMBER", help="Turns; the median counts.")
    ] = 3,
    device: computing.Device = computing.AUTO,
    precision: computing.Precision = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    threads: computing.Threads = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Hold a model's renders against diffusers' own pipeline, with the same scheduler, steps and noise.

    The stock pipeline, foleyd with torch in float32, foleyd as it runs here, with its fast vocoder, as a
    draft and in batches take turns, so that what else the machine does hits all alike. What has to be
    prepared is prepared before. Silence is let through, so that random weights can be measured.
    """
    from foleyd.bench import numbers

    with Output(as_json) as output:
        lengths = numbers.read(seconds, "seconds", 0.3, 30)
        # they load torch, which a bad option need not wait for
        measured = importlib.import_module("foleyd.bench.speed")
        tables = importlib.import_module("foleyd.bench.speed_table")
        figures = measured.measure(
            model, lengths, steps, runs, device=device, precision=precision, runtime=runtime, threads=threads
        )
        output.body.update(msgspec.structs.asdict(figures))
        for line in tables.table(figures):
            output.line(line)


@app.command(
    "quality",
    epilog="\b\nExamples:\n  foleyd bench quality\n"
    "  foleyd bench quality --steps 4,8 --schedulers unipc --picture quality.png\n",
)
def measure_quality(
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="The model to measure; 'full' as in 'bench speed'.")
    ] = "starter",
    steps: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Sampling steps, with commas between them.")
    ] = "4,6,8,10,12,20",
    schedulers: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Schedulers, with commas between them.",
            show_default="all that draw no noise of their own",
        ),
    ] = "",
    seconds: Annotated[
        float, typer.Option(min=0.3, max=30, metavar="SECONDS", help="Length of the clips.")
    ] = 2.56,
    prompts: Annotated[
        int, typer.Option(min=1, max=8, metavar="NUMBER", help="Prompts, each with a seed of its own.")
    ] = 8,
    reference: Annotated[
        int, typer.Option(min=2, max=1000, metavar="NUMBER", help="Steps of what the clips are held to.")
    ] = 200,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw time against distance into this PNG.")
    ] = None,
    device: computing.Device = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    threads: computing.Threads = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Hold few steps against many: every scheduler, number of steps, guidance interval and precision.

    The distance is that of log-mels to a clip of the same seed with 200 steps in float32. What nothing else
    beats in both time and distance is marked.
    """
    from foleyd.bench import numbers

    with Output(as_json) as output:
        counts = numbers.read_whole(steps, "steps", 1, 1000)
        measured = importlib.import_module("foleyd.bench.quality")
        names = tuple(filter(None, (name.strip() for name in schedulers.split(","))))
        figures = measured.measure(
            model,
            counts,
            names,
            seconds=seconds,
            prompts=prompts,
            reference=reference,
            device=device,
            runtime=runtime,
            threads=threads,
        )
        if picture is not None:
            importlib.import_module("foleyd.bench.quality_picture").draw(figures, picture)
        output.body.update(msgspec.structs.asdict(figures))
        for line in measured.table(figures):
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
