"""The connection file: what it holds, who may read it, and whether anybody is behind it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from jupyter_client.connect import ConnectionFileMixin

from foleyd import paths
from foleyd.errors import BadRequest, NoDaemon
from foleyd.wire import connection as connections
from foleyd.wire.connection import Connection
from foleyd.wire.zmq import Answer, Endpoint
from zmq_peers import DEADLINE, Desk, free

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def gone() -> int:
    """The id of a process that was there, and is not any more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    made = connections.fresh(osc="127.0.0.1:17130", library="/here", shell_port=4)
    path = connections.write(made, tmp_path / "c.json")
    assert connections.read(path) == made
    assert made.pid == os.getpid()
    assert made.started > 1.7e9
    assert len(bytes.fromhex(made.key)) == 32
    assert (made.shell_port, made.control_port, made.iopub_port) == (4, 17132, 17133)
    assert made.address("events") == "tcp://127.0.0.1:17133"


def test_keys_are_drawn_and_stay_out_of_what_is_printed() -> None:
    one, two = connections.fresh(), connections.fresh()
    assert one.key != two.key
    assert one.key not in repr(one)
    assert one.key not in str(one)
    assert "17131" in repr(one)


def test_jupyter_client_reads_it(tmp_path: Path) -> None:
    made = connections.fresh()
    path = connections.write(made, tmp_path / "c.json")
    theirs = ConnectionFileMixin()
    theirs.load_connection_file(str(path))
    assert (theirs.shell_port, theirs.control_port, theirs.iopub_port) == (17131, 17132, 17133)
    assert (theirs.ip, theirs.transport) == ("127.0.0.1", "tcp")
    assert theirs.session.key == made.key.encode()
    assert theirs.session.signature_scheme == "hmac-sha256"


def test_the_usual_place_is_made_for_its_owner_alone() -> None:
    assert connections.default_path() == paths.home("runtime") / "foleyd.json"
    assert not connections.default_path().parent.exists()
    path = connections.write(connections.fresh())
    assert path == connections.default_path()
    assert connections.read() == connections.read(path)
    if os.name == "posix":
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600


@posix
def test_nobody_else_can_read_it_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        modes.append(os.fstat(handle).st_mode & 0o777)
        real(handle)

    old = os.umask(0)
    try:
        monkeypatch.setattr(os, "fsync", fsync)
        path = connections.write(connections.fresh(), tmp_path / "c.json")
    finally:
        os.umask(old)
    assert modes[0] == 0o600
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = connections.write(connections.fresh(), tmp_path / "c.json")
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(BadRequest, match="other users may read"):
            connections.read(path)
    path.chmod(0o400)
    assert connections.read(path).key


@posix
def test_a_usual_folder_that_others_may_change_is_refused() -> None:
    folder = connections.default_path().parent
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(BadRequest, match="can be changed by others"):
        connections.write(connections.fresh())
    assert not connections.default_path().exists()


def test_no_file_is_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(NoDaemon, match="foleyd serve"):
        connections.read(tmp_path / "none.json")
    with pytest.raises(NoDaemon, match="foleyd serve"):
        connections.read()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "nonsense",
        '{"key": "',
        '{"key": 5}',
        '{"key": "a", "shell_port": 70000}',
        '{"key": "a", "transport": "ipc"}',
        '{"key": "a", "signature_scheme": "hmac-md5"}',
        '{"key": "a", "ip": "192.168.1.2"}',
        '{"key": "a", "ip": "*"}',
        '{"key": "a", "ip": "localhost.example"}',
        '{"key": ""}',
        '{"key": " "}',
        "[" * 5000,
        '{"key": "a"}' + " " * 100_000 + "x",
    ],
)
def test_a_broken_file_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadRequest, match=r"is broken .*foleyd serve'\.$"):
        connections.read(path)


def test_bytes_that_are_no_text_and_folders_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b'{"key":"\xff"}')
    path.chmod(0o600)
    with pytest.raises(BadRequest, match="is broken"):
        connections.read(path)
    with pytest.raises(BadRequest, match="cannot read"):
        connections.read(tmp_path)


def test_a_file_of_a_newer_daemon_is_read(tmp_path: Path) -> None:
    path = connections.write(connections.fresh(), tmp_path / "c.json")
    more = {**json.loads(path.read_text()), "web_port": 1}
    path.write_text(json.dumps(more))
    assert connections.read(path).shell_port == 17131


def test_what_cannot_be_used_is_not_written(tmp_path: Path) -> None:
    for made, said in (
        (connections.fresh(key=""), "key of the connection is empty"),
        (connections.fresh(ip="0.0.0.0"), "not on this machine"),
        (connections.fresh(ip="10.0.0.1"), "not on this machine"),
    ):
        with pytest.raises(BadRequest, match=said):
            connections.write(made, tmp_path / "c.json")
    with pytest.raises(BadRequest, match="cannot write"):
        connections.write(connections.fresh(), tmp_path / "nowhere" / "c.json")
    assert list(tmp_path.iterdir()) == []


def test_only_ones_own_file_is_removed(tmp_path: Path) -> None:
    mine, other = connections.fresh(), connections.fresh()
    path = connections.write(other, tmp_path / "c.json")
    assert not connections.remove(mine, path)
    assert path.exists()
    assert connections.remove(other, path)
    assert not path.exists()
    assert not connections.remove(other, path)


def test_ports_that_are_taken_give_way_to_the_next() -> None:
    asked: list[int] = []

    def bind(port: int) -> int:
        asked.append(port)
        if port < 103:
            raise OSError(errno.EADDRINUSE, "taken")
        return port

    assert connections.bind_free(bind, 100) == 103
    assert asked == [100, 101, 102, 103]
    with pytest.raises(BadRequest, match="port 100 is taken"):
        connections.bind_free(bind, 100, exact=True)
    with pytest.raises(BadRequest, match="ports 65400 to 65535 are taken"):
        connections.bind_free(_taken, 65_400)
    with pytest.raises(BadRequest, match="port 0 is"):
        connections.bind_free(_taken, 0)


def _taken(port: int) -> int:
    raise OSError(errno.EADDRINUSE, "taken")


def test_other_errors_of_a_bind_are_not_passed_over() -> None:
    def bind(port: int) -> int:
        raise OSError(errno.ENODEV, "no such device")

    with pytest.raises(OSError, match="no such device"):
        connections.bind_free(bind, 100)


def test_processes_are_told_from_ghosts() -> None:
    assert connections.is_alive(os.getpid())
    assert connections.is_alive(1)
    if os.name == "posix":
        assert not connections.is_alive(gone())
        assert not connections.is_alive(0)
        assert not connections.is_alive(-1)


def test_a_connection_that_nobody_listens_at_is_stale() -> None:
    port = closed_port()
    assert connections.is_stale(connections.fresh(shell_port=port, control_port=port, pid=gone()))
    assert connections.is_stale(connections.fresh(shell_port=port, control_port=port))


@pytest.mark.parametrize("alive", [True, False])
def test_a_port_that_another_program_took_is_stale(alive: bool) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        made = connections.fresh(shell_port=port, control_port=port, pid=os.getpid() if alive else gone())
        assert connections.listens(made)
        assert connections.is_stale(made, timeout_s=1.0)


def test_a_daemon_that_answers_is_not_stale_and_another_key_is() -> None:
    async def scenario() -> None:
        async with Endpoint(free(), Desk().handle) as endpoint:
            here = endpoint.connection
            assert not await asyncio.to_thread(connections.is_stale, here, DEADLINE)
            # behind a tunnel the process is another machine's
            elsewhere = msgspec.structs.replace(here, pid=0)
            assert connections.listens(elsewhere)
            other = msgspec.structs.replace(here, key="another")
            assert await asyncio.to_thread(connections.is_stale, other, 1.0)
            assert endpoint.counters["unsigned"] == 1
        assert await asyncio.to_thread(connections.is_stale, here, DEADLINE)

    asyncio.run(scenario())


def test_a_daemon_that_answers_with_an_error_is_there() -> None:
    async def scenario() -> None:
        async def fail(*_: object) -> Answer:
            raise BadRequest("Not today.")

        async with Endpoint(free(), Desk(info=fail).handle) as endpoint:
            assert not await asyncio.to_thread(connections.is_stale, endpoint.connection, DEADLINE)

    asyncio.run(scenario())


def test_connections_are_plain_structs() -> None:
    assert msgspec.json.decode(b'{"key":"k"}', type=Connection) == Connection(key="k")
