"""What the tests of the daemon's room share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import foleyd
from faulty_worker import command
from foleyd import recipe
from foleyd.daemon.blocking_worker import Worker
from foleyd.recipe import Recipe


@pytest.fixture(autouse=True)
def children_find_foleyd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import the package that the tests import, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(Path(foleyd.__file__).parents[1]))


@pytest.fixture
def faulty() -> Iterator[Callable[[str], Worker]]:
    """Starts workers with a fault, loaded, and ends them."""
    started: list[Worker] = []

    def start(fault: str) -> Worker:
        worker = Worker(command=command(fault))
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def full() -> Recipe:
    """A recipe with nothing left open."""
    return recipe.make(
        prompt="a bell", seed=7, steps=5, guidance=2, scheduler="ddim", model="folder:x", revision="abc"
    )
