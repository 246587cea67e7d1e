"""What every test runs in: its own home, no network but loopback, and no process left behind."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# before anything imports huggingface_hub, which reads its settings once: a test that forgets to name its own
# hub gets a closed port at once instead of the real one
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"

# as workers do (`foleyd.daemon.life`): tests run beside daemons, compilers and each other
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# the live host's mixer takes most of a minute to compile: once for all processes of all runs in a checkout
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / "d" / "numba")

# one runtime for all, also for daemons that serve a whole module: none prepares a model beside another test
os.environ["FOLEYD_RUNTIME"] = "torch"

# a slow machine is not a failure, and examples are not kept in the working tree
settings.register_profile("foleyd", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("foleyd")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell a failure when it comes: a run that is stopped before its end says what went wrong, too."""
    # xdist's reports name the process that they come from
    if report.failed and hasattr(report, "node"):
        print(f"\n{report.nodeid} failed at its {report.when}:\n{report.longreprtext}", file=sys.__stdout__)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh FOLEYD_HOME, apart from ``tmp_path`` so that a test may look at all that it wrote there."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FOLEYD_HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(home / "hub"))
    return home


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to other machines fail the test that tries one."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            pytest.fail(f"a test reached for {address[0]}:{address[1]}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="module", autouse=True)
def same_threads() -> Iterator[None]:
    """What a module does to torch's number of threads, which is the whole process's, ends with it."""
    torch: Any = sys.modules.get("torch")
    before = torch and torch.get_num_threads()
    yield
    if torch:
        torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def no_process_left() -> Iterator[None]:
    """Children alive at the end, or dead and never waited for, fail the session."""
    before = children_of(os.getpid())
    yield
    left = {pid: line for pid, line in children_of(os.getpid()).items() if pid not in before}
    assert not left, f"processes left behind: {left}"


def children_of(pid: int) -> dict[int, str]:
    """Process ids and command lines of a process's children, living or unwaited (Linux; elsewhere none)."""
    try:
        listings = [listing.read_text() for listing in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return children_of(pid)  # a thread has ended meanwhile, and its children are another one's
    found: dict[int, str] = {}
    for child in map(int, " ".join(listings).split()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it was waited for meanwhile
            line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ")
            found[child] = line.decode(errors="replace") or "(unwaited)"
    # multiprocessing keeps one helper for the life of the interpreter and ends it itself
    return {child: line for child, line in found.items() if "multiprocessing.resource_tracker" not in line}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
