"""The stream on a real JACK server: what comes out, sample by sample, and what happens when it goes away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import jack_server
from foleyd.errors import BadRequest
from foleyd_live import devices, jacklibrary, portaudio
from foleyd_live.clockmap import ClockMap
from foleyd_live.desk import AUDITION, NOW, Desk, Play
from foleyd_live.devices import NoDevice
from foleyd_live.jackclient import JackStream
from foleyd_live.portaudio import PortAudioStream
from foleyd_live.settings import Settings
from foleyd_live.stream import Stream

RATE = 48_000
MIXERS = ("numba", "numpy")

Samples = npt.NDArray[np.float32]


@pytest.fixture
def server() -> Iterator[jack_server.Server]:
    """A server that is this process's own."""
    with jack_server.served() as running:
        yield running


def noise(frames: int, seed: int = 1) -> Samples:
    """Samples that 24 bits hold exactly, none of them silent, below the limiter's ceiling."""
    drawn = np.random.default_rng(seed).integers(1, 2**22, (frames, 2))
    return (drawn / 2**23).astype(np.float32)


async def until(so: Callable[[], object], what: str) -> None:
    """Wait on the loop until `so` is true."""
    deadline = asyncio.get_running_loop().time() + jack_server.PATIENCE_S
    while not so():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


@asynccontextmanager
async def playing(desk: Desk, told: list[int] | None = None, **settings: object) -> AsyncIterator[Stream]:
    """An open stream of `desk`; `told` gets the rates that it came back with."""

    async def on_rate() -> None:
        if told is not None:
            told.append(desk.rate)

    stream = Stream(desk, Settings(**settings), on_rate)  # type: ignore[arg-type]
    stream.open()
    try:
        yield stream
    finally:
        await stream.close()


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_clip_comes_out_bit_exact(server: jack_server.Server, mixer: str) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk) as stream:
            assert stream.state.state == "open"
            assert (stream.state.rate, stream.state.block, stream.state.outputs) == (RATE, 256, 4)
            clip = noise(RATE)
            with jack_server.Recorder(server, 4, seconds=20) as recorder:
                desk.play(Play(pad=0, clip=desk.add_clip(clip)))
                heard = await asyncio.to_thread(recorder.after, clip[0], RATE)
        np.testing.assert_array_equal(heard[:, :2], clip)
        assert not heard[:, 2:].any()

    asyncio.run(scenario())


@pytest.fixture
def portaudio_sees_jack(server: jack_server.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PortAudio as the host uses it for other audio systems, with the server as its device."""
    with monkeypatch.context() as seen:
        seen.setattr(devices, "HIDDEN", {})
        devices.look_again()
    yield
    # while the server lives: PortAudio cannot let go of one that has gone
    devices.look_again()


@pytest.mark.usefixtures("portaudio_sees_jack")
@pytest.mark.parametrize("mixer", MIXERS)
def test_a_clip_comes_out_bit_exact_through_portaudio(server: jack_server.Server, mixer: str) -> None:
    desk = Desk(RATE, 4, 2, cue_pair=1, mixer=mixer)
    device = next(one for one in devices._of_portaudio() if one.outputs == 4)
    stream = PortAudioStream(desk, device, device, 0)
    try:
        stream.start()
        clip = noise(RATE)
        with jack_server.Recorder(server, 4, seconds=20) as recorder:
            desk.play(Play(pad=0, clip=desk.add_clip(clip)))
            heard = recorder.after(clip[0], RATE)
        assert stream.active
        assert 0 < desk.clock().latency_s < 1
        assert len(desk.counters().durations_us) == desk.counters().blocks
    finally:
        stream.close()
    np.testing.assert_array_equal(heard[:, :2], clip)
    assert not heard[:, 2:].any()


@pytest.mark.parametrize("mixer", MIXERS)
def test_events_are_as_far_apart_as_their_times(server: jack_server.Server, mixer: str) -> None:
    """Times of a twentieth of a second, from a moment that is nowhere on the device's grid."""
    count, apart = 40, 2400

    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk):
            clocks = ClockMap(desk)
            mark = np.full((1, 2), 0.5, np.float32)
            clip = desk.add_clip(mark)
            with jack_server.Recorder(server, 2, seconds=20) as recorder:
                begin = clocks.time_at(desk.frame) + 0.5 + 1.2345 / RATE
                for place in range(count):
                    desk.play(Play(pad=0, clip=clip), clocks.frame_at(begin + place * apart / RATE))
                heard = await asyncio.to_thread(recorder.after, mark[0], count * apart)
        places = np.flatnonzero(heard[:, 0])
        np.testing.assert_array_equal(np.diff(places), np.full(count - 1, apart))
        assert desk.counters().late == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("mixer", MIXERS)
def test_twenty_rounds_of_a_loop_are_one_sound(server: jack_server.Server, mixer: str) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk):
            clip = noise(4801)
            with jack_server.Recorder(server, 2, seconds=20) as recorder:
                desk.play(Play(pad=0, clip=desk.add_clip(clip), loop=True))
                heard = await asyncio.to_thread(recorder.after, clip[0], 20 * len(clip))
        np.testing.assert_array_equal(heard, np.tile(clip, (20, 1)))

    asyncio.run(scenario())


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_swap_at_the_loop_point_drops_and_doubles_nothing(server: jack_server.Server, mixer: str) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk):
            old, new = noise(5003), noise(3001, seed=2)
            slots = desk.add_clip(old), desk.add_clip(new)
            with jack_server.Recorder(server, 2, seconds=30) as recorder:
                desk.play(Play(pad=0, clip=slots[0], loop=True))
                await asyncio.to_thread(recorder.after, old[0], 2 * len(old))
                desk.swap(0, slots[1], "loop", loop=True)
                await asyncio.to_thread(recorder.after, new[0], 4 * len(new))
                heard = recorder.heard.copy()
        begin = int(np.flatnonzero((heard == old[0]).all(axis=1))[0])
        change = int(np.flatnonzero((heard == new[0]).all(axis=1))[0])
        rounds, rest = divmod(change - begin, len(old))
        assert rest == 0
        assert rounds >= 2
        np.testing.assert_array_equal(heard[begin:change], np.tile(old, (rounds, 1)))
        np.testing.assert_array_equal(heard[change:][: 4 * len(new)], np.tile(new, (4, 1)))

    asyncio.run(scenario())


@pytest.mark.parametrize("mixer", MIXERS)
def test_the_cue_bus_is_apart(server: jack_server.Server, mixer: str) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        async with playing(desk):
            assert desk.cue_pair == 1
            main, cue = noise(RATE), noise(RATE, seed=2)
            with jack_server.Recorder(server, 4, seconds=30) as recorder:
                at = desk.frame + RATE // 2
                desk.play(Play(pad=0, clip=desk.add_clip(main)), at)
                desk.play(Play(pad=AUDITION, clip=desk.add_clip(cue)), at)
                heard = await asyncio.to_thread(recorder.after, main[0], RATE)
        np.testing.assert_array_equal(heard, np.hstack([main, cue]))

    asyncio.run(scenario())


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "ended"])
def test_a_lost_device_opens_again_by_itself(server: jack_server.Server, crash: bool) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2)
        told: list[int] = []
        async with playing(desk, told) as stream:
            clip = noise(RATE // 2)
            slot = desk.add_clip(clip)
            desk.set_pad(3, gain=0.5)
            await until(lambda: desk.frame > RATE // 10, "nothing is mixed")
            server.stop(crash=crash)
            await until(lambda: stream.state.state == "lost", "nobody saw that the server has gone")
            assert stream.state.why
            frame = desk.frame
            await asyncio.to_thread(server.start)
            await until(lambda: stream.state.state == "open", "the stream did not come back")
            assert stream.reopened == 1
            assert stream.state.why == ""
            assert not told
            with jack_server.Recorder(server, 2, seconds=30) as recorder:
                desk.play(Play(pad=3, clip=slot))
                heard = await asyncio.to_thread(recorder.after, clip[0] / 2, len(clip))
            assert desk.frame > frame
        np.testing.assert_array_equal(heard, clip / 2)

    asyncio.run(scenario())


@pytest.mark.parametrize("mixer", MIXERS)
def test_another_rate_is_told_before_anything_plays_at_it(server: jack_server.Server, mixer: str) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        told: list[int] = []
        async with playing(desk, told) as stream:
            await until(lambda: desk.frame > RATE // 10, "nothing is mixed")
            server.stop(crash=True)
            await until(lambda: stream.state.state == "lost", "nobody saw that the server has gone")
            frame = desk.frame
            await asyncio.to_thread(server.start, 44_100)
            await until(lambda: stream.state.state == "open", "the stream did not come back")
            assert told == [44_100]
            assert stream.state.rate == desk.rate == 44_100
            clip = noise(10_000)
            with jack_server.Recorder(server, 2, seconds=30) as recorder:
                desk.play(Play(pad=0, clip=desk.add_clip(clip)))
                heard = await asyncio.to_thread(recorder.after, clip[0], len(clip))
            assert desk.frame > frame
        np.testing.assert_array_equal(heard, clip)

    asyncio.run(scenario())


def test_nobody_looks_at_a_new_server_while_a_client_of_the_old_one_is_open(
    server: jack_server.Server,
) -> None:
    """JACK's library keeps one server's memory for the whole process: the process would die."""
    desk = Desk(RATE, 2)
    stream = JackStream(desk, "system", 2, 0)
    try:
        stream.start()
        assert jacklibrary.server() is not None
        server.stop(crash=True)
        server.start(44_100)
        jack_server.wait(lambda: not stream.active, "nobody saw that the server has gone")
        assert jacklibrary.server() is None
        with pytest.raises(NoDevice, match="no JACK server is running"):
            JackStream(desk, "system", 2, 0)
    finally:
        stream.close()
    found = jacklibrary.server()
    assert found is not None
    assert found.rate == 44_100


def test_clips_that_cannot_follow_do_not_keep_the_sound_away(server: jack_server.Server) -> None:
    async def scenario() -> None:
        async def on_rate() -> None:
            raise BadRequest("the clip is gone: load another.")

        desk = Desk(RATE, 2)
        stream = Stream(desk, Settings(), on_rate)
        stream.open()
        try:
            server.stop(crash=True)
            await until(lambda: stream.state.state == "lost", "nobody saw that the server has gone")
            await asyncio.to_thread(server.start, 44_100)
            await until(lambda: stream.state.state == "open", "the stream did not come back")
        finally:
            await stream.close()
        assert stream.state.state == "closed"

    asyncio.run(scenario())


def test_a_block_that_comes_too_late_is_counted(server: jack_server.Server) -> None:
    """A mixer that holds one block back for many blocks' time."""

    async def scenario() -> None:
        desk = Desk(RATE, 4, cue_pair=1, mixer="numpy")
        held = threading.Event()
        mixed = desk.mixer.process

        def slow(out: Samples, sound: Samples) -> None:
            if not held.is_set() and desk.frame > RATE:
                held.set()
                threading.Event().wait(0.5)
            mixed(out, sound)

        desk.mixer.process = slow  # type: ignore[method-assign]
        async with playing(desk) as stream:
            await until(lambda: desk.frame > RATE // 2, "nothing is mixed")
            before = stream.state.xruns
            await until(held.is_set, "no block was held back")
            await until(lambda: stream.state.xruns > before, "nobody counted it")
            await until(lambda: stream.state.load_most > 10, "nobody measured it")
            assert stream.state.state == "open"

    asyncio.run(scenario())


def test_a_frame_is_heard_when_the_clock_map_says() -> None:
    """Against the server's own times: within the error that the map reports, and a tenth of a block. A server
    that ran late meanwhile proves nothing: again."""
    block = 2048

    async def heard_at(desk: Desk, clocks: ClockMap, slot: int, recorder: jack_server.Recorder) -> float:
        """How much later than it was to be a frame was heard."""
        begin = len(recorder.heard)
        due = clocks.time_at(desk.frame) + 0.5
        desk.play(Play(pad=0, clip=slot), clocks.frame_at(due))
        await until(lambda: recorder.heard[begin:].any(), "nothing is heard")
        place = begin + int(np.flatnonzero(recorder.heard[begin:, 0])[0])
        # the mixer's own look-ahead comes after the frame
        return recorder.time_of(place) - 32 / RATE - due

    async def settled(clocks: ClockMap) -> None:
        for _ in range(20):
            clocks.look()
            await asyncio.sleep(0.02)

    async def scenario(server: jack_server.Server) -> None:
        desk = Desk(RATE, 2)
        async with playing(desk) as stream:
            clocks = ClockMap(desk)
            slot = desk.add_clip(np.full((1, 2), 0.5, np.float32))
            with jack_server.Recorder(server, 2, seconds=jack_server.PATIENCE_S) as recorder:
                steady = False
                while not steady:
                    await settled(clocks)
                    missed, moved, before = stream.state.xruns, clocks.moved, clocks.error_s
                    late = await heard_at(desk, clocks, slot, recorder) + stream.state.latency_s
                    await settled(clocks)
                    error = max(before, clocks.error_s)
                    steady = (stream.state.xruns, clocks.moved) == (missed, moved) and error < 0.05
            assert abs(late) <= error + 0.1 * block / RATE

    with jack_server.served(block=block) as server:
        asyncio.run(scenario(server))


@pytest.fixture
def alsa_without_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ALSA with a device that swallows what it gets, as fast as it gets it."""
    configuration = tmp_path / "asound.conf"
    # the second cannot be opened: PortAudio 19.6 asserts that some device of the configuration cannot
    configuration.write_text("pcm.nothing { type null }\npcm.absent { type hw card 31 }\n")
    with monkeypatch.context() as changed:
        changed.setenv("ALSA_CONFIG_PATH", str(configuration))
        changed.setenv("JACK_DEFAULT_SERVER", "foleyd-test-none")
        # it would keep a processor for itself
        changed.setattr(portaudio, "_ask_for_priority", lambda *stream: None)
        devices.look_again()
        yield
    devices.look_again()


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux's")
@pytest.mark.usefixtures("alsa_without_a_card")
@pytest.mark.parametrize("mixer", MIXERS)
def test_a_stream_of_portaudio_opens_again_too(mixer: str) -> None:
    async def scenario() -> None:
        desk = Desk(RATE, 2, mixer=mixer)
        told: list[int] = []
        async with playing(desk, told, host_api="ALSA", rate=44_100, outputs=2, block=512) as stream:
            assert (stream.state.device, stream.state.host_api) == ("nothing", "ALSA")
            assert (stream.state.rate, stream.state.block) == (44_100, 512)
            assert stream.state.latency_s > 0
            await until(lambda: desk.counters().blocks > 100, "nothing is mixed")
            # what PortAudio shows when a device is pulled out
            assert isinstance(stream._playing, PortAudioStream)
            stream._playing._stream.abort()
            await until(lambda: stream.state.state == "lost", "nobody saw that the device has gone")
            await until(lambda: stream.state.state == "open", "the stream did not come back")
            frame = desk.frame
            await until(lambda: desk.frame > frame, "nothing is mixed")
            assert desk.rate == 44_100
            assert not told

    asyncio.run(scenario())


def test_no_server_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "foleyd-test-none")
    desk = Desk(RATE, 2, mixer="numpy")

    async def nothing() -> None:
        pass

    async def scenario() -> None:
        with pytest.raises(NoDevice, match=r"no (audio )?device") as refused:
            Stream(desk, Settings(host_api="JACK"), nothing).open()
        assert str(refused.value).count("\n") == 0

    asyncio.run(scenario())


def test_settings_that_the_device_cannot_meet_are_refused(server: jack_server.Server) -> None:
    async def nothing() -> None:
        pass

    async def scenario() -> None:
        for settings, said in (
            (Settings(device="speakers"), "there is no audio device 'speakers'"),
            (Settings(rate=44_100), "runs at 48000 Hz, not 44100"),
            (Settings(cue=3), "no pair 3"),
        ):
            desk = Desk(RATE, 2, mixer="numpy")
            with pytest.raises(BadRequest, match=said):
                Stream(desk, settings, nothing).open()

    asyncio.run(scenario())


def test_the_list_of_devices_names_the_server(server: jack_server.Server) -> None:
    assert "system (JACK Audio Connection Kit): 4 out, 4 in, 48000 Hz" in devices.table()
    assert devices.choose("", "").host_api == devices.JACK
    assert devices.choose("sys", "jack").is_default


def test_the_audio_thread_s_priority_is_told(server: jack_server.Server) -> None:
    async def scenario() -> None:
        async with playing(Desk(RATE, 2)) as stream:
            await until(lambda: stream.state.load > 0, "no load is measured")
            assert stream.state.realtime is False
            assert stream.state.load <= stream.state.load_most

    asyncio.run(scenario())


def test_now_is_the_next_block(server: jack_server.Server) -> None:
    """A trigger with no frame is in the first block that is mixed after it."""

    async def scenario() -> None:
        desk = Desk(RATE, 2)
        async with playing(desk):
            slot = desk.add_clip(noise(RATE * 5))
            for _ in range(10):
                before = desk.frame
                desk.play(Play(pad=0, clip=slot, voices=1), NOW)
                await until(lambda: desk.voices(), "nothing sounds")
                after = desk.frame
                played = max(int(voice.position) for voice in desk.voices())
                # it has played since the block that began at `before`, or the one after it; in the block
                # that is being mixed voices move first, and the frame last
                assert after - before - 2 * 256 <= played <= desk.frame + 256 - before
                desk.panic()
                await until(lambda: not desk.voices(), "the voices do not end")

    asyncio.run(scenario())


def test_a_client_closes_while_its_callback_waits_for_python(server: jack_server.Server) -> None:
    script = Path(__file__).parent.parent / "live" / "closes_under_python.py"
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, **server.environment}, capture_output=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, b"closed 10\n"), done.stderr.decode()
