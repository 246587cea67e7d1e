"""Whether words move a sound the way they say: short and long, low and high, dark and bright."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foleyd.audio import measure
from foleyd.engines.front_end import RATE
from foleyd.training.measures.clip import Ask, Clip, thinned
from foleyd.training.measures.pitch import fundamental
from foleyd.training.measures.world import World

Samples = npt.NDArray[np.float32]
_HELD = (
    "flute",
    "violin",
    "trumpet",
    "church organ",
    "clarinet",
    "accordion",
    "saw wave lead",
    "choir aahs",
    "cello",
    "oboe",
    "synth brass",
    "string section",
)
_PITCHED = (
    "flute",
    "clarinet",
    "grand piano",
    "violin",
    "nylon string guitar",
    "marimba",
    "square wave lead",
    "trumpet",
    "harp",
    "vibraphone",
    "church organ",
    "synth bass",
)
_COLOURED = (
    "ambient drone",
    "low drone",
    "major synth pad",
    "minor synth pad",
    "open synth pad",
    "pad chord",
)


def length(samples: Samples) -> float:
    """Seconds from a sound's beginning until it has faded."""
    return (measure.end_frame(samples, RATE) - measure.onset_frame(samples, RATE)) / RATE


def height(samples: Samples) -> float:
    """The fundamental in Hz; NaN where there is none, which no comparison holds for."""
    return fundamental(samples) or float("nan")


def brightness(samples: Samples) -> float:
    """The spectral centre of gravity in Hz."""
    return measure.centroid(samples, RATE)


class Way(NamedTuple):
    """Words for less and for more of what `of` measures, and what they are said of."""

    name: str
    less: str
    more: str
    of: Callable[[Samples], float]
    subjects: Sequence[str]


WAYS = (
    Way("longer", "short {} note", "long {} note", length, _HELD),
    Way("higher", "low {} note", "high {} note", height, _PITCHED),
    Way("brighter", "dark {}", "bright {}", brightness, _COLOURED * 2),
)


class Ways:
    """Pairs of prompts of one seed that differ in one word."""

    name = "ways"

    def __init__(self, world: World, part: float) -> None:
        self._pairs = [
            (way, subject, seed)
            for way in WAYS
            for seed, subject in thinned(list(enumerate(way.subjects)), part)
        ]
        self.asks = [
            Ask(words.format(subject), seed)
            for way, subject, seed in self._pairs
            for words in (way.less, way.more)
        ]

    def figures(self, clips: Sequence[Clip | None]) -> dict[str, float]:
        """Shares of pairs that move the right way; a silent clip does not."""
        moved: dict[str, list[bool]] = {}
        for (way, _, _), less, more in zip(self._pairs, clips[::2], clips[1::2], strict=True):
            right = less is not None and more is not None and way.of(less.samples) < way.of(more.samples)
            moved.setdefault(way.name, []).append(right)
        return {name: float(np.mean(right)) for name, right in moved.items()}

    def real(self) -> dict[str, float]:
        """Nothing: of real clips it holds by the way they were made."""
        return {}
