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
    help="Measure the command line's start, a render's speed and sound, presets, a daemon, the live host.",
    no_args_is_help=False,
)

_JSON = typer.Option("--json", help="Print the figures as one JSON object.")


def _log(line: str) -> None:
    typer.echo(line, err=True)


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
    "presets",
    epilog="\b\nExamples:\n  foleyd bench presets\n"
    "  foleyd bench presets drums mine.json --seeds 3 --sheets sheets/\n"
    "  foleyd bench presets mine.json --seeds 8 --pin\n",
)
def measure_presets(
    banks: Annotated[
        list[str] | None,
        typer.Argument(metavar="BANK|FILE…", help="Banks, or files of them; all banks here when absent."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="The model that renders and listens.")
    ] = "starter",
    seeds: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            metavar="NUMBER",
            help="Render with seeds 0, 1, … up to this many, in place of the presets' own.",
            show_default="their own; 3 where they have none",
        ),
    ] = 0,
    sheets: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Draw the spectrograms of each bank into this folder, one PNG a seed."
        ),
    ] = None,
    pin: Annotated[
        bool,
        typer.Option(
            "--pin", help="Write the seed that came nearest to its words into each preset of these banks."
        ),
    ] = False,
    device: computing.Device = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    threads: computing.Threads = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Render presets and listen: level, beginning, length, brightness, and how near each lies to its words.

    'place' counts how many presets' words lie nearer to the clip than its own, for the model's audio tower: 1
    is right, and a seed with a high number is worth a look. Presets for other models are passed over.
    """
    found = importlib.import_module("foleyd_live.wanted")
    with Output(as_json) as output:
        wanted = found.wanted(banks or (), seeds)
        measured = importlib.import_module("foleyd.bench.presets")
        figures = measured.measure(
            model,
            [measured.Wanted(*one) for one in wanted],
            sheets,
            device=device,
            runtime=runtime,
            threads=threads,
        )
        output.body.update(msgspec.structs.asdict(figures))
        for line in measured.table(figures):
            output.line(line)
        if pin:
            output.body["pinned"] = found.pin(banks or (), measured.best(figures.clips))
            for file in output.body["pinned"]:
                output.line(f"seeds written to {file}")


@app.command(
    "measures",
    epilog="\b\nExamples:\n  foleyd bench measures --work ~/training\n"
    "  foleyd bench measures --work ~/training --steps 8,20 --only captions,pitch --part 0.25\n",
)
def measure_sounds(
    work: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Work folder of 'foleyd train starter': the real clips.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="The model to measure.")] = "starter",
    steps: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Sampling steps, with commas between them.")
    ] = "4,8,12,25,50",
    only: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Measures, with commas between them: codec, captions, pitch, ways, spread, paraphrases.",
            show_default="all",
        ),
    ] = "",
    part: Annotated[
        float,
        typer.Option(min=0.01, max=1, metavar="SHARE", help="The part of each measure's clips to render."),
    ] = 1.0,
    best_of: computing.BestOf = None,
    device: computing.Device = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    threads: computing.Threads = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Measure what a model makes, beside real clips that it has not heard: the table of its card.

    A network that has heard real clips only is trained in the work folder first, once, in some minutes. Then
    six hundred clips are rendered for each number of steps.
    """
    from foleyd.bench import numbers

    with Output(as_json) as output:
        counts = numbers.read_whole(steps, "steps", 1, 200)
        # they load torch, which a bad option need not wait for
        report = importlib.import_module("foleyd.training.measures.report")
        ready = importlib.import_module("foleyd.bench.ready")
        names = report.chosen(only)
        entry = ready.entry(model)
        world = report.World(work, entry.folder, _log)
        ready.get_ready(entry, device, runtime)
        engine = ready.load(entry, device=device, runtime=runtime, threads=threads)
        try:
            figures = report.measure(world, engine, entry, counts, names, part, _log, best_of)
        finally:
            engine.unload()
        output.body.update(msgspec.structs.asdict(figures))
        for line in report.table(figures):
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
