"""Room on the disk, looked at before minutes are spent on a sound that could not be kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from foleyd.engines.catalog import in_words
from foleyd.errors import DiskFull
from foleyd.recipe import Recipe, length

RESERVE = 200_000_000
"""Bytes that foleyd leaves free: the index, the journal and the rest of the machine need some."""

_LONGEST_SECONDS = 30.0
_TAKE_BYTES_A_SECOND = 4 * 48_000
_CLIP_BYTES_A_FRAME = 2 * 4
_HEADERS = 65_536


def free(folder: Path) -> int:
    """Bytes that are free where `folder` is, or will be."""
    standing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(standing).free


def check(folder: Path, needed: int) -> None:
    """Raise DiskFull unless `folder` has `needed` bytes free beside :data:`RESERVE`, or it cannot be told."""
    try:
        there = free(folder)
    except OSError:
        return
    if there < needed + RESERVE:
        raise DiskFull(
            f"{folder} has {in_words(there)} free and needs {in_words(needed + RESERVE)}: free some disk "
            "space, or let old clips go with 'foleyd library prune --keep SIZE'."
        )


def needed(made: Recipe) -> int:
    """Bytes that the take and the clip of a recipe have on the disk, at most; those of its layers too."""
    seconds = float(length(made) or _LONGEST_SECONDS)
    one = round(seconds * (_TAKE_BYTES_A_SECOND + _CLIP_BYTES_A_FRAME * made.rate)) + 2 * _HEADERS
    layers = 0 if made.operation != "layers" else 1 + (made.attack is not None) + (made.tail is not None)
    return one * (1 + layers)
