"""The show log: what a run of the daemon was asked, with which seeds, and what came of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import gated_worker
from foleyd.client import Client
from foleyd.daemon import show_log
from foleyd.daemon.show_log import Entry, ShowLog
from foleyd.errors import BadRequest, Cancelled, RenderFailed
from foleyd.messages import LibraryRequest
from foleyd.osc_request import OscRequests
from serving import PATIENCE, Served

FIELDS = {"steps": 5, "seconds": 0.5}


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """The log of a show: kept, several, failed, refused, cancelled, over OSC, and a change of the library."""
    home = tmp_path_factory.mktemp("home")
    with Served(home, worker=gated_worker.COMMAND) as served:
        with Client(served.file, name="stage") as client:
            first = client.render("a bell", **FIELDS).result(PATIENCE).clips[0]
            client.render("a bell", seed=first.seed, **FIELDS).result(PATIENCE)
            client.render("two", count=2, seed=5, **FIELDS).result(PATIENCE)
            with pytest.raises(RenderFailed):
                client.render("fail", seed=1, **FIELDS).result(PATIENCE)
            with pytest.raises(BadRequest):
                client.render("refused", steps=0)
            stopped = client.render("wait", seed=1, **FIELDS)
            stopped.cancel()
            with pytest.raises(Cancelled):
                stopped.result(PATIENCE)
            client.library(LibraryRequest(action="tag", clips=(first.clip_id,), tags=("loud",)))
            client.library(LibraryRequest(action="list"))
            client.status()
        with OscRequests(served.osc) as osc:
            for seed in (1, 2):  # the same number twice
                osc.render(7, "over osc", lambda step, steps: None, seed=seed, client="pd", **FIELDS)
    path = show_log.newest(home / "logs")
    assert path is not None
    return list(show_log.read(path))


def test_every_request_is_there_with_its_seeds_and_result(entries: list[Entry]) -> None:
    assert entries[0].kind == "start"
    assert entries[0].content["model"] == "starter"
    assert all(one.at <= two.at for one, two in itertools.pairwise(entries))
    asked = show_log.renders(iter(entries))
    prompts = [entry.content["recipe"]["prompt"] for entry, _ in asked]
    assert prompts == ["a bell", "a bell", "two", "fail", "wait", "over osc", "over osc"]
    assert all(isinstance(one["seed"], int) for entry, _ in asked for one in entry.recipes)
    assert [recipe["seed"] for recipe in asked[2][0].recipes] == [5, 6]
    results = [result for _, result in asked]
    assert [one.state for one in results if one] == [
        *("done", "done", "done", "failed", "cancelled", "done", "done")
    ]
    first, again, two, failed, _, osc_1, osc_2 = (one for one in results if one)
    assert first.clips == again.clips
    assert len(two.clips) == 2
    assert (failed.code, failed.clips) == ("render_failed", ())
    assert "not numbers" in failed.message
    # each its own, though both jobs were number 7
    assert osc_1.job_id == osc_2.job_id == 7
    assert osc_1.clips != osc_2.clips
    assert [entry.via for entry, _ in asked] == ["zmq"] * 5 + ["osc"] * 2
    assert [entry.client for entry, _ in asked] == ["stage"] * 5 + ["pd"] * 2


def test_a_request_stands_before_its_result(entries: list[Entry]) -> None:
    begun: set[tuple[str, int | None]] = set()
    for entry in entries:
        job = entry.client, entry.job_id
        if entry.kind == "request" and entry.command == "render":
            begun.add(job)
        elif entry.kind == "result":
            assert job in begun
            begun.remove(job)
    assert begun == set()


def test_refusals_cancels_and_changes_are_there_and_looks_are_not(entries: list[Entry]) -> None:
    [refused] = [entry for entry in entries if entry.kind == "refused"]
    assert (refused.code, refused.content["recipe"]["prompt"]) == ("bad_request", "refused")
    others = [entry.command for entry in entries if entry.kind == "request" and entry.command != "render"]
    assert others == ["cancel", "library"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ShowLog]:
    """A log of two lines."""
    made = ShowLog(tmp_path)
    made.write("start")
    made.write("request", command="cancel", client="one")
    yield made
    made.close()


def test_a_last_line_that_was_torn_off_is_passed_over(log: ShowLog) -> None:
    whole = log.path.read_bytes()
    for length in range(len(whole) - 2, len(whole.splitlines()[0]) + 1, -1):
        log.path.write_bytes(whole[:length])
        assert [entry.kind for entry in show_log.read(log.path)] == ["start"]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"at": 1}',
        b'{"at": "x", "kind": "start"}',
        b"\xff",
        b"[" * 100_000,
        b'"' + b"x" * 2_000_000,
    ],
    ids=range(7),
)
def test_a_broken_line_is_named(log: ShowLog, line: bytes) -> None:
    log.path.write_bytes(log.path.read_bytes() + line + b"\n" + log.path.read_bytes())
    with pytest.raises(BadRequest, match=rf"{log.path.name}, line 3 is no line") as refusal:
        list(show_log.read(log.path))
    assert len(str(refusal.value)) < 300


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadRequest, match="cannot be read"):
            list(show_log.read(path))
    assert show_log.newest(tmp_path / "none") is None


def test_logs_of_one_second_have_names_of_their_own_and_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_log, "KEPT", 3)
    monkeypatch.setattr(show_log.time, "strftime", lambda form: "show-20260101-000000")
    logs = [ShowLog(tmp_path) for _ in range(3)]
    assert len({log.path for log in logs}) == 3
    assert all(log.path.exists() for log in logs)
    for log in logs:
        log.close()
    (tmp_path / "show-20250101-000000.jsonl").touch()
    (tmp_path / "mine.jsonl").touch()
    last = ShowLog(tmp_path)
    last.close()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert "show-20250101-000000.jsonl" not in left
    assert {"mine.jsonl", last.path.name} <= set(left)
    assert len(left) == 4


def test_a_log_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = ShowLog(tmp_path / "file")
    assert "cannot be written" in log.broken
    log.write("start")
    log.close()


def test_a_disk_that_fills_ends_the_log(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    log = ShowLog(tmp_path)
    log.close()
    log._file = os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb", buffering=0)
    log.write("start")
    assert "ends here" in log.broken
    log.write("start")
