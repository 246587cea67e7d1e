"""Figures of the audio callback: underruns and times while daemons render."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from foleyd.client import AsyncClient
from foleyd.environment import surroundings
from foleyd.errors import FoleydError
from foleyd.private_daemon import private_daemon
from foleyd.private_home import private_home
from foleyd.private_jack import HOST_API, is_installed, private_jack
from foleyd_live.desk import Desk, Play
from foleyd_live.devices import NoDevice, choose
from foleyd_live.settings import Settings
from foleyd_live.stream import Stream

RATE = 48_000
PRESSES_S = 0.5
"""Seconds between two presses that are timed."""
LOADS = ("none", "a core reserved", "all cores")
"""No daemon; one that keeps a core free as a live host's lease asks; beside it a second one that knows of no
lease."""
MIXERS = ("numba", "numpy")
_PRESSED = 63
_OPENS_S = 15.0
_LOOKS_S = 5.0


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times in microseconds; `share_*` of a block; `press_*` from a press to the end of the callback
    that handed over its first sample, in milliseconds."""

    mixer: str
    load: str
    seconds: float
    device: str
    block: int
    realtime: bool | None
    underruns: int
    p50_us: float
    p99_us: float
    most_us: float
    share_p50: float
    share_p99: float
    share_most: float
    press_p50_ms: float
    press_p99_ms: float


def measure(
    seconds: float, voices: int, block: int, model: str, device: str, mixers: Sequence[str]
) -> Iterator[Figure]:
    """Run each of `mixers` under each load; on a jackd of its own without and with real-time priority, where
    the system grants it. Raises NoDevice where nothing here can play."""
    for realtime in (False, True):
        with _device(device, block, realtime) as settings:
            if settings is None:
                return
            for load, mixer in itertools.product(LOADS, mixers):
                run = msgspec.structs.replace(settings, mixer=mixer)
                yield asyncio.run(_loaded_run(seconds, voices, load, model, run))


def as_json(figures: Sequence[Figure]) -> dict[str, object]:
    """The figures for ``--json``."""
    return {"runs": [msgspec.to_builtins(one) for one in figures]}


def heading(one: Figure) -> Iterator[str]:
    """What stands over the lines of a person's table."""
    yield f"{one.device}, {one.block} frames ({one.block / RATE * 1e3:.2f} ms); times as shares of a block"
    yield (
        f"{'priority':9} {'mixer':6} {'load':16} {'underruns':>9} "
        f"{'p50':>6} {'p99':>6} {'most':>6}  press p50/p99"
    )


def line(one: Figure) -> str:
    """One run for a person."""
    priority = {True: "real-time", False: "usual", None: "unknown"}[one.realtime]
    shares = " ".join(f"{share:6.1%}" for share in (one.share_p50, one.share_p99, one.share_most))
    return (
        f"{priority:9} {one.mixer:6} {one.load:16} {one.underruns:9} {shares}  "
        f"{one.press_p50_ms:.2f}/{one.press_p99_ms:.2f} ms"
    )


@contextlib.contextmanager
def _device(device: str, block: int, realtime: bool) -> Iterator[Settings | None]:
    """How to open the device, None for a run that would be the same again: a card's priority is not ours to
    choose, that of a jackd is."""
    try:
        choose(device, "")
    except NoDevice:
        if not is_installed():
            raise
    else:
        yield None if realtime else Settings(device=device, rate=RATE, block=block, outputs=2)
        return
    if realtime and not _grants_realtime():
        yield None
        return
    with private_jack(RATE, block, realtime=realtime) as environment, surroundings(environment):
        yield Settings(host_api=HOST_API, rate=RATE, block=block, outputs=2)


def _grants_realtime() -> bool:
    """Whether the system gives this user's threads a real-time priority, as far as Python can ask (on
    Linux)."""
    if sys.platform != "linux":
        return False
    usual = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        return False
    os.sched_setscheduler(0, usual, os.sched_param(0))
    return True


async def _loaded_run(seconds: float, voices: int, load: str, model: str, settings: Settings) -> Figure:
    async with contextlib.AsyncExitStack() as stack:
        roles: dict[str, tuple[Literal["", "live"], ...]] = dict(
            zip(LOADS, ((), ("live",), ("live", "")), strict=True)
        )
        for role in roles[load]:
            await stack.enter_async_context(_renders(model, role))
        return await _run(seconds, voices, load, settings)


@contextlib.asynccontextmanager
async def _renders(model: str, role: Literal["", "live"]) -> AsyncIterator[None]:
    """A daemon that renders without a pause; `role` "live" holds the lease that reserves a core."""
    with private_home(), private_daemon("--model", model) as told:
        async with AsyncClient(Path(told.connection_file), name="bench live", role=role) as client:
            rendering = asyncio.create_task(_render(client))
            try:
                yield
            finally:
                # a render that failed says so here: its load was missing
                if rendering.done():
                    rendering.result()
                rendering.cancel()
                await asyncio.gather(rendering, return_exceptions=True)


async def _render(client: AsyncClient) -> None:
    for seed in itertools.count(1):
        handle = await client.render("rain", seed=seed, seconds=5.0, steps=50, deliver="none")
        await handle.result()


async def _run(seconds: float, voices: int, load: str, settings: Settings) -> Figure:
    async def stay() -> None:
        """The rate does not change here."""

    desk = Desk(RATE, 2, mixer=settings.mixer)
    stream = Stream(desk, settings, stay)
    await _open(stream)
    try:
        noise = np.random.default_rng(0).standard_normal((RATE, 2)).astype(np.float32) * 0.01
        looped, short = desk.add_clip(noise), desk.add_clip(noise[:100])
        for voice in range(voices):
            desk.play(Play(voice % _PRESSED, looped, rate=1.0 + voice / 1000, loop=True))
        await asyncio.sleep(2.0)
        missed = stream.state.xruns
        blocks, presses = await _watch(desk, short, seconds)
        state = stream.state
    finally:
        await stream.close()
    waits = [_handed_over(blocks, *press) for press in presses]
    p50, p99, most = (float(np.quantile(blocks.taken_us, q)) for q in (0.5, 0.99, 1.0))
    whole = state.block / RATE * 1e6
    return Figure(
        mixer=settings.mixer,
        load=load,
        seconds=seconds,
        device=f"{state.device} ({state.host_api})",
        block=state.block,
        realtime=state.realtime,
        underruns=state.xruns - missed,
        p50_us=p50,
        p99_us=p99,
        most_us=most,
        share_p50=p50 / whole,
        share_p99=p99 / whole,
        share_most=most / whole,
        press_p50_ms=float(np.quantile(waits, 0.5)),
        press_p99_ms=float(np.quantile(waits, 0.99)),
    )


async def _open(stream: Stream) -> None:
    """Open the stream; a server that was just started may need a moment."""
    deadline = time.monotonic() + _OPENS_S
    while True:
        try:
            stream.open()
            return
        except FoleydError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


class _Blocks(msgspec.Struct, frozen=True):
    """When callbacks began (monotonic ns) and how long they took (µs), in order."""

    begun_ns: npt.NDArray[np.int64]
    taken_us: npt.NDArray[np.float32]


async def _watch(desk: Desk, clip: int, seconds: float) -> tuple[_Blocks, list[tuple[int, int]]]:
    """All callbacks of `seconds`, and when a pad was pressed: before and after the press, monotonic ns."""
    begun, taken, presses = [], [], []
    counted = desk.counters().blocks
    until = time.monotonic() + seconds
    looks = time.monotonic() + _LOOKS_S
    while time.monotonic() < until:
        before = time.monotonic_ns()
        desk.play(Play(_PRESSED, clip, voices=1))
        presses.append((before, time.monotonic_ns()))
        await asyncio.sleep(min(PRESSES_S, seconds / 4))
        if time.monotonic() > min(looks, until):
            looks += _LOOKS_S
            now = desk.counters()
            fresh = now.blocks - counted
            counted = now.blocks
            begun.append(now.begins_ns[-fresh:])
            taken.append(now.durations_us[-fresh:])
    if desk.waiting or desk.counters().dropped:
        raise FoleydError("the audio stopped during the run: 'foleyd doctor' says what can play here.")
    return _Blocks(np.concatenate(begun), np.concatenate(taken)), presses


def _handed_over(blocks: _Blocks, before: int, after: int) -> float:
    """Milliseconds from a press to the end of the first callback that began after it was there to be read."""
    place = min(int(np.searchsorted(blocks.begun_ns, after)), len(blocks.begun_ns) - 1)
    return float((blocks.begun_ns[place] - before) / 1e6 + blocks.taken_us[place] / 1e3)
