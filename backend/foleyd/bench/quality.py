"""What fewer steps cost: every scheduler, number of steps, guidance interval and precision against a long
render of the same noise.

A method that draws noise at its steps goes another way from the same seed, however many steps it has, so no
distance says how good it is; those are left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.bench import ready
from foleyd.bench.distance import log_mel_l1
from foleyd.bench.random_model import is_random
from foleyd.diffusion.schedulers import METHODS
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

PROMPTS = (
    "a deep kick drum",
    "a bright glockenspiel note",
    "a plucked nylon guitar string",
    "a soft flute tone",
    "a distorted electric guitar chord",
    "a closed hi-hat",
    "a choir singing aah",
    "a low synth bass note",
)
INTERVALS: Mapping[str, tuple[float, float]] = {"all": (0.0, 1.0), "middle": (0.2, 0.8)}
"""The part of the way that is guided, as `guidance_from` and `guidance_to`."""
EXACT = "float32"
REFERENCE = "dpmpp-2m"
"""The scheduler of the long render: of second order, so that its many steps are as good as exact."""


class Setting(NamedTuple):
    """One row of the table."""

    scheduler: str
    steps: int
    interval: str
    precision: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: seconds of the fastest clip, the mean distance in nats, and whether no other setting is
    both as fast and as near, and better in one of them (`front`)."""

    scheduler: str
    steps: int
    interval: str
    precision: str
    seconds: float
    log_mel_l1: float
    front: bool


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement; `audio_seconds` the length asked for, `reference` the scheduler and steps held to."""

    model: str
    revision: str
    random: bool
    device: str
    runtime: str
    guidance: float
    audio_seconds: float
    prompts: tuple[str, ...]
    reference: tuple[str, int]
    results: tuple[Result, ...]


def measure(
    model: str,
    steps: Sequence[int],
    schedulers: Sequence[str] = (),
    *,
    seconds: float,
    prompts: int,
    reference: int,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
) -> Figures:
    """Render every setting for the first `prompts` of `PROMPTS`, the settings in turns.

    `schedulers` empty takes all that draw no noise. Raises BadRequest for one that the model does not take or
    that draws noise, and what loading and rendering raise.
    """
    entry = ready.entry(model)
    ready.get_ready(entry, device, runtime)
    engines = _engines(entry, device, runtime, threads)
    try:
        exact = engines[EXACT]
        names = _choose(schedulers, exact.capabilities.schedulers)
        settings = [
            Setting(name, count, interval, precision)
            for precision in engines
            for interval in INTERVALS
            for name in names
            for count in steps
        ]
        took: dict[Setting, list[float]] = {setting: [] for setting in settings}
        apart: dict[Setting, list[float]] = {setting: [] for setting in settings}
        for seed, prompt in enumerate(PROMPTS[:prompts]):
            given = {"prompt": prompt, "seed": seed, "seconds": seconds, "model": entry.id}
            goal = Setting(REFERENCE, reference, "all", EXACT)
            right = _render(exact, _recipe(exact, given, goal))[1]
            for engine in engines.values():  # whatever is done once is done
                _render(engine, _recipe(engine, given, goal._replace(steps=1)))
            for setting in settings:
                engine = engines[setting.precision]
                spent, sound = _render(engine, _recipe(engine, given, setting))
                took[setting].append(spent)
                apart[setting].append(log_mel_l1(sound, right))
        usual = next(iter(engines.values()))
        about = (usual.device, usual.runtime, usual.capabilities.guidance)
    finally:
        for engine in engines.values():
            engine.unload()
    points = {setting: (min(took[setting]), statistics.fmean(apart[setting])) for setting in settings}
    return Figures(
        model=entry.id,
        revision=entry.revision,
        random=is_random(entry.folder),
        device=about[0],
        runtime=about[1],
        guidance=about[2],
        audio_seconds=seconds,
        prompts=PROMPTS[:prompts],
        reference=(REFERENCE, reference),
        results=tuple(
            Result(
                **setting._asdict(),
                seconds=point[0],
                log_mel_l1=point[1],
                front=is_on_front(point, list(points.values())),
            )
            for setting, point in sorted(points.items(), key=lambda item: item[1])
        ),
    )


def is_on_front(point: tuple[float, float], points: Sequence[tuple[float, float]]) -> bool:
    """Whether no other point is as small in both coordinates and smaller in one."""
    return not any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in points)


def _engines(entry: Any, device: str, runtime: str, threads: int | None) -> dict[str, Any]:
    """The model as it would run here and in float32, by precision; one engine where that is the same."""
    usual = ready.load(entry, device=device, runtime=runtime, threads=threads)
    loaded = {usual.precision: usual}
    if EXACT not in loaded:
        loaded[EXACT] = ready.load(entry, device=device, precision=EXACT, runtime=runtime, threads=threads)
    return loaded


def _choose(asked: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    fitting = tuple(name for name in known if not METHODS[name].fresh_noise)
    for name in asked:
        if name not in fitting:
            raise BadRequest(f"--schedulers names {name!r}: choose from {', '.join(fitting)}.")
    return tuple(dict.fromkeys(asked)) or fitting


def _recipe(engine: Any, given: Mapping[str, object], setting: Setting) -> Recipe:
    low, high = INTERVALS[setting.interval]
    return recipe.resolve(
        recipe.make(
            **given,
            scheduler=setting.scheduler,
            steps=setting.steps,
            guidance_from=low,
            guidance_to=high,
        ),
        engine.capabilities,
    )


def _render(engine: Any, wanted: Recipe) -> tuple[float, NDArray[np.float32]]:
    began = time.perf_counter()
    [take] = engine.render([wanted], check_silence=False)
    return time.perf_counter() - began, take.samples


def table(figures: Figures) -> list[str]:
    """The figures as lines of text, the fastest first; a star marks the front."""
    name, steps = figures.reference
    how = f"{figures.audio_seconds:g} s of sound, guidance {figures.guidance:g}"
    lines = [
        f"{figures.model} {figures.revision[:12]}: {how}, {len(figures.prompts)} prompts",
        f"{figures.runtime}, {figures.device}",
        f"distance to {steps} steps of {name} in {EXACT}, guided all the way, from the same noise",
    ]
    if figures.random:
        lines.append("The weights are random: the distance is numeric error and says nothing of sounds.")
    lines += ["", f"{'':<2}{'scheduler':<12}{'steps':>6}  {'guided':<8}{'precision':<10}{'s':>9}{'nats':>8}"]
    return lines + [
        f"{'*' if one.front else '':<2}{one.scheduler:<12}{one.steps:>6}  {one.interval:<8}"
        f"{one.precision:<10}{one.seconds:>9.3f}{one.log_mel_l1:>8.3f}"
        for one in figures.results
    ]
