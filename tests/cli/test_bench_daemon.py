"""``foleyd bench daemon``: that every figure is there and counts what it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foleyd.bench import daemon
from foleyd.bench.daemon import Delivery, Figures, Foretold, Series

Run = Callable[..., Any]
SMALL = ("--starts", 2, "--runs", 3, "--jobs", 2, "--seconds", 0.5)


def test_a_daemon_is_measured_and_nothing_is_left(
    run: Run, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "MIX", {"seconds": (0.5, 1.0), "steps": (1, 2), "guidance": (1.0, 3.0)})
    monkeypatch.setattr(daemon, "LEARNT", 2)
    ran = run("bench", "daemon", *SMALL, "--json")
    assert ran.status == 0, ran.err
    body = ran.json
    assert body["error"] is None
    assert [one["name"] for one in body["series"]] == list(daemon.LABELS)
    assert {one["name"]: one["count"] for one in body["series"]} == {
        **dict.fromkeys(daemon.LABELS, 3),
        "start": 2,
    }
    assert all(0 < one["p50"] <= one["p99"] <= one["longest"] for one in body["series"])
    # half a second on two channels
    assert body["delivery"]["bytes"] == 2 * 24_000 * 4
    assert body["delivery"]["bytes_a_second"] > 0
    assert body["delivery"]["copy_bytes_a_second"] > 0
    assert body["foretold"]["count"] == 2
    assert 0 < body["foretold"]["p10"] <= body["foretold"]["p50"] <= body["foretold"]["p90"]
    assert body["busy"] is True
    assert body["memory_bytes"] > 0
    assert body["model"] == "starter"
    # the user's own home was left alone
    assert os.environ["FOLEYD_HOME"] == str(own_home)
    assert list(own_home.iterdir()) == []


def test_the_table_shows_every_figure_and_its_aim() -> None:
    lines = daemon.table(
        Figures(
            model="starter",
            device="cpu",
            series=(Series("admission_zmq", 300, 0.0012, 0.0034, 0.0101), Series("start", 3, 0.5, 0.6, 0.6)),
            delivery=Delivery(1_920_000, 200e6, 8000e6),
            foretold=Foretold(30, 0.9, 1.01, 1.25),
            busy=False,
            memory_bytes=61_000_000,
        )
    )
    assert lines[0] == "starter on cpu, 61 MB in the daemon"
    assert [" ".join(line.split()) for line in lines[3:5]] == [
        "admission, ZeroMQ, busy 300 1.20 ms 3.40 ms 10.10 ms p99 < 10 ms",
        "start to first answer 3 500.00 ms 600.00 ms 600.00 ms p50 < 1000 ms",
    ]
    assert "done before the end" in lines[6]
    assert "200 MB/s of 1.9 MB" in lines[-3]
    assert "8000 MB/s, ratio 0.0250" in lines[-2]
    assert "1.01, middle 80 % 0.90 to 1.25, 30 renders" in lines[-1]


def test_points_are_of_the_values_that_were_measured() -> None:
    values = [float(one) for one in range(1, 101)]
    assert [daemon._point(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 51.0, 99.0, 100.0]
    assert daemon._point([7.0], 0.99) == 7.0
    assert daemon._point([], 0.5) == 0.0
