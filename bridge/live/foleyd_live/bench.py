"""Figures of the audio callback: underruns and times while a daemon renders on every core."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from foleyd.client import AsyncClient
from foleyd.errors import FoleydError
from foleyd.private_daemon import private_daemon
from foleyd.private_jack import HOST_API, is_installed, private_jack
from foleyd_live.desk import Desk, Play
from foleyd_live.devices import NoDevice
from foleyd_live.settings import Settings
from foleyd_live.stream import Stream

RATE = 48_000
PRESSES = 200
"""Presses that are timed in each run."""
LOADS = ("alone", "a core reserved", "all cores taken")
_OPENS_S = 15.0


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


def measure(seconds: float, voices: int, block: int, model: str, device: str) -> list[Figure]:
    """Run each mixer under each load. Raises NoDevice where nothing here can play."""
    with _device(device, block) as settings:
        return asyncio.run(_all(seconds, voices, block, model, settings))


def as_json(figures: list[Figure]) -> dict[str, object]:
    """The figures for ``--json``."""
    return {"runs": [msgspec.to_builtins(one) for one in figures]}


def table(figures: list[Figure]) -> Iterator[str]:
    """The figures for a person."""
    first = figures[0]
    priority = {True: "real-time", False: "no real-time", None: "unknown"}[first.realtime]
    yield f"{first.device}, {first.block} frames ({first.block / RATE * 1e3:.2f} ms), {priority} priority"
    yield f"{'mixer':8} {'load':16} {'underruns':>9} {'p50':>7} {'p99':>7} {'most':>7}  press p50/p99"
    for one in figures:
        shares = " ".join(f"{share:6.1%}" for share in (one.share_p50, one.share_p99, one.share_most))
        yield (
            f"{one.mixer:8} {one.load:16} {one.underruns:9} {shares}  "
            f"{one.press_p50_ms:.2f}/{one.press_p99_ms:.2f} ms"
        )


@contextlib.contextmanager
def _device(device: str, block: int) -> Iterator[Settings]:
    from foleyd_live.devices import choose

    try:
        choose(device, "")
    except NoDevice:
        if not is_installed():
            raise
        with private_jack(RATE, block) as environment:
            os.environ.update(environment)
            yield Settings(host_api=HOST_API, rate=RATE, block=block, outputs=2)
        return
    yield Settings(device=device, rate=RATE, block=block, outputs=2)


async def _all(seconds: float, voices: int, block: int, model: str, settings: Settings) -> list[Figure]:
    figures = []
    for load, mixer in itertools.product(LOADS, ("numba", "numpy")):
        async with _loaded(load, model):
            figures.append(
                await _run(seconds, voices, block, load, msgspec.structs.replace(settings, mixer=mixer))
            )
    return figures


@contextlib.asynccontextmanager
async def _loaded(load: str, model: str) -> AsyncIterator[None]:
    """A daemon that renders without a pause; it keeps a core free where a live host's lease says so."""
    if load == LOADS[0]:
        yield
        return
    with private_daemon("--model", model) as told:
        where = Path(told.connection_file)
        role: Literal["", "live"] = "live" if load == LOADS[1] else ""
        async with AsyncClient(where, name="bench live", role=role) as client:
            handle = await client.render("rain", seed=1, seconds=2.56)
            await handle.result(300)
            rendering = asyncio.create_task(_render(client))
            try:
                yield
            finally:
                rendering.cancel()
                await asyncio.gather(rendering, return_exceptions=True)


async def _render(client: AsyncClient) -> None:
    for seed in itertools.count(2):
        handle = await client.render("rain", seed=seed, seconds=5.0, steps=200, deliver="none")
        await handle.result()


async def _run(seconds: float, voices: int, block: int, load: str, settings: Settings) -> Figure:
    async def stay() -> None:
        """The rate does not change here."""

    desk = Desk(RATE, 2, mixer=settings.mixer)
    stream = Stream(desk, settings, stay)
    await _open(stream)
    try:
        noise = np.random.default_rng(0).standard_normal((RATE, 2)).astype(np.float32) * 0.01
        looped, short = desk.add_clip(noise), desk.add_clip(noise[:100])
        for voice in range(voices):
            desk.play(Play(voice, looped, rate=1.0 + voice / 1000, loop=True))
        await asyncio.sleep(1.0)
        before = desk.counters()
        presses = await _presses(desk, short, seconds)
        after = desk.counters()
        state = stream.state
    finally:
        await stream.close()
    taken = after.durations_us[before.blocks - after.blocks :]
    p50, p99, most = (float(np.quantile(taken, q)) for q in (0.5, 0.99, 1.0))
    whole = block / RATE * 1e6
    return Figure(
        mixer=settings.mixer,
        load=load,
        seconds=seconds,
        device=f"{state.device} ({state.host_api})",
        block=block,
        realtime=state.realtime,
        underruns=after.underruns - before.underruns,
        p50_us=p50,
        p99_us=p99,
        most_us=most,
        share_p50=p50 / whole,
        share_p99=p99 / whole,
        share_most=most / whole,
        press_p50_ms=float(np.quantile(presses, 0.5)),
        press_p99_ms=float(np.quantile(presses, 0.99)),
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


async def _presses(desk: Desk, clip: int, seconds: float) -> list[float]:
    """Press a pad now and then for `seconds`, and time each press to its callback's end, in ms."""
    taken = []
    for _ in range(PRESSES):
        begun = time.monotonic_ns()
        waiting = desk.waiting
        desk.play(Play(63, clip, voices=1))
        while desk.waiting > waiting:
            await asyncio.sleep(0)
        clock, counters = desk.clock(), desk.counters()
        ended = clock.monotonic_ns + float(counters.durations_us[-1]) * 1e3
        taken.append(max(0.0, (ended - begun) / 1e6))
        await asyncio.sleep(seconds / PRESSES)
    return taken
