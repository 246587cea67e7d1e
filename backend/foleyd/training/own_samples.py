"""A folder of a user's own samples: read, captioned from their names or a table, varied a little."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from foleyd.errors import BadRequest
from foleyd.training.clips import RATE, tidy

FEWEST, MOST = 8, 2000
"""Samples that a folder must have and may have."""
LONGEST_S = 10.24
"""Of a longer file the beginning is heard."""
SUFFIXES = frozenset(
    {f".{name.lower()}" for name in soundfile.available_formats()}
    | {".aif", ".aifc", ".oga", ".opus", ".snd"}
)
"""Files that are meant to be sounds; others in the folder are left alone."""
QUIETEST = 1e-4
SHIFTS = (0.0, -0.5, 0.5, -1.0, 1.0, -0.25, 0.25)
"""Semitones of pitch, and of tempo, of the first variants; the first is the recording as it is."""
LOUDEST_DB, SOFTEST_DB = 0.0, -6.0
LATEST_S = 0.02
"""What a variant may begin later."""
_SHARED = 0.8
"""Share of the file names that a word has to be in, to be taken for the name of the collection."""
_LISTED = 12
_LARGEST_TABLE = 1 << 20


class OwnSample(msgspec.Struct, frozen=True):
    """One file: its name inside the folder, the SHA-256 of its bytes, mono float32 samples at `RATE`, and
    what it is in words."""

    name: str
    sha256: str
    samples: npt.NDArray[np.float32]
    caption: str


class Collection(msgspec.Struct, frozen=True):
    """The samples of a folder, and the word that stands for all of them in captions, "" where none does."""

    samples: list[OwnSample]
    word: str


def read(folder: Path, table: Path | None = None, word: str = "") -> Collection:
    """Every sound below `folder`; captions from the CSV `table` (columns file and caption), else from the
    file names. `word` goes before each caption that lacks it.

    Raises BadRequest that names what cannot be read (all of it), what has no caption, or how many there are
    to few.
    """
    if not folder.is_dir():
        raise BadRequest(f"{folder} is no folder: give the one that your samples are in.")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if len(paths) < FEWEST:
        raise BadRequest(
            f"{folder} holds {len(paths)} sounds: give at least {FEWEST}, better 30 to 200, as WAV, FLAC, "
            "OGG, MP3 or "
            "whatever libsndfile reads."
        )
    if len(paths) > MOST:
        raise BadRequest(
            f"{folder} holds {len(paths)} sounds: give {MOST} at most, those that are most alike."
        )
    names = [path.relative_to(folder).as_posix() for path in paths]
    said = _captions(names) if table is None else _table(table, names)
    if not word and table is None:
        word = _shared(said)
    heard, bad = [], []
    for path in paths:
        try:
            heard.append(_read(path))
        except (OSError, ValueError, RuntimeError) as error:
            bad.append(f"{path.relative_to(folder)} ({' '.join(str(error).split())[-80:]})")
    if bad:
        raise BadRequest(
            f"{folder} has {_count(bad, 'sound')} that cannot be used: {_list(bad)}: mend or remove them."
        )
    found = [
        OwnSample(
            name,
            hashlib.sha256(path.read_bytes()).hexdigest(),
            samples,
            tidy(caption if word.lower() in caption.lower() else f"{word} {caption}"),
        )
        for name, path, samples, caption in zip(names, paths, heard, said, strict=True)
    ]
    return Collection(found, word)


def caption(stem: str) -> str:
    """The words of a file's name, such as `TR808_Kick-01` → «TR808 kick»: numbers that count takes are left
    out, and names of machines keep their capitals."""
    words = [
        part for part in re.split(r"[\s_\-.,()\[\]]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)) if part
    ]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    kept = [word for word in words if not re.fullmatch(r"0\d*", word)] or words
    return " ".join(
        word if re.search(r"\d", word) or (word.isupper() and len(word) > 1) else word.lower()
        for word in kept
    )


def without(word: str, said: str) -> str:
    """A caption without the word of the collection: what the model is to go on making of it."""
    return tidy(re.sub(re.escape(word), "", said, flags=re.IGNORECASE)) if word else ""


def varied(sample: npt.NDArray[np.float32], variant: int, seed: int) -> npt.NDArray[np.float32]:
    """Variant number `variant` of a sample: 0 is as it was recorded, the others are up to a semitone and six
    decibels off and begin up to 20 ms later."""
    if variant == 0:
        return sample
    rng = np.random.default_rng((seed, variant, len(sample)))
    shift = SHIFTS[variant] if variant < len(SHIFTS) else float(rng.uniform(-1, 1))
    moved = soxr.resample(sample, RATE * 2 ** (shift / 12), RATE)
    late = np.zeros(int(rng.integers(0, round(LATEST_S * RATE))), np.float32)
    gain = 10 ** (rng.uniform(SOFTEST_DB, LOUDEST_DB) / 20)
    return np.concatenate([late, moved * np.float32(gain)]).astype(np.float32)


def _read(path: Path) -> npt.NDArray[np.float32]:
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        stereo = file.read(round(LONGEST_S * rate), dtype="float32", always_2d=True)
    mono = np.asarray(soxr.resample(stereo.mean(axis=1), rate, RATE), np.float32)
    if not np.isfinite(mono).all():
        raise ValueError("it holds samples that are no numbers")
    peak = float(np.abs(mono).max(initial=0.0))
    if peak < QUIETEST:
        raise ValueError("it is silent")
    return mono / np.float32(peak)


def _captions(names: list[str]) -> list[str]:
    return [caption(Path(name).stem) for name in names]


def _shared(captions: list[str]) -> str:
    """The first word that most captions have, "" where there is none."""
    counted = Counter(word for said in captions for word in dict.fromkeys(said.split()))
    often = {word for word, count in counted.items() if count >= _SHARED * len(captions)}
    # a folder of kicks alone has no name of its own in them: what is left without the word must say something
    found = next((word for said in captions for word in said.split() if word in often), "")
    return found if found and any(said.split() != [found] for said in captions) else ""


def _table(table: Path, names: list[str]) -> list[str]:
    try:
        if table.stat().st_size > _LARGEST_TABLE:
            raise BadRequest(f"{table} is larger than {_LARGEST_TABLE >> 20} MiB: give one line a sound.")
        text = table.read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise BadRequest(f"{table} cannot be read ({error.strerror or error}): check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"{table} is not CSV in UTF-8 ({error}): save it as that.") from error
    if not rows or not {"file", "caption"} <= set(rows[0]):
        raise BadRequest(f"{table} has no columns 'file' and 'caption': write them in its first line.")
    said = {(row["file"] or "").strip(): " ".join((row["caption"] or "").split()) for row in rows}
    absent = [name for name in said if name not in names]
    if absent:
        raise BadRequest(
            f"{table} names {_count(absent, 'file')} not in the folder: {_list(absent)}: mend or remove them."
        )
    mute = [name for name in names if not said.get(name)]
    if mute:
        raise BadRequest(
            f"{table} has no caption for {_count(mute, 'sound')}: {_list(mute)}: add a line for each."
        )
    return [said[name] for name in names]


def _count(found: list[str], what: str) -> str:
    return f"{len(found)} {what}{'s' * (len(found) != 1)}"


def _list(found: list[str]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return ", ".join(found[:_LISTED]) + more
