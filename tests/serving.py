"""A daemon as users start it, in a process of its own, for the length of a test."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 120.0
"""Seconds that anything may take on a machine that is busy with something else."""


def wait_until_gone(fd: int) -> None:
    """Wait for the end of the process that a pidfd stands for, and close it."""
    try:
        assert select.select([fd], [], [], PATIENCE)[0], "the process is still there"
    finally:
        os.close(fd)


class Served:
    """``foleyd serve`` on free ports, with everything it keeps below `home`. A context manager.

    `told` is what it printed once it answered; `file` its connection file; `log` what it wrote on standard
    error, complete when it has ended. `worker` replaces the worker's command by one with faults.
    """

    def __init__(self, home: Path, *arguments: str, worker: tuple[str, ...] = ()) -> None:
        self.home = home
        self.file = home / "connection.json"
        self._arguments = arguments
        self._worker = worker
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        start = "import sys; from foleyd.cli import main; sys.exit(main())"
        if self._worker:
            start = f"import foleyd.daemon.workers as w; w.COMMAND = {self._worker!r}; {start}"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                start,
                "serve",
                "--json",
                "--zmq-ports",
                "0,0,0",
                "--osc-port",
                "0",
                "--connection-file",
                str(self.file),
                *self._arguments,
            ],
            env={**os.environ, "FOLEYD_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(PATIENCE)
            self._end()
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.log}")
        self.told: dict[str, Any] = json.loads(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the daemon did not end by itself: {self.log}") from None
        finally:
            self._end()

    def _end(self) -> None:
        self._reader.join(PATIENCE)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)

    @property
    def log(self) -> str:
        """What it has said on standard error so far."""
        return "".join(self._lines)

    @property
    def osc(self) -> tuple[str, int]:
        """Where it listens to OSC."""
        host, _, port = self.told["osc"].rpartition(":")
        return host, int(port)
