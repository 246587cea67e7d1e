"""Where clips go: formats by name, file names from prompts, and what ``-o`` means."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from foleyd.errors import BadRequest
from foleyd.recipe import Recipe


class Format(NamedTuple):
    """How a clip is stored: the file name's ending and the kind of samples."""

    suffix: str
    subtype: str
    about: str


FORMATS: dict[str, Format] = {
    "wav": Format(".wav", "pcm24", "WAV, 24 bit"),
    "wav16": Format(".wav", "pcm16", "WAV, 16 bit, dithered"),
    "wav32f": Format(".wav", "float32", "WAV, 32-bit float"),
    "flac": Format(".flac", "pcm24", "FLAC, 24 bit"),
    "ogg": Format(".ogg", "vorbis", "Ogg Vorbis"),
}
"""What ``--format`` takes."""

SUFFIXES = tuple(dict.fromkeys(format.suffix for format in FORMATS.values()))
_LONGEST_SLUG = 48


def format_named(name: str) -> Format:
    """The format of that name. Raises BadRequest."""
    if name not in FORMATS:
        raise BadRequest(f"format is '{name:.40}': give one of {', '.join(FORMATS)}.")
    return FORMATS[name]


def format_for(path: Path, name: str | None) -> Format:
    """The format for a file: the one named, or the first with the path's ending.

    Raises BadRequest for an ending that foleyd does not write, or one that is not the named format's.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadRequest(f"{path.name!r} ends with no format that foleyd writes: use {', '.join(SUFFIXES)}.")
    if name is None:
        return next(format for format in FORMATS.values() if format.suffix == suffix)
    format = format_named(name)
    if format.suffix != suffix:
        raise BadRequest(
            f"{path.name!r} ends with {suffix} but format '{name}' with {format.suffix}: drop one of the two."
        )
    return format


SEPARATOR = " "
"""What a sign folds to that is neither letter nor digit."""


@functools.lru_cache(maxsize=4096)
def folded(sign: str) -> str:
    """A sign as slugs have it, whatever stands beside it: plain letters and digits in lower case, nothing for
    an accent, separators for all else. The plugin's names come from a table of this."""
    plain = "".join(
        one for one in unicodedata.normalize("NFKD", sign).lower() if not unicodedata.combining(one)
    )
    return re.sub(r"[\W_]+", SEPARATOR, unicodedata.normalize("NFC", plain))


def slug(prompt: str) -> str:
    """A prompt as a piece of a file name: letters and digits in lower case, joined by dashes, 48 characters
    at most."""
    name = "-".join(word for word in "".join(map(folded, prompt)).split(SEPARATOR) if word)
    if len(name) > _LONGEST_SLUG:
        cut = name[: _LONGEST_SLUG + 1]
        name = cut.rpartition("-")[0] or cut[:_LONGEST_SLUG]
    return name or "sound"


def clip_name(made: Recipe) -> str:
    """The name of a clip's file without its ending: the prompt and the seed (which must be filled)."""
    return f"{slug(made.prompt)}-{made.seed}"


def is_folder(out: str) -> bool:
    """Whether ``-o OUT`` means a folder: it is one, ends like one, or has no ending of a file."""
    return out.endswith(("/", "\\")) or Path(out).is_dir() or not Path(out).suffix


def ready_folder(folder: Path) -> Path:
    """Make a folder for clips and see that it can be written to, before minutes are spent. Raises
    BadRequest."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(
            f"The folder {folder} cannot be made ({error.strerror}): choose another with -o."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadRequest(f"The folder {folder} cannot be written to: choose another with -o.")
    return folder


def free_path(
    folder: Path,
    made: Recipe,
    suffix: str,
    taken: set[Path],
    same: Callable[[Path], bool] = lambda path: False,
    *,
    picture: bool = False,
) -> Path:
    """A path in `folder` for a clip: the clip's name, or that with -2, -3, … behind it where another file
    has it.

    A file for which `same` holds may be written over. `taken` holds paths that are spoken for; the one
    returned is added. With `picture`, a clip in another format whose picture has that name stands in the way,
    too.
    """
    return free_name(folder, clip_name(made), suffix, taken, same, free=unpictured(picture))


def unpictured(picture: bool) -> Callable[[Path], bool]:
    """Whether a clip with or without a picture may go to a path: not where that would draw over the picture
    of another clip."""
    return lambda path: not (picture and not path.exists() and picture_of(path).exists())


def picture_of(path: Path) -> Path:
    """Where the picture of the clip at `path` lies: beside it, under the same name."""
    return path.with_suffix(".png")


def free_name(
    folder: Path,
    name: str,
    suffix: str,
    taken: set[Path],
    same: Callable[[Path], bool] = lambda path: False,
    *,
    free: Callable[[Path], bool] = lambda path: True,
) -> Path:
    """As :func:`free_path`, for a file's name without its ending; only paths that are `free` besides."""
    number = 1
    while True:
        path = folder / (f"{name}{suffix}" if number == 1 else f"{name}-{number}{suffix}")
        if path.resolve() not in taken and (not path.exists() or same(path)) and free(path):
            taken.add(path.resolve())
            return path
        number += 1
