"""FluidR3 GM again: intervals, chords, short phrases in named keys and tempi, and drum loops at stated BPM.

Source: Debian package `fluid-soundfont-gm` (MIT licence).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from foleyd.training.clips import Source, TrainingClip
from foleyd.training.names import KITS, PRESETS
from foleyd.training.soundfont import DRUM_BANK, NOTE_NAMES, PACKAGE, Press, SoundFont, register

CHORDS: Mapping[str, tuple[int, ...]] = {
    "major chord": (0, 4, 7),
    "minor chord": (0, 3, 7),
    "minor seventh chord": (0, 3, 7, 10),
    "major seventh chord": (0, 4, 7, 11),
    "dominant seventh chord": (0, 4, 7, 10),
    "diminished chord": (0, 3, 6),
    "power chord": (0, 7, 12),
    "octave": (0, 12),
    "fifth": (0, 7),
    "major third": (0, 4),
    "minor third": (0, 3),
    "dissonant minor second": (0, 1),
}
"""Name → semitones above the root."""
SCALES: Mapping[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11, 12),
    "minor": (0, 2, 3, 5, 7, 8, 10, 12),
}
SHAPES: Mapping[str, tuple[int, ...]] = {
    "arpeggio": (0, 2, 4, 7, 4, 2, 0),
    "rising scale": (0, 1, 2, 3, 4, 5, 6, 7),
    "falling scale": (7, 6, 5, 4, 3, 2, 1, 0),
    "riff": (0, 0, 4, 3, 0, 2, 0, 4),
    "melody": (4, 2, 3, 4, 7, 5, 4, 2),
}
"""Name of a phrase → places in the scale, one an eighth note."""
GROOVES: Mapping[str, Mapping[int, str]] = {
    "house beat": {36: "x...x...x...x...", 42: "..x...x...x...x.", 39: "....x.......x..."},
    "rock beat": {36: "x.......x.x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.x."},
    "techno beat": {36: "x...x...x...x...", 46: "..x...x...x...x.", 42: "xxxxxxxxxxxxxxxx"},
    "breakbeat": {36: "x.x.......x.....", 38: "....x..x.x..x..x", 42: "x.x.x.x.x.x.x.x."},
    "hip hop beat": {36: "x..x......x.....", 38: "....x.......x...", 42: "x.x.x.x.x.xxx.x."},
    "trap beat": {36: "x......x..x.....", 40: "........x.......", 42: "x.x.xxx.x.x.xxxx"},
    "bossa nova groove": {36: "x..xx..xx..xx..x", 37: "x..x..x...x..x..", 42: "x.x.x.x.x.x.x.x."},
    "tom groove": {
        41: "x..x..x.........",
        45: "..........x..x..",
        48: "............x.x.",
        36: "x...x...x...x...",
    },
}
"""Style → percussion key → sixteen sixteenth notes."""
FRAMES = ("{}", "a {}", "{} sample", "the sound of a {}")
SECONDS = 5.12


def chord_clips(font: SoundFont, rng: random.Random, each: int, captions_each: int) -> Iterator[TrainingClip]:
    """`each` intervals and chords on every melodic preset, on roots C2 to B4."""
    for (bank, program), names in PRESETS.items():
        for _ in range(each):
            root, kind = rng.randrange(36, 72), rng.choice(list(CHORDS))
            hold, velocity = rng.choice((0.3, 1.2, 2.4)), rng.choice((70, 100, 120))
            presses = [Press(0.0, root + step, velocity, hold) for step in CHORDS[kind]]
            words = [
                _framed(
                    rng,
                    rng.choice(
                        (
                            f"{rng.choice(names)} {kind}",
                            f"{rng.choice(names)} {NOTE_NAMES[root % 12]} {kind}",
                            f"{rng.choice(register(root))} {rng.choice(names)} {kind}",
                            f"{kind} on a {rng.choice(names)}",
                            f"{'short' if hold < 1 else 'long'} {rng.choice(names)} {kind}",
                        )
                    ),
                )
                for _ in range(captions_each)
            ]
            yield TrainingClip(
                font.perform(bank, program, presses, SECONDS),
                words,
                Source(PACKAGE, f"chord:{bank}:{program}", names[0], root),
            )


def phrase_clips(
    font: SoundFont, rng: random.Random, each: int, captions_each: int
) -> Iterator[TrainingClip]:
    """`each` phrases in a named key and at a stated tempo on every melodic preset."""
    for (bank, program), names in PRESETS.items():
        for _ in range(each):
            root, mode, shape = rng.randrange(43, 67), rng.choice(list(SCALES)), rng.choice(list(SHAPES))
            bpm = rng.randrange(70, 180, 5)
            eighth, scale = 30 / bpm, SCALES[mode]
            presses = [
                Press(turn * eighth, root + scale[place], rng.randrange(80, 118), eighth * 0.9)
                for turn, place in enumerate(SHAPES[shape])
            ]
            pace, key = _pace(bpm), f"{NOTE_NAMES[root % 12]} {mode}"
            words = [
                _framed(
                    rng,
                    rng.choice(
                        (
                            f"{rng.choice(names)} {shape}",
                            f"{pace} {rng.choice(names)} {shape}",
                            f"{rng.choice(names)} {shape} in {key}",
                            f"{rng.choice(names)} {shape} in {key}, {bpm} bpm",
                            f"{pace} {mode} {shape} on a {rng.choice(names)}",
                        )
                    ),
                )
                for _ in range(captions_each)
            ]
            yield TrainingClip(
                font.perform(bank, program, presses, SECONDS),
                words,
                Source(PACKAGE, f"phrase:{bank}:{program}", names[0], root),
            )


def loop_clips(font: SoundFont, rng: random.Random, each: int, captions_each: int) -> Iterator[TrainingClip]:
    """`each` tempi of every groove on every kit: whole clips of it, so that it may be cut at any bar."""
    for program, style in KITS.items():
        for groove, parts in GROOVES.items():
            for _ in range(each):
                bpm = rng.randrange(70, 180, 2)
                step = 15 / bpm
                presses = [
                    Press(turn * step, key, rng.randrange(88, 122), step)
                    for turn in range(int(SECONDS / step))
                    for key, line in parts.items()
                    if line[turn % 16] == "x"
                ]
                words = [
                    _framed(
                        rng,
                        rng.choice(
                            (
                                groove,
                                f"{rng.choice(style)} {groove}",
                                f"{_pace(bpm)} {groove}",
                                f"{groove}, {bpm} bpm",
                                f"{rng.choice(style)} drum loop at {bpm} bpm",
                                f"{_pace(bpm)} {rng.choice(style)} drum loop",
                            )
                        ),
                    )
                    for _ in range(captions_each)
                ]
                yield TrainingClip(
                    font.perform(DRUM_BANK, program, presses, SECONDS),
                    words,
                    Source(PACKAGE, f"loop:{program}:{groove}:{bpm}", groove),
                )


def _pace(bpm: int) -> str:
    return "slow" if bpm < 95 else "fast" if bpm > 140 else "mid-tempo"


def _framed(rng: random.Random, words: str) -> str:
    return " ".join(rng.choice(FRAMES).format(words).split())
