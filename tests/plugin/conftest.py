"""The plugin, built once for a run of tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugin_build import RELEASE, Builds, Desk, juce, toolchain


@pytest.fixture(scope="session")
def builds() -> Builds:
    """Builds of the plugin's tree by name and options."""
    toolchain()
    kept = os.environ.get("FOLEYD_PLUGIN_BUILD")
    # kept from run to run in a folder that git ignores: cmake builds again what has changed
    return Builds(Path(kept) if kept else Path(__file__).parents[2] / "build" / "plugin-tests")


@pytest.fixture(scope="session")
def desk(builds: Builds) -> Desk:
    """The core at a command line."""
    juce()
    return Desk(builds("shell", *RELEASE) / "tests" / "core_desk")
