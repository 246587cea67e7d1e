"""Clips made of other clips: one after the other, one over the other, and each in another place.

Rooms are exponentially decaying noise (Moorer 1979), loudspeakers and walls are filters.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

from foleyd.training.clips import LENGTH, RATE, Source, TrainingClip, is_held_out, level

Samples = npt.NDArray[np.float32]
PACKAGE = "blend"
SIMPLE_WORDS = 6
"""Captions of more words than this are not put together with others: nobody types so much."""


def _room(samples: Samples, rng: np.random.Generator, seconds: float, wet: float) -> Samples:
    """`samples` in a room whose sound falls by 60 dB in `seconds`."""
    count = int(seconds * RATE)
    tail = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail *= 1 / np.sqrt((tail**2).sum())
    reverberant = fftconvolve(samples, tail)[: len(samples)]
    mixed: Samples = ((1 - wet) * samples + wet * reverberant).astype(np.float32)
    return mixed


def _filtered(samples: Samples, rng: np.random.Generator, low: float, high: float) -> Samples:
    """`samples` between `low` and `high` Hz."""
    passed: Samples = sosfilt(butter(2, (low, high), "bandpass", fs=RATE, output="sos"), samples).astype(
        np.float32
    )
    return passed


def _echo(samples: Samples, rng: np.random.Generator, seconds: float) -> Samples:
    """`samples` and three repeats, `seconds` apart, each at half the level."""
    found, delay = samples.copy(), int(seconds * RATE)
    for turn in (1, 2, 3):
        found[turn * delay :] += samples[: -turn * delay] * 0.5**turn
    return found


def _crushed(samples: Samples, rng: np.random.Generator) -> Samples:
    """`samples` in five bits at a quarter of the rate."""
    peak = float(np.abs(samples).max()) or 1.0
    held = np.repeat(samples[::4], 4)[: len(samples)]
    found: Samples = (np.round(held / peak * 16) / 16 * peak).astype(np.float32)
    return found


PLACES: Mapping[str, Callable[[Samples, np.random.Generator], Samples]] = {
    "in a small room": partial(_room, seconds=0.35, wet=0.35),
    "in a large hall": partial(_room, seconds=1.8, wet=0.45),
    "in a cathedral": partial(_room, seconds=3.6, wet=0.6),
    "far away": partial(_room, seconds=1.2, wet=0.85),
    "behind a wall": partial(_filtered, low=40, high=420),
    "through a telephone": partial(_filtered, low=400, high=3200),
    "on a small radio": partial(_filtered, low=250, high=4500),
    "with echo": partial(_echo, seconds=0.3),
    "lo-fi and crushed": _crushed,
}
"""How a place is said → what it does to a sound at `RATE`."""


def with_blends(
    clips: Iterable[TrainingClip], rng: random.Random, pairs: int, placed: int, captions_each: int, keep: int
) -> Iterator[TrainingClip]:
    """`clips` as they come, then `pairs` made of two of them and `placed` of one in a place.

    Every `keep`th clip is remembered for that, never one that is held out: what no network may hear is not
    heard inside another clip.
    """
    known: list[tuple[Samples, list[str]]] = []
    for number, clip in enumerate(clips):
        yield clip
        simple = [words for words in clip.captions if len(words.split()) <= SIMPLE_WORDS]
        if number % keep == 0 and simple and not is_held_out(clip.source):
            kept = level(clip.samples)
            if kept is not None:
                known.append((kept, simple))
    numbers = np.random.default_rng(rng.randrange(2**32))
    for turn in range(pairs if known else 0):
        first, second = rng.choice(known), rng.choice(known)
        yield (
            _then(first, second, rng, captions_each) if turn % 2 else _over(first, second, rng, captions_each)
        )
    for turn in range(placed if known else 0):
        samples, words = rng.choice(known)
        place = list(PLACES)[turn % len(PLACES)]
        yield TrainingClip(
            PLACES[place](samples, numbers),
            [f"{rng.choice(words)} {place}" for _ in range(captions_each)],
            Source(PACKAGE, f"{place} {turn}", place),
        )


def _then(
    first: tuple[Samples, list[str]], second: tuple[Samples, list[str]], rng: random.Random, count: int
) -> TrainingClip:
    at = int(rng.uniform(0.7, 1.4) * RATE)
    samples = np.zeros(LENGTH, np.float32)
    samples[:at] = first[0][:at]
    samples[at - 400 : at] *= np.linspace(1, 0, 400, dtype=np.float32)
    samples[at:] += second[0][: LENGTH - at]
    joints = (", then ", " followed by ", " and then ")
    words = [f"{rng.choice(first[1])}{rng.choice(joints)}{rng.choice(second[1])}" for _ in range(count)]
    return TrainingClip(samples, words, Source(PACKAGE, f"then {words[0]}", "one then another"))


def _over(
    first: tuple[Samples, list[str]], second: tuple[Samples, list[str]], rng: random.Random, count: int
) -> TrainingClip:
    share = rng.uniform(0.35, 0.65)
    joints = (" over ", " with ", " and ")
    words = [f"{rng.choice(first[1])}{rng.choice(joints)}{rng.choice(second[1])}" for _ in range(count)]
    return TrainingClip(
        share * first[0] + (1 - share) * second[0],
        words,
        Source(PACKAGE, f"over {words[0]}", "one over another"),
    )
