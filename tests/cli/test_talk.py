"""What a command says on a terminal, and on none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from faulty_worker import command
from foleyd.daemon.job import Loading, Stepped
from foleyd.talk import Talk

PROGRAM = """
import sys
from foleyd.daemon import workers
workers.COMMAND = tuple(sys.argv[1].split("\\n"))
from foleyd import cli
sys.exit(cli.main(sys.argv[2:]))
"""

CTRL_C = """
import signal
from foleyd.talk import Interrupts

heard, before = [], signal.getsignal(signal.SIGINT)
try:
    with Interrupts(lambda: heard.append("stop"), lambda: heard.append("force")):
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
            print(*heard)
except KeyboardInterrupt:
    print("interrupted")
if signal.getsignal(signal.SIGINT) == before:
    print("as before")
"""


def test_progress_is_for_terminals_alone(model: str, tmp_path: Path) -> None:
    line = [sys.executable, "-c", PROGRAM, "\n".join(command("none")), "render", "a bell", "--model", model]
    line += ["--steps", "50", "--seed", "1"]
    piped = subprocess.run([*line, "-o", str(tmp_path / "1.wav")], capture_output=True, check=True, text=True)
    assert piped.stdout == f"{tmp_path / '1.wav'}\n"
    assert piped.stderr.count("\n") == 1
    assert "\x1b" not in piped.stderr

    control, terminal = pty.openpty()
    environment = {**os.environ, "FOLEYD_HOME": str(tmp_path / "other"), "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*line, "-o", str(tmp_path / "2.wav")], stdout=subprocess.PIPE, stderr=terminal, env=environment
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            piece = os.read(control, 4096)
        except OSError:  # Linux's way to say that nobody holds the other end any more
            break
        seen += piece
    os.close(control)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert out.decode() == f"{tmp_path / '2.wav'}\n"
    assert b"/50" in seen
    assert b'"a bell": seed 1' in seen


def test_without_a_terminal_events_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Talk() as talk:
        talk.begin("a bell")
        talk.listen(Loading("Tiny"))
        talk.listen(Stepped(1, 2))
        talk.say("done [bold]indeed[/bold]")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "done [bold]indeed[/bold]\n")


def test_the_first_ctrl_c_asks_the_second_forces_the_third_is_pythons() -> None:
    # in a process of its own: signals are for a whole process, and this one runs other tests
    ran = subprocess.run([sys.executable, "-c", CTRL_C], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == ["stop", "stop force", "interrupted", "as before"]
