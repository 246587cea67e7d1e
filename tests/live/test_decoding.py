"""The decoder process and its parent's handle: sounds come back, faults cost one file, nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import recordings
from conftest import children_of
from foleyd import recipe
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import write_clip
from foleyd.errors import BadRequest, FoleydError
from foleyd_live.decoding import Decoder

RATE = 48_000
FAULTY = (sys.executable, "-P", str(Path(__file__).with_name("faulty_decoder.py")))
PATIENCE_S = 120.0


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario that must end, and leave no child."""
    before = children_of(os.getpid())

    async def bounded() -> None:
        await asyncio.wait_for(scenario, PATIENCE_S)

    asyncio.run(bounded())
    assert children_of(os.getpid()).keys() <= before.keys()


def plain(folder: Path, name: str = "plain.wav", frames: int = 4800) -> Path:
    path = folder / name
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, (frames, 2))
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def test_a_file_at_the_devices_rate_comes_bit_exact(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        path = plain(tmp_path)
        sound = await decoder.decode(path, RATE)
        np.testing.assert_array_equal(sound.samples, soundfile.read(path, dtype="float32")[0])
        assert (sound.name, sound.rate, sound.frames, sound.seconds) == ("plain.wav", RATE, 4800, 0.1)
        assert sound.loop is None
        assert len(sound.overview) == 400
        assert sound.samples.flags.c_contiguous
        assert sound.samples.dtype == np.float32
        await decoder.close()

    run(scenario())


def test_rate_stretch_and_loop_arrive_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "fan.wav"
        meta = ClipMeta(recipe=recipe.make(prompt="a fan"), loops=((0, 22_049),))
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 44_100)
        write_clip(path, tone, 44_100, meta)
        decoder = Decoder()
        assert (await decoder.decode(path, RATE)).loop == (0, 24_000)
        sound = await decoder.decode(path, RATE, 1.5)
        assert sound.loop == (0, 36_000)
        assert sound.frames == 36_000
        await decoder.close()

    run(scenario())


def test_samples_without_a_file_are_fitted_and_checked() -> None:
    async def scenario() -> None:
        decoder = Decoder()
        mono = np.linspace(-0.5, 0.5, 1000, dtype=np.float32)[:, np.newaxis]
        sound = await decoder.fit(mono, RATE, RATE, loop=(10, 500), name="a take")
        np.testing.assert_array_equal(sound.samples, mono[:, [0, 0]])
        assert sound.loop == (10, 500)
        half = await decoder.fit(np.asfortranarray(np.repeat(mono, 2, axis=1)), RATE, RATE // 2)
        assert half.frames == 500
        mono[700] = np.nan
        with pytest.raises(BadRequest, match="a take holds values that are not sound"):
            await decoder.fit(mono, RATE, RATE, name="a take")
        for broken in (mono[:0], mono[:, 0], np.zeros((4, 9), np.float32)):
            with pytest.raises(BadRequest, match="a take is no sound"):
                await decoder.fit(broken, RATE, RATE, name="a take")
        with pytest.raises(BadRequest, match="loop outside"):
            await decoder.fit(mono, RATE, RATE, loop=(10, 1001))
        with pytest.raises(BadRequest, match="samples a second"):
            await decoder.fit(mono, 10, RATE)
        await decoder.close()

    run(scenario())


def test_one_process_serves_many_requests_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        assert decoder.pid is None
        paths = [plain(tmp_path, f"{number}.wav", 100 + number) for number in range(8)]
        done: list[int] = []

        async def one(path: Path) -> None:
            done.append((await decoder.decode(path, RATE)).frames)

        await asyncio.gather(one(paths[0]))
        pid = decoder.pid
        await asyncio.gather(*map(one, paths[1:]))
        assert done == [100 + number for number in range(8)]
        assert decoder.pid == pid
        with pytest.raises(BadRequest, match=r"missing\.wav cannot be opened"):
            await decoder.decode(tmp_path / "missing.wav", RATE)
        assert decoder.pid == pid
        await decoder.close()
        assert decoder.pid is None

    run(scenario())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hang.wav", "made the decoder hang"),
        ("hang_at_once.wav", "made the decoder hang"),
        ("die.wav", "ended the decoder .SIGKILL"),
        ("die_at_once.wav", "ended the decoder .SIGSEGV"),
        ("leave.wav", "status 3"),
        ("garble.wav", "nonsense"),
        ("boast.wav", "nonsense"),
    ],
)
@pytest.mark.parametrize("fresh", [True, False])
def test_a_fault_costs_its_file_and_the_next_one_works(
    name: str, words: str, fresh: bool, tmp_path: Path
) -> None:
    async def scenario() -> None:
        decoder = Decoder(command=FAULTY, deadline_s=PATIENCE_S)
        path = plain(tmp_path)
        first = None if fresh else await decoder.decode(path, RATE)
        if "hang" in name:
            decoder._deadline_s = 3.0  # how long the fault is waited for; nothing else runs meanwhile
        with pytest.raises(BadRequest, match=words) as caught:
            await decoder.decode(tmp_path / name, RATE)
        assert str(caught.value).startswith(name)
        decoder._deadline_s = PATIENCE_S
        again = await decoder.decode(path, RATE)
        assert again.frames == 4800
        assert first is None or np.array_equal(first.samples, again.samples)
        await decoder.close()

    run(scenario())


def test_a_process_that_died_between_two_files_costs_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        path = plain(tmp_path)
        await decoder.decode(path, RATE)
        pid = decoder.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert (await decoder.decode(path, RATE)).frames == 4800
        assert decoder.pid not in (None, pid)
        await decoder.close()

    run(scenario())


def test_a_cancelled_request_frees_the_decoder_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder(command=FAULTY, deadline_s=10 * PATIENCE_S)
        path = plain(tmp_path)
        await decoder.decode(path, RATE)
        pid = decoder.pid
        hanging = asyncio.create_task(decoder.decode(tmp_path / "hang.wav", RATE))
        waiting = asyncio.create_task(decoder.decode(path, RATE))
        given_up = asyncio.create_task(decoder.decode(path, RATE))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait({given_up})
        assert decoder.pid == pid
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await waiting).frames == 4800
        assert decoder.pid not in (None, pid)
        await decoder.close()

    run(scenario())


def test_closing_ends_a_hanging_process_and_tells_those_who_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder(command=FAULTY, deadline_s=10 * PATIENCE_S)
        path = plain(tmp_path)
        await decoder.decode(path, RATE)
        asked = [
            asyncio.create_task(decoder.decode(file, RATE)) for file in (tmp_path / "hang.wav", path, path)
        ]
        await asyncio.sleep(0)
        await decoder.close()
        for task in asked:
            with pytest.raises(FoleydError, match="is closed"):
                await task
        with pytest.raises(FoleydError, match="is closed"):
            await decoder.decode(path, RATE)
        await decoder.close()

    run(scenario())


def test_closing_while_the_process_starts_leaves_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        asked = asyncio.create_task(decoder.decode(plain(tmp_path), RATE))
        await asyncio.sleep(0)
        await decoder.close()
        with pytest.raises(FoleydError, match="is closed"):
            await asked

    run(scenario())


def test_a_caller_that_is_cancelled_while_the_process_starts_leaves_it_to_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        path = plain(tmp_path)
        for _ in range(3):
            asked = asyncio.create_task(decoder.decode(path, RATE))
            await asyncio.sleep(0)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
        assert (await decoder.decode(path, RATE)).frames == 4800
        await decoder.close()
        other = Decoder()
        asked = asyncio.create_task(other.decode(path, RATE))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        await other.close()

    run(scenario())


def test_a_decoder_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder(command=(str(tmp_path / "nothing"),))
        with pytest.raises(FoleydError, match="cannot be started"):
            await decoder.decode(plain(tmp_path), RATE)
        await decoder.close()

    run(scenario())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds on memory are Linux's")
def test_a_sound_that_needs_more_memory_than_the_bound_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder(command=(*FAULTY, "400"))
        large = tmp_path / "large.wav"
        with soundfile.SoundFile(large, "w", RATE, 2, subtype="PCM_16") as file:
            for _ in range(500):
                file.write(np.zeros((RATE, 2)))
        with pytest.raises(BadRequest, match="needs more memory"):
            await decoder.decode(large, RATE)
        assert (await decoder.decode(plain(tmp_path), RATE)).frames == 4800
        await decoder.close()

    run(scenario())


def test_what_would_grow_too_long_is_refused_before_it_is_made(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        path = tmp_path / "long.wav"
        soundfile.write(path, np.zeros(4000 * 200), 4000, subtype="PCM_U8")
        with pytest.raises(BadRequest, match="longer than 10 minutes"):
            await decoder.decode(path, 4000, 4.0)
        with pytest.raises(BadRequest, match="longer than 10 minutes or 512 MiB"):
            await decoder.decode(path, 384_000)
        for stretch in (0.0, 5.0):
            with pytest.raises(BadRequest, match="times as long"):
                await decoder.decode(path, RATE, stretch)
        with pytest.raises(BadRequest, match="the device has 100 samples a second"):
            await decoder.decode(path, 100)
        await decoder.close()

    run(scenario())


def test_a_name_is_one_printable_line_and_may_be_no_unicode(tmp_path: Path) -> None:
    async def scenario() -> None:
        decoder = Decoder()
        odd = os.fsdecode(os.fsencode(tmp_path) + b"/a\nb\xe9.wav")
        Path(odd).write_bytes(recordings.wav(441))
        sound = await decoder.decode(odd, 44_100)
        assert sound.name == "a?b?.wav"
        assert sound.frames == 441
        await decoder.close()

    run(scenario())


def test_the_process_ends_with_its_parent() -> None:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "foleyd_live.decoder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child.communicate(b"", timeout=PATIENCE_S)
    assert child.returncode == 0
