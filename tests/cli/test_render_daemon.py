"""``foleyd render`` while a daemon runs: the daemon makes the sounds, unless it is told not to be asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gated_worker
from foleyd import another
from foleyd.client import Client
from foleyd.errors import RenderFailed
from foleyd.wire.connection import default_path
from serving import PATIENCE, Served

Run = Callable[..., Any]
SHORT = ("--seed", 1, "--steps", 5, "--seconds", 0.5)


@pytest.fixture
def daemon(own_home: Path) -> Iterator[Served]:
    """A daemon in the usual place, with a worker that waits where a prompt says so."""
    usual = default_path()
    usual.parent.mkdir(mode=0o700)
    with Served(own_home, "--connection-file", str(usual), worker=gated_worker.COMMAND) as served:
        served.file = usual
        yield served


@pytest.fixture
def cannot_render(no_worker: Callable[[], None]) -> None:
    """A private worker would fail the command."""
    no_worker()


def started(*arguments: object) -> subprocess.Popen[str]:
    """A command in a process of its own, that may be sent signals; it has no worker to start."""
    code = (
        "import sys, foleyd.daemon.workers as w; w.COMMAND = ('/no/worker/was/expected',); "
        "from foleyd.cli import main; sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def wait_for_step(daemon: Served, step: int) -> None:
    with Client(daemon.file) as client:
        events = client.events("job")
        while not any(job.step >= step for job in client.status().jobs):
            next(events)


@pytest.mark.usefixtures("cannot_render")
def test_the_running_daemon_makes_the_sounds(run: Run, daemon: Served, tmp_path: Path) -> None:
    ran = run("render", "a bell", "a gong", *SHORT, "--count", 2, "-o", tmp_path, "--json")
    assert ran.status == 0, ran.err
    assert [clip["prompt"] for clip in ran.json["clips"]] == ["a bell", "a bell", "a gong", "a gong"]
    assert len(list(tmp_path.glob("*.wav"))) == 4
    assert gated_worker.steps(daemon.home, "a bell").count(0) == 2
    # in the daemon's library, too
    with Client(daemon.file) as client:
        kept = client.render("a bell", seed=1, steps=5, seconds=0.5).result(PATIENCE)
    assert kept.kept == (True,)
    again = run("render", "a bell", *SHORT, "--rate", 44_100, "-o", tmp_path / "again.wav")
    assert again.status == 0
    assert gated_worker.steps(daemon.home, "a bell").count(0) == 2


@pytest.mark.usefixtures("cannot_render")
def test_a_sound_that_fails_there_fails_here(run: Run, daemon: Served, tmp_path: Path) -> None:
    ran = run("render", "fail", *SHORT, "-o", tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "foleyd: the samples are not numbers: try another seed.\n"
    assert list(tmp_path.iterdir()) == []


def test_no_daemon_means_a_worker_of_ones_own(
    run: Run, daemon: Served, tmp_path: Path, fault: Callable[[str], None], no_worker: Callable[[], None]
) -> None:
    no_worker()
    assert run("render", "a bell", *SHORT, "--no-daemon", "-o", tmp_path).status == 1
    fault("none")
    ran = run("render", "a bell", *SHORT, "--no-daemon", "-o", tmp_path)
    assert ran.status == 0, ran.err
    assert gated_worker.steps(daemon.home, "a bell") == []


def test_a_daemon_that_was_killed_is_not_waited_for(
    run: Run, daemon: Served, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    daemon.process.kill()
    daemon.process.wait(PATIENCE)
    assert daemon.file.exists()
    fault("none")
    ran = run("render", "a bell", *SHORT, "-o", tmp_path)
    assert ran.status == 0, ran.err
    assert len(ran.paths) == 1


def test_ctrl_c_cancels_the_daemons_job(daemon: Served, tmp_path: Path) -> None:
    command = started("render", "wait for ctrl-c", *SHORT, "-o", tmp_path)
    wait_for_step(daemon, 2)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, out) == (130, "")
    assert err == "foleyd: Cancelled: 0 of 1 clips were written.\n"
    assert list(tmp_path.iterdir()) == []
    with Client(daemon.file) as client:
        events = client.events("job")
        while client.status().jobs:
            next(events)
        assert client.status().worker.restarts == 0
    assert gated_worker.steps(daemon.home, "wait for ctrl-c") == [0, 1, 2, 3]


def test_ctrl_c_twice_does_not_wait_for_a_daemon_that_hangs(daemon: Served, tmp_path: Path) -> None:
    command = started("render", "wait for ever", *SHORT, "-o", tmp_path)
    wait_for_step(daemon, 2)
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        command.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            command.wait(1.0)
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=PATIENCE)
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    assert command.returncode == 130
    assert "Cancelled" in err
    assert "Traceback" not in err


def test_a_silent_seed_is_replaced_where_that_is_allowed(run: Run, daemon: Served, tmp_path: Path) -> None:
    plain = {"seed": 7, "steps": 5, "seconds": 0.5}
    taken = 7 + 3 * another.STRIDE
    # its worker gives tones: what is far from its words would be another flaw
    words = "flawed sine wave"
    with Client(daemon.file) as client:
        for retries in (0, 1):
            with pytest.raises(RenderFailed, match="silence"):
                client.render(words, **plain, retries=retries).result(PATIENCE)
        # the seeds that count up are the other clips' own
        found = client.render(words, **plain, count=2, retries=8).result(PATIENCE)
        assert [clip.seed for clip in found.clips] == [taken, taken + 1]
        assert len(found.notes) == 2
        assert found.notes[0].endswith("for the model gave silence for this seed: try another.")
        with pytest.raises(RenderFailed, match="numbers"):
            client.render("fail", **plain, retries=2).result(PATIENCE)
        assert gated_worker.steps(daemon.home, "fail").count(0) == 3
    named = f"flawed-sine-wave-{taken}.wav"
    for arguments, name in ((("-o", tmp_path), named), (("-o", tmp_path / "a.wav"), "a.wav")):
        ran = run("render", words, *SHORT, "--seed", 7, "--retry", 8, *arguments)
        assert ran.status == 0, ran.err
        assert [path.name for path in ran.paths] == [name]
        assert f"Seed {taken} was taken in place of 7, for the model gave silence" in ran.err
    refused = run("render", words, *SHORT, "--retry", 9)
    assert refused.status == 2


def test_a_clipped_seed_is_replaced_and_told_within_the_time_allowed(
    run: Run, daemon: Served, tmp_path: Path
) -> None:
    plain = {"steps": 5, "seconds": 0.5}
    taken = 7 + 3 * another.STRIDE
    with Client(daemon.file) as client:
        events = client.events("job")
        found = client.render("clipped", **plain, seed=7, retries=3).result(PATIENCE)
        assert [clip.seed for clip in found.clips] == [taken]
        why = "for the model gave a clipped sound for seed 7."
        assert found.notes == (f"Seed {taken} was taken in place of 7, {why}",)
        told = []
        while not told or told[-1].state != "done":
            told.append(next(events))
        assert f"Another seed is tried, {why}" in {event.message for event in told}
        # the takes are kept, and so is what was found out about them
        counted = gated_worker.steps(daemon.home, "clipped").count(0)
        again = client.render("clipped", **plain, seed=7, retries=3).result(PATIENCE)
        assert [clip.clip_id for clip in again.clips] == [clip.clip_id for clip in found.clips]
        assert gated_worker.steps(daemon.home, "clipped").count(0) == counted == 4
        # without enough tries the first is taken, with what is wrong with it
        few = client.render("clipped", **plain, seed=8, retries=1).result(PATIENCE)
        assert [clip.seed for clip in few.clips] == [8]
        assert few.notes == ("No seed that was tried gave a better sound: " + why[4:].replace("7", "8"),)
        # nobody asked for another
        plainly = client.render("clipped", **plain, seed=9).result(PATIENCE)
        assert ([clip.seed for clip in plainly.clips], plainly.notes) == ([9], ())
    ran = run("render", "clipped", *SHORT, "--seed", 7, "--retry", 3, "-o", tmp_path)
    assert ran.status == 0, ran.err
    assert f"Seed {taken} was taken in place of 7, {why}" in ran.err
