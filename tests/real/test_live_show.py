"""A show on a running host: kept through crashes, its clips held and got back, its setlist, its replay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import jack_server
from foleyd.client import Client
from foleyd.errors import FoleydError
from foleyd.messages import LibraryRequest
from jack_server import wait
from live_host import Live, Start, sound
from serving import PATIENCE, Served

Program = Callable[[str, str], str]
RENDER = ("a deep kick drum", "seconds", 0.5, "steps", 2, "seed", 2)


def connected(live: Live) -> Live:
    wait(lambda: live.osc.asked("/host/status")[6] == "connected", "the daemon is not found")
    return live


def test_what_a_host_had_comes_back_after_a_crash(program: Program, tmp_path: Path) -> None:
    program("jackd", "jackd2")
    sound(tmp_path / "noise.wav")
    away, home = tmp_path / "no daemon", tmp_path / "host"
    # jackd waits for a client that was killed, so each host has one of its own
    with jack_server.served() as server:
        live = Live(home, server, away, "--sounds", str(tmp_path))
        live.osc.done("/pad/load", 9, str(tmp_path / "noise.wav"))
        live.osc.send("/pad/set/gain", 9, -6.0)
        wait(lambda: gain_kept(home, "9") == -6.0, "the pads are not written down")
        live.crash()
        server.stop(crash=True)
    with jack_server.served() as server:
        # one that is started without a thought takes nothing away
        Live(home, server, away).end()
        again = Live(home, server, away, "--resume")
        wait(lambda: again.value("state", 9) == "ready", "the clip does not come back")
        assert again.value("gain", 9) == -6.0
        again.end()


def gain_kept(home: Path, pad: str) -> object:
    pads = {}
    for last in (home / "live").glob("show-*.json"):
        pads = json.loads(last.read_text())["pads"]
    return pads.get(pad, {}).get("values", {}).get("gain")


def test_a_host_that_cannot_open_leaves_the_show_alone(start: Start, tmp_path: Path) -> None:
    show = tmp_path / "friday.json"
    text = json.dumps({"title": "Friday", "pads": {"1": {"values": {"gain": -6.0}}}})
    show.write_text(text)
    with pytest.raises(AssertionError, match="no pair 9"):
        start(tmp_path / "no daemon", "--show", str(show), "--cue", "9")
    assert show.read_text() == text


def test_a_clip_that_is_gone_is_got_from_the_daemon_and_never_forgotten(
    start: Start, served: Served, tmp_path: Path
) -> None:
    show = tmp_path / "friday.json"
    live = connected(start(served.file, "--show", str(show)))
    _, clip = live.osc.done("/pad/render", 1, *RENDER)
    live.end()
    kept = json.loads(show.read_text())
    assert kept["pads"]["1"]["clip"]["clip_id"] == clip
    kept["pads"]["1"]["clip"]["path"] = str(tmp_path / "moved away.wav")
    show.write_text(json.dumps(kept))
    # without a daemon the pad is empty, and the show keeps what it cannot bring back
    alone = start(tmp_path / "no daemon", "--show", str(show))
    assert "moved away.wav" in alone.value("why", 1)
    alone.end()
    assert json.loads(show.read_text())["pads"]["1"]["clip"]["clip_id"] == clip
    again = start(served.file, "--show", str(show))
    wait(lambda: again.value("state", 1) == "ready", "the clip is not got back")
    assert again.value("clip", 1) == clip


def test_clips_of_pads_are_held_in_the_library(start: Start, served: Served, tmp_path: Path) -> None:
    live = connected(start(served.file))
    _, first = live.osc.done("/pad/render", 1, *RENDER)
    _, second = live.osc.done("/pad/render", 1, *RENDER[:-1], 3)
    with Client(served.file) as client:

        def held() -> tuple[str, ...]:
            holds = client.library(LibraryRequest(action="holds", name="foleyd live")).holds
            return tuple(holds.get("foleyd live", ()))

        # the first is one undo away
        wait(lambda: {first, second} <= set(held()), "the clips are not held")


def test_a_setlist_loads_what_its_entries_say(start: Start, tmp_path: Path) -> None:
    sound(tmp_path / "noise.wav")
    show = tmp_path / "friday.json"
    clip = {"path": "noise.wav", "name": "noise"}
    entries = [
        {"name": "Rain", "pads": {"2": {"values": {"gain": -3.0}, "clip": clip}}},
        {"name": "Storm", "values": {"clock/tempo": 140.0}},
    ]
    show.write_text(json.dumps({"setlist": entries}))
    live = start(tmp_path / "no daemon", "--show", str(show))
    assert live.osc.done("/setlist/next") == (1, "Rain")
    assert (live.value("state", 2), live.value("gain", 2)) == ("ready", -3.0)
    assert live.osc.done("/setlist/go", 2) == (2, "Storm")
    assert live.osc.asked("/clock/get/tempo")[-1] == 140.0
    assert live.osc.done("/setlist/previous") == (1, "Rain")
    with pytest.raises(FoleydError, match="no place 3 in the setlist: it has 2"):
        live.osc.done("/setlist/go", 3)


def test_a_log_of_presses_plays_again_with_the_same_spacing(start: Start, tmp_path: Path) -> None:
    samples = sound(tmp_path / "noise.wav", 0.3)
    show = tmp_path / "friday.json"
    live = start(tmp_path / "no daemon", "--show", str(show))
    live.osc.done("/pad/load", 1, str(tmp_path / "noise.wav"))
    for _ in range(3):
        live.osc.done("/pad/play", 1)
        wait(lambda: live.value("playing", 1) == 1, "the pad does not play")
        wait(lambda: live.value("playing", 1) == 0, "the pad does not end")
    live.end()
    (log,) = (tmp_path / "host" / "logs").glob("triggers-*.jsonl")
    frames = [json.loads(line)["frame"] for line in log.read_text().splitlines()]
    assert len(frames) == 3
    again = start(tmp_path / "no daemon", "--show", str(show), "--replay", str(log))

    def begins() -> list[int]:
        path, _ = again.osc.done("/record/keep", 10.0)
        heard, _ = soundfile.read(str(path), dtype="float32")
        found = np.flatnonzero(np.abs(heard[:-50, 0] - samples[0, 0]) < 1e-6)
        return [int(at) for at in found if np.abs(heard[at : at + 50] - samples[:50]).max() < 1e-6]

    wait(lambda: len(begins()) == 3, "the presses are not heard again")
    assert np.diff(begins()).tolist() == np.diff(frames).tolist()
    assert "played again: 3 presses" in again.said()


def test_doctor_says_whether_the_show_can_go_on(
    start: Start, server: jack_server.Server, tmp_path: Path
) -> None:
    sound(tmp_path / "noise.wav")
    show = tmp_path / "friday.json"
    live = start(tmp_path / "no daemon", "--show", str(show))
    live.osc.done("/pad/load", 1, str(tmp_path / "noise.wav"))
    live.end()

    def doctor() -> tuple[int, dict[str, tuple[str, str]]]:
        ran = subprocess.run(
            [sys.executable, "-m", "foleyd.cli", "doctor", "--show", show, "--json"],
            env={**os.environ, **server.environment, "FOLEYD_HOME": str(tmp_path / "host")},
            capture_output=True,
            timeout=PATIENCE,
        )
        checks = json.loads(ran.stdout)["checks"]
        return ran.returncode, {one["name"]: (one["status"], one["detail"]) for one in checks}

    status, checks = doctor()
    assert status == 0
    assert checks["clips"] == ("ok", "1 are there and can be played")
    assert checks["audio device"][0] == "ok"
    assert "48000 Hz, blocks of 256" in checks["audio device"][1]
    assert checks["daemon"][0] == "warning"
    (tmp_path / "noise.wav").unlink()
    status, checks = doctor()
    assert status == 1
    assert checks["clips"] == ("failed", "1 of 1: pad 1: noise.wav is missing")
