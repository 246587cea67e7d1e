"""FluidR3 GM, rendered note by note with FluidSynth: instruments and drums with captions that say what was
played.

Source: Debian package `fluid-soundfont-gm` (MIT licence).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foleyd.training.clips import LENGTH, RATE, Source, TrainingClip
from foleyd.training.names import DRUM_KEYS, KITS, OTHER_KEYS, PRESETS, USUAL_KEYS

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PACKAGE = "fluid-soundfont-gm"
PITCHES = tuple(range(27, 99, 3))
"""MIDI keys rendered for every preset: twenty-four, a minor third apart, E flat 1 to C7."""
NOTE_NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
HOLDS = (0.2, 0.8, 1.6, 3.2)
"""Seconds that a key is held."""
LENGTH_WORDS = {0.2: ("short", "staccato", "quick"), 3.2: ("long", "sustained", "held")}
"""Hold → words for it; the others between need none."""
DRUM_BANK = 128


@dataclass(frozen=True)
class Note:
    """One key press: MIDI key and velocity (0–127), seconds held, seconds rendered."""

    key: int
    velocity: int
    hold: float
    seconds: float


@dataclass(frozen=True)
class Press:
    """One key press of several: when in seconds, MIDI key and velocity (0–127), seconds held."""

    at: float
    key: int
    velocity: int
    hold: float


class SoundFont:
    """A sound font held open in FluidSynth at `rate` Hz, effects off."""

    def __init__(self, path: Path = SOUNDFONT, rate: int = RATE) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: install the package fluid-soundfont-gm")
        import fluidsynth

        self._rate = rate
        self._synth = fluidsynth.Synth(gain=0.6, samplerate=float(rate))
        self._synth.setting("synth.reverb.active", 0)
        self._synth.setting("synth.chorus.active", 0)
        self._font = self._synth.sfload(str(path))

    def play(self, bank: int, program: int, note: Note) -> npt.NDArray[np.float32]:
        """Mono float32 samples of `note`, exactly `note.seconds` long; a muted key gives silence."""
        return self.perform(bank, program, [Press(0.0, note.key, note.velocity, note.hold)], note.seconds)

    def perform(
        self, bank: int, program: int, presses: Sequence[Press], seconds: float
    ) -> npt.NDArray[np.float32]:
        """Mono float32 samples of `presses` on one preset, exactly `seconds` long."""
        synth, whole, rate = self._synth, int(seconds * self._rate), self._rate
        synth.program_select(0, self._font, bank, program)
        # at one moment a key is let go before one is pressed, or a repeated key would fall silent
        events = sorted(
            (
                (min(int(at * rate), whole), down, press)
                for press in presses
                for at, down in ((press.at, 1), (press.at + press.hold, 0))
            ),
            key=lambda event: event[:2],
        )
        parts, place = [np.zeros(0, np.int16)], 0
        for frame, down, press in events:
            if frame > place:
                parts.append(synth.get_samples(frame - place))
                place = frame
            if down:
                synth.noteon(0, press.key, press.velocity)
            else:
                synth.noteoff(0, press.key)
        if whole > place:
            parts.append(synth.get_samples(whole - place))
        synth.all_sounds_off(0)
        synth.get_samples(256)
        stereo = np.concatenate(parts).reshape(-1, 2).astype(np.float32) / 32768.0
        mono: npt.NDArray[np.float32] = stereo.mean(axis=1)
        return mono

    def close(self) -> None:
        """Gives FluidSynth's memory back."""
        self._synth.delete()


def is_single_note(source: Source) -> bool:
    """Whether a clip is one note of a melodic preset."""
    return source.package == PACKAGE and re.fullmatch(r"(?!128:)\d+:\d+", source.name) is not None


def register(key: int) -> tuple[str, ...]:
    """Words for how high MIDI key `key` sounds."""
    if key < 45:
        return ("very low", "deep", "low")
    if key < 57:
        return ("low", "deep")
    if key < 72:
        return ("mid", "middle", "")
    if key < 84:
        return ("high", "bright")
    return ("very high", "bright high", "high")


def captions(
    names: tuple[str, ...],
    note: Note,
    rng: random.Random,
    count: int,
    usual: tuple[int, int] = USUAL_KEYS,
) -> list[str]:
    """`count` plain-English captions for `note` on an instrument that goes by `names` and is known by the
    keys `usual`.

    What is unusual, a very short note or one far up or down, is always said: whoever asks for an accordion
    and says no more means neither a blip nor its highest key.
    """
    pitch = NOTE_NAMES[note.key % 12]
    octave = note.key // 12 - 1
    lengths, high = LENGTH_WORDS.get(note.hold, ("",)), register(note.key)
    force = (
        ("soft", "quiet", "gentle")
        if note.velocity < 70
        else ("loud", "hard", "strong")
        if note.velocity > 110
        else ("",)
    )
    strange_length, strange_key = note.hold < 0.5, not usual[0] <= note.key < usual[1]
    found = []
    for _ in range(count):
        name = rng.choice(names)
        length = _said(lengths, strange_length, rng)
        place = _said(high, strange_key, rng)
        strength = _said(force, False, rng)
        adjectives = " ".join((length, strength, place))
        found.append(
            " ".join(
                rng.choice(
                    (
                        f"{adjectives} {name}",
                        f"{adjectives} {name} note",
                        f"a {adjectives} {name} note",
                        f"{length} {name}, {place} note {pitch}",
                        f"{length} {name} {pitch}{octave}",
                        f"a {name} playing a {adjectives} {pitch}",
                        f"a single {adjectives} note on a {name}",
                        f"the sound of a {adjectives} {name}",
                    )
                ).split()
            )
        )
    return found


def _said(words: Sequence[str], always: bool, rng: random.Random) -> str:
    """One of `words`, or often nothing where it need not be said."""
    return rng.choice(words) if always or rng.random() < 0.4 else ""


def drum_captions(
    names: tuple[str, ...], kit: tuple[str, ...], note: Note, rng: random.Random, count: int
) -> list[str]:
    """`count` captions for one drum of a kit."""
    force = ("soft", "quiet") if note.velocity < 80 else ("hard", "loud", "")
    found = []
    for _ in range(count):
        name, style = rng.choice(names), rng.choice(kit)
        found.append(
            " ".join(
                rng.choice(
                    (
                        f"{name}",
                        f"{style} {name}",
                        f"a {style} {name}",
                        f"a {rng.choice(force)} {style} {name}",
                        f"{name}, {style} kit" if style else name,
                        f"a single {name} hit" if "hit" not in name else name,
                        f"{style} drum kit {name}" if style else f"drum kit {name}",
                        f"the sound of a {style} {name}",
                    )
                ).split()
            )
        )
    return found


def instrument_clips(font: SoundFont, rng: random.Random, captions_each: int) -> Iterator[TrainingClip]:
    """Every melodic preset at all `PITCHES`, each short, medium and long, soft to loud."""
    for (bank, program), names in PRESETS.items():
        usual = OTHER_KEYS.get((bank, program), USUAL_KEYS)
        for key in PITCHES:
            for hold in HOLDS:
                note = Note(key, rng.choice((55, 90, 100, 120)), hold, LENGTH / RATE)
                yield TrainingClip(
                    font.play(bank, program, note),
                    captions(names, note, rng, captions_each, usual),
                    Source(PACKAGE, f"{bank}:{program}", names[0], key),
                )


def drum_clips(font: SoundFont, rng: random.Random, captions_each: int) -> Iterator[TrainingClip]:
    """Every General MIDI percussion key of every kit, from soft to loud."""
    for program, style in KITS.items():
        for key, names in DRUM_KEYS.items():
            for velocity in (60, 90, 120):
                note = Note(key, velocity, 0.6, LENGTH / RATE)
                yield TrainingClip(
                    font.play(DRUM_BANK, program, note),
                    drum_captions(names, style, note, rng, captions_each),
                    Source(PACKAGE, f"{DRUM_BANK}:{program}:{key}", names[0], key),
                )
