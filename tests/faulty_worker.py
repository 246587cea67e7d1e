"""A worker that misbehaves: the real one's pipes and loop around an engine with one fault. For tests only.

``python faulty_worker.py FAULT``; `command` gives the words for
:class:`foleyd.daemon.blocking_worker.Worker`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from foleyd.choice import STRIDE, seed_behind
from foleyd.daemon import worker
from foleyd.daemon.frames import Load
from foleyd.engines.base import NO_SOURCES, LoadStep, Piece, SourceSound, Step, Take
from foleyd.errors import Cancelled, ModelBroken, RenderFailed
from foleyd.recipe import Recipe, change, take_id

RATE = 16_000
STEP_OF_FAULT = 3
PIECE = RATE // 4
"""Samples of the pieces that its sounds come in."""
THREADS = 3
"""What a faulty worker says that it was loaded with."""

LONG = 30 * 192_000 * 2
"""Samples of a sound that the fault "long" gives."""

PARTS = ("words", "sounds")
"""The parts that a faulty worker loads, in order."""

GO = "go"
"""The file in a model's folder that ends the load of "load_waits"."""


def command(fault: str) -> tuple[str, ...]:
    """How to start a worker with that fault: a method of :class:`FaultyEngine`, or a "load_…" of `load`."""
    return (sys.executable, "-P", str(Path(__file__)), fault)


def tone(seed: int, seconds: float) -> np.ndarray:
    """What the engine gives where its fault lets it: a sine whose pitch is the seed's."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (200 + seed % 100) * time)).astype(np.float32)


class FaultyEngine:
    """Renders tones; at the third step it calls the method that the fault names."""

    device = "an abacus"
    threads = THREADS
    unprepared = False
    together = 1

    def warm_up(self) -> bool:
        """Nothing to make ready."""
        return False

    def __init__(self, fault: str) -> None:
        self._fault = getattr(self, fault)
        self._long = fault == "long"
        self._renders = 0

    def render(
        self,
        recipes: Sequence[Recipe],
        *,
        progress: Callable[[Step], None],
        heard: Callable[[Piece], None],
        cancelled: Callable[[], bool],
        check_silence: bool = True,
        threads: int | None = None,
        sources: Mapping[str, SourceSound] = NO_SOURCES,
        best_of: int = 1,
    ) -> list[Take]:
        self._renders += 1
        if best_of > 1:  # what is taken is not what was tried first
            recipes = [change(one, seed=seed_behind(one.seed or 0, STRIDE)) for one in recipes]
        for step in range(1, (recipes[0].steps or 4) + 1):
            if cancelled():
                raise Cancelled("The render was cancelled.")
            if step == STEP_OF_FAULT:
                self._fault(recipes[0], cancelled)
            progress(Step(step, recipes[0].steps or 4))
        for index, one in enumerate(recipes):
            samples = tone(one.seed or 0, 3.0)
            for start in range(0, len(samples), PIECE):
                heard(Piece(index, start, len(samples), RATE, samples[start : start + PIECE]))
                self.linger(one, cancelled)
        how = {"runtime": "torch", "precision": "float32", "bucket": "t1"}
        return [
            Take(
                samples=np.ones(LONG, np.float32) if self._long else tone(one.seed or 0, 3.0),
                rate=RATE,
                seed=one.seed or 0,
                take_id=take_id(one, **how),
                threads=threads or self.threads,
                **how,
            )
            for one in recipes
        ]

    def unload(self) -> None:
        self._renders = 0

    def linger(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """Called after every piece."""

    def none(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """No fault."""

    long = none

    def raises(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        raise ValueError("boom\nin two lines")

    def raises_once(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        if self._renders == 1:
            raise ValueError("boom")

    def no_memory(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        raise MemoryError

    def bad_words(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        if "bad" in recipe.prompt:
            raise RenderFailed("the samples are not numbers: try another seed.", "nan")

    def dies(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        print("the last straw", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def dies_if_bad(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        if "bad" in recipe.prompt:
            self.dies(recipe, cancelled)

    def leaves_a_child_and_dies(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """Its pipes stay open in a child, until the folder that the prompt names has a file GO."""
        if os.fork() == 0:
            _until((Path(recipe.prompt) / GO).exists)
            os._exit(0)
        self.dies(recipe, cancelled)

    def exits(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        print("no such luck", file=sys.stderr, flush=True)
        os._exit(3)

    def chatters(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        print("a library prints", flush=True)
        os.write(1, b"and so does its C code" * 1000)
        sys.stdin.read()

    def hangs(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        threading.Event().wait()

    def waits_for_cancel(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        _until(cancelled)

    def waits_if_bad(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        if "bad" in recipe.prompt:
            _until(cancelled)

    def ctrl_c(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """The user presses Ctrl-C now, and this step ends when that was heard."""
        os.kill(os.getppid(), signal.SIGINT)
        _until(cancelled)

    def ctrl_c_twice(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """The user presses Ctrl-C, sees that this step does not end, and presses it again."""
        self.ctrl_c(recipe, cancelled)
        os.kill(os.getppid(), signal.SIGINT)
        threading.Event().wait()


def _until(so: Callable[[], bool]) -> None:
    tick = threading.Event()
    while not so():
        tick.wait(0.005)


def load(request: Load, progress: Callable[[LoadStep], None]) -> FaultyEngine:
    fault, folder = sys.argv[1], Path(request.folder)
    for done, part in enumerate(PARTS):
        progress(LoadStep(part, done, len(PARTS)))
    if fault == "load_raises":
        raise OSError("no such weights")
    if fault == "load_ctrl_c":
        os.kill(os.getppid(), signal.SIGINT)
        threading.Event().wait()
    if fault == "load_dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "load_waits":
        _until((folder / GO).exists)
    if folder.name == "broken":
        raise ModelBroken("broken cannot be loaded: pull the model again.")
    return FaultyEngine("waits_if_bad" if fault == "load_waits" else fault)


if __name__ == "__main__":
    worker.serve(load)
