"""The plugin's tree, configured and built by cmake for tests.

Builds are kept from one run to the next in ``build/plugin-tests``, or where ``FOLEYD_PLUGIN_BUILD`` says.
Without a compiler or a library the tests are skipped, but fail where CI says that all must be there.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import programs

SOURCE = Path(__file__).parents[1] / "bridge" / "plugin"
RELEASE = ("-DFOLEYD_TESTS=ON",)
"""The plugin as it is released, with the tests of its core beside it."""
CORE = ("-DFOLEYD_SHELL=OFF", "-DFOLEYD_TESTS=ON")

_PROGRAMS = {"cmake": "cmake", "g++": "build-essential", "pkg-config": "pkg-config"}
_LIBRARIES = {
    "flac": "libflac-dev",
    "soxr": "libsoxr-dev",
    "libsodium": "libsodium-dev",
    "libzmq": "cppzmq-dev",
    "sndfile": "libsndfile1-dev",
}
_HEADERS = {
    "nlohmann/json.hpp": "nlohmann-json3-dev",
    "doctest/doctest.h": "doctest-dev",
    "zmq.hpp": "cppzmq-dev",
}


class Builds:
    """Builds of the tree below `root`, each made once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._done: dict[str, Path] = {}

    def __call__(self, name: str, *options: str) -> Path:
        """Configure with `options` and build; the folder of the build. A warning about foleyd's own code
        fails the test."""
        if name not in self._done:
            folder = self._root / name
            if shutil.which("ccache"):
                options = (*options, *(f"-DCMAKE_{kind}_COMPILER_LAUNCHER=ccache" for kind in ("C", "CXX")))
            _run("cmake", "-S", SOURCE, "-B", folder, *options)
            _run("cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1))
            self._done[name] = folder
        return self._done[name]


def toolchain() -> None:
    """Skip the test where something is missing that every build needs; fail it in CI."""
    for program, package in _PROGRAMS.items():
        programs.find(program, package)
    for library, package in _LIBRARIES.items():
        if subprocess.run(["pkg-config", "--exists", library], check=False).returncode:
            lacking(f"{library} is missing: apt-get install {package}")
    for header, package in _HEADERS.items():
        if not Path("/usr/include", header).is_file():
            lacking(f"{header} is missing: apt-get install {package}")


def juce() -> None:
    """Skip the test where JUCE is missing; fail it in CI."""
    if not Path("/usr/share/juce/modules").is_dir():
        lacking("JUCE is missing: apt-get install juce-modules-source")


def module(name: str) -> Any:
    """A Python module that is a host; skips the test without it, but fails it in CI."""
    try:
        return importlib.import_module(name)
    except ImportError:
        lacking(f"{name} is missing: pip install --editable '.[plugin-test]'")


def lacking(message: str) -> None:
    """Skip the test, or fail it where CI says that nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _run(*command: str | Path) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    if ended.returncode:
        pytest.fail(f"{' '.join(map(str, command))} failed:\n{said[-8000:]}")
    warned = [line for line in said.splitlines() if "warning:" in line and str(SOURCE) in line]
    assert not warned, warned


class Player:
    """The desk while it plays."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def tell(self, order: str) -> None:
        """Give it an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def state(self) -> dict[str, Any]:
        """What it has come to; it has played without a gap until now."""
        assert self._process.stdout is not None
        self.tell("state")
        line = self._process.stdout.readline()
        assert line, f"it is gone: {self._process.wait()}"
        state: dict[str, Any] = json.loads(line)
        assert state["gaps"] == 0
        return state

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Its state, once that is so."""
        async with asyncio.timeout(300):
            while not true(state := self.state()):
                await asyncio.sleep(0.02)
        return state


class Desk:
    """The core at a command line (``bridge/plugin/tests/desk.cpp``)."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, *words: object, given: object = None) -> Any:
        """What it answers."""
        ended = self._run(words, given)
        ended.check_returncode()
        return json.loads(ended.stdout)

    def refusal(self, *words: object, given: object = None, may_work: bool = False) -> str:
        """The sentence that it refuses with; empty where it works, which it must not unless `may_work`."""
        ended = self._run(words, given)
        assert ended.returncode == 1 or may_work, ended.stdout
        return ended.stderr

    @contextmanager
    def live(self, file: Path) -> Iterator[Player]:
        """A player with a line to the daemon of `file`, for the length of the block; it ends well."""
        process = subprocess.Popen(
            [self._program, "live", file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            yield Player(process)
            said, _ = process.communicate(timeout=300)
            assert (process.returncode, said) == (0, '"ended"\n')
        finally:
            process.kill()
            process.communicate()

    def _run(self, words: tuple[object, ...], given: object) -> subprocess.CompletedProcess[str]:
        text = json.dumps(given)
        command: list[str | Path] = [self._program, *map(str, words)]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=300)
