"""The audio stream: opened with the desk's mixer, watched, and opened again when its device goes away."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec
import numpy as np

from foleyd.errors import BadRequest, FoleydError
from foleyd_live import memory as m
from foleyd_live.desk import Desk
from foleyd_live.devices import JACK, Device, NoDevice, choose, look_again
from foleyd_live.settings import Settings

WATCH_S = 0.1
"""How often the stream is looked at."""
DEAD_S = 3.0
"""Seconds without a callback after which the device is taken to be gone."""
RETRY_S = 1.0
"""How long to wait before a lost device is looked for again."""
CATCH_UP_S = 60.0
"""How long clips may take to be there at a new rate before the stream starts without them."""
LOAD_S = 1.0
"""Span that the load is measured over."""
MOST_CHANNELS = 32

_log = logging.getLogger(__name__)


class StreamState(msgspec.Struct, frozen=True):
    """How the stream is. `load` and `load_most` are the mean and the longest callback of the last second, as
    shares of a block; `realtime` whether the audio thread has a real-time priority, None where that cannot be
    told; `why` what is wrong while it is lost."""

    state: Literal["closed", "open", "lost"]
    device: str
    host_api: str
    rate: int
    block: int
    latency_s: float
    outputs: int
    inputs: int
    xruns: int
    load: float
    load_most: float
    realtime: bool | None
    why: str


class Playing(Protocol):
    """A stream of one audio system."""

    @property
    def active(self) -> bool:
        """Whether the device is still there."""

    @property
    def block(self) -> int:
        """Frames of a callback, 0 where they vary."""

    @property
    def latency_s(self) -> float:
        """From a callback until its first frame is heard."""

    def start(self) -> None:
        """Begin to be called."""

    def refresh(self) -> None:
        """Take in what may have changed."""

    def close(self) -> None:
        """Let the device go."""


class _Look(NamedTuple):
    """What was counted at a time: seconds, the desk's frame, callbacks measured."""

    at: float
    frame: int
    measured: int


class Layout(NamedTuple):
    """What a desk is built for."""

    rate: int
    outputs: int
    inputs: int
    cue_pair: int | None


class Stream:
    """The stream of `desk`. `on_rate` is awaited when a lost device came back with another rate or other
    channels: the desk has been rebuilt then, and the stream starts when it is over."""

    def __init__(self, desk: Desk, settings: Settings, on_rate: Callable[[], Awaitable[None]]) -> None:
        self._desk, self._settings, self._on_rate = desk, settings, on_rate
        self._playing: Playing | None = None
        self._device: Device | None = None
        self._task: asyncio.Task[None] | None = None
        self._threads: frozenset[int] = frozenset()
        self._why = ""
        self._looks: list[_Look] = []
        self._missed = 0
        self.reopened = 0
        """How often the device came back."""

    def open(self) -> None:
        """Open the device, rebuild the desk where it does not fit, and begin to play.

        Raises NoDevice where there is none or it does not open, BadRequest where the settings name what is
        not there.
        """
        wanted = self._settings
        self._device = choose(wanted.device, wanted.host_api)
        layout = self._layout(self._device)
        _check(wanted, self._device, layout)
        self._build(layout)
        # what lives now lives to the end: no collection needs to look at it while sound plays
        gc.collect()
        gc.freeze()
        self._begin()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Stop playing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(self._shut)

    @property
    def state(self) -> StreamState:
        """How the stream is now."""
        s, desk = self._desk.memory.s, self._desk
        device, playing = self._device, self._playing
        mean, most, block = self._load()
        return StreamState(
            state="closed" if self._task is None else "lost" if playing is None else "open",
            device=device.name if device else "",
            host_api=device.host_api if device else "",
            rate=desk.rate,
            block=(playing.block if playing else 0) or block,
            latency_s=playing.latency_s if playing else 0.0,
            outputs=desk.outputs,
            inputs=desk.inputs,
            xruns=self._missed + int(s[m.S_UNDERRUNS]) + int(s[m.S_OVERRUNS]),
            load=mean,
            load_most=most,
            realtime=_is_realtime(self._threads) if playing else None,
            why=self._why,
        )

    def _layout(self, device: Device) -> Layout:
        wanted = self._settings
        fixed = device.host_api == JACK or self.reopened > 0
        rate = device.rate if fixed or not wanted.rate else wanted.rate
        outputs = min(wanted.outputs or device.outputs, MOST_CHANNELS)
        if device.host_api != JACK:
            outputs = min(outputs, device.outputs)
        return Layout(rate, outputs, min(wanted.inputs, MOST_CHANNELS), cue_pair(wanted.cue, outputs))

    def _build(self, layout: Layout) -> bool:
        """Whether the desk had to be rebuilt."""
        desk = self._desk
        if layout == (desk.rate, desk.outputs, desk.inputs, desk.cue_pair):
            return False
        s = desk.memory.s
        self._missed += int(s[m.S_UNDERRUNS]) + int(s[m.S_OVERRUNS])
        desk.reset(layout.rate, layout.outputs, layout.inputs, cue_pair=layout.cue_pair)
        return True

    def _begin(self) -> None:
        desk, device = self._desk, self._device
        assert device is not None
        before = _threads()
        playing = self._made(desk, device)
        try:
            playing.start()
        except BaseException:
            playing.close()
            raise
        self._threads = _threads() - before
        self._playing, self._why, self._looks = playing, "", []
        _log.info(
            "playing on %s (%s), %d Hz, %d outputs", device.name, device.host_api, desk.rate, desk.outputs
        )

    def _made(self, desk: Desk, device: Device) -> Playing:
        if device.host_api == JACK:
            from foleyd_live.jackclient import JackStream

            return JackStream(desk, device.name, desk.outputs, desk.inputs)
        from foleyd_live.portaudio import PortAudioStream

        source = self._source(device) if desk.inputs else None
        return PortAudioStream(desk, device, source, self._settings.block)

    def _source(self, device: Device) -> Device:
        inputs = self._desk.inputs
        source = device if device.inputs >= inputs else choose("", device.host_api, kind="inputs")
        if source.inputs < inputs:
            raise NoDevice(
                f"{inputs} inputs are asked for, and {source.name} has {source.inputs}: ask for fewer."
            )
        return source

    async def _watch(self) -> None:
        frame, since = -1, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_S)
            playing, now = self._playing, time.monotonic()
            assert playing is not None
            self._look(now)
            if self._desk.frame != frame:
                frame, since = self._desk.frame, now
            if playing.active and now - since <= DEAD_S:
                playing.refresh()
                continue
            self._why = "the device has gone" if not playing.active else "the device asks for no more sound"
            _log.warning("the audio device is lost: %s", self._why)
            await self._come_back()
            frame, since = -1, time.monotonic()

    async def _come_back(self) -> None:
        assert self._device is not None
        # the same one: sound that jumps to the laptop's speakers is worse than a pause
        name, host_api = self._device.name, self._device.host_api
        self.reopened += 1
        while True:
            await asyncio.to_thread(self._shut)
            await asyncio.sleep(RETRY_S)
            try:
                self._device = await asyncio.to_thread(_found, name, host_api)
                if self._build(self._layout(self._device)):
                    await self._follow()
                await asyncio.to_thread(self._begin)
                return
            except FoleydError as error:
                if self._why != str(error):
                    _log.warning("%s", error)
                self._why = str(error)

    async def _follow(self) -> None:
        """Have everything brought to the new rate; sound comes first where that does not work."""
        try:
            await asyncio.wait_for(self._on_rate(), CATCH_UP_S)
        except (FoleydError, OSError, TimeoutError) as error:
            _log.warning("not all clips are there at the device's new rate: %s", error or "it took too long")

    def _shut(self) -> None:
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.close()

    def _look(self, now: float) -> None:
        look = _Look(now, self._desk.frame, int(self._desk.memory.s[m.S_DURATIONS]))
        self._looks = [one for one in self._looks if now - one.at <= LOAD_S] + [look]

    def _load(self) -> tuple[float, float, int]:
        """Mean and longest callback of the last second, as shares of a block, and frames of a block."""
        if len(self._looks) < 2:
            return 0.0, 0.0, 0
        first, last = self._looks[0], self._looks[-1]
        count = min(last.measured - first.measured, m.DURATIONS)
        frames = last.frame - first.frame
        if count <= 0 or frames <= 0:
            return 0.0, 0.0, 0
        taken = self._desk.memory.durations[np.arange(last.measured - count, last.measured) % m.DURATIONS]
        share = self._desk.rate / (frames / count) / 1e6
        return float(taken.mean()) * share, float(taken.max()) * share, round(frames / count)


def _found(name: str, host_api: str) -> Device:
    """The device of exactly that name. Raises NoDevice."""
    if host_api != JACK:
        look_again()
    try:
        found = choose(name, host_api)
    except BadRequest as error:
        raise NoDevice(str(error)) from error
    if (found.name, found.host_api) != (name, host_api):
        raise NoDevice(f"{name} ({host_api}) is gone: connect it, or start its server.")
    return found


def _check(wanted: Settings, device: Device, layout: Layout) -> None:
    """Raises BadRequest where the settings ask for what the device cannot do."""
    if device.host_api == JACK and wanted.rate not in (0, device.rate):
        raise BadRequest(
            f"the JACK server runs at {device.rate} Hz, not {wanted.rate}: leave out --rate, or restart it."
        )
    if wanted.outputs > layout.outputs:
        raise BadRequest(f"{device.name} has {layout.outputs} outputs, not {wanted.outputs}: ask for fewer.")
    if wanted.cue > 1 and layout.cue_pair is None:
        raise BadRequest(
            f"there is no pair {wanted.cue} for the cue bus among {layout.outputs} outputs: choose another."
        )


def cue_pair(wanted: int, outputs: int) -> int | None:
    """The pair of outputs of the cue bus, counted from 0. `wanted` counts from 1, 0 is the second pair where
    there is one, -1 none; None where there is none."""
    pair = (wanted or 2) - 1
    return pair if 0 < pair < outputs // 2 else None


def _threads() -> frozenset[int]:
    """This process's threads; none where the system does not tell."""
    folder = Path("/proc/self/task")
    return frozenset(int(one.name) for one in folder.iterdir()) if folder.is_dir() else frozenset()


def _is_realtime(threads: frozenset[int]) -> bool | None:
    """Whether one of these threads has a real-time scheduler."""
    if not threads:
        return None
    found = []
    for one in threads:
        try:
            found.append(os.sched_getscheduler(one) in (os.SCHED_FIFO, os.SCHED_RR))
        except ProcessLookupError:
            continue
    return any(found)
