"""The takes that are kept: what models made, on disk, found again by the sound they were made for.

``<root>/<sound_id>/<take_id>/`` holds ``take.wav`` (float32, as the model gave it) and ``take.json``
(recipe, identity, hash of the samples). A take appears under its name in one rename, so it is there whole
or not at all. A take that was damaged counts as missing and is thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd import paths, recipe
from foleyd.errors import DiskFull
from foleyd.recipe import Recipe

SOUND = "take.wav"
IDENTITY = "take.json"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a take is. `recipe`: canonical JSON; `sha256`: of the samples as little-endian float32."""

    take_id: str
    recipe: str
    seed: int
    bucket: str
    runtime: str
    precision: str
    threads: int
    rate: int
    frames: int
    sha256: str


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """A kept take: its identity and its samples (float32 ``[frames]``, mono)."""

    identity: Identity
    samples: NDArray[np.float32]


class Takes:
    """A folder of takes. `root` defaults to foleyd's own; it is made when the first take is kept."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else paths.home("takes")

    def find(
        self, wanted: Recipe, *, precision: str | None = None, runtime: str | None = None
    ) -> Take | None:
        """A kept take of the same generating part; None if there is none.

        Any serves, whatever it was run with, unless `precision` or `runtime` asks for one. `wanted` must be
        resolved (ValueError else).
        """
        sound = self.root / recipe.sound_id(wanted)
        if not sound.is_dir():
            return None
        for folder in sorted(sound.iterdir()):
            if not folder.name.startswith("take-"):
                continue
            take = _read(folder)
            if take is None:
                continue
            if precision in (None, take.identity.precision) and runtime in (None, take.identity.runtime):
                return take
        return None

    def keep(self, made: Recipe, identity: Identity, samples: NDArray[np.float32]) -> Take:
        """Keep a take of the resolved recipe `made`, and return it. One that is there already stays as it is.

        Raises DiskFull when there is no room; nothing half-written is left then.
        """
        take = Take(identity=identity, samples=samples)
        sound = self.root / recipe.sound_id(made)
        target = sound / identity.take_id
        if target.is_dir():
            return take
        try:
            sound.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=sound))
        except OSError as error:
            raise _no_room(error, self.root) from error
        try:
            soundfile.write(part / SOUND, samples, identity.rate, format="WAV", subtype="FLOAT")
            (part / IDENTITY).write_bytes(msgspec.json.encode(identity))
            for name in (SOUND, IDENTITY):
                with (part / name).open("rb+") as stream:
                    os.fsync(stream.fileno())
            with contextlib.suppress(FileExistsError):  # somebody else kept the same take meanwhile
                _rename(part, target)
        except (OSError, soundfile.LibsndfileError) as error:
            raise _no_room(error, self.root) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return take


def digest(samples: NDArray[np.float32]) -> str:
    """SHA-256 of samples as little-endian float32, lower-case hex."""
    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes()).hexdigest()


def _read(folder: Path) -> Take | None:
    try:
        described, sound = (folder / IDENTITY).read_bytes(), (folder / SOUND).read_bytes()
    except FileNotFoundError:
        described = sound = b""
    except OSError:
        return None  # not to be read now is no sign of damage
    try:
        identity = msgspec.json.decode(described, type=Identity)
        samples, rate = soundfile.read(io.BytesIO(sound), dtype="float32")
    except (msgspec.MsgspecError, soundfile.LibsndfileError):
        samples, rate, identity = np.zeros(0, np.float32), 0, None
    if identity is None or rate != identity.rate or digest(samples) != identity.sha256:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return Take(identity=identity, samples=samples)


def _rename(part: Path, target: Path) -> None:
    try:
        part.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(target) from error
        raise


def _no_room(error: Exception, root: Path) -> Exception:
    if isinstance(error, OSError) and error.errno not in _FULL:
        return error
    return DiskFull(
        f"There is no room for a take in {root}: free some space, or set FOLEYD_HOME to another disk."
    )
