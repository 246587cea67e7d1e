"""``foleyd live`` as users start it: a process of its own on a real jackd, with a daemon and the starter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import jack_server
from foleyd.errors import BadRequest, FoleydError
from jack_server import wait
from live_host import Live
from serving import Served

RATE = 48_000


Start = Callable[..., Live]


@pytest.fixture
def start(tmp_path: Path, server: jack_server.Server) -> Iterator[Start]:
    """``start(connection, *arguments)``; what it started is ended."""
    started: list[Live] = []

    def one(connection: Path, *arguments: str) -> Live:
        started.append(Live(tmp_path / "host", server, connection, *arguments))
        return started[-1]

    yield one
    for live in started:
        if live.process.poll() is None:
            live.end()


def sound(path: Path, seconds: float = 0.5) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A file of noise; its samples."""
    samples = np.random.default_rng(1).uniform(-0.3, 0.3, (int(seconds * RATE), 2)).astype(np.float32)
    soundfile.write(path, samples, RATE, "FLOAT")
    return samples


def test_a_clip_is_loaded_pressed_and_heard_as_it_is(
    start: Start, server: jack_server.Server, tmp_path: Path
) -> None:
    samples = sound(tmp_path / "noise.wav")
    live = start(tmp_path / "no daemon", "--sounds", str(tmp_path))
    assert live.told["rate"] == RATE
    assert live.osc.done("/pad/load", 3, str(tmp_path / "noise.wav")) == (3, str(tmp_path / "noise.wav"))
    live.osc.done("/pad/play", 3)
    wait(lambda: live.value("playing", 3) == 1, "the pad does not play")
    wait(lambda: live.value("playing", 3) == 0, "the pad does not end")
    path, seconds = live.osc.done("/record/keep", 5.0)
    kept, rate = soundfile.read(str(path), dtype="float32")
    assert (rate, seconds) == (RATE, pytest.approx(len(kept) / RATE, abs=0.01))
    begin = int(np.flatnonzero(np.abs(kept).max(1) > 0)[0])
    assert np.abs(kept[begin : begin + len(samples)] - samples).max() <= 2**-23


def test_what_cannot_be_done_is_said_and_changes_nothing(start: Start, tmp_path: Path) -> None:
    sound(tmp_path / "noise.wav")
    (tmp_path / "text.wav").write_text("no sound")
    live = start(tmp_path / "no daemon", "--sounds", str(tmp_path))
    live.osc.done("/pad/load", 1, str(tmp_path / "noise.wav"))
    for address, arguments, said in (
        ("/pad/load", (1, "/etc/passwd"), "outside the library"),
        ("/pad/load", (1, str(tmp_path / "text.wav")), "text.wav"),
        ("/pad/load", (65, "x"), "give 1 to 64"),
        ("/pad/play", (2,), "pad 2 is empty"),
        ("/pad/play", (1, 3.0), "give 0 to 1"),
        ("/pad/render", (1, "rain"), "foleyd serve"),
        ("/pad/render", (1, "rain", "steps", 0), "steps"),
        ("/pad/choose", (1, 1), "no candidates"),
        ("/preset/load", ("nothing/like it",), "nothing"),
        ("/setlist/go", (1,), "setlist"),
        ("/show/save", (), "--show"),
        ("/cue/stop", (1,), "takes none"),
    ):
        with pytest.raises(FoleydError, match=said):
            live.osc.done(address, *arguments)
    with pytest.raises(BadRequest, match="-60 to 12 dB"):
        live.osc.done("/pad/set/gain", 1, 40.0)
    assert live.value("state", 1) == "ready"
    assert live.value("gain", 1) == 0.0


def test_a_sound_is_asked_for_in_words_and_played_with_the_daemon_killed(
    start: Start, server: jack_server.Server, tmp_path: Path
) -> None:
    with Served(tmp_path / "daemon") as daemon:
        live = start(daemon.file)
        wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
        pad, clip = live.osc.done("/pad/render", 1, "a deep kick drum", "seconds", 0.5, "steps", 2, "seed", 2)
        assert (pad, str(clip)[:5]) == (1, "clip-")
        assert live.value("prompt", 1) == "a deep kick drum"
        live.osc.send("/pad/set/mode", 1, "loop")
        live.osc.done("/pad/play", 1)
        wait(lambda: live.value("playing", 1) == 1, "the pad does not play")
        daemon.process.kill()
        daemon.process.wait()
        live.osc.done("/record/start")
        assert live.value("playing", 1) == 1
        path, seconds = live.osc.done("/record/stop")
        assert float(seconds) > 0
        assert Path(str(path)).is_file()
        live.osc.done("/host/panic")
        wait(lambda: live.value("playing", 1) == 0, "a panic does not end it")


def test_a_show_comes_back_as_it_was(start: Start, tmp_path: Path) -> None:
    sound(tmp_path / "noise.wav")
    show = tmp_path / "friday.json"
    live = start(tmp_path / "no daemon", "--show", str(show))
    live.osc.done("/pad/load", 7, str(tmp_path / "noise.wav"))
    for message in (("/pad/set/gain", 7, -6.0), ("/pad/set/choke", 7, 2), ("/clock/set/tempo", 97.0)):
        live.osc.send(*message)
    wait(lambda: live.value("choke", 7) == 2, "the pad keeps its old group")
    live.osc.done("/show/save")
    live.end()
    again = start(tmp_path / "no daemon", "--show", str(show))
    wait(lambda: again.value("state", 7) == "ready", "the clip does not come back")
    assert again.value("gain", 7) == -6.0
    assert again.value("choke", 7) == 2
    assert again.osc.asked("/clock/get/tempo")[-1] == 97.0


def test_properties_are_listened_to_and_the_host_says_how_it_is(start: Start, tmp_path: Path) -> None:
    live = start(tmp_path / "no daemon")
    live.osc.send("/pad/start_listen/gain", 4)
    assert live.osc.heard() == ("/pad/get/gain", 4, 0.0)
    live.osc.send("/pad/set/gain", 4, -3)
    assert live.osc.heard() == ("/pad/get/gain", 4, -3.0)
    device, rate, block, *rest = live.osc.asked("/host/status")
    assert (device, rate, block, rest[3]) == ("system", RATE, 256, "away")
