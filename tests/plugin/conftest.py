"""The plugin, built once for a run of tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugin_build import Builds, toolchain


@pytest.fixture(scope="session")
def builds() -> Builds:
    """Builds of the plugin's tree by name and options."""
    toolchain()
    kept = os.environ.get("FOLEYD_PLUGIN_BUILD")
    # kept from run to run in a folder that git ignores: cmake builds again what has changed
    return Builds(Path(kept) if kept else Path(__file__).parents[2] / "build" / "plugin-tests")
