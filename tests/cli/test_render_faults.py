"""``foleyd render`` when things go wrong in the middle: Ctrl-C, dead workers, sounds that are none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faulty_worker import command

Run = Callable[..., Any]
Fault = Callable[[str], None]

START = """
import sys
from foleyd.daemon import workers
workers.COMMAND = tuple(sys.argv[1].split("\\n"))
from foleyd import cli
sys.exit(cli.main(sys.argv[2:]))
"""


def foleyd(fault: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A foleyd of its own, that may be sent signals, with a faulty worker."""
    line = [sys.executable, "-c", START, "\n".join(command(fault)), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, start_new_session=True)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def workers_of(pid: int) -> list[int]:
    """The process ids of a process's workers, as Linux tells them."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    children = [int(one) for text in lists for one in text.split()]
    return [one for one in children if b"foleyd.daemon.worker" in Path(f"/proc/{one}/cmdline").read_bytes()]


@pytest.mark.parametrize("fault", ["ctrl_c", "ctrl_c_twice", "load_ctrl_c"])
def test_ctrl_c_ends_with_130_and_leaves_nothing(
    model: str, tmp_path: Path, own_home: Path, fault: str
) -> None:
    done = foleyd(
        fault, "render", "a bell", "a gong", "--model", model, "--steps", 5, "-o", tmp_path, "--picture"
    )
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr == "foleyd: Cancelled: 0 of 2 clips were written.\n"
    assert left(tmp_path) == []
    assert left(own_home / "library" / "takes") == []


def test_ctrl_c_keeps_what_was_done_before(run: Run, model: str, tmp_path: Path, fault: Fault) -> None:
    fault("none")
    assert run("render", "a bell", "--seed", 1, "--model", model, "--steps", 5, "-o", tmp_path).status == 0
    done = foleyd(
        "ctrl_c",
        "render",
        "a bell",
        "a gong",
        "--seed",
        1,
        "--model",
        model,
        "--steps",
        5,
        "-o",
        tmp_path,
        "--json",
    )
    assert done.returncode == 130
    assert "1 of 2 clips were written" in done.stderr
    assert '"code": "cancelled"' in done.stdout
    assert left(tmp_path) == ["a-bell-1.wav"]


def test_a_killed_worker_is_one_sentence_with_its_signal(
    run: Run, model: str, tmp_path: Path, own_home: Path, fault: Fault
) -> None:
    fault("dies")
    ran = run("render", "a bell", "--model", model, "--steps", 5, "-o", tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("foleyd: The worker was ended by SIGKILL during a render")
    assert ran.err.count("\n") == 1
    assert left(tmp_path) == left(own_home / "library" / "takes") == []


def test_a_real_worker_that_is_killed_while_it_renders(
    run: Run, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foleyd.daemon.job import Event, Stepped
    from foleyd.talk import Talk

    def listen(talk: Talk, event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 2:
            [worker] = workers_of(os.getpid())
            os.kill(worker, signal.SIGKILL)

    monkeypatch.setattr(Talk, "listen", listen)
    ran = run("render", "a bell", "--model", model, "--steps", 200, "-o", tmp_path)
    assert (ran.status, ran.out, left(tmp_path)) == (1, "", [])
    assert "SIGKILL" in ran.err


def test_one_sound_that_fails_does_not_take_the_others_with_it(
    run: Run, model: str, tmp_path: Path, fault: Fault
) -> None:
    fault("bad_words")
    line = (
        "render",
        "a bell",
        "a bad bell",
        "a gong",
        "--seed",
        1,
        "--model",
        model,
        "--steps",
        5,
        "-o",
        tmp_path,
    )
    ran = run(*line)
    assert ran.status == 1
    assert [path.name for path in ran.paths] == ["a-bell-1.wav", "a-gong-1.wav"] == left(tmp_path)
    assert '"a bad bell": the samples are not numbers' in ran.err
    assert "1 of 3 clips failed" in ran.err
    as_json = run(*line, "--json").json
    assert [clip["prompt"] for clip in as_json["clips"]] == ["a bell", "a gong"]
    assert as_json["error"]["code"] == "render_failed"


def test_a_failing_write_leaves_nothing_half_done(
    run: Run, model: str, tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    fault("none")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ran = run("render", "a bell", "--model", model, "-o", tmp_path)
    assert ran.status == 1
    assert "room" in ran.err
    assert ran.err.count("\n") == 1
    assert left(tmp_path) == []


def test_what_a_library_prints_is_not_taken_for_a_path(
    run: Run, model: str, tmp_path: Path, fault: Fault
) -> None:
    fault("chatters")
    ran = run("render", "a bell", "--seed", 1, "--model", model, "--steps", 5, "-o", tmp_path)
    assert ran.paths == [tmp_path / "a-bell-1.wav"]
