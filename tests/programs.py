"""Programs that foleyd's authors did not write, started for the length of a test and read line by line."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from serving import PATIENCE


def find(name: str, package: str) -> str:
    """The path of a program. Skips the test without it, but fails where CI says that it must be there."""
    program = shutil.which(name)
    if program is None:
        message = f"{name} is missing: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return program


class Program:
    """A program with a home of its own, and what it says on standard output and error. A context manager:
    with the block it has ended, by force if it must."""

    def __init__(
        self, *command: str | Path, home: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = [str(word) for word in command]
        own = {
            name: str(home / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
        }
        for folder in own.values():
            Path(folder).mkdir(parents=True, exist_ok=True)
        # liblo refuses text beyond ASCII where the locale has none
        self._environment = {
            **os.environ,
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            **own,
            **(environment or {}),
        }
        self._home = home
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.rstrip("\n"))
        self._said.put(None)

    def until(self, so: Callable[[str], bool], patience: float = PATIENCE) -> str | None:
        """The next line that is so; None after `patience` seconds. Fails the test where the program ends
        before."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._said.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                pytest.fail(f"{self._command[0]} ended: {self.lines}")
            self.lines.append(line)
            if so(line):
                return line
        return None

    def ended(self) -> int:
        """Wait until it has ended, and take in all that it said; its exit status, below zero where it had
        to be killed because it did not end by itself."""
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(PATIENCE)
        while (line := self._said.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
        return status

    def told(self, mark: str) -> list[list[str]]:
        """The words of all lines that begin with `mark`, without it, in order."""
        return [line.removeprefix(mark).split() for line in self.lines if line.startswith(mark)]
