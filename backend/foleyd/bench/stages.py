"""Seconds per stage of a render, by clocks put around the networks of a loaded engine."""

from __future__ import annotations

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from foleyd import recipe
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import write_clip
from foleyd.audio.finish import finish
from foleyd.engines import base, catalog
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

NETWORKS = ("prompts", "denoise", "decode", "vocode")
"""The networks of an AudioLDM engine in the order of a render; `prompts` by its method `mixed`."""

LABELS = {
    "import": "import the engine",
    "load": "load the model",
    "prompts": "text to embedding",
    "denoise": "network, all steps",
    "loop": "scheduler and rest",
    "decode": "latents to log-mel",
    "vocode": "log-mel to samples",
    "finish": "finish",
    "write": "write the file",
}
SETTING_UP = ("import", "load")


class Stage(msgspec.Struct, frozen=True):
    """One stage: median wall clock in seconds a render, calls a render, share of the whole render."""

    name: str
    seconds: float
    calls: float
    share: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement. `render_seconds`: median of whole renders; `audio_seconds`: the sound that one makes."""

    model: str
    revision: str
    recipe: Recipe
    bucket: str
    device: str
    runtime: str
    precision: str
    threads: int
    runs: int
    render_seconds: float
    audio_seconds: float
    stages: tuple[Stage, ...]


class Clock:
    """Adds up the time spent in what it wraps; on a GPU it waits for the device at both ends."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self._wait = wait
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Count the time inside for `name`."""
        self._wait()
        began = time.perf_counter()
        yield
        self._wait()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        self.calls[name] = self.calls.get(name, 0) + 1

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed."""

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.running(name):
                return function(*arguments, **named)

        return timed

    def reset(self) -> None:
        """Forget everything."""
        self.seconds.clear()
        self.calls.clear()


def measure(
    model: str,
    wanted: Recipe,
    runs: int,
    *,
    device: str = "auto",
    precision: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
) -> Figures:
    """Load the model in this process and render `wanted` `runs` times after one that is not counted.

    Prompts are embedded anew every time. Raises BadRequest for an engine without the networks that are
    looked at, and what loading and rendering raise.
    """
    entry = catalog.resolve(model)
    began = time.perf_counter()
    import torch

    importlib.import_module(base.family_of(entry.folder).module)
    importing = time.perf_counter() - began
    began = time.perf_counter()
    engine: Any = base.load(
        entry.folder,
        device=device,
        precision=precision,
        runtime=runtime,
        threads=threads,
        revision=entry.revision,
    )
    loading = time.perf_counter() - began
    try:
        on_gpu = torch.cuda.is_available() and device != "cpu"
        clock = Clock(torch.cuda.synchronize if on_gpu else lambda: None)
        put_clocks(engine, clock)
        full = recipe.resolve(recipe.change(wanted, model=entry.id), engine.capabilities)
        per_run: list[dict[str, float]] = []
        calls: dict[str, int] = {}
        for turn in range(runs + 1):
            # another prompt each time: an embedding that is kept would hide what the text costs
            this = recipe.change(full, prompt=f"{full.prompt} {turn}")
            clock.reset()
            with clock.running("render"):
                [take] = engine.render([this], check_silence=False)
            with clock.running("finish"):
                finished = finish(take.samples, take.rate, this, check_silence=False)
            with clock.running("write"), tempfile.TemporaryDirectory(prefix="foleyd-") as room:
                write_clip(Path(room, "bench.wav"), finished.samples, finished.rate, ClipMeta(recipe=this))
            if turn:
                per_run.append(dict(clock.seconds))
                calls = dict(clock.calls)
        place = torch.cuda.get_device_name() if on_gpu else "CPU"
    finally:
        engine.unload()
    middle = {name: statistics.median(run.get(name, 0.0) for run in per_run) for name in per_run[0]}
    whole = middle.pop("render")
    middle["loop"] = max(0.0, whole - sum(middle.get(name, 0.0) for name in NETWORKS))
    middle |= {"import": importing, "load": loading}
    stages = tuple(
        Stage(name, middle[name], calls.get(name, 1), middle[name] / whole)
        for name in LABELS
        if name in middle
    )
    return Figures(
        model=entry.id,
        revision=entry.revision,
        recipe=full,
        bucket=take.bucket,
        device=place,
        runtime=take.runtime,
        precision=take.precision,
        threads=take.threads,
        runs=runs,
        render_seconds=whole,
        audio_seconds=len(take.samples) / take.rate,
        stages=stages,
    )


def put_clocks(engine: Any, clock: Clock) -> None:
    """Time the networks of a loaded engine under their names in `NETWORKS`, either vocoder as "vocode".

    Raises BadRequest for an engine that has others.
    """
    networks = getattr(engine, "networks", None)
    if networks is None or any(not hasattr(networks, name) for name in NETWORKS):
        raise BadRequest(
            "This model's engine has no stages that foleyd knows how to measure: choose another model."
        )
    networks.prompts.mixed = clock.around("prompts", networks.prompts.mixed)
    for name in NETWORKS[1:]:
        setattr(networks, name, clock.around(name, getattr(networks, name)))
    if networks.vocode_fast is not None:
        networks.vocode_fast = clock.around("vocode", networks.vocode_fast)


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures as fields of a JSON object; `real_time`: seconds of sound made in a second."""
    values = msgspec.structs.asdict(figures)
    return {**values, "real_time": figures.audio_seconds / figures.render_seconds}


def table(figures: Figures) -> list[str]:
    """The figures as lines of text."""
    made = figures.recipe
    how = f"{figures.runtime} {figures.precision}, {figures.device}, {figures.threads} threads"
    what = f"{figures.audio_seconds:.2f} s of sound ({figures.bucket})"
    lines = [
        f"{figures.model} {figures.revision[:12]}: {what}",
        f"{made.steps} steps of {made.scheduler}, guidance {made.guidance:g}",
        f"{how}, median of {figures.runs}",
        "",
        f"{'stage':<22}{'seconds':>10}{'calls':>8}{'share':>8}",
    ]
    for stage in figures.stages:
        share = "" if stage.name in SETTING_UP else f"{stage.share:.0%}"
        lines.append(f"{LABELS[stage.name]:<22}{stage.seconds:>10.4f}{stage.calls:>8.0f}{share:>8}")
    ratio = figures.audio_seconds / figures.render_seconds
    lines += ["", f"{'render':<22}{figures.render_seconds:>10.4f}   {ratio:.2f} s of sound a second"]
    return lines
