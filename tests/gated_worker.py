"""A worker that renders tones, waits where a test tells it to, and keeps a list of its steps.

A prompt with "wait" in it stops before its third step until :func:`open_gate`, or until it is cancelled, one
with "linger" after the first piece of its sound; one with "fail" in it fails there, and one with "flawed"
in it where its seed is below :data:`SOUND_FROM`; one with "clipped" in it is clipped there. All runs below
FOLEYD_HOME, which the daemon hands on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from faulty_worker import FaultyEngine
from foleyd.daemon import worker
from foleyd.daemon.frames import Load
from foleyd.engines.base import NO_SOURCES, LoadStep, Piece, SourceSound, Step, Take
from foleyd.errors import Cancelled, RenderFailed
from foleyd.recipe import Recipe

SOUND_FROM = 20_000
COMMAND = (sys.executable, str(Path(__file__)))
"""How to start it."""


def open_gate(home: Path) -> None:
    """Let all that waits go on, and nothing wait from now on."""
    (home / "go").touch()


def close_gate(home: Path) -> None:
    """Let what comes wait again."""
    (home / "go").unlink(missing_ok=True)


def steps(home: Path, prompt: str) -> list[int]:
    """The steps that were done for a prompt, in order; each render begins with 0."""
    path = home / "steps"
    lines = path.read_text().splitlines() if path.exists() else []
    found = (line.rpartition("\t") for line in lines)
    return [int(step) for said, _, step in found if said == prompt]


def gains_by(home: Path, together: int) -> None:
    """Have workers that are started from now on gain by batches of so many sounds."""
    (home / "together").write_text(str(together))


def batches(home: Path) -> list[list[str]]:
    """The prompts of every batch, in order."""
    path = home / "batches"
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


class GatedEngine(FaultyEngine):
    """As its base, with a gate before the third step."""

    def __init__(self) -> None:
        super().__init__("gate")
        self._home = Path(os.environ["FOLEYD_HOME"])
        self._batch: Sequence[Recipe] = ()
        wide = self._home / "together"
        self.together = int(wide.read_text()) if wide.exists() else 1

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
        self._batch = recipes
        with (self._home / "batches").open("a") as file:
            file.write("\t".join(one.prompt for one in recipes) + "\n")

        def listed(step: Step) -> None:
            self._list(recipes[0].prompt, step.step)
            progress(step)

        self._list(recipes[0].prompt, 0)
        takes = super().render(
            recipes,
            progress=listed,
            heard=heard,
            cancelled=cancelled,
            check_silence=check_silence,
            threads=threads,
            best_of=best_of,
        )
        return [_clipped(take) if "clipped" in recipes[0].prompt else take for take in takes]

    def gate(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """Wait, or fail, as the prompt says."""
        if any("fail" in one.prompt for one in self._batch):
            raise RenderFailed("the samples are not numbers: try another seed.", "nan")
        if "flawed" in recipe.prompt and (recipe.seed or 0) < SOUND_FROM:
            raise RenderFailed("the model gave silence for this seed: try another.", "silence")
        self._pause("wait", recipe, cancelled)

    def linger(self, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        """Wait after every piece, if the prompt says so."""
        self._pause("linger", recipe, cancelled)

    def _pause(self, word: str, recipe: Recipe, cancelled: Callable[[], bool]) -> None:
        tick = threading.Event()
        while word in recipe.prompt and not (cancelled() or (self._home / "go").exists()):
            tick.wait(0.005)
        if word == "linger" and cancelled():
            raise Cancelled("The render was cancelled.")

    def _list(self, prompt: str, step: int) -> None:
        with (self._home / "steps").open("a") as file:
            file.write(f"{prompt}\t{step}\n")


def _clipped(take: Take) -> Take:
    """With its peaks cut off, where its seed is below :data:`SOUND_FROM`."""
    if take.seed >= SOUND_FROM:
        return take
    height = np.abs(take.samples).max() / 2
    return take._replace(samples=np.clip(take.samples, -height, height))


def load(request: Load, progress: Callable[[LoadStep], None]) -> GatedEngine:
    """What the worker's loop calls."""
    return GatedEngine()


if __name__ == "__main__":
    worker.serve(load)
