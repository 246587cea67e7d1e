"""``foleyd live`` as users start it: a process of its own on a real jackd, with a daemon and the starter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import jack_server
from foleyd.client import Client
from foleyd.errors import BadRequest, FoleydError
from foleyd.messages import LibraryRequest
from foleyd_live.midi_ports import SEQUENCER
from jack_server import wait
from live_host import RATE, Live, Start, sound
from serving import PATIENCE, Served

if TYPE_CHECKING:
    from foleyd_live.jackmidi import JackMidi


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


def test_a_sound_is_asked_for_in_words(start: Start, served: Served) -> None:
    live = start(served.file)
    wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
    pad, clip = live.osc.done("/pad/render", 1, "a deep kick drum", "seconds", 0.5, "steps", 2, "seed", 2)
    assert (pad, str(clip)[:5]) == (1, "clip-")
    assert live.value("prompt", 1) == "a deep kick drum"


def test_another_is_made_of_what_a_pad_has(start: Start, served: Served) -> None:
    live = start(served.file)
    wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
    with pytest.raises(BadRequest, match="pad 1 has no clip"):
        live.osc.done("/pad/vary", 1)
    live.osc.done("/pad/render", 1, "gusty wind", "seconds", 0.5, "steps", 4, "seed", 2)
    made = {}
    for operation, arguments in {
        "vary": (0.4,),
        "loop": (),
        "like": (0.8, "steps", 2),
        "restyle": ("a steel door", 0.5, "steps", 2),
    }.items():
        if operation == "loop":  # of the sound that was made from words
            live.osc.done("/pad/undo", 1)
        _, clip = live.osc.done(f"/pad/{operation}", 1, *arguments)
        with Client(served.file) as client:
            made[operation] = client.clip(str(clip), audio=False).clips[0].recipe
    assert {name: fields["operation"] for name, fields in made.items()} == {name: name for name in made}
    assert (made["vary"]["centre"], made["vary"]["distance"]) == (2, 0.4)
    assert (made["loop"]["seed"], made["loop"]["seconds"]) == (2, 0.5)
    assert made["like"]["likeness"] == 0.8
    assert made["restyle"]["prompt"] == "a steel door"
    with pytest.raises(BadRequest, match="not made from words alone"):
        live.osc.done("/pad/vary", 1)


def test_a_fader_goes_from_a_pad_s_sound_to_other_words(start: Start, served: Served, tmp_path: Path) -> None:
    show = tmp_path / "friday.json"
    live = start(served.file, "--show", str(show))
    wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
    with pytest.raises(BadRequest, match="pad 1 has no clip"):
        live.osc.done("/pad/morph", 1, "ocean waves")
    live.osc.done("/pad/render", 1, "gusty wind", "seconds", 0.5, "steps", 2, "seed", 2)
    with pytest.raises(BadRequest, match="stages is 17: give 2 to 16"):
        live.osc.done("/pad/morph", 1, "ocean waves", 17)
    assert live.value("stages", 1) == 1
    _, clip = live.osc.done("/pad/morph", 1, "ocean waves", 3, "towards_seed", 5)
    assert (live.value("stages", 1), live.value("clip", 1)) == (3, clip)
    live.osc.send("/pad/set/fader", 1, 0.5)
    wait(lambda: live.value("fader", 1) == 0.5, "the fader does not move")
    with pytest.raises(BadRequest, match="0 to 1"):
        live.osc.done("/pad/set/fader", 1, 1.5)
    live.osc.done("/pad/play", 1)
    wait(lambda: live.value("playing", 1) == 0, "the pad does not end")
    # each stage is a candidate, and by itself a plain clip
    live.osc.done("/pad/choose", 1, 3)
    assert live.value("stages", 1) == 1
    live.osc.done("/pad/undo", 1)
    live.osc.done("/show/save")
    live.end()
    kept = json.loads(show.read_text())["pads"]["1"]["clip"]
    ids = [kept["clip_id"], *(one["clip_id"] for one in kept["stages"])]
    with Client(served.file) as client:
        made = [client.clip(one, audio=False).clips[0] for one in ids]
        held = client.library(LibraryRequest(action="holds")).holds[f"show {show}"]
    assert [one.recipe["mix"] for one in made] == [0, 0.5, 1]
    assert set(held) == set(ids)
    # one stage is gone from the disk and is made again
    Path(made[1].path).unlink()
    again = start(served.file, "--show", str(show))
    wait(lambda: again.value("stages", 1) == 3, "the morph does not come back")
    assert again.value("fader", 1) == 0.5


def test_a_morph_whose_daemon_dies_leaves_the_pad_as_it_was(start: Start, tmp_path: Path) -> None:
    with Served(tmp_path / "daemon") as daemon:
        live = start(daemon.file)
        wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
        _, clip = live.osc.done("/pad/render", 1, "gusty wind", "seconds", 0.5, "steps", 2, "seed", 2)
        live.osc.send("/pad/morph", 1, "ocean waves", 4, "seconds", 10.0, "steps", 150)
        wait(lambda: live.value("state", 1) == "rendering", "nothing is rendered")
        daemon.process.kill()
        daemon.process.wait()
        wait(lambda: live.osc.asked("/host/status")[6] == "away", "nobody sees that the daemon has gone")
    assert (live.value("stages", 1), live.value("clip", 1)) == (1, clip)
    live.osc.done("/pad/play", 1)
    wait(lambda: live.value("playing", 1) == 0, "the pad does not end")


def test_sound_goes_on_while_the_worker_and_the_daemon_are_killed(
    start: Start, server: jack_server.Server, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    loop = sound(tmp_path / "noise.wav", 0.25)
    outside = tmp_path / "outside.wav"
    with Served(tmp_path / "daemon") as daemon:
        live = start(daemon.file, "--sounds", str(tmp_path))
        wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
        live.osc.done("/pad/load", 1, str(tmp_path / "noise.wav"))
        live.osc.send("/pad/set/mode", 1, "loop")
        live.osc.done("/pad/play", 1)
        wait(lambda: live.value("playing", 1) == 1, "the pad does not play")
        live.osc.done("/record/start")
        recorder = subprocess.Popen(
            [program("jack_rec", "jackd2"), "-f", outside, "-d", "6", "-b", "32", "foleyd:out_1"],
            env={**os.environ, **server.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        live.osc.send("/pad/render", 2, "rain", "seconds", 10.0, "steps", 150, "seed", 1)
        wait(lambda: live.value("state", 2) == "rendering", "nothing is rendered")
        with Client(daemon.file) as client:
            worker = client.status().worker.pid
            assert worker is not None
            os.kill(worker, signal.SIGKILL)
            wait(lambda: client.status().worker.pid not in (worker, None), "the worker does not come back")
        daemon.process.kill()
        daemon.process.wait()
        wait(lambda: live.osc.asked("/host/status")[6] == "away", "nobody sees that the daemon has gone")
        said = recorder.communicate(timeout=PATIENCE)[1]
        assert (recorder.returncode, said) == (0, b"")
        path, seconds = live.osc.done("/record/stop")
        # it is not given up: the next daemon gets it
        assert live.value("state", 2) in ("queued", "rendering")
    inside, _ = soundfile.read(str(path), dtype="float32")
    heard, _ = soundfile.read(outside, dtype="float32", always_2d=True)
    assert min(float(seconds), len(heard) / RATE) >= 5.5
    for samples in (inside[:, :1], heard):
        begin = int(np.flatnonzero(np.abs(samples[:, 0] - loop[0, 0]) < 2**-23)[0])
        whole = samples[begin:, 0]
        assert len(whole) > 5 * RATE
        assert np.abs(whole - np.resize(loop[:, 0], len(whole))).max() <= 2**-23


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


def test_midi_and_sound_come_back_with_their_jack_server(tmp_path: Path) -> None:
    if SEQUENCER.exists():
        pytest.skip("MIDI is the ALSA sequencer here, which no JACK server takes away")

    def press(keys: JackMidi, pad: int) -> None:
        """The pad plays once the host has found the keyboard, and its device."""

        def plays() -> bool:
            keys.send(0, bytes([0x90, 35 + pad, 100]))
            return bool(live.value("playing", pad))

        wait(plays, "the pad does not play")

    sound(tmp_path / "noise.wav", seconds=20.0)
    with jack_server.served() as server:
        live = Live(
            tmp_path / "host", server, tmp_path / "no daemon", "--sounds", str(tmp_path), "--midi-in", "grid"
        )
        try:
            for pad in (1, 2):
                live.osc.done("/pad/load", pad, str(tmp_path / "noise.wav"))
            keys = jack_server.midi("Grid", [], ["keys"])
            press(keys, 1)
            server.stop(crash=True)
            keys.close()
            wait(lambda: "MIDI system has ended" in live.said(), "the host's MIDI does not see it")
            server.start()
            keys = jack_server.midi("Grid", [], ["keys"])
            press(keys, 2)
            keys.close()
        finally:
            live.end()
