"""``foleyd live`` as users start it, in a process of its own on a real jackd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jack_server
from foleyd.osc_request import OscRequests
from serving import PATIENCE


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
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, *command, "--connection-file", str(connection), *arguments],
            env={**os.environ, **server.environment, "FOLEYD_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.told: dict[str, Any] = json.loads(line)
        host, _, port = self.told["osc"].rpartition(":")
        self.osc = OscRequests((host, int(port)))

    @property
    def page(self) -> str:
        """The address that opens the page."""
        return str(self.told["page"])

    def value(self, name: str, pad: int) -> Any:
        return self.osc.asked(f"/pad/get/{name}", pad)[-1]

    def end(self) -> str:
        """End it as Ctrl-C does; what it said."""
        self.osc.__exit__(None, None, None)
        self.process.terminate()
        try:
            said = self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert self.process.returncode == 0, said
        return said
