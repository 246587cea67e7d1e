"""Several sounds as one clip: each is decoded by itself and all are brought to the length of the first, so
that the mixer can go from one to the next at any place."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foleyd_live.decoding import Decoder, Sound
from foleyd_live.fitting import Loop, Samples, exactly

ROUNDING = 2
"""Frames by which sounds of one length may differ after they were resampled."""


class Source(NamedTuple):
    """Samples that came without a file: float32 [frames, channels], Hz, loop."""

    samples: NDArray[np.float32]
    rate: int
    loop: Loop | None


class Stage(NamedTuple):
    """A sound on the way: a file at `path`, or samples where no file here has them."""

    path: str
    clip_id: str
    name: str
    sent: Source | None

    def key(self, file: Hashable, stretch: float) -> Hashable:
        """What it is known by, `file` where there is one."""
        if file is not None or self.sent is None:
            return file
        return ("clip", self.clip_id or id(self.sent), stretch)

    async def sound(self, decoder: Decoder, rate: int, stretch: float) -> Sound:
        """The sound for `rate` Hz. Raises as the decoder does."""
        if self.sent is None:
            return await decoder.decode(self.path, rate, stretch)
        samples, made_at, loop = self.sent
        return await decoder.fit(samples, made_at, rate, stretch, loop, self.name or "the sound")


async def decoded(
    decoder: Decoder, stages: Sequence[Stage], rate: int, stretch: float
) -> tuple[Sound, tuple[Samples, ...]]:
    """The first sound, and the samples of the others, as many. Raises what the first that fails raises, and
    BadRequest for one that would have to be stretched out of range."""
    first = await stages[0].sound(decoder, rate, stretch)
    others = [await _as_long(decoder, stage, first.frames, rate, stretch) for stage in stages[1:]]
    return first, tuple(others)


async def _as_long(decoder: Decoder, stage: Stage, frames: int, rate: int, stretch: float) -> Samples:
    sound = await stage.sound(decoder, rate, stretch)
    if abs(sound.frames - frames) > ROUNDING:
        sound = await stage.sound(decoder, rate, stretch * frames / sound.frames)
    return exactly(sound.samples, frames)


def file_key(path: str | os.PathLike[str], stretch: float) -> Hashable:
    """What a file's clip is known by: another file, another content's time and size, or another stretch is
    another clip. None for a file that is not there."""
    try:
        real = os.path.realpath(path)
        about = Path(real).stat()
    except (OSError, ValueError):
        return None
    return ("file", real, about.st_ino, about.st_mtime_ns, about.st_size, stretch)
