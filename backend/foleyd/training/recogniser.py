"""Who a sound is, by a network that has heard real clips only: the sound font's melodic presets, and what the
generators make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foleyd.training import listener
from foleyd.training.clips import Source
from foleyd.training.neighbours import FRAMES
from foleyd.training.procedural import GENERATORS
from foleyd.training.soundfont import is_single_note

Mels = npt.NDArray[np.floating]


def class_of(source: Source) -> str:
    """The class of a clip: a melodic preset as bank:program, a generator by its name; empty for what belongs
    to none, chords, loops and blends among it."""
    if is_single_note(source):
        return source.name
    return source.label if source.package == "procedural" and source.label in GENERATORS else ""


class Recogniser:
    """A :mod:`~foleyd.training.listener` and the classes that it knows."""

    def __init__(
        self,
        mels: Mels,
        sources: Sequence[Source],
        unheard: npt.NDArray[np.bool_],
        folder: Path,
        log: Callable[[str], None],
        steps: int = listener.STEPS,
    ) -> None:
        """`mels` `[clips, frames, 64]` of `sources`; `unheard` are kept from the network, which is trained
        for `steps` in `folder`, or goes on from what lies there."""
        labels = np.array([class_of(source) for source in sources])
        self.classes = sorted(set(labels[labels != ""]))
        """The names of the classes."""
        real, held = np.flatnonzero((labels != "") & ~unheard), np.flatnonzero((labels != "") & unheard)
        self._network = listener.train(
            np.asarray(mels[real, :FRAMES]), self._places(labels[real]), folder, log, steps, "recogniser"
        )
        self.held_ranks = self.ranks(np.asarray(mels[held, :FRAMES]), labels[held])
        """At which place it puts the right class of the real clips that it has not heard, 0 the first."""

    def ranks(self, mels: Mels, labels: Sequence[str] | npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
        """At which place the network puts the right class, 0 the first, for mels `[clips, 256, 64]`."""
        return listener.ranks(self._network, mels, self._places(labels))

    def features(self, mels: Mels) -> npt.NDArray[np.float64]:
        """What the network hears before it names it, `[clips, 320]`."""
        return listener.features(self._network, mels)

    def _places(self, labels: Sequence[str] | npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
        return np.array([self.classes.index(label) for label in labels], np.intp)


def shares(ranks: npt.NDArray[np.intp]) -> tuple[float, float]:
    """The shares of clips whose right class came first, and among five; 0 for no clips."""
    return (float((ranks == 0).mean()), float((ranks < 5).mean())) if len(ranks) else (0.0, 0.0)
