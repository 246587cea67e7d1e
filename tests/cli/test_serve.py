"""``foleyd serve`` on the command line: its help, what it says, and what it refuses."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faulty_worker import command
from serving import Served

Run = Callable[..., Any]


def test_the_help_has_examples_and_the_ports(run: Run) -> None:
    ran = run("serve", "--help")
    assert ran.status == 0
    assert "foleyd serve --model" in ran.out
    assert "17130" in ran.out
    assert "17131,17132,17133" in ran.out


def test_what_it_says_is_what_the_connection_file_holds(tmp_path: Path) -> None:
    with Served(tmp_path, worker=command("none")) as served:
        file = json.loads(served.file.read_text())
        assert stat.S_IMODE(served.file.stat().st_mode) == 0o600
        assert served.told["pid"] == file["pid"] == served.process.pid
        assert served.told["shell"] == f"tcp://127.0.0.1:{file['shell_port']}"
        assert served.told["control"] == f"tcp://127.0.0.1:{file['control_port']}"
        assert served.told["events"] == f"tcp://127.0.0.1:{file['iopub_port']}"
        assert served.told["osc"] == file["osc"]
        assert served.told["library"] == file["library"] == str(tmp_path / "library")
        assert "key" not in served.told
        assert file["key"] not in served.log


def test_osc_may_be_off(tmp_path: Path) -> None:
    with Served(tmp_path, "--no-osc", worker=command("none")) as served:
        assert served.told["osc"] == ""


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--zmq-ports", "1,2"), 2, "give three ports"),
        (("--zmq-ports", "1,2,70000"), 2, "give three ports"),
        (("--zmq-ports", "a,b,c"), 2, "give three ports"),
        (("--osc-port", "70000"), 2, "OSC port is 70000"),
        (("--osc-port", "-1"), 2, "OSC port is -1"),
        (("--osc-bind", "0.0.0.0"), 2, "osc-allow"),
        (("--osc-bind", "here"), 2, "osc-bind is 'here'"),
        (("--osc-allow", "tablet"), 2, "osc-allow is 'tablet'"),
        (("--model", "cvssp/audioldm-l-full"), 1, "foleyd models pull"),
        (("--model", "nothing-like-it"), 2, "is no model"),
        (("--most-jobs", "0"), 2, "--most-jobs"),
        (("--threads", "0"), 2, "--threads"),
        (("--idle", "0"), 2, "--idle"),
        (("--library", "FILE"), 2, "cannot be opened"),
        (("--connection-file", "FILE/x.json"), 2, "cannot write"),
        (("extra",), 2, "extra"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    run: Run, tmp_path: Path, own_home: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    (tmp_path / "file").touch()
    line = [argument.replace("FILE", str(tmp_path / "file")) for argument in arguments]
    ports = ("--zmq-ports", "0,0,0", "--osc-port", "0", "--connection-file", tmp_path / "connection.json")
    ran = run("serve", *ports, *line)
    assert ran.status == status, ran.err
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""
    assert not (tmp_path / "connection.json").exists()
    assert not (own_home / "library" / "holder.json").exists()
