"""The clips that the live host holds in memory: each decoded once, in a slot of the desk's table.

Pads that play the same file at the same stretch share a clip. Clips that somebody keeps stay; of the others
the last used ones stay as far as a bound on their bytes allows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError
from foleyd_live.decoding import Decoder, Sound
from foleyd_live.fitting import Loop, Samples
from foleyd_live.stages import Source, Stage, decoded, file_key

__all__ = ["Clip", "ClipStore", "Failure", "Source", "Stage", "Table"]

T = TypeVar("T")

MOST_BYTES = 512 * 1024 * 1024
"""Of clips that nobody keeps."""
MOST_CLIPS = 448
"""Of all; the desk's table has more places, for clips that still sound after they were dropped."""

_GONE = -1


class Table(Protocol):
    """What of the desk this needs."""

    @property
    def rate(self) -> int:
        """Hz."""

    def add_clip(self, samples: Samples, loop: Loop | None, stages: Sequence[Samples]) -> int:
        """A slot that holds them, `stages` behind `samples`."""

    def drop_clip(self, slot: int) -> None:
        """Free the slot once nothing sounds from it."""

    def collect(self) -> int:
        """Free what can be freed."""


@dataclass(eq=False)
class Clip:
    """A sound in the desk's table, at the device's rate. The numbers change when the rate does.

    `loop`: (start, end) in frames, the end not included; `stretch`: how many times as long as its file;
    `references`: how many keep it; `slot`: −1 once it is gone; `stages`: the sounds that a pad's fader goes
    to from `samples`, and `made_of` what all of them were made of.
    """

    slot: int
    path: str
    clip_id: str
    name: str
    stretch: float
    rate: int
    samples: Samples = field(repr=False)
    loop: Loop | None
    overview: tuple[tuple[float, float], ...] = field(repr=False)
    key: Hashable = field(repr=False)
    source: Source | None = field(default=None, repr=False)
    stages: tuple[Samples, ...] = field(default=(), repr=False)
    made_of: tuple[Stage, ...] = field(default=(), repr=False)
    references: int = 0

    @property
    def frames(self) -> int:
        """Length in frames."""
        return len(self.samples)

    @property
    def seconds(self) -> float:
        """Length in seconds, as it is now."""
        return len(self.samples) / self.rate

    @property
    def bytes(self) -> int:
        """What its samples take in memory, with those that it was made of where there is no file."""
        sent = [self.source, *(stage.sent for stage in self.made_of)]
        kept = [self.samples, *self.stages, *(one.samples for one in sent if one is not None)]
        return sum(samples.nbytes for samples in kept)

    @property
    def gone(self) -> bool:
        """Whether it has left the table."""
        return self.slot == _GONE


class Failure(NamedTuple):
    """A clip that could not be brought to a new rate, and why; its slot still holds the old samples."""

    clip: Clip
    error: FoleydError


@dataclass(eq=False)
class _Loading:
    task: asyncio.Task[Clip]
    waiting: int = 0


class ClipStore:
    """The clips of one desk. Used from one event loop.

    `most_bytes`: see :data:`MOST_BYTES`; `most_clips`: see :data:`MOST_CLIPS`.
    """

    def __init__(
        self, desk: Table, decoder: Decoder, *, most_bytes: int = MOST_BYTES, most_clips: int = MOST_CLIPS
    ) -> None:
        self._desk = desk
        self._decoder = decoder
        self._most_bytes = most_bytes
        self._most_clips = most_clips
        self._rate = desk.rate
        # in the order of their last use
        self._clips: dict[Hashable, Clip] = {}
        self._loading: dict[Hashable, _Loading] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[Clip]:
        """The clips, the longest unused first."""
        return iter(list(self._clips.values()))

    @property
    def rate(self) -> int:
        """The rate in Hz that clips are loaded for."""
        return self._rate

    @property
    def waiting(self) -> int:
        """How many callers wait for a clip that is being made."""
        return sum(loading.waiting for loading in self._loading.values())

    async def load(self, path: str | os.PathLike[str], stretch: float = 1.0, clip_id: str = "") -> Clip:
        """The clip of a file, `stretch` times as long at the same pitch, decoded unless it is here.

        Nobody keeps it yet: the caller calls :meth:`keep` before it waits for anything else. Raises
        BadRequest for a file that is refused, Busy where all clips are kept. The decoding ends when all who
        wait for it are cancelled.
        """
        key = await asyncio.to_thread(file_key, path, stretch)
        if key is None:
            # the decoder knows the words for what is wrong with it
            await self._decoder.decode(path, self._rate, stretch)
            raise BadRequest(f"{Path(path).name} changes while it is read: try again.")

        async def make() -> Clip:
            sound = await self._at_rate(lambda rate: self._decoder.decode(path, rate, stretch))
            return self._admit(key, sound, os.fspath(path), clip_id, stretch)

        return await self._shared(key, clip_id, make)

    async def add(
        self,
        samples: NDArray[np.float32],
        rate: int,
        clip_id: str = "",
        path: str | os.PathLike[str] = "",
        *,
        stretch: float = 1.0,
        loop: Loop | None = None,
        name: str = "",
    ) -> Clip:
        """The clip of samples [n] or [channels, n] at `rate` Hz, as the daemon sends them; `loop` is
        (start, end), the end not included. As :meth:`load` otherwise.

        With a `path` that can be read here it is that file's clip; else the one that was added with this
        `clip_id`; else a new one.
        """
        key = await asyncio.to_thread(file_key, path, stretch) if path else None
        source = None if key else Source(np.atleast_2d(samples).T, rate, loop)
        key = key or (("clip", clip_id, stretch) if clip_id else object())
        called = name or Path(path).name or clip_id or "the sound"
        planar = np.atleast_2d(samples).T

        async def make() -> Clip:
            sound = await self._at_rate(
                lambda wanted: self._decoder.fit(planar, rate, wanted, stretch, loop, called)
            )
            return self._admit(key, sound, os.fspath(path), clip_id, stretch, source)

        return await self._shared(key, clip_id, make)

    async def blend(self, stages: Sequence[Stage], stretch: float = 1.0) -> Clip:
        """The clip that goes through `stages`, all as long as the first. As :meth:`load` otherwise; raises
        what the first stage that fails raises."""
        kept = tuple(stages)
        key = await asyncio.to_thread(_stages_key, kept, stretch)

        async def make() -> Clip:
            sound, others = await self._at_rate(lambda rate: decoded(self._decoder, kept, rate, stretch))
            first = kept[0]
            return self._admit(key, sound, first.path, first.clip_id, stretch, stages=others, made_of=kept)

        return await self._shared(key, kept[0].clip_id, make)

    def grow(self, samples: Samples, name: str) -> Clip:
        """The clip of `samples` [frames, 2] at the device's rate, which stay where they are and may still
        change. Kept by nobody yet, and not found again by anybody else. Raises Busy as :meth:`load` does."""
        sound = Sound(samples=samples, rate=self._rate, loop=None, overview=(), name=name)
        return self._admit(object(), sound, "", "", 1.0)

    def keep(self, clip: Clip) -> Clip:
        """Hold a clip until :meth:`drop`; every keep needs its drop. Raises FoleydError for one that has
        gone."""
        if clip.gone:
            raise FoleydError(f"{clip.name} has left the memory: load it again.")
        clip.references += 1
        return clip

    def drop(self, clip: Clip) -> None:
        """Let a clip go. It stays in memory while there is room for it."""
        if clip.references < 1:
            raise ValueError(f"{clip.name} is dropped more often than kept")
        clip.references -= 1
        if clip.references == 0:
            self._touch(clip)
            self._trim(self._most_bytes, self._most_clips)

    async def reload(self, rate: int) -> list[Failure]:
        """Bring all clips in use to a new rate: from their files, or from the samples here where those are
        gone or no longer the same. The others are forgotten.

        The longest unused come last. A second call takes over from the first. What fails keeps its old
        samples and is told.
        """
        self._rate = rate
        failures = []
        for clip in reversed(list(self)):
            if not clip.references and clip.rate != rate:
                self._forget(clip)
        for clip in reversed(list(self)):
            if self._rate != rate or clip.gone or clip.rate == rate:
                continue
            try:
                sound, stages = await self._again(clip, rate)
            except FoleydError as error:
                failures.append(Failure(clip, error))
                continue
            if self._rate == rate and not clip.gone:
                self._replace(clip, sound, stages)
        self._desk.collect()
        return failures

    async def close(self) -> None:
        """Stop what is being loaded and free every slot. The decoder stays with its owner."""
        tasks = [loading.task for loading in self._loading.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for clip in self:
            clip.references = 0
            self._forget(clip)
        self._desk.collect()

    async def _at_rate(self, made: Callable[[int], Awaitable[T]]) -> T:
        while True:
            rate = self._rate
            found = await made(rate)
            if rate == self._rate:
                return found

    async def _shared(self, key: Hashable, clip_id: str, make: Callable[[], Awaitable[Clip]]) -> Clip:
        clip = self._clips.get(key)
        if clip is None:
            clip = await self._joined(key, make)
        clip.clip_id = clip.clip_id or clip_id
        self._touch(clip)
        return clip

    async def _joined(self, key: Hashable, make: Callable[[], Awaitable[Clip]]) -> Clip:
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = _Loading(asyncio.ensure_future(_coroutine(make)))
        loading.waiting += 1
        try:
            return await asyncio.shield(loading.task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if loading.task.cancelled() and not (task and task.cancelling()):
                raise Cancelled("The clip is not loaded, since the live host ends.") from None
            raise
        finally:
            loading.waiting -= 1
            if not loading.waiting:
                if self._loading.get(key) is loading:
                    del self._loading[key]
                if not loading.task.done():
                    loading.task.cancel()

    def _admit(
        self,
        key: Hashable,
        sound: Sound,
        path: str,
        clip_id: str,
        stretch: float,
        source: Source | None = None,
        stages: tuple[Samples, ...] = (),
        made_of: tuple[Stage, ...] = (),
    ) -> Clip:
        clip = Clip(
            slot=_GONE,
            path=path,
            clip_id=clip_id,
            name=sound.name,
            stretch=stretch,
            rate=sound.rate,
            samples=sound.samples,
            loop=sound.loop,
            overview=sound.overview,
            key=key,
            source=source,
            stages=stages,
            made_of=made_of,
        )
        self._trim(max(0, self._most_bytes - clip.bytes), self._most_clips - 1)
        if len(self._clips) >= self._most_clips:
            raise Busy(f"All {self._most_clips} clips are in use: clear a pad, then load {clip.name} again.")
        clip.slot = self._desk.add_clip(sound.samples, sound.loop, stages)
        self._clips[key] = clip
        return clip

    async def _again(self, clip: Clip, rate: int) -> tuple[Sound, tuple[Samples, ...]]:
        made_of = clip.made_of or (Stage(clip.path, clip.clip_id, clip.name, clip.source),)
        key = _stages_key if clip.made_of else _one_key
        try:
            if clip.source or await asyncio.to_thread(key, made_of, clip.stretch) == clip.key:
                return await decoded(self._decoder, made_of, rate, clip.stretch)
        except BadRequest:
            pass
        held = (
            Stage("", "", clip.name, Source(samples, clip.rate, clip.loop))
            for samples in (clip.samples, *clip.stages)
        )
        return await decoded(self._decoder, tuple(held), rate, 1.0)

    def _replace(self, clip: Clip, sound: Sound, stages: tuple[Samples, ...]) -> None:
        """The clip's new samples in a new slot; the old one goes once nothing sounds from it."""
        slot = self._desk.add_clip(sound.samples, sound.loop, stages)
        self._desk.drop_clip(clip.slot)
        clip.slot, clip.samples, clip.rate = slot, sound.samples, sound.rate
        clip.loop, clip.overview, clip.stages = sound.loop, sound.overview, stages
        if not clip.references:
            self._trim(self._most_bytes, self._most_clips)

    def _touch(self, clip: Clip) -> None:
        if self._clips.pop(clip.key, None) is clip:
            self._clips[clip.key] = clip

    def _trim(self, most_bytes: int, most_clips: int) -> None:
        """Forget clips that nobody keeps, the longest unused first, until the others fit."""
        # what is just loaded has not been handed over yet
        idle = [
            clip for clip in self._clips.values() if not clip.references and clip.key not in self._loading
        ]
        held = sum(clip.bytes for clip in idle)
        count = len(self._clips)
        for clip in idle:
            if clip.rate == self._rate and held <= most_bytes and count <= most_clips:
                continue
            held -= clip.bytes
            count -= 1
            self._forget(clip)
        self._desk.collect()

    def _forget(self, clip: Clip) -> None:
        self._desk.drop_clip(clip.slot)
        clip.slot = _GONE
        if self._clips.get(clip.key) is clip:
            del self._clips[clip.key]


async def _coroutine(make: Callable[[], Awaitable[Clip]]) -> Clip:
    return await make()


def _stages_key(stages: Sequence[Stage], stretch: float) -> Hashable:
    return ("stages", *(stage.key(file_key(stage.path, stretch), stretch) for stage in stages))


def _one_key(stages: Sequence[Stage], stretch: float) -> Hashable:
    return file_key(stages[0].path, stretch)
