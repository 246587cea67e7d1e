"""How fast a model is against diffusers' own pipeline: every way to make the same sound, taken in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.bench import footprint, ready
from foleyd.bench.distance import log_mel_l1
from foleyd.bench.footprint import Footprint
from foleyd.bench.peak import Products, counted
from foleyd.bench.random_model import is_random
from foleyd.bench.stages import NETWORKS, Clock, put_clocks
from foleyd.bench.stock import Stock
from foleyd.engines import checkpoint
from foleyd.engines.base import Piece
from foleyd.recipe import Recipe
from foleyd.runtime.eager import device_of

DRAFT_STEPS = 4
BATCHES = (2, 4)
"""Clips at once, besides one."""
BATCH_SECONDS = 5.12
"""The length that batches and a worker are measured at, where it is among those that are."""
MIXED_SECONDS = (5.0, 0.5, 10.0, 2.5, 1.2, 7.0, 3.3, 15.0, 0.9, 4.4)
"""Lengths asked for one after the other, while compilations are counted."""
PROMPT = "a deep kick drum, take"


class Case(NamedTuple):
    """One way to make a sound. `way`: "stock", "torch" or "default", who makes it; `draft`: with fewer steps
    than the others, so that its sound is not held against theirs."""

    name: str
    way: str
    seconds: float
    steps: int
    batch: int = 1
    vocoder: str = "own"
    draft: bool = False


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case, medians of its turns. `total`: seconds of wall clock for all clips of the batch; `first`:
    until the first samples exist; `clip`: of `total` for one clip; `ratio`: how many times faster than the
    stock pipeline a clip of the length is; `real_time`: seconds of sound made in a second; `parts`: seconds
    in each network, the denoiser's for one step; `log_mel_l1`: nats to the stock pipeline's sound, None where
    the recipe is another; `operations_a_second` and `peak_share`: of its networks, and beside large matrix
    products in the same precision.
    """

    name: str
    seconds: float
    steps: int
    batch: int
    vocoder: str
    runtime: str
    precision: str
    total: float
    first: float
    clip: float
    ratio: float
    real_time: float
    parts: dict[str, float]
    log_mel_l1: float | None
    operations_a_second: float
    peak_share: float


class Mixed(msgspec.Struct, frozen=True):
    """Lengths asked for back to back: how many networks were compiled meanwhile, and the seconds it took."""

    seconds: tuple[float, ...]
    compiled: int
    took: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement. `peak`: operations a second of large matrix products by precision, the best of the same
    run; `random`: whether the weights say that they were never trained."""

    model: str
    revision: str
    random: bool
    device: str
    threads: int
    scheduler: str
    guidance: float
    runs: int
    peak: dict[str, float]
    results: tuple[Result, ...]
    mixed: Mixed
    worker: Footprint


class Turn(NamedTuple):
    """One call of a case."""

    total: float
    first: float
    parts: dict[str, float]
    distance: float | None
    runtime: str
    precision: str


def cases(lengths: Sequence[float], steps: int, vocoders: Sequence[str]) -> list[Case]:
    """What is measured, for a model with these vocoders."""
    found = []
    for seconds in lengths:
        found += [
            Case("stock diffusers", "stock", seconds, steps),
            Case("torch float32", "torch", seconds, steps),
        ]
        for vocoder in vocoders:
            how = "" if vocoder == "own" else f", {vocoder} vocoder"
            found += [
                Case(f"default{how}", "default", seconds, steps, vocoder=vocoder),
                Case(f"draft{how}", "default", seconds, DRAFT_STEPS, vocoder=vocoder, draft=True),
            ]
    middle = BATCH_SECONDS if BATCH_SECONDS in lengths else lengths[-1]
    return found + [Case(f"default, batch of {batch}", "default", middle, steps, batch) for batch in BATCHES]


def measure(
    model: str,
    lengths: Sequence[float],
    steps: int,
    runs: int,
    *,
    device: str = "auto",
    precision: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
) -> Figures:
    """Make a model ready, load it in three ways and take turns, `runs` of each case after one of a step that
    is not counted; then a worker of its own.

    Raises BadRequest for an engine whose networks cannot be looked at, and what loading and rendering raise.
    """
    entry = ready.entry(model)
    ready.get_ready(entry, device, runtime)
    with Contest(entry, device, precision, runtime, threads) as contest:
        wanted = cases(lengths, steps, contest.ours["default"].capabilities.vocoders)
        contest.warm_up(wanted)
        turns: dict[Case, list[Turn]] = {case: [] for case in wanted}
        for turn in range(1, runs + 1):
            for case in wanted:
                contest.products.turn()
                turns[case].append(contest.turn(case, turn))
        mixed = contest.mixed()
        whole = contest.recipes(wanted[-1], 0)[0]
        default = contest.ours["default"]
        about = (default.capabilities, default.device, default.threads)
        results = tuple(contest.result(case, turns) for case in wanted)
        peak = contest.products.best
    can, place, count = about
    worker = footprint.measure(
        entry, whole, device=device, precision=precision, runtime=runtime, threads=threads
    )
    return Figures(
        model=entry.id,
        revision=entry.revision,
        random=is_random(entry.folder),
        device=place,
        threads=count,
        scheduler=can.scheduler,
        guidance=can.guidance,
        runs=runs,
        peak=peak,
        results=results,
        mixed=mixed,
        worker=worker,
    )


class Contest:
    """The stock pipeline and two engines over one model, loaded; a context manager that unloads them."""

    def __init__(self, entry: Any, device: str, precision: str, runtime: str, threads: int | None) -> None:
        self.entry = entry
        self.ours: dict[str, Any] = {
            "torch": ready.load(entry, device=device, precision="float32", runtime="torch", threads=threads),
            "default": ready.load(
                entry, device=device, precision=precision, runtime=runtime, threads=threads
            ),
        }
        place = device_of(device)
        wait = torch.cuda.synchronize if place.type == "cuda" else lambda: None
        self.clock = Clock(wait)
        self._work: dict[tuple[float, str], dict[str, float]] = {}
        self.stock = Stock(checkpoint.read(entry.folder), self.clock, place)
        self._stock_sound: dict[float, NDArray[np.float32]] = {}
        self.products = Products(place, wait)

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *error: object) -> None:
        for engine in self.ours.values():
            engine.unload()

    def recipes(self, case: Case, turn: int, steps: int | None = None) -> list[Recipe]:
        """Resolved recipes of a case; another prompt each turn, so that no kept embedding hides its cost."""
        engine = self.ours["default" if case.way == "default" else "torch"]
        return [
            recipe.resolve(
                recipe.make(
                    prompt=f"{PROMPT} {turn}.{number}",
                    seed=1000 * turn + number,
                    seconds=case.seconds,
                    steps=steps or case.steps,
                    model=self.entry.id,
                    vocoder=case.vocoder,
                ),
                engine.capabilities,
            )
            for number in range(case.batch)
        ]

    def warm_up(self, wanted: Sequence[Case]) -> None:
        """Every case with one step; the work in it is counted on the way."""
        for case in wanted:
            key = (case.seconds, case.vocoder)
            if key not in self._work:
                with counted(self.ours["torch"].networks, (*NETWORKS[1:], "vocode_fast")) as work:
                    self.ours["torch"].render(self.recipes(case._replace(batch=1), 0, 1), check_silence=False)
                work["vocode"] = work.get("vocode", 0.0) + work.pop("vocode_fast", 0.0)
                self._work[key] = work
            self.products.add(self._make(case, self.recipes(case, 0, 1))[3])
        for engine in self.ours.values():
            put_clocks(engine, self.clock)

    def turn(self, case: Case, turn: int) -> Turn:
        """One call."""
        made = self.recipes(case, turn)
        self.clock.reset()
        began = time.perf_counter()
        sound, first, runtime, precision = self._make(case, made)
        total = time.perf_counter() - began
        if case.way == "stock":
            self._stock_sound[case.seconds] = sound
        seconds, calls = self.clock.seconds, self.clock.calls
        parts = {
            name: seconds.get(name, 0.0) / (calls.get(name, 1) if name == "denoise" else 1)
            for name in NETWORKS
        }
        is_other = case.way == "stock" or case.draft
        distance = None if is_other else log_mel_l1(sound, self._stock_sound[case.seconds])
        return Turn(total, (first or began + total) - began, parts, distance, runtime, precision)

    def mixed(self) -> Mixed:
        """Ten lengths back to back, a step each."""
        engine = self.ours["default"]
        low, high = engine.capabilities.seconds
        lengths = tuple(min(max(seconds, low), high) for seconds in MIXED_SECONDS)
        before, began = engine.compiled, time.perf_counter()
        for seconds in lengths:
            engine.render(self.recipes(Case("", "default", seconds, 1), 0), check_silence=False)
        return Mixed(lengths, engine.compiled - before, time.perf_counter() - began)

    def result(self, case: Case, turns: dict[Case, list[Turn]]) -> Result:
        """The medians of a case; its ratio is to the stock pipeline's clip of the length."""
        own = turns[case]
        total = statistics.median(turn.total for turn in own)
        clip = total / case.batch
        stock = next(c for c in turns if c.way == "stock" and c.seconds == case.seconds)
        work, last = self._work[case.seconds, case.vocoder], own[-1]
        done = case.steps * work["denoise"] + work["decode"] + work["vocode"]
        distances = [turn.distance for turn in own if turn.distance is not None]
        return Result(
            name=case.name,
            seconds=case.seconds,
            steps=case.steps,
            batch=case.batch,
            vocoder=case.vocoder,
            runtime=last.runtime,
            precision=last.precision,
            total=total,
            first=statistics.median(turn.first for turn in own),
            clip=clip,
            ratio=statistics.median(turn.total for turn in turns[stock]) / clip,
            real_time=case.seconds / clip,
            parts={name: statistics.median(turn.parts[name] for turn in own) for name in NETWORKS},
            log_mel_l1=statistics.fmean(distances) if distances else None,
            operations_a_second=done / clip,
            peak_share=done / clip / self.products.best[last.precision],
        )

    def _make(self, case: Case, made: Sequence[Recipe]) -> tuple[NDArray[np.float32], float | None, str, str]:
        """The first clip's samples, when the first of them existed, and by which runtime and precision."""
        if case.way == "stock":
            return self.stock.render(made, case.seconds)[0], None, "diffusers", "float32"
        heard: list[float] = []

        def hear(piece: Piece) -> None:
            heard.append(time.perf_counter())

        takes = self.ours[case.way].render(made, heard=hear, check_silence=False)
        return takes[0].samples, heard[0], takes[0].runtime, takes[0].precision
