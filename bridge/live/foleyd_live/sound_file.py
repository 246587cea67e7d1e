"""A WAV that grows while it is played, 24 bits a sample, playable to its last second whatever happens."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from foleyd.errors import BadRequest, DiskFull

KEPT_FREE = 32 * 1024 * 1024
"""Bytes that are left free on the disk: the header must still be written, and others live there too."""
FULL = 2**23
"""Full scale of 24 bits."""

# commands of libsndfile that soundfile has no word for: keep the header true after each write; write a plain
# WAV where the file stays below 4 GiB, and RF64 (EBU Tech 3306) beyond
_UPDATE_HEADER_AUTO = 0x1061
_RF64_AUTO_DOWNGRADE = 0x1210


class SoundFile:
    """A new file in `folder`: `name`.part while it grows, `name`.wav when it is whole."""

    def __init__(self, folder: Path, name: str, rate: int, channels: int) -> None:
        """Raises BadRequest where nothing can be written there, DiskFull where there is no room."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check_room(folder)
            self.path = _free(folder / f"{name}.wav")
            self._part = self.path.with_suffix(".part")
            self._file = soundfile.SoundFile(self._part, "w", rate, channels, subtype="PCM_24", format="RF64")
        except (OSError, soundfile.SoundFileError) as error:
            raise BadRequest(f"cannot record to {folder} ({error}): choose another folder.") from error
        for command in (_RF64_AUTO_DOWNGRADE, _UPDATE_HEADER_AUTO):
            soundfile._snd.sf_command(self._file._file, command, soundfile._ffi.NULL, 1)
        self.frames = 0

    def write(self, samples: npt.NDArray[np.float32]) -> None:
        """Add `[frames, channels]`. Raises DiskFull; what was written before stays."""
        try:
            _check_room(self._part.parent)
            self._file.write(quantised(samples))
        except (OSError, soundfile.SoundFileError, AssertionError) as error:
            raise _full(self._part.parent) from error
        self.frames += len(samples)

    def close(self) -> Path:
        """Make the file whole; its path."""
        self._file.close()
        with self._part.open("rb+") as written:
            os.fsync(written.fileno())
        self._part.replace(self.path)
        return self.path

    def discard(self) -> None:
        """Leave nothing of it."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def quantised(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """`samples` as 24-bit numbers in the upper bits of 32, rounded to the nearest, full scale at ±1. What is
    not a number is silence."""
    scaled = np.nan_to_num(samples) * np.float32(FULL)
    whole: npt.NDArray[np.int32] = np.clip(np.rint(scaled), -FULL, FULL - 1).astype(np.int32)
    return whole << 8


def _check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < KEPT_FREE:
        raise _full(folder)


def _full(folder: Path) -> DiskFull:
    return DiskFull(f"no room to record in {folder}: free some disk space.")


def _free(path: Path) -> Path:
    """`path`, or the next name after it that nothing has."""
    stem, number = path.stem, 1
    while path.exists() or path.with_suffix(".part").exists():
        number += 1
        path = path.with_stem(f"{stem} {number}")
    return path
