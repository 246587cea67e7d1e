"""A daemon with the model that ships, as users have it, and the programs that talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import jack_server
import programs
from foleyd.client import Client
from live_host import Live, Start
from serving import PATIENCE, Served

SECONDS, STEPS = 0.5, 2
"""A sound that is made in a moment."""


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon whose worker has loaded the starter, one for all files: it may have done something already."""
    with warmed_up(tmp_path_factory.mktemp("served")) as daemon:
        yield daemon


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A daemon whose worker has loaded the starter, and nobody has asked anything else of."""
    with warmed_up(tmp_path) as daemon:
        yield daemon


@contextmanager
def warmed_up(home: Path) -> Iterator[Served]:
    """A daemon that has rendered once."""
    with Served(home) as daemon:
        with Client(daemon.file, timeout_s=PATIENCE) as client:
            client.render("a warm-up", seconds=SECONDS, steps=STEPS, seed=1).result(PATIENCE)
        yield daemon


@pytest.fixture
def program() -> Callable[[str, str], str]:
    """``program("sclang", "supercollider-language")``: its path. Skips without it, but fails where CI says
    that it must be there."""
    return programs.find


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home for a program, which is not ours."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Looks at what the daemon has become."""
    with Client(served.file, timeout_s=PATIENCE) as watcher:
        yield watcher


@pytest.fixture(scope="module")
def server() -> Iterator[jack_server.Server]:
    """A real jackd."""
    programs.find("jackd", "jackd2")
    with jack_server.served() as found:
        yield found


@pytest.fixture(scope="module")
def live(
    server: jack_server.Server, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """A live host with a page, on that jackd, with the daemon of `served`."""
    found = Live(tmp_path_factory.mktemp("live"), server, served.file)
    yield found
    found.end()


@pytest.fixture
def start(tmp_path: Path, server: jack_server.Server) -> Iterator[Start]:
    """Starts live hosts on the real jackd."""
    started: list[Live] = []

    def one(connection: Path, *arguments: str) -> Live:
        started.append(Live(tmp_path / "host", server, connection, *arguments))
        return started[-1]

    yield one
    for live in started:
        if live.process.poll() is None:
            live.end()
