"""What the tests of the command line share: a model, a way to run it, and workers with faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import foleyd
from faulty_worker import command
from foleyd import cli
from foleyd.bench import random_model as tiny
from foleyd.daemon import ears, job, workers
from lent import Lender


class Ran(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def paths(self) -> list[Path]:
        """The lines of standard output, as paths."""
        return [Path(line) for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def children_find_foleyd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import the package that the tests import, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(Path(foleyd.__file__).parents[1]))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a tiny untrained model that renders in a moment."""
    card = {"auto_seconds": 1.0, "min_generate_seconds": 0.64, "steps": 2, "scheduler": "ddim"}
    return str(tiny.build(tmp_path_factory.mktemp("models") / "tiny", card=card))


@pytest.fixture(scope="session")
def lender() -> Iterator[Lender]:
    """What a command starts for itself, once for all tests."""
    with Lender() as lender:
        yield lender


@pytest.fixture(autouse=True)
def nothing_starts_twice(lender: Lender, children_find_foleyd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use one worker after each other, and one process that listens."""
    monkeypatch.setattr(job, "Worker", lender.worker)
    for module in (job, ears):
        monkeypatch.setattr(module, "Ears", lender.ears)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        status = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return call


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """From here on workers have the fault of that name (see faulty_worker)."""
    return lambda name: monkeypatch.setattr(workers, "COMMAND", command(name))


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on a worker that is started fails the command."""
    return lambda: monkeypatch.setattr(workers, "COMMAND", ("/no/worker/was/expected",))
