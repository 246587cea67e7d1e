"""Recordings beside a real JACK server: the file against what a client of the server heard, and what another
one played."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import jack_server
import programs
from foleyd_live.desk import Desk, Play
from foleyd_live.recorder import Recorder
from foleyd_live.settings import Settings
from foleyd_live.sound_file import FULL
from foleyd_live.stream import Stream

RATE = 48_000

Samples = npt.NDArray[np.float32]


@pytest.fixture
def server() -> Iterator[jack_server.Server]:
    """A server that is this process's own."""
    with jack_server.served() as running:
        yield running


def noise(frames: int, columns: int = 2, seed: int = 1) -> Samples:
    """Samples that 24 bits hold exactly, none of them silent, below the limiter's ceiling."""
    drawn = np.random.default_rng(seed).integers(1, 2**22, (frames, columns))
    return (drawn / 2**23).astype(np.float32)


@asynccontextmanager
async def playing(desk: Desk, **settings: object) -> AsyncIterator[Stream]:
    """An open stream of `desk`."""

    async def nothing() -> None:
        pass

    stream = Stream(desk, Settings(**settings), nothing)  # type: ignore[arg-type]
    stream.open()
    try:
        yield stream
    finally:
        await stream.close()


async def until(so: Callable[[], object], what: str) -> None:
    """Wait on the loop until `so` is true."""
    deadline = asyncio.get_running_loop().time() + jack_server.PATIENCE_S
    while not so():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


def read(path: Path) -> Samples:
    """The samples of a WAV."""
    samples: Samples = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


def part(samples: Samples, first: Samples, frames: int) -> Samples:
    """So many frames from the sample `first` on."""
    begin = int(np.flatnonzero((samples == first).all(axis=1))[0])
    return samples[begin : begin + frames]


@pytest.mark.parametrize("mixer", ["numba", "numpy"])
def test_the_file_is_what_was_heard(server: jack_server.Server, tmp_path: Path, mixer: str) -> None:
    """A mark of 24 bits, then sound at a level that they do not hold exactly."""

    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk):
            mark, clip = noise(1000), noise(RATE, seed=2)
            recorder = Recorder(desk, tmp_path)
            await recorder.start()
            with jack_server.Recorder(server, 2, seconds=60) as ears:
                at = desk.frame + RATE // 2
                desk.play(Play(pad=0, clip=desk.add_clip(mark)), at)
                desk.play(Play(pad=1, clip=desk.add_clip(clip), velocity=0.7), at + 2000)
                heard = await asyncio.to_thread(ears.after, mark[0], 2000 + len(clip))
            result = await recorder.stop()
        written = part(read(result.path), mark[0], len(heard))
        assert heard[2000:].any()
        np.testing.assert_array_equal(written * FULL, np.rint(heard * FULL))

    asyncio.run(scenario())


def test_the_last_seconds_are_kept(server: jack_server.Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2)
        async with playing(desk):
            clip = noise(RATE // 2)
            with jack_server.Recorder(server, 2, seconds=60) as ears:
                desk.play(Play(pad=0, clip=desk.add_clip(clip)))
                await asyncio.to_thread(ears.after, clip[0], len(clip))
            kept = await Recorder(desk, tmp_path).keep(30)
        np.testing.assert_array_equal(part(read(kept.path), clip[0], len(clip)), clip)

    asyncio.run(scenario())


@pytest.mark.parametrize("mixer", ["numba", "numpy"])
def test_the_input_is_recorded_while_another_client_plays(
    server: jack_server.Server, tmp_path: Path, mixer: str
) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk, inputs=2) as stream:
            assert stream.state.inputs == 2
            sound = noise(RATE)
            recorder = Recorder(desk, tmp_path)
            with jack_server.Player(sound) as player:
                await recorder.punch_in()
                player.play()
                await until(lambda: player.over, "the client does not play")
                frame = desk.frame
                await until(lambda: desk.frame > frame + 4096, "nothing is mixed")
                punched = await recorder.punch_out()
                kept = await recorder.keep_input(30)
        for result in (punched, kept):
            np.testing.assert_array_equal(part(read(result.path), sound[0], len(sound)), sound)

    asyncio.run(scenario())


def test_a_program_that_others_wrote_records_the_same(server: jack_server.Server, tmp_path: Path) -> None:
    """``jack_rec``, in a process of its own."""
    program = programs.find("jack_rec", "jackd2")

    async def scenario() -> None:
        desk = Desk(RATE, 2)
        async with playing(desk):
            clip = noise(RATE // 2)
            heard = tmp_path / "heard.wav"
            with subprocess.Popen(
                [program, "-f", heard, "-d", "5", "-b", "24", "foleyd:out_1", "foleyd:out_2"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                try:
                    await until(lambda: heard.exists() and desk.frame > RATE, "jack_rec does not begin")
                    slot = desk.add_clip(clip)
                    while process.poll() is None:
                        desk.play(Play(pad=0, clip=slot))
                        await asyncio.sleep(1)
                finally:
                    process.kill()
        # it rounds to 24 bits in another way: by one at most
        recorded = read(heard)
        close = (np.abs(recorded - clip[0]) <= 2 / FULL).all(axis=1)
        begin = int(np.flatnonzero(close)[0])
        assert np.abs(recorded[begin : begin + len(clip)] - clip).max() <= 2 / FULL

    asyncio.run(scenario())
