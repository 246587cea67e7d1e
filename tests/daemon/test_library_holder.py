"""One process at a time has a library; the others are told who."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foleyd.daemon.holder import CARD, LOCK
from foleyd.daemon.library import Library
from foleyd.daemon.takes import Takes
from foleyd.errors import LibraryHeld
from library_sounds import sound

HOLD = """
import sys
from pathlib import Path
from foleyd.daemon.library import Library
with Library(Path(sys.argv[1]), command="foleyd serve"):
    print("open", flush=True)
    sys.stdin.read()
"""

Hold = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Starts processes that have a library open until their standard input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(root: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        with process:  # closes its pipes and waits
            pass


def test_a_second_process_is_told_who_has_it(tmp_path: Path, hold: Hold) -> None:
    other = hold(tmp_path)
    with pytest.raises(
        LibraryHeld, match=rf"in use by 'foleyd serve' \(process {other.pid}, since 20"
    ) as said:
        Library(tmp_path)
    assert said.value.code == "library_held"
    assert str(tmp_path) in str(said.value)
    with other:
        pass
    with Library(tmp_path) as library:
        assert library.notes == ()


def test_a_killed_holder_is_no_obstacle(tmp_path: Path, hold: Hold) -> None:
    other = hold(tmp_path)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (tmp_path / CARD).exists()
    with Library(tmp_path) as library:
        assert library.add(sound(1)).new
        with pytest.raises(LibraryHeld, match=f"process {os.getpid()}"):
            Library(tmp_path)


def test_takes_are_kept_while_another_process_has_the_library(tmp_path: Path, hold: Hold) -> None:
    hold(tmp_path)
    kept = sound(1, takes=Takes(tmp_path / "takes"))
    assert kept.take.unkept == ""
    assert Takes(tmp_path / "takes").find(kept.request.recipe) is not None


def test_a_library_is_free_again_when_it_is_closed(tmp_path: Path) -> None:
    first = Library(tmp_path)
    with pytest.raises(LibraryHeld, match=str(os.getpid())):
        Library(tmp_path)
    first.close()
    first.close()
    assert not (tmp_path / CARD).exists()
    Library(tmp_path).close()


def test_a_library_that_does_not_open_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "marks.jsonl").mkdir()
    with pytest.raises(Exception, match="cannot be read"):
        Library(tmp_path)
    (tmp_path / "marks.jsonl").rmdir()
    Library(tmp_path).close()


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path, hold: Hold) -> None:
    other = hold(tmp_path)
    assert other.stdin is not None
    other.stdin.close()
    with Library(tmp_path, wait=120):
        pass
    other.wait()


@pytest.mark.parametrize("card", [None, b"", b"{", b'{"pid": "x"}', b"\xff"])
def test_a_holder_that_cannot_be_named_is_another_process(tmp_path: Path, card: bytes | None) -> None:
    with Library(tmp_path):
        (tmp_path / CARD).unlink()
        if card is not None:
            (tmp_path / CARD).write_bytes(card)
        with pytest.raises(LibraryHeld, match="in use by another process"):
            Library(tmp_path)
    assert (tmp_path / LOCK).exists()
