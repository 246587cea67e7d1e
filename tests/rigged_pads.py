"""Pads over the real mixer, clips and decoder, without a device: what they play is computed on demand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from conftest import children_of
from foleyd_live import memory
from foleyd_live.clips import ClipStore
from foleyd_live.decoding import Decoder, Sound
from foleyd_live.desk import Desk
from foleyd_live.history import ClipSource
from foleyd_live.pads import Pads
from foleyd_live.properties import Value
from foleyd_live.tempo import Tempo

RATE = 48_000
BLOCK = 256
DELAY = memory.DELAY
"""Frames that all outputs are late by."""
PATIENCE_S = 240.0

Samples = NDArray[np.float32]


class HeldDecoder(Decoder):
    """The real decoder; files whose names are in `held` wait until they are let go."""

    def __init__(self) -> None:
        super().__init__(deadline_s=PATIENCE_S)
        self.held: dict[str, asyncio.Event] = {}
        self.waiting = asyncio.Event()

    def hold(self, path: Path) -> asyncio.Event:
        """Let this file wait for the event that is returned."""
        self.waiting.clear()
        return self.held.setdefault(path.name, asyncio.Event())

    async def decode(self, path: str | os.PathLike[str], rate: int, stretch: float = 1.0) -> Sound:
        if (gate := self.held.get(Path(path).name)) is not None:
            self.waiting.set()
            await gate.wait()
        return await super().decode(path, rate, stretch)


class Rig:
    """All that pads need. `told` are the changes that they told of."""

    def __init__(self) -> None:
        self.desk = Desk(RATE, 2, mixer="numpy")
        self.decoder = HeldDecoder()
        self.clips = ClipStore(self.desk, self.decoder)
        self.tempo = Tempo(lambda: self.desk.frame, RATE)
        self.told: list[tuple[int, str, Value]] = []
        self._changed = asyncio.Event()
        self.pads = Pads(self.desk, self.clips, self._hear, self.tempo)

    def _hear(self, pad: int, name: str, value: Value) -> None:
        self.told.append((pad, name, value))
        self._changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of what the pads told."""
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def heard(self, frames: int) -> Samples:
        """What is mixed from now on, `[frames, 2]`, without the delay of the outputs."""
        return self.mixed(frames + DELAY)[DELAY:]

    def mixed(self, frames: int) -> Samples:
        """What comes out next, `[frames, 2]`."""
        out = np.empty((frames, 2), np.float32)
        for at in range(0, len(out), BLOCK):
            self.desk.process(out[at : at + BLOCK])
        return out

    async def load(self, pad: int, path: Path, **options: object) -> None:
        """Put a file on a pad."""
        await self.pads.load(pad, ClipSource(path=str(path)), **options)  # type: ignore[arg-type]

    @property
    def references(self) -> int:
        """How often clips are kept."""
        return sum(clip.references for clip in self.clips)


@asynccontextmanager
async def rigged() -> AsyncIterator[Rig]:
    """A rig; nothing of it is left afterwards."""
    rig = Rig()
    try:
        yield rig
    finally:
        await rig.pads.close()
        assert rig.references == 0
        await rig.clips.close()
        await rig.decoder.close()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine, and see that it leaves neither a task nor a process behind."""
    before = children_of(os.getpid())

    async def bounded() -> None:
        async with asyncio.timeout(2 * PATIENCE_S):
            await scenario()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())
    assert children_of(os.getpid()).keys() <= before.keys()


def noise(frames: int, seed: int) -> Samples:
    """Quiet noise `[frames, 2]` that no limiter touches and no other seed repeats."""
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (frames, 2)).astype(np.float32)


def write(path: Path, samples: Samples) -> Path:
    """A file of these samples, to the bit."""
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def file(folder: Path, seed: int, frames: int = 1000) -> Path:
    """A file of noise."""
    return write(folder / f"{seed}.wav", noise(frames, seed))
