"""Training clips: samples, captions and origin, kept in one folder that can be memory-mapped."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

RATE = 16_000
"""Hz of everything the models are trained on."""
LENGTH = 81_920
"""Samples kept of each clip: 5.12 s, 512 frames of the mel spectrogram."""


class Source(msgspec.Struct, frozen=True):
    """Where a clip comes from.

    `package` is the Debian package or `procedural`; `name` the file, preset or generator inside it; `label`
    the class it belongs to in figures; `key` its MIDI key, -1 where that says nothing.
    """

    package: str
    name: str
    label: str
    key: int = -1


HELD_OUT_EVERY = 20
"""One source in twenty is kept from every network and used for figures."""


def is_held_out(source: Source) -> bool:
    """Whether no network may hear this source: a key of a preset, a recording, a drawing of a generator.

    It hangs on the source alone, so that no other crop, length or loudness of the same sound is learned.
    """
    return zlib.crc32(f"{source.package}|{source.name}|{source.key}".encode()) % HELD_OUT_EVERY == 7


class TrainingClip(msgspec.Struct, frozen=True):
    """Mono float32 samples at `RATE`, any length, with captions that describe them."""

    samples: npt.NDArray[np.float32]
    captions: list[str]
    source: Source


class ClipIndex(msgspec.Struct):
    """What is known of each stored clip: parallel lists, in storage order."""

    captions: list[list[str]]
    sources: list[Source]


def tidy(caption: str) -> str:
    """`caption` with «an» before a vowel sound and single spaces."""
    return re.sub(r"\b([Aa]) (?=[aeio]|8|u(?!ser|kul|ni))", r"\1n ", " ".join(caption.split()))


def level(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """`samples` cut or padded to `LENGTH`, peak at 0.7; None for what is too quiet to learn from.

    The level is set on what is kept, so that a quiet preset is learned as clearly as a loud one.
    """
    kept = np.zeros(LENGTH, np.float32)
    kept[: min(len(samples), LENGTH)] = samples[:LENGTH]
    peak = float(np.abs(kept).max())
    if not np.isfinite(peak) or peak < 1e-4:
        return None
    if len(samples) > LENGTH:
        kept[-800:] *= np.linspace(1, 0, 800, dtype=np.float32)
    return kept * (0.7 / peak)


def save(folder: Path, clips: Iterable[TrainingClip]) -> int:
    """Writes `clips` into `folder` (`samples.i16`, `index.json`); returns how many were loud enough."""
    folder.mkdir(parents=True, exist_ok=True)
    index = ClipIndex([], [])
    with (folder / "samples.i16").open("wb") as out:
        for clip in clips:
            kept = level(clip.samples)
            if kept is None:
                continue
            out.write((kept * 32767).astype("<i2").tobytes())
            index.captions.append([tidy(caption) for caption in clip.captions])
            index.sources.append(clip.source)
    (folder / "index.json").write_bytes(msgspec.json.encode(index))
    return len(index.sources)


def load(folder: Path) -> tuple[npt.NDArray[np.int16], ClipIndex]:
    """Memory-mapped samples `[clips, LENGTH]` int16 and their index."""
    try:
        index = msgspec.json.decode((folder / "index.json").read_bytes(), type=ClipIndex)
    except (OSError, msgspec.DecodeError, json.JSONDecodeError) as error:
        raise FileNotFoundError(
            f"{folder} holds no training clips: run 'foleyd train starter' from the start"
        ) from error
    samples = np.memmap(folder / "samples.i16", dtype="<i2", mode="r").reshape(-1, LENGTH)
    return samples, index
