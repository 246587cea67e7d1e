"""The core's own tests, in C++: as released, and with sanitizers looking on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from plugin_build import CORE, RELEASE, Builds, juce

SANITIZED = {"memory": "address,undefined", "threads": "thread"}


@pytest.mark.parametrize("program", ["core_tests", "allocation_test"])
def test_the_core_as_it_is_released(builds: Builds, program: str) -> None:
    juce()
    _passes(builds("shell", *RELEASE) / "tests" / program)


@pytest.mark.timeout(3600)  # it builds, too
@pytest.mark.parametrize("kind", SANITIZED)
def test_the_core_under_sanitizers(builds: Builds, kind: str) -> None:
    # optimised, the sanitizers' own code takes five times as long to compile, and hides some of what they see
    options = (*CORE, f"-DFOLEYD_SANITIZE={SANITIZED[kind]}", "-DCMAKE_BUILD_TYPE=Debug")
    _passes(builds(f"core-{kind}", *options) / "tests" / "core_tests")


def _passes(program: Path) -> None:
    ended = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, f"{ended.stdout[-6000:]}\n{ended.stderr[-6000:]}"
