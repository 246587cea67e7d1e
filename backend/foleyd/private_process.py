"""A foleyd command that runs for the length of another: started, waited for, and ended with the block."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from foleyd.errors import FoleydError

GRACE_S = 15.0
"""Seconds that it gets to end by itself."""

T = TypeVar("T")


class OscTold(msgspec.Struct, frozen=True):
    """What a command says that listens for OSC at `osc`, host:port."""

    osc: str

    @property
    def osc_address(self) -> tuple[str, int]:
        """Host and port of OSC."""
        host, _, port = self.osc.rpartition(":")
        return host, int(port)


@contextlib.contextmanager
def private_process(
    *arguments: str | Path, told: type[T], environment: Mapping[str, str] | None = None
) -> Iterator[T]:
    """Start ``foleyd`` with `arguments`, wait for the line of JSON that says where it listens, and end it
    with the block.

    `told` is that line's type; `environment` is added to this process's. Raises FoleydError with the
    command's own last sentence where it does not start.
    """
    with tempfile.TemporaryFile(prefix="foleyd-") as log:
        command = [sys.executable, "-m", "foleyd.cli", *map(str, arguments)]
        # a group of its own: Ctrl-C in a terminal goes to the command, which says what it means
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {})},
            process_group=0 if os.name != "nt" else None,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                process.wait()
                raise FoleydError(_last_words(log, str(arguments[0])))
            yield msgspec.json.decode(line, type=told)
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


def _last_words(log: IO[bytes], name: str) -> str:
    """The last line of a command that did not start, without its name in front."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return f"'foleyd {name}' could not be started and said nothing: run 'foleyd doctor'."
    return lines[-1].removeprefix("foleyd: ")
