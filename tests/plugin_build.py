"""The plugin's tree, configured and built by cmake for tests.

Builds are kept from one run to the next in ``build/plugin-tests``, or where ``FOLEYD_PLUGIN_BUILD`` says.
Without a compiler or a library the tests are skipped, but fail where CI says that all must be there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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
