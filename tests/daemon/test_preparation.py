"""A model is made ready for OpenVINO in the background, once, and nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from foleyd.daemon.preparation import Preparation
from serving import wait_until_gone

DEADLINE = 240.0


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@asynccontextmanager
async def preparing(
    text: str, resting: bool = True
) -> AsyncIterator[tuple[Preparation, list[Path], asyncio.Event]]:
    """A preparation by a script, the folders that it was done with, and an event for the first of them."""
    done: list[Path] = []
    first = asyncio.Event()

    async def tell(folder: Path) -> None:
        done.append(folder)
        first.set()

    preparation = Preparation(lambda: resting, tell, script(text), 0.0)
    yield preparation, done, first
    await preparation.close()


def test_a_model_is_prepared_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        count = f"import sys; open({str(tmp_path / 'log')!r}, 'a').write(sys.argv[1] + '\\n')"
        async with preparing(count) as (preparation, done, first):
            for _ in range(3):
                preparation.wish(tmp_path / "m")
            await asyncio.wait_for(first.wait(), DEADLINE)
            preparation.wish(tmp_path / "m")
        assert done == [tmp_path / "m"]
        assert (tmp_path / "log").read_text().splitlines() == [str(tmp_path / "m")]

    asyncio.run(scenario())


def test_what_cannot_be_prepared_is_said_and_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        caplog.set_level(logging.WARNING)
        async with preparing("raise SystemExit('no such processor')") as (preparation, done, _):
            preparation.wish(tmp_path)
            assert preparation._task is not None
            await asyncio.wait_for(preparation._task, DEADLINE)
            assert done == []

    asyncio.run(scenario())
    assert f"{tmp_path.name} stays with torch: no such processor" in caplog.text


def test_closing_ends_what_is_under_way_and_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r} + '.part', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.replace({str(pids)!r} + '.part', {str(pids)!r})\n"
        "time.sleep(600)"
    )

    async def scenario() -> list[int]:
        async with preparing(text) as (preparation, _, _):
            preparation.wish(tmp_path)
            async with asyncio.timeout(DEADLINE):
                while not pids.exists():
                    await asyncio.sleep(0.01)
            return [os.pidfd_open(int(pid)) for pid in pids.read_text().split()]

    for process in asyncio.run(scenario()):
        wait_until_gone(process)


def test_nothing_begins_while_somebody_plays(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with preparing("", resting=False) as (preparation, done, _):
            preparation.wish(tmp_path)
            for _ in range(100):
                await asyncio.sleep(0)
            assert done == []

    asyncio.run(scenario())
