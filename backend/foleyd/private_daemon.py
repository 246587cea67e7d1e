"""A daemon for the length of a command, for those who have none running."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from foleyd.private_process import OscTold, private_process


class Told(OscTold, frozen=True):
    """What a daemon says once it answers: where it listens, and what it keeps."""

    pid: int
    library: str
    connection_file: str


@contextlib.contextmanager
def private_daemon(*arguments: str) -> Iterator[Told]:
    """Start ``foleyd serve`` on free ports, wait until it answers, and end it with the block.

    `arguments` are more options of that command. Raises FoleydError with the daemon's own sentence where it
    does not start.
    """
    with tempfile.TemporaryDirectory(prefix="foleyd-") as folder:
        connection = Path(folder) / "connection.json"
        options = ("--zmq-ports", "0,0,0", "--osc-port", "0", "--connection-file", connection)
        with private_process("serve", "--json", *options, *arguments, told=Told) as told:
            yield told
