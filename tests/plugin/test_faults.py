"""The built plugin beside daemons that lie, die or are somebody else: it plays on, and works again with a
good one."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from foleyd import messages as m
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from plugin_build import Builds
from plugin_host import Opened, opened, play, session
from small_daemon import Daemon
from zmq_peers import DEADLINE, free

RECIPE = {"prompt": "glass breaking", "seconds": 0.5}
RATE = 16_000
GOOD = tuple(0.5 * math.sin(math.pi * k / 400) * math.sin(k / 7) for k in range(400))
"""Begins and ends in silence, so that it is played as it is."""


class Liar(Daemon):
    """Describes or sends something else than it should, until it is told to be good."""

    def __init__(
        self, lie: Callable[[m.BufferInfo], m.BufferInfo], samples: tuple[float, ...] = GOOD
    ) -> None:
        super().__init__()
        self.lie = lie
        self.samples = struct.pack(f"<{len(samples)}f", *samples)

    def infos(self) -> tuple[m.BufferInfo, ...]:
        frames = len(self.samples) // 4
        info = envelope.describe(self.samples, "clip", id="c", rate=RATE, channels=1, frames=frames)
        return (self.lie(info),)

    def repent(self) -> None:
        """Tell the truth from now on."""
        self.lie = lambda info: info
        self.samples = struct.pack(f"<{len(GOOD)}f", *GOOD)


def truth(info: m.BufferInfo) -> m.BufferInfo:
    return info


LIES: dict[str, Liar] = {
    "hash": Liar(lambda info: msgspec.structs.replace(info, sha256="0" * 64)),
    "frames": Liar(lambda info: msgspec.structs.replace(info, frames=2**31)),
    "channels": Liar(lambda info: msgspec.structs.replace(info, channels=64)),
    "rate": Liar(lambda info: msgspec.structs.replace(info, rate=1)),
    "no numbers": Liar(truth, (math.nan, *GOOD[1:])),
    "far too loud": Liar(truth, (1e30, *GOOD[1:])),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the plugin looks for the daemon's connection file."""
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path))
    (tmp_path / "runtime").mkdir(mode=0o700)
    return tmp_path / "runtime" / "foleyd.json"


@pytest.fixture
def host(builds: Builds) -> Iterator[Opened]:
    with opened(builds) as host:
        yield host


async def until(true: Callable[[], bool], plugin: Any) -> None:
    """Let the host run blocks, and the daemon answer, until something has come true."""
    async with asyncio.timeout(DEADLINE):
        while not true():
            assert np.isfinite(play(plugin, 512, note_at=-1)).all()
            await asyncio.sleep(0)


async def ask(plugin: Any, daemon: Daemon) -> int:
    """Move Generate to 1, and again when it was left alone for long enough, until a job comes of it: a line
    that is not there yet refuses. The job's number."""
    before = daemon.next_job
    async with asyncio.timeout(DEADLINE):
        while daemon.next_job == before:
            until = time.monotonic() + 0.6
            while daemon.next_job == before and time.monotonic() < until:
                play(plugin, 512, note_at=-1)
                await asyncio.sleep(0)
            plugin.set_param_by_name("Generate", 1.0)
    return daemon.next_job - 1


async def hear_good(plugin: Any) -> None:
    """Wait until the pad plays what a good daemon sends."""
    wanted = np.array(GOOD, dtype=np.float32)
    # at its own rate: a host that runs at another hears it resampled
    await until(lambda: bool(np.abs(play(plugin, 400) - wanted).max() < 1e-6), plugin)


@asynccontextmanager
async def served(daemon: Daemon, path: Path) -> AsyncIterator[Daemon]:
    async with daemon.serve(path):
        yield daemon


@pytest.mark.parametrize("liar", LIES.values(), ids=LIES)
def test_what_a_daemon_lies_about_is_not_taken_and_the_truth_is(home: Path, host: Opened, liar: Liar) -> None:
    async def scenario() -> None:
        plugin = host(RATE)
        plugin.set_state(session(RECIPE))
        async with served(liar, home):
            job = await ask(plugin, liar)
            liar.end(job)
            again = await ask(plugin, liar)
            assert not play(plugin, 512).any()
            liar.repent()
            liar.end(again)
            await hear_good(plugin)

    asyncio.run(scenario())


def test_a_daemon_that_dies_during_a_render_is_followed_by_the_next(home: Path, host: Opened) -> None:
    async def scenario() -> None:
        plugin = host(RATE)
        plugin.set_state(session(RECIPE))
        first, second = Liar(truth), Liar(truth)
        async with served(first, home):
            done = await ask(plugin, first)
            first.end(done)
            await hear_good(plugin)
            await ask(plugin, first)
        # nobody answers any more, and the pad plays
        assert play(plugin, 400).any()
        async with served(second, home):
            job = await ask(plugin, second)
            second.end(job)
            await hear_good(plugin)

    asyncio.run(scenario())


def test_another_key_is_not_believed_until_the_file_has_the_right_one(home: Path, host: Opened) -> None:
    async def scenario() -> None:
        plugin = host(RATE)
        plugin.set_state(session(RECIPE))
        daemon = Liar(truth)
        async with daemon.serve(connection=free()) as endpoint:
            right = endpoint.connection
            connections.write(msgspec.structs.replace(right, key="f" * 64), home)
            plugin.set_param_by_name("Generate", 1.0)
            for _ in range(200):
                play(plugin, 512, note_at=-1)
                await asyncio.sleep(0)
            assert daemon.jobs == {}
            connections.write(right, home)
            job = await ask(plugin, daemon)
            daemon.end(job)
            await hear_good(plugin)

    asyncio.run(scenario())


def test_twenty_instances_share_one_line_and_each_hears_its_own(home: Path, host: Opened) -> None:
    async def scenario() -> None:
        plugins = [host(RATE) for _ in range(20)]
        daemon = Liar(truth)
        async with served(daemon, home):
            for plugin in plugins[::7]:
                plugin.set_state(session(RECIPE))
                daemon.end(await ask(plugin, daemon))
                await hear_good(plugin)
        silent = [plugin for k, plugin in enumerate(plugins) if k % 7]
        assert not any(play(plugin, 512).any() for plugin in silent)

    asyncio.run(scenario())
