"""A tiny untrained checkpoint of AudioLDM's form, and an engine that has loaded it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foleyd.bench import random_model
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one that makes clips from 0.32 s on. Not to be changed."""
    return random_model.build(tmp_path_factory.mktemp("tiny"), card={"min_generate_seconds": 0.32})


@pytest.fixture(scope="session")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one that hears, too. Not to be changed."""
    card = {"min_generate_seconds": 0.32}
    return random_model.build(tmp_path_factory.mktemp("hearing"), card=card, hears=True)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[AudioLDM]:
    """One for the tests of a file."""
    loaded = base.load(folder)
    assert isinstance(loaded, AudioLDM)
    yield loaded
    loaded.unload()
