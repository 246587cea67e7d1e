"""Recordings of a desk that the test drives: what stands in the files, and what happens when a disk, a device
or a program goes away."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from foleyd.errors import BadRequest, DiskFull
from foleyd_live import memory as m
from foleyd_live import recorder as recorders
from foleyd_live import sound_file
from foleyd_live.desk import Desk, Play
from foleyd_live.recorder import Recorded, Recorder
from foleyd_live.sound_file import SoundFile, quantised
from foleyd_live.tap import main_tap

RATE = 48_000
BLOCK = 256
PATIENCE_S = 120.0

Samples = npt.NDArray[np.float32]


def noise(frames: int, seed: int = 1) -> Samples:
    """Samples that 24 bits hold exactly, none of them silent; two of them stay below the limiter's
    ceiling."""
    drawn = np.random.default_rng(seed).integers(1, 2**21, (frames, 2))
    return (drawn / 2**23).astype(np.float32)


class Driver:
    """Plays a desk in a thread of its own, as an audio system does, much faster than it would be heard. Its
    input is a count."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._over = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            self._go.wait()
            desk = self._desk
            out = np.zeros((BLOCK, desk.outputs), np.float32)
            count = desk.frame + np.arange(BLOCK * max(1, desk.inputs)).reshape(BLOCK, -1) // max(
                1, desk.inputs
            )
            desk.process(out, (count % 1000 / 1024).astype(np.float32))
            self._over.wait(0.0002)

    def pause(self) -> None:
        """No more blocks until :meth:`go_on`."""
        self._go.clear()

    def end(self) -> None:
        """No more blocks."""
        self._over.set()
        self._go.set()
        self._thread.join()


@pytest.fixture
def desk() -> Desk:
    """One that is not driven."""
    return Desk(RATE, 2, 2, mixer="numpy")


@pytest.fixture
def driven(desk: Desk) -> Iterator[Desk]:
    """One that is."""
    driver = Driver(desk)
    yield desk
    driver.end()


async def until(so: Callable[[], object], what: str) -> None:
    """Wait on the loop until `so` is true."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not so():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.005)


def read(path: Path) -> Samples:
    """The samples of a 24-bit WAV."""
    info = soundfile.info(path)
    # the extensible header (of sounds with more than 16 bits) is a WAV's too
    assert (info.format, info.subtype) == ("WAVEX", "PCM_24")
    assert path.read_bytes()[:4] == b"RIFF"
    samples: Samples = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


def place_of(samples: Samples, first: Samples) -> int:
    """Where the sample `first` is."""
    return int(np.flatnonzero((samples == first).all(axis=1))[0])


@asynccontextmanager
async def recording(desk: Desk, folder: Path, pads: tuple[int, ...] = ()) -> AsyncIterator[Recorder]:
    """A recorder that records."""
    recorder = Recorder(desk, folder)
    await recorder.start(pads)
    try:
        yield recorder
    finally:
        await recorder.close()


def test_what_is_played_stands_in_the_file(driven: Desk, tmp_path: Path) -> None:
    async def scenario() -> Recorded:
        clip = noise(20_000)
        async with recording(driven, tmp_path) as recorder:
            assert recorder.recording is not None
            driven.play(Play(pad=0, clip=driven.add_clip(clip)))
            end = driven.frame + 30_000
            await until(lambda: driven.frame > end, "nothing is mixed")
            result = await recorder.stop()
            assert recorder.recording is None
        heard = read(result.path)
        begin = place_of(heard, clip[0])
        np.testing.assert_array_equal(heard[begin : begin + len(clip)], clip)
        assert result.seconds == len(heard) / RATE
        return result

    result = asyncio.run(scenario())
    assert result.lost_s == 0
    assert result.why == ""
    assert list(tmp_path.iterdir()) == [result.path]


def test_stems_are_in_step_with_the_main_bus(driven: Desk, tmp_path: Path) -> None:
    async def scenario() -> None:
        clips = noise(20_000), noise(30_000, seed=2)
        async with recording(driven, tmp_path, pads=(4, 2)) as recorder:
            for pad, clip in zip((2, 4), clips, strict=True):
                driven.play(Play(pad=pad, clip=driven.add_clip(clip)), driven.frame + 5000)
            end = driven.frame + 50_000
            await until(lambda: driven.frame > end, "nothing is mixed")
            result = await recorder.stop()
        assert sorted(result.stems) == [2, 4]
        assert result.stems[2].name == f"{result.path.stem} pad 3.wav"
        stems = [read(result.stems[pad]) for pad in (2, 4)]
        main = read(result.path)
        assert [len(stem) for stem in stems] == [len(main)] * 2
        np.testing.assert_array_equal(main, stems[0] + stems[1])
        for stem, clip in zip(stems, clips, strict=True):
            begin = place_of(stem, clip[0])
            np.testing.assert_array_equal(stem[begin : begin + len(clip)], clip)
        assert driven.memory.s[m.S_STEMS] == 0

    asyncio.run(scenario())


def test_stems_are_no_longer_than_a_main_bus_that_looks_ahead(desk: Desk, tmp_path: Path) -> None:
    """Stopped when all that was mixed is written: stems stand `DELAY` frames nearer to now."""
    driver = Driver(desk)

    async def scenario() -> None:
        async with recording(desk, tmp_path, pads=(2, 4)) as recorder:
            await until(lambda: recorder.seconds > 0, "nothing is written")
            driver.pause()
            take = recorder._take
            assert take is not None
            await until(lambda: take._main.at == take._main.tap.written, "what was mixed is not written")
            result = await recorder.stop()
        lengths = {len(read(path)) for path in (result.path, *result.stems.values())}
        assert lengths == {round(result.seconds * RATE)}

    try:
        asyncio.run(scenario())
    finally:
        driver.end()


def test_the_last_seconds_are_kept(driven: Desk, tmp_path: Path) -> None:
    async def scenario() -> None:
        clip = noise(10_000)
        driven.play(Play(pad=0, clip=driven.add_clip(clip)))
        await until(lambda: driven.frame > 2 * RATE, "nothing is mixed")
        recorder = Recorder(driven, tmp_path)
        kept = await recorder.keep(30)
        assert 1.9 < kept.seconds < 30
        heard = read(kept.path)
        begin = place_of(heard, clip[0])
        np.testing.assert_array_equal(heard[begin : begin + len(clip)], clip)
        short = await recorder.keep(1)
        assert short.seconds == 1
        assert len(read(short.path)) == RATE

    asyncio.run(scenario())


def test_the_last_seconds_of_the_input_are_kept(driven: Desk, tmp_path: Path) -> None:
    async def scenario() -> None:
        await until(lambda: driven.frame > RATE, "nothing is mixed")
        kept = await Recorder(driven, tmp_path).keep_input(0.5)
        heard = read(kept.path)
        assert heard.shape == (RATE // 2, 2)
        np.testing.assert_array_equal(np.diff(np.rint(heard[:, 0] * 1024)) % 1000, 1)

    asyncio.run(scenario())


def test_the_input_is_recorded_between_in_and_out(driven: Desk, tmp_path: Path) -> None:
    async def scenario() -> None:
        recorder = Recorder(driven, tmp_path)
        await recorder.punch_in()
        assert recorder.punched
        begin = driven.frame
        with pytest.raises(BadRequest, match="punch out first"):
            await recorder.punch_in()
        await until(lambda: driven.frame > begin + 20_000, "nothing is mixed")
        result = await recorder.punch_out()
        assert not recorder.punched
        heard = read(result.path)
        assert len(heard) >= 20_000
        np.testing.assert_array_equal(np.diff(np.rint(heard[:, 1] * 1024)) % 1000, 1)
        with pytest.raises(BadRequest, match="punch in first"):
            await recorder.punch_out()

    asyncio.run(scenario())


def test_the_input_s_recording_ends_by_itself(
    driven: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorders, "INPUT_MOST_S", 0.5)

    async def scenario() -> None:
        ended: list[Recorded] = []
        recorder = Recorder(driven, tmp_path, ended.append)
        await recorder.punch_in()
        await until(lambda: ended, "it does not end")
        assert "as long as a clip may be" in ended[0].why
        assert ended[0].seconds == 0.5
        assert await recorder.punch_out() == ended[0]

    asyncio.run(scenario())


def test_a_ring_that_was_overtaken_is_said_and_silent(desk: Desk, tmp_path: Path) -> None:
    """The disk sleeps while more is played than the ring holds."""

    async def scenario() -> Recorded:
        recorder = Recorder(desk, tmp_path)
        out = np.zeros((m.MOST_BLOCK, 2), np.float32)
        slot = desk.add_clip(np.full((1000, 2), 0.25, np.float32))
        desk.play(Play(pad=0, clip=slot, loop=True))
        desk.process(out)
        await recorder.start()
        ring = len(desk.memory.main_tap)
        # as a disk that sleeps for half a minute longer than the ring
        gone = ring + 30 * RATE
        desk.memory.s[m.S_MAIN_TAP] += gone
        desk.memory.main_tap[:] = 0.25
        result = await recorder.stop()
        heard = read(result.path)
        assert len(heard) == gone
        lost = round(result.lost_s * RATE)
        assert lost == 30 * RATE + m.MOST_BLOCK
        assert not heard[:lost].any()
        assert (heard[lost:] == 0.25).all()
        return result

    asyncio.run(scenario())


def test_a_full_disk_ends_it_and_keeps_what_was_written(driven: Desk, tmp_path: Path) -> None:
    """A real limit on how long a file may be, which writing meets as it meets a disk's end."""

    async def scenario() -> None:
        ended: list[Recorded] = []
        recorder = Recorder(driven, tmp_path, ended.append)
        await recorder.start()
        await until(lambda: ended, "it does not end")
        assert "free some disk space" in ended[0].why
        assert recorder.recording is None
        assert ended[0].seconds > 0.2
        assert len(read(ended[0].path)) >= ended[0].seconds * RATE
        assert await recorder.stop() == ended[0]
        with pytest.raises(BadRequest, match="start a recording first"):
            await recorder.stop()

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        asyncio.run(scenario())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_recording_begins_on_a_full_disk(
    driven: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_file, "KEPT_FREE", 2**62)

    async def scenario() -> None:
        for begin in (Recorder(driven, tmp_path).start, Recorder(driven, tmp_path).punch_in):
            with pytest.raises(DiskFull, match="free some disk space"):
                await begin()

    asyncio.run(scenario())
    assert not list(tmp_path.iterdir())


def test_another_rate_ends_it(desk: Desk, tmp_path: Path) -> None:
    async def scenario() -> None:
        ended: list[Recorded] = []
        recorder = Recorder(desk, tmp_path, ended.append)
        await recorder.start()
        desk.process(np.zeros((RATE, 2), np.float32))
        desk.reset(44_100, 2, 2)
        await until(lambda: ended, "it does not end")
        assert "another rate" in ended[0].why
        assert ended[0].seconds == 1
        assert soundfile.info(ended[0].path).samplerate == RATE
        await recorder.stop()

    asyncio.run(scenario())


def test_stems_without_a_device_are_refused_and_leave_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorders, "PATIENCE_S", 0.05)

    async def scenario() -> None:
        with pytest.raises(BadRequest, match="does not run"):
            await Recorder(desk, tmp_path).start([1])

    asyncio.run(scenario())
    assert not list(tmp_path.iterdir())
    assert desk.memory.s[m.S_STEMS] == 0


def test_what_cannot_be_is_refused(driven: Desk, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with recording(driven, tmp_path) as recorder:
            with pytest.raises(BadRequest, match="stop it first"):
                await recorder.start()
        blocked = tmp_path / "file"
        blocked.write_text("")
        with pytest.raises(BadRequest, match="choose another folder"):
            await Recorder(driven, blocked).start()
        deaf = Desk(RATE, 2, mixer="numpy")
        with pytest.raises(BadRequest, match="--inputs"):
            await Recorder(deaf, tmp_path).punch_in()
        with pytest.raises(BadRequest, match="nothing was heard yet"):
            await Recorder(deaf, tmp_path).keep(5)

    asyncio.run(scenario())


def test_two_recordings_of_a_second_have_two_names(tmp_path: Path) -> None:
    files = [SoundFile(tmp_path, "now", RATE, 2) for _ in range(3)]
    assert [file.close().name for file in files] == ["now.wav", "now 2.wav", "now 3.wav"]


def test_samples_are_rounded_to_24_bits_and_never_wrap() -> None:
    values = np.array([[0.0, 1.0], [-1.0, 2.0], [-2.0, 0.25], [np.nan, 1.4 / 2**23]], np.float32)
    wanted = np.array([[0, 2**23 - 1], [-(2**23), 2**23 - 1], [-(2**23), 2**21], [0, 1]])
    np.testing.assert_array_equal(quantised(values) >> 8, wanted)


def test_a_reader_knows_that_it_was_overtaken(desk: Desk) -> None:
    tap = main_tap(desk)
    desk.process(np.zeros((1000, 2), np.float32))
    assert tap.written == 1000
    assert tap.read(0, 1000).lost == 0
    desk.memory.s[m.S_MAIN_TAP] = len(desk.memory.main_tap)
    assert tap.oldest == m.MOST_BLOCK
    assert tap.read(0, 10_000).lost == m.MOST_BLOCK


def test_a_killed_program_leaves_what_it_had_recorded(tmp_path: Path) -> None:
    """Its file lacks nothing that was written before."""
    program = """
import sys, numpy as np
from pathlib import Path
from foleyd_live.sound_file import SoundFile
file = SoundFile(Path(sys.argv[1]), "show", 48_000, 2)
for _ in range(3):
    file.write(np.full((48_000, 2), 0.5, np.float32))
print("written", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    heard, rate = soundfile.read(tmp_path / "show.part", dtype="float32")
    assert rate == RATE
    assert heard.shape == (3 * RATE, 2)
    assert (heard == 0.5).all()
