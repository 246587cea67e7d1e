"""The figures of `foleyd bench speed` as lines of text."""

from __future__ import annotations

from foleyd.bench.footprint import Footprint
from foleyd.bench.speed import Figures, Result

RANDOM = "The weights are random: times hold, the sounds mean nothing; distances are numeric error alone."
_GIGA = 1e9


def table(figures: Figures) -> list[str]:
    """A heading, a block for each length, the compilations, the worker."""
    lines = [
        f"{figures.model} {figures.revision[:12]}: {figures.scheduler}, guidance {figures.guidance:g}",
        f"{figures.device}, {figures.threads} threads, median of {figures.runs} taken in turns",
        "large matrix products: "
        + ", ".join(f"{rate / _GIGA:.0f} GFLOP/s in {kind}" for kind, rate in figures.peak.items()),
        *[RANDOM][: figures.random],
    ]
    for seconds in dict.fromkeys(one.seconds for one in figures.results):
        lines += ["", *_block(seconds, [one for one in figures.results if one.seconds == seconds])]
    mixed = figures.mixed
    return [
        *lines,
        "",
        f"{len(mixed.seconds)} mixed lengths back to back: {mixed.compiled} compiled, {mixed.took:.1f} s",
        *_worker(figures.worker),
    ]


def _block(seconds: float, results: list[Result]) -> list[str]:
    heads = ("steps", "a clip s", "x stock", "real time", "first s", "text", "step", "vae", "vocoder")
    title = f"{seconds:g} s of sound"
    return [
        f"{title:<24}" + "".join(f"{head:>10}" for head in heads) + f"{'of peak':>9}{'L1 nats':>9}",
        *map(_line, results),
    ]


def _line(one: Result) -> str:
    times = "".join(f"{one.parts[name]:>10.3f}" for name in ("prompts", "denoise", "decode", "vocode"))
    distance = "" if one.log_mel_l1 is None else f"{one.log_mel_l1:.3f}"
    return (
        f"{one.name:<24}{one.steps:>10}{one.clip:>10.3f}{one.ratio:>10.2f}{one.real_time:>10.2f}"
        f"{one.first:>10.3f}{times}{one.peak_share:>9.0%}{distance:>9}"
    )


def _worker(worker: Footprint) -> list[str]:
    sizes = {
        "loaded": worker.loaded_bytes,
        "after two renders": worker.rendered_bytes,
        "at most": worker.peak_bytes,
    }
    known = [f"{size / _GIGA:.2f} GB {when}" for when, size in sizes.items() if size is not None]
    ready = f"a worker: ready after {worker.ready_seconds:.2f} s"
    renders = f"first render {worker.first_seconds:.2f} s, second {worker.second_seconds:.2f} s"
    return [
        f"{ready}, {renders}",
        *[f"its memory: {', '.join(known)}"][: len(known)],
    ]
