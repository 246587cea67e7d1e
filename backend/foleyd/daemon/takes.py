"""The takes that are kept: what models made, on disk, found again by the sound they were made for.

``<root>/<sound_id>/<take_id>.wav`` is a take: float32 samples as the model gave them, with recipe, identity
and the hash of the samples in its label (:mod:`foleyd.daemon.label`). One file, one rename: it is there whole
or not at all, and needs no lock. A take that was damaged counts as missing and is thrown away.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd import paths, recipe
from foleyd.audio import riff
from foleyd.audio.atomic import replacing
from foleyd.daemon import label, room
from foleyd.errors import BadRequest, DiskFull
from foleyd.messages import TakeInfo
from foleyd.recipe import Recipe

CHUNK = b"take"
"""The chunk of the label, an :class:`TakeInfo` in JSON."""

_SUFFIX = ".wav"
_PARTS = ".*.part" + _SUFFIX
_TRIES = 3


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """A take: its identity and its samples (float32 ``[frames]``, mono). `unkept`: the sentence that says
    why it could not be kept, "" where it was."""

    identity: TakeInfo
    samples: NDArray[np.float32]
    unkept: str = ""


class Kept(NamedTuple):
    """A take's file: its size in bytes, and the Unix time when it was made or found last."""

    take_id: str
    path: Path
    size: int
    used: float


class Takes:
    """A folder of takes. `root` defaults to the library's own; it is made when the first take is kept."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else paths.home("library") / "takes"

    def find(
        self, wanted: Recipe, *, precision: str | None = None, runtime: str | None = None
    ) -> Take | None:
        """A kept take of the same generating part; None if there is none.

        Any serves, whatever it was run with, unless `precision` or `runtime` asks for one. `wanted` must be
        resolved (ValueError else).
        """
        sound = self.root / recipe.sound_id(wanted)
        for path in sorted(sound.glob(f"take-*{_SUFFIX}")):
            take = _read(path)
            if take is None:
                continue
            if precision in (None, take.identity.precision) and runtime in (None, take.identity.runtime):
                with suppress(OSError):
                    os.utime(path)  # what was used last is pruned last
                return take
        return None

    def has(self, wanted: Recipe) -> bool:
        """Whether looking for a take of a resolved recipe is worth the while: there is one, whole or not."""
        return (self.root / recipe.sound_id(wanted)).is_dir()

    def keep(self, made: Recipe, identity: TakeInfo, samples: NDArray[np.float32]) -> Take:
        """Keep a take of the resolved recipe `made`, and return it. One that is there already stays as it is.

        A disk that is full or cannot be written to does not cost the sound: the take comes back with the
        reason in `unkept`, and nothing half-written is left.
        """
        take = Take(identity=identity, samples=samples)
        path = self.path(made, identity.take_id)
        if path.is_file():
            return take
        reason: Exception | None = None
        for _ in range(_TRIES):
            try:
                with replacing(path) as beside:
                    beside.parent.mkdir(parents=True, exist_ok=True)
                    beside.write_bytes(_packed(take))
            except (BadRequest, DiskFull) as error:
                reason = error.__cause__ if isinstance(error.__cause__, OSError) else error
                # a library that opens meanwhile sweeps what looks half-written
                if not isinstance(reason, FileNotFoundError):
                    break
            else:
                return take
        said = getattr(reason, "strerror", None) or reason
        return msgspec.structs.replace(
            take,
            unkept=f"The take could not be kept in {self.root} ({said}): asking for this sound again "
            "renders it again.",
        )

    def path(self, made: Recipe, take_id: str) -> Path:
        """Where a take of the resolved recipe `made` is kept, or would be."""
        return self.root / recipe.sound_id(made) / f"{take_id}{_SUFFIX}"

    def check_room(self, made: Recipe) -> None:
        """Raise DiskFull unless the disk has room for what rendering `made` leaves there."""
        room.check(self.root, room.needed(made))

    def entries(self) -> Iterator[Kept]:
        """Every take that is here, in no order, unread."""
        for path in self.root.glob(f"*/take-*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                about = path.stat()
                yield Kept(path.stem, path, about.st_size, about.st_mtime)

    def remove(self, path: Path) -> int:
        """Delete a take that :meth:`path` or :meth:`entries` named; the bytes that it had, 0 where it was
        gone."""
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        with suppress(OSError):
            path.parent.rmdir()  # stays while there are others of the same sound
        return size

    def sweep(self) -> int:
        """Delete what killed processes left half-written; how many files. One that is being written at this
        moment is written again by :meth:`keep`."""
        parts = list(self.root.glob(f"*/{_PARTS}"))
        for part in parts:
            part.unlink(missing_ok=True)
            with suppress(OSError):
                part.parent.rmdir()
        return len(parts)


def digest(samples: NDArray[np.float32]) -> str:
    """SHA-256 of samples as little-endian float32, lower-case hex."""
    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes()).hexdigest()


def _packed(take: Take) -> bytes:
    data = np.ascontiguousarray(take.samples, dtype="<f4").tobytes()
    head = label.head(
        CHUNK,
        msgspec.json.encode(take.identity),
        rate=take.identity.rate,
        channels=1,
        bits=32,
        floating=True,
        size=len(data),
    )
    return head + data


def _read(path: Path) -> Take | None:
    try:
        with path.open("rb") as file:
            seen = label.look(file)
            identity = msgspec.json.decode(label.read(file, seen, CHUNK), type=TakeInfo)
            sound = riff.body(file, seen.chunks[b"data"], seen.chunks[b"data"].size)
    except OSError:
        return None  # not to be read now is no sign of damage
    except (BadRequest, msgspec.MsgspecError, UnicodeError):
        identity, sound = None, b""
    if identity is None or hashlib.sha256(sound).hexdigest() != identity.sha256:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    return Take(identity=identity, samples=np.frombuffer(sound, dtype="<f4"))
