"""`foleyd models`: what it prints where, what it asks, how it ends."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from typer.testing import CliRunner, Result

from foleyd import models_cli
from foleyd.engines import catalog
from foleyd.runtime import prepared
from loopback_hub import Hub, Repository, running, small_checkpoint
from preparing import prepared_by_hand

ID = "cvssp/audioldm-s-full-v2"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "FOLEYD_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name, data in small_checkpoint(9).items():
        (tmp_path / "starter" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "starter" / name).write_bytes(data)
    monkeypatch.setattr(catalog, "STARTER", tmp_path / "starter")


@pytest.fixture
def server() -> Iterator[Hub]:
    with running() as one:
        one.repositories[ID] = Repository(small_checkpoint())
        yield one


def models(*arguments: str) -> Result:
    return CliRunner().invoke(models_cli.app, arguments)


def test_list_names_what_is_here_and_what_could_be(server: Hub) -> None:
    assert models("pull", ID, "--yes", "--endpoint", server.url).exit_code == 0
    rows = {row["id"]: row for row in json.loads(models("list", "--json").stdout)}
    assert rows.keys() == {"starter", *catalog.KNOWN}
    assert [name for name, row in rows.items() if row["here"]] == ["starter", ID]
    assert rows[ID]["bytes"] == sum(len(data) for data in small_checkpoint().values())
    assert not rows["cvssp/audioldm-l-full"]["sellable"]
    lines = models("list").stdout.splitlines()
    assert lines[0].split() == ["model", "here", "size", "licence", "sell?", "title"]
    assert any(line.split()[:2] == [ID, "yes"] and "CC-BY-NC-SA-4.0" in line for line in lines)
    assert any(line.split()[:2] == ["cvssp/audioldm-l-full", "no"] and "~3.9 GB" in line for line in lines)


def test_pull_says_size_and_licence_and_prints_json_alone(server: Hub) -> None:
    done = models("pull", ID, "--yes", "--json", "--endpoint", server.url)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["revision"] == "a" * 40
    assert done.stderr == (
        f"{ID} at aaaaaaaaaaaa: 801 kB from {server.url}; licence CC-BY-NC-SA-4.0, "
        "what it makes may not be sold.\n"
    )


def test_pull_without_anyone_to_ask_downloads_nothing(server: Hub) -> None:
    refused = models("pull", ID, "--endpoint", server.url)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert refused.stderr.endswith("Download it? Nobody is here to answer: say it beforehand with --yes.\n")
    assert server.sent(UNET) == []


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["show", ID], 1, f"{ID} is not on this machine: run 'foleyd models pull {ID}'"),
        (["show", "nonsense"], 2, "'nonsense' is no model: give 'starter' or a hub name"),
        (["pull", "../x", "-y"], 2, "'../x' is no hub model: give its name as 'owner/name'."),
        (["pull", ID, "-y", "--offline"], 1, f"{ID} cannot be pulled while --offline forbids the network"),
        (["remove", "starter", "-y"], 2, "The starter ships with foleyd and stays"),
        (["remove", ID, "-y"], 1, f"{ID} is not on this machine"),
        (["remove", ID], 2, f"Delete {ID} from this machine? Nobody is here to answer"),
    ],
)
def test_errors_are_one_sentence_and_a_status(arguments: list[str], status: int, sentence: str) -> None:
    ended = models(*arguments)
    assert ended.exit_code == status
    assert ended.stdout == ""
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1


def test_show_verifies_on_request(server: Hub) -> None:
    models("pull", ID, "--yes", "--endpoint", server.url)
    sound = models("show", ID, "--verify")
    assert sound.exit_code == 0
    assert "hashes    as stored" in sound.stdout.splitlines()
    weights = catalog.resolve(ID).folder / UNET
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    shown = models("show", ID, "--verify", "--json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["problems"] == shown.stderr.splitlines()
    assert f"{UNET} has changed" in shown.stderr
    assert models("show", ID).exit_code == 0


def test_remove_frees_the_disk(server: Hub) -> None:
    models("pull", ID, "--yes", "--endpoint", server.url)
    folder = catalog.resolve(ID).folder
    network = prepared.Network(ways={}, torch_seconds=1.0, every_step=True)
    blob = prepared_by_hand(folder, {"unet": network}) / "unet.bin"
    blob.write_bytes(bytes(1_000_000))
    other = prepared_by_hand(catalog.resolve("starter").folder, {"unet": network})
    gone = models("remove", ID, "--yes", "--json")
    assert json.loads(gone.stdout)["freed_bytes"] > 1_800_000
    assert not blob.parent.exists()
    assert other.is_dir()
    assert models("show", ID).exit_code == 1


def test_a_terminal_gets_a_question_and_a_bar(server: Hub, tmp_path: Path) -> None:
    place = str(Path(catalog.__file__).parents[2])
    command = [sys.executable, "-m", "foleyd.models_cli", "pull", ID, "--endpoint", server.url]
    environment = os.environ | {"PYTHONPATH": place, "TERM": "xterm", "COLUMNS": "100"}
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment, cwd=tmp_path
        ) as child:
            os.close(theirs)
            shown = b""
            answered = False
            while select.select([ours], [], [], 120)[0]:
                try:
                    shown += os.read(ours, 4096)
                except OSError:  # Linux's word for the other end being closed
                    break
                if b"Download it?" in shown and not answered:
                    os.write(ours, b"y\n")
                    answered = True
            assert child.stdout is not None
            said = child.stdout.read().decode()
            assert child.wait() == 0
    finally:
        os.close(ours)
    assert answered
    question = shown.index(b"Download it?")
    assert b"licence CC-BY-NC-SA-4.0" in shown[:question]
    assert b"\x1b[" not in shown[:question]
    assert "━".encode() in shown[question:]
    assert said.startswith(f"{ID} is here: 801 kB, CC-BY-NC-SA-4.0, ")
