"""A daemon for the length of a command, for those who have none running."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from foleyd.errors import FoleydError

GRACE_S = 15.0
"""Seconds that it gets to end by itself."""


class Told(msgspec.Struct, frozen=True):
    """What a daemon says once it answers: where it listens, and what it keeps."""

    pid: int
    osc: str
    library: str
    connection_file: str

    @property
    def osc_address(self) -> tuple[str, int]:
        """Host and port of OSC."""
        host, _, port = self.osc.rpartition(":")
        return host, int(port)


@contextlib.contextmanager
def private_daemon(*arguments: str) -> Iterator[Told]:
    """Start ``foleyd serve`` on free ports, wait until it answers, and end it with the block.

    `arguments` are more options of that command. Raises FoleydError with the daemon's own sentence where it
    does not start.
    """
    with tempfile.TemporaryDirectory(prefix="foleyd-") as folder, (Path(folder) / "log").open("w+b") as log:
        command = [
            *(sys.executable, "-m", "foleyd.cli", "serve", "--json"),
            *("--zmq-ports", "0,0,0", "--osc-port", "0"),
            *("--connection-file", str(Path(folder) / "connection.json")),
            *arguments,
        ]
        # a group of its own: Ctrl-C in a terminal goes to the command, which says what it means
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, process_group=0 if os.name != "nt" else None
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                process.wait()
                raise FoleydError(_last_words(log))
            yield msgspec.json.decode(line, type=Told)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _last_words(log: IO[bytes]) -> str:
    """The last line of a daemon that did not start, without its name in front."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return "The daemon could not be started and said nothing: run 'foleyd doctor'."
    return lines[-1].removeprefix("foleyd: ")
