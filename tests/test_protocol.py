"""PROTOCOL.md cannot lie: its tables are those of the command table, and its example runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gated_worker
from foleyd import commands, protocol
from foleyd.commands import COMMANDS, OSC_ONLY
from foleyd.messages import EVENTS
from serving import PATIENCE, Served

DOCUMENT = Path(__file__).parent.parent / "bridge" / "PROTOCOL.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_document_is_not_stale() -> None:
    stale = f"run: python -m foleyd.protocol {DOCUMENT.name}"
    assert protocol.renewed(TEXT, protocol.tables()) == TEXT, stale


def test_every_table_that_is_made_is_in_the_document() -> None:
    assert protocol.markers(TEXT) == set(protocol.tables())


def test_a_marker_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        protocol.renewed("<!-- table: nothing -->\n<!-- end -->", protocol.tables())


def test_every_command_event_and_address_appears() -> None:
    for name, command in COMMANDS.items():
        assert f"`{name}_request` → `{name}_reply`" in TEXT
        assert f"### `{name}`" in TEXT
        for field in (*command.request.__struct_fields__, *command.reply.__struct_fields__):
            assert f"| `{field}` |" in TEXT
    forms = [*(command.osc for command in COMMANDS.values() if command.osc), *OSC_ONLY]
    for form in forms:
        assert f"| `{form.address}` |" in TEXT
        assert all(reply in TEXT for reply in form.replies)
    for topic in EVENTS:
        assert f"`{topic}_event`" in TEXT
    assert f"version {commands.PROTOCOL}" in TEXT.splitlines()[0]


def test_the_command_renews_a_stale_document(tmp_path: Path) -> None:
    path = tmp_path / "PROTOCOL.md"
    path.write_text(TEXT.replace("| `seed` |", "| `sead` |"), encoding="utf-8")
    assert protocol.main([str(path)]) == 1
    assert path.read_text(encoding="utf-8") == TEXT
    assert protocol.main([str(path)]) == 0


def test_the_defaults_in_the_text_are_those_of_the_code() -> None:
    from foleyd.daemon.jobs import Limits
    from foleyd.wire.envelope import MOST_FRAME_BYTES, MOST_FRAMES

    limits = Limits()
    for port in (commands.SHELL_PORT, commands.CONTROL_PORT, commands.EVENTS_PORT, commands.OSC_PORT):
        assert f"127.0.0.1:{port}" in TEXT
    joined = " ".join(TEXT.split())
    assert f"In all {limits.jobs} live and normal jobs" in joined
    assert f"{limits.per_client} of one client, and {limits.background} background jobs wait" in joined
    assert f"at most {MOST_FRAME_BYTES // 2**20} MiB and a message at most {MOST_FRAMES} frames" in joined


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    tell = 'print(admission["msg_type"], result["msg_type"], len(result["buffers"][0]))'
    with Served(tmp_path, worker=gated_worker.COMMAND) as served:
        shutil.copy(served.file, tmp_path / "foleyd.json")
        done = subprocess.run(
            [sys.executable, "-c", f"{example}\n{tell}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["render_reply", "render_result", str(2 * 48_000 * 4)]
