"""All measures of a model, at several numbers of steps, as one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from foleyd.engines.front_end import RATE
from foleyd.errors import BadRequest
from foleyd.recipe import make, resolve
from foleyd.training.measures import codec
from foleyd.training.measures.captions import Captions
from foleyd.training.measures.clip import LENGTH, Trial, render
from foleyd.training.measures.paraphrases import Paraphrases
from foleyd.training.measures.pitch import Pitch
from foleyd.training.measures.spread import Spread
from foleyd.training.measures.ways import Ways
from foleyd.training.measures.world import World

CODEC = "codec"
TRIALS: Mapping[str, Callable[[World, float], Trial]] = {
    Captions.name: Captions,
    Pitch.name: Pitch,
    Ways.name: Ways,
    Spread.name: Spread,
    Paraphrases.name: Paraphrases,
}
"""Name → what it is made with: the real clips, and which part of its clips to render."""
NAMES = (CODEC, *TRIALS)
RUNS = 3
"""Renders whose fastest is the time of a clip."""

LABELS: Mapping[str, tuple[str, str]] = {
    "class_first": ("held-out captions: class recognised first", "{:.0%}"),
    "class_five": ("… among five", "{:.0%}"),
    "frechet": ("… Fréchet distance to real clips", "{:.1f}"),
    "retrieval_first": ("… clip finds words of its class first", "{:.0%}"),
    "retrieval_ten": ("… among ten", "{:.0%}"),
    "nearest": ("… nearest training clip, nats, mean", "{:.2f}"),
    "nearest_least": ("… the least of them", "{:.2f}"),
    "note": ("named note within a quarter-tone", "{:.0%}"),
    "note_any_octave": ("… in any octave", "{:.0%}"),
    "longer": ("'long' lasts longer than 'short'", "{:.0%}"),
    "higher": ("'high' lies higher than 'low'", "{:.0%}"),
    "brighter": ("'bright' is brighter than 'dark'", "{:.0%}"),
    "spread": ("two of eight seeds apart, nats", "{:.2f}"),
    "paraphrases_first": ("paraphrases: recognised first", "{:.0%}"),
    "paraphrases_five": ("… among five", "{:.0%}"),
}
"""Figure → its line in the table."""
CODEC_LABELS: Mapping[str, str] = {
    "real": "real clips",
    "vae": "through the autoencoder",
    "vocoder": "through the vocoder",
    "both": "through both",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One number of steps: `seconds` of the fastest single clip of 2.56 s, and its figures by name."""

    steps: int
    seconds: float
    figures: dict[str, float]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement. `clips`: how many were rendered for each measure at each number of steps; `real`: the
    figures of real clips; `codec`: those of autoencoder and vocoder."""

    model: str
    revision: str
    device: str
    runtime: str
    precision: str
    threads: int
    guidance: float
    best_of: int
    clips: dict[str, int]
    real: dict[str, float]
    codec: dict[str, float]
    rows: tuple[Row, ...]


def chosen(text: str) -> tuple[str, ...]:
    """The measures between commas, all of `NAMES` for nothing. Raises BadRequest."""
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))
    for name in names:
        if name not in NAMES:
            raise BadRequest(f"--only names {name!r:.40}: choose from {', '.join(NAMES)}.")
    return names or NAMES


def measure(
    world: World,
    engine: Any,
    entry: Any,
    steps: Sequence[int],
    names: Sequence[str],
    part: float,
    log: Callable[[str], None],
    best_of: int | None = None,
) -> Figures:
    """The measures `names` of `NAMES` at each of `steps`; `part` of their clips. Each clip is the best of so
    many seeds, the engine's own number where it is None."""
    best_of = best_of or engine.capabilities.best_of
    trials = [TRIALS[name](world, part) for name in names if name != CODEC]
    real: dict[str, float] = {}
    for trial in trials:
        real |= trial.real()
    coded = codec.figures(world, part) if CODEC in names else {}
    rows = []
    for count in steps if trials else ():
        found: dict[str, float] = {}
        for trial in trials:
            log(f"{count} steps: {trial.name}, {len(trial.asks)} clips")
            found |= trial.figures(render(engine, trial.asks, count, best_of, log))
        rows.append(Row(steps=count, seconds=_seconds(engine, count, best_of), figures=found))
        log(f"{count} steps: {', '.join(f'{name} {value:.3f}' for name, value in found.items())}")
    return Figures(
        model=entry.id,
        revision=entry.revision,
        device=engine.device,
        runtime=engine.runtime,
        precision=engine.precision,
        threads=engine.threads,
        guidance=engine.capabilities.guidance,
        best_of=best_of,
        clips={trial.name: len(trial.asks) for trial in trials},
        real=real,
        codec=coded,
        rows=tuple(rows),
    )


def _seconds(engine: Any, steps: int, best_of: int) -> float:
    recipe = resolve(
        make(prompt="a deep kick drum", seed=1, seconds=LENGTH / RATE, steps=steps), engine.capabilities
    )
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        engine.render([recipe], check_silence=False, best_of=best_of)
        took.append(time.perf_counter() - began)
    return min(took)


def table(figures: Figures) -> list[str]:
    """The figures as lines of text."""
    how = f"{figures.runtime} {figures.precision}, {figures.device}, {figures.threads} threads"
    settings = f"guidance {figures.guidance:g}, best of {figures.best_of}"
    lines = [f"{figures.model} {figures.revision[:12]}: {how}, {settings}"]
    if figures.codec:
        lines += ["", f"{'codec':<44}{'L1':>8}{'spectra':>9}{'first':>8}{'five':>8}"]
        for name, label in CODEC_LABELS.items():
            cells = (
                (f"codec_{name}_l1", "{:.3f}", 8),
                (f"codec_{name}_spectra", "{:.3f}", 9),
                (f"codec_{name}_first", "{:.0%}", 8),
                (f"codec_{name}_five", "{:.0%}", 8),
            )
            lines.append(
                f"{label:<44}"
                + "".join(f"{_cell(figures.codec, key, form):>{wide}}" for key, form, wide in cells)
            )
    if figures.rows:
        clips = ", ".join(f"{name} {count}" for name, count in figures.clips.items())
        lines += ["", f"clips for each number of steps: {clips}", ""]
        lines.append(f"{'steps':<44}{'real':>8}" + "".join(f"{row.steps:>8}" for row in figures.rows))
        lines.append(
            f"{'seconds of a clip of 2.56 s':<44}{'':>8}"
            + "".join(f"{row.seconds:>8.2f}" for row in figures.rows)
        )
        for key, (label, form) in LABELS.items():
            values = [_cell(one, key, form) for one in (figures.real, *(row.figures for row in figures.rows))]
            if any(values):
                lines.append(f"{label:<44}" + "".join(f"{value:>8}" for value in values))
    return lines


def _cell(values: Mapping[str, float], key: str, form: str) -> str:
    return form.format(values[key]) if key in values else ""
