"""A live host that holds a lease has a core to itself."""

from __future__ import annotations

from pathlib import Path

from foleyd.client import Client
from serving import Served


def threads(file: Path, seed: int, role: str) -> int:
    """With how many threads the starter renders for a client of that role."""
    with Client(file, role=role, timeout_s=120) as client:
        result = client.render("a bell", seed=seed, seconds=0.5, steps=1, deliver="take").result(120)
    return result.takes[0].threads


def test_a_live_host_keeps_one_thread_free(own_home: Path) -> None:
    with Served(own_home, "--threads", "2") as served:
        assert threads(served.file, 1, "plugin") == 2
        assert threads(served.file, 2, "live") == 1
