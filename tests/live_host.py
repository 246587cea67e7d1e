"""``foleyd live`` as users start it, in a process of its own on a real jackd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import jack_server
from foleyd.osc_request import OscRequests
from serving import PATIENCE

RATE = 48_000


class Live:
    """``foleyd live`` on `server`, talking to the daemon of `connection`."""

    def __init__(self, home: Path, server: jack_server.Server, connection: Path, *arguments: str) -> None:
        start = "import sys; from foleyd.cli import main; sys.exit(main())"
        command = [
            "live",
            "--json",
            "--host-api",
            "JACK",
            "--osc-port",
            "0",
            "--page-port",
            "0",
            "--no-prefetch",
        ]
        home.mkdir(exist_ok=True)
        self._log = home / "stderr"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start, *command, "--connection-file", str(connection), *arguments],
                env={**os.environ, **server.environment, "FOLEYD_HOME": str(home)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate()
            raise AssertionError(self.said())
        self.told: dict[str, Any] = json.loads(line)
        host, _, port = self.told["osc"].rpartition(":")
        self.osc = OscRequests((host, int(port)))

    @property
    def page(self) -> str:
        """The address that opens the page."""
        return str(self.told["page"])

    def value(self, name: str, pad: int) -> Any:
        return self.osc.asked(f"/pad/get/{name}", pad)[-1]

    def said(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    def crash(self) -> None:
        """End it as a dead battery does."""
        self.osc.__exit__(None, None, None)
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        """End it as Ctrl-C does; what it said."""
        self.osc.__exit__(None, None, None)
        self.process.terminate()
        try:
            self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert self.process.returncode == 0, self.said()
        return self.said()


Start = Callable[..., Live]
"""``start(connection, *arguments)``; what it started is ended with the test."""


def sound(path: Path, seconds: float = 0.5) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A file of noise at 48 kHz; its samples."""
    samples = np.random.default_rng(1).uniform(-0.3, 0.3, (int(seconds * RATE), 2)).astype(np.float32)
    soundfile.write(path, samples, RATE, "FLOAT")
    return samples
