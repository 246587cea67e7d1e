"""A JACK server without a sound card, for machines that have none."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

HOST_API = "JACK Audio Connection Kit"
"""What PortAudio calls it."""


def is_installed() -> bool:
    """Whether this machine has ``jackd``."""
    return shutil.which("jackd") is not None


@contextlib.contextmanager
def private_jack(
    rate: int = 48_000, block: int = 256, channels: int = 4, *, realtime: bool = False
) -> Iterator[dict[str, str]]:
    """Start ``jackd`` with the dummy driver, and end it with the block: the environment that leads a program
    to it. It may take a moment until programs can open it. With `realtime` it asks for real-time priority for
    itself and its clients, and ends at once where the system grants none."""
    name = f"foleyd-{os.getpid()}"
    driver = ["-d", "dummy", "-r", str(rate), "-p", str(block), "-P", str(channels), "-C", str(channels)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            ["jackd", "--realtime" if realtime else "--no-realtime", "-n", name, *driver],
            stdout=log,
            stderr=log,
            env={**os.environ, "JACK_NO_AUDIO_RESERVATION": "1"},
        )
        try:
            yield {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
        finally:
            server.terminate()
            server.wait()
