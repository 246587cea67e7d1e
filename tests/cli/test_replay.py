"""``foleyd replay``: a show asked for again, on a daemon that has nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import gated_worker
from foleyd.client import Client
from foleyd.daemon import show_log
from foleyd.errors import RenderFailed
from serving import PATIENCE, Served

Run = Callable[..., Any]
FIELDS: dict[str, Any] = {"steps": 5, "seconds": 0.5}


class Show(NamedTuple):
    """A show that is over: its log, and the clips of its renders in order."""

    log: Path
    clips: list[list[str]]


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Show:
    """Renders with drawn seeds, the second of two clips and the third of a seed in place of a silent one, and
    one that failed."""
    home = tmp_path_factory.mktemp("show")
    with Served(home, worker=gated_worker.COMMAND) as served, Client(served.file, name="stage") as client:
        made = [
            client.render("a bell", **FIELDS).result(PATIENCE),
            client.render("a gong", count=2, rate=44_100, **FIELDS).result(PATIENCE),
            client.render("flawed", seed=7, retries=4, **FIELDS).result(PATIENCE),
            client.render("bars", bars=1, bpm=120, steps=5, runtime="torch").result(PATIENCE),
        ]
        with pytest.raises(RenderFailed):
            client.render("fail", **FIELDS).result(PATIENCE)
    log = show_log.newest(home / "logs")
    assert log is not None
    return Show(log, [[clip.clip_id for clip in result.clips] for result in made])


def test_an_empty_library_gets_the_same_clips(run: Run, show: Show, tmp_path: Path) -> None:
    with Served(tmp_path, worker=gated_worker.COMMAND) as served:
        ran = run("replay", show.log, "--connection-file", served.file, "--json")
        assert ran.status == 0, ran.err
        renders = ran.json["renders"]
        assert [one["clips"] for one in renders] == [*show.clips, []]
        assert [one["same"] for one in renders] == [True, True, True, True, False]
        again = run("replay", show.log, "--connection-file", served.file, "--in-time")
        assert again.status == 0
        assert again.out.count("the same") == 4
        assert '"fail"' in again.out
        assert "not numbers" in again.out


def test_a_clip_that_differs_fails_the_command(run: Run, show: Show, tmp_path: Path) -> None:
    log = tmp_path / "other.jsonl"
    log.write_text(show.log.read_text().replace(show.clips[0][0], "clip-other"))
    with Served(tmp_path / "home", worker=gated_worker.COMMAND) as served:
        ran = run("replay", log, "--connection-file", served.file)
    assert ran.status == 1
    assert "1 of 5 renders did not come out as in the log." in ran.err
    assert "differs" in ran.out


def test_a_log_can_be_listed_without_a_daemon(run: Run, show: Show) -> None:
    ran = run("replay", show.log, "--list")
    assert ran.status == 0
    assert [line.rpartition(": ")[2] for line in ran.out.splitlines()] == [
        "done",
        "done",
        "done",
        "done",
        "failed",
    ]
    as_json = run("replay", show.log, "--list", "--json").json
    assert as_json["log"] == str(show.log)
    assert [one["clips"] for one in as_json["renders"]] == [*show.clips, []]


def test_what_cannot_be_replayed_is_one_sentence(run: Run, show: Show, tmp_path: Path) -> None:
    ran = run("replay")
    assert (ran.status, ran.out) == (2, "")
    assert "no show log yet" in ran.err
    broken = tmp_path / "broken.jsonl"
    broken.write_text(show.log.read_text().replace('"kind"', '"k', 1))
    ran = run("replay", broken, "--list")
    assert ran.status == 2
    assert "broken.jsonl, line 1 is no line of a show log" in ran.err
    assert run("replay", tmp_path / "none").status == 2
    # nobody to ask
    ran = run("replay", show.log)
    assert ran.status == 1
    assert "foleyd serve" in ran.err


def test_a_render_that_the_crash_cut_off_is_made(run: Run, show: Show, tmp_path: Path) -> None:
    log = tmp_path / "crash.jsonl"
    lines = show.log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    with Served(tmp_path / "home", worker=gated_worker.COMMAND) as served:
        ran = run("replay", log, "--connection-file", served.file)
    assert ran.status == 0
    assert "made (the show had none)" in ran.out
