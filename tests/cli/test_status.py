"""``foleyd status``: what the daemon does, on one screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import foleyd
import gated_worker
from foleyd.client import BlockingHandle, Client
from foleyd.errors import RenderFailed
from serving import PATIENCE, Served

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon with one sound, one failure, one job that runs and one that waits."""
    with (
        Served(tmp_path_factory.mktemp("busy"), worker=gated_worker.COMMAND) as served,
        Client(served.file, name="stage") as client,
    ):

        def ask(prompt: str, **more: Any) -> BlockingHandle:
            return client.render(prompt, steps=5, seconds=0.5, **more)

        ask("a bell").result(PATIENCE)
        with pytest.raises(RenderFailed):
            ask("fail").result(PATIENCE)
        ask("wait and wait", slot="pad-1")
        ask("a sound of which many words are said before it ends", count=3, priority="background")
        events = client.events("job")
        while not any(job.step == 2 for job in client.status().jobs):
            next(events)
        events.close()
        yield served
        client.cancel(all=True)


def test_a_screen_for_people(run: Run, busy: Served) -> None:
    ran = run("status", "--connection-file", busy.file)
    assert ran.status == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"foleyd {foleyd.__version__}, pid {busy.process.pid}, up ")
    assert lines[0].endswith(": ready")
    assert lines[1].startswith("worker   busy, starter, an abacus")
    assert "queue    1 waiting, 1 running (live 0, normal 1, background 1)" in lines
    assert any('running "wait and wait" for stage on pad-1, normal, step 2/5' in line for line in lines)
    assert any('"a sound of which many words are said be…" ×3' in line for line in lines)
    [failed] = [line for line in lines if line.startswith("failed")]
    assert '"fail"' in failed
    assert failed.endswith("the samples are not numbers: try another seed.")
    assert any(line.startswith("clients  ") and "stage (" in line for line in lines)
    assert all(len(line) < 200 for line in lines)


def test_the_same_for_programs(run: Run, busy: Served) -> None:
    found = run("status", "--connection-file", busy.file, "--json").json["status"]
    assert (found["ready"], found["worker"]["phase"]) == (True, "busy")
    assert [job["state"] for job in found["jobs"]] == ["running", "queued"]
    assert found["failures"][0]["code"] == "render_failed"


def test_figures_for_monitoring(run: Run, busy: Served) -> None:
    ran = run("status", "--connection-file", busy.file, "--metrics")
    assert "foleyd_queue_running 1.0" in ran.out.splitlines()
    assert "foleyd_queue_waiting 1.0" in ran.out.splitlines()


def test_no_daemon_is_one_sentence(run: Run, tmp_path: Path) -> None:
    for arguments in ((), ("--connection-file", tmp_path / "none.json")):
        ran = run("status", *arguments)
        assert (ran.status, ran.out) == (1, "")
        assert "foleyd serve" in ran.err
        assert ran.err.count("\n") == 1
    failed = run("status", "--json")
    assert failed.json["error"]["code"] == "no_daemon"
