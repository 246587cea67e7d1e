"""``foleyd demo``: two sounds over OSC, from a daemon that runs or one for the length of the demo."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gated_worker
from foleyd import demo
from foleyd.audio import measure
from foleyd.audio.export import read_clip
from foleyd.wire.connection import default_path
from serving import Served

Run = Callable[..., Any]


def test_the_demo_starts_a_daemon_asks_it_over_osc_and_ends_it(
    run: Run, tmp_path: Path, own_home: Path
) -> None:
    ran = run("demo", "-o", tmp_path / "made")
    assert ran.status == 0, ran.err
    stems = ["a-deep-kick-drum", "a-bright-glockenspiel-note"]
    assert ran.paths == [tmp_path / "made" / f"{stem}.wav" for stem in stems]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(
        f"{stem}{end}" for stem in stems for end in (".wav", ".png")
    )
    for number, (show, path) in enumerate(zip(demo.SHOWS, ran.paths, strict=True), 1):
        assert f'/foleyd/render {number} "{show.prompt}" seed {show.seed}' in ran.err
        assert f"{show.prompt}: " in ran.err
        assert str(path.with_suffix(".png")) in ran.err
    kick, bell = (read_clip(path) for path in ran.paths)
    # a kick is low and a glockenspiel high, whatever else the model does
    assert measure.centroid(*kick) < 0.5 * measure.centroid(*bell)
    assert np.isclose(measure.true_peak_dbtp(*kick), -1.0, atol=0.1)
    assert "true peak -1.0 dB" in ran.err
    assert "Played on " in ran.err
    # the daemon took its worker, its lock and its file with it, and left the clips and its log
    assert re.search(r"listens to OSC on 127\.0\.0\.1:\d+ ", ran.err)
    assert not default_path().exists()
    assert not (own_home / "library" / "holder.json").exists()
    [log] = (own_home / "logs").glob("show-*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["via"] for line in lines if line["kind"] == "request"] == ["osc", "osc"]
    assert [line["state"] for line in lines if line["kind"] == "result"] == ["done", "done"]
    assert len(list((own_home / "library" / "clips").rglob("clip-*.wav"))) == 2


def test_a_daemon_that_runs_is_asked_and_goes_on(run: Run, tmp_path: Path, own_home: Path) -> None:
    default_path().parent.mkdir(mode=0o700)
    with Served(own_home, "--connection-file", str(default_path()), worker=gated_worker.COMMAND) as served:
        ran = run("demo", "-o", tmp_path, "--json")
        assert ran.status == 0, ran.err
        assert f"Asking the daemon that is running (OSC {served.told['osc']})." in ran.err
        assert [clip["prompt"] for clip in ran.json["clips"]] == [show.prompt for show in demo.SHOWS]
        assert all(Path(clip["picture"]).is_file() for clip in ran.json["clips"])
        assert all(clip["clip_id"].startswith("clip-") for clip in ran.json["clips"])
        # sine waves with a true peak of -1 dB
        assert all(-8.0 < clip["loudness_lufs"] < -2.0 for clip in ran.json["clips"])
        assert all(gated_worker.steps(own_home, show.prompt).count(0) == 1 for show in demo.SHOWS)
        assert run("status").status == 0


def test_a_daemon_that_does_not_start_says_why(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "-o", tmp_path, "--model", "nothing-like-it")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith("foleyd: 'nothing-like-it' is no model")
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_in_use_is_named(run: Run, tmp_path: Path, own_home: Path) -> None:
    with Served(own_home, worker=gated_worker.COMMAND) as served:
        ran = run("demo", "-o", tmp_path)
        assert ran.status == 1
        assert f"process {served.process.pid}" in ran.err
