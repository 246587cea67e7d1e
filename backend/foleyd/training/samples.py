"""The recorded samples of `sonic-pi-samples` (CC0), captioned from their file names, varied by small pitch
shifts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from foleyd.training.clips import RATE, Source, TrainingClip
from foleyd.training.names import FILE_WORDS, FILES

FOLDER = Path("/usr/share/sonic-pi/samples")
SHIFTS = (0.0, -4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0)
"""Semitones; the first is the recording as it is."""


def caption(stem: str) -> tuple[str, ...]:
    """Plain-English names for the sample file `stem`, such as `bd_haus` → «house kick drum»."""
    family, _, rest = stem.partition("_")
    words = [
        FILE_WORDS.get(w, w) for w in (part.rstrip("0123456789") for part in rest.split("_")) if len(w) > 1
    ]
    detail = " ".join(words)
    kind = FILES.get(family, family)
    if family == "drum":
        kind = detail if "drum" in detail or "cymbal" in detail else f"{detail} drum"
        return (kind, f"acoustic {kind}")
    return (f"{detail} {kind}".strip(), f"{kind}, {detail}".strip(", "), detail or kind)


def clips(rng: random.Random, captions_each: int, folder: Path = FOLDER) -> Iterator[TrainingClip]:
    """Each sample at the pitches of `SHIFTS` (playback speed), mono, at the training rate."""
    files = sorted(folder.glob("*.flac"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no samples: install the package sonic-pi-samples")
    for file in files:
        stereo, rate = soundfile.read(file, dtype="float32", always_2d=True)
        mono = stereo.mean(axis=1)
        names = caption(file.stem)
        for shift in SHIFTS:
            samples = np.asarray(soxr.resample(mono, rate * 2 ** (shift / 12), RATE), np.float32)
            yield TrainingClip(
                samples,
                [
                    rng.choice(("{}", "a {}", "{} sample", "the sound of a {}")).format(rng.choice(names))
                    for _ in range(captions_each)
                ],
                Source("sonic-pi-samples", file.stem, names[0]),
            )
