"""The connection file: where the daemon listens, and the key that signs.

Jupyter's own names and file format, so that an independent ``jupyter_client`` reads it, plus what foleyd
adds. Who can read the file can use the daemon: it is made for its owner alone, and refused when others may
read it.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import zmq
from msgspec import Meta

import foleyd
from foleyd import paths
from foleyd.audio.atomic import replacing
from foleyd.commands import CONTROL_PORT, EVENTS_PORT, SHELL_PORT
from foleyd.errors import BadRequest, NoDaemon
from foleyd.wire import envelope

Socket = Literal["shell", "control", "events"]
Port = Annotated[int, Meta(ge=0, le=65535)]

_MOST_BYTES = 64 * 1024
_TRIES = 200
"""Ports that are tried before a bind is given up."""

_TAKEN = {errno.EADDRINUSE, errno.EACCES, zmq.EADDRINUSE}
_HELLO = b'{"lease_s":1.0,"client":"probe"}'


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one daemon. A port of 0 is "any free one" until it is bound; `started` is Unix time."""

    key: str
    shell_port: Port = SHELL_PORT
    control_port: Port = CONTROL_PORT
    iopub_port: Port = EVENTS_PORT
    ip: str = "127.0.0.1"
    transport: Literal["tcp"] = "tcp"
    signature_scheme: Literal["hmac-sha256"] = "hmac-sha256"
    stdin_port: Port = 0
    hb_port: Port = 0
    osc: str = ""
    pid: int = 0
    started: float = 0.0
    version: str = ""
    library: str = ""

    def __repr__(self) -> str:
        # the key stays out of logs and tracebacks
        ports = f"{self.shell_port}/{self.control_port}/{self.iopub_port}"
        return f"Connection({self.transport}://{self.ip} {ports}, pid {self.pid})"

    def port(self, which: Socket) -> int:
        """The port of one socket."""
        return {"shell": self.shell_port, "control": self.control_port, "events": self.iopub_port}[which]

    def address(self, which: Socket) -> str:
        """ZeroMQ's address of one socket."""
        return f"{self.transport}://{self.ip}:{self.port(which)}"


def fresh(**fields: Any) -> Connection:
    """The connection of a daemon that starts now in this process: key drawn, pid and time filled in.

    `fields` are those of :class:`Connection`, such as the ports to try first.
    """
    drawn = {"key": secrets.token_hex(32), "pid": os.getpid(), "started": time.time()}
    return Connection(**{**drawn, "version": foleyd.__version__, **fields})


def check(connection: Connection) -> Connection:
    """The connection itself. Raises BadRequest for an empty key and for addresses off this machine."""
    envelope.Signer(connection.key)
    try:
        near = ipaddress.IPv4Address(connection.ip).is_loopback
    except ValueError:
        near = False
    if not near:
        raise BadRequest(
            f"the address {connection.ip} is not on this machine: use 127.0.0.1, and a tunnel from elsewhere."
        )
    return connection


def bind_free(bind: Callable[[int], int], first: int, *, exact: bool = False) -> int:
    """Bind to port `first` or, unless `exact`, to the next free one above it; returns the port.

    `bind` takes a port and returns the one that it got (which differs for 0), or raises OSError or ZMQError.
    Raises BadRequest where no port is free.
    """
    last = first if exact or not first else min(first + _TRIES, 65535)
    for port in range(first, last + 1):
        try:
            return bind(port)
        except (OSError, zmq.ZMQError) as error:
            if error.errno not in _TAKEN:
                raise
    span = f"port {first} is" if last == first else f"ports {first} to {last} are"
    raise BadRequest(f"{span} taken by other programs: name a free port.")


def default_path() -> Path:
    """Where the connection file is unless somebody says otherwise; its folder need not exist."""
    return paths.home("runtime") / "foleyd.json"


def write(connection: Connection, path: Path | None = None) -> Path:
    """Write the file, whole or not at all, readable by its owner alone; returns where.

    The folder of the default place is made where it is missing, for its owner alone. Raises BadRequest where
    nothing can be written, or where that folder is somebody else's.
    """
    check(connection)
    target = path or default_path()
    if path is None:
        _own_folder(target.parent)
    with replacing(target) as beside:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(connection)) + b"\n")
    return target


def read(path: Path | None = None) -> Connection:
    """What the file says.

    Raises NoDaemon where there is none, BadRequest for one that is broken, that others may read, or whose key
    is empty.
    """
    target = path or default_path()
    try:
        with target.open("rb") as file:
            _refuse_shared(target, os.fstat(file.fileno()))
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise NoDaemon(
            f"No daemon is running ({target} is missing): start one with 'foleyd serve'."
        ) from None
    except OSError as error:
        raise BadRequest(
            f"cannot read the connection file {target} ({error.strerror or error}): start the daemon anew "
            "with 'foleyd serve'."
        ) from None
    try:
        if len(raw) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        return check(msgspec.json.decode(raw, type=Connection))
    except (ValueError, RecursionError, BadRequest) as error:
        raise BadRequest(
            f"the connection file {target} is broken ({str(error).rstrip('.')}): start the daemon anew with "
            "'foleyd serve'."
        ) from None


def remove(connection: Connection, path: Path | None = None) -> bool:
    """Remove the file if it still is that of `connection`; whether it was."""
    target = path or default_path()
    try:
        if read(target) != connection:
            return False
        target.unlink()
    except (NoDaemon, BadRequest, OSError):
        return False
    return True


def is_stale(connection: Connection, timeout_s: float = 5.0) -> bool:
    """Whether nobody who knows the key answers there any more. Blocks; at once where nobody listens.

    A daemon that is there has `timeout_s` seconds to answer. Less than one where its process is gone: then
    it is another program that took the port, or the near end of a tunnel.
    """
    if not listens(connection):
        return True
    return not _answers(connection, timeout_s if is_alive(connection.pid) else min(timeout_s, 0.8))


def listens(connection: Connection) -> bool:
    """Whether anybody takes connections on the shell's port."""
    try:
        socket.create_connection((connection.ip, connection.shell_port), timeout=0.5).close()
    except OSError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process has this id. True where the system cannot be asked without harm (Windows)."""
    if os.name == "nt":
        return True
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _answers(connection: Connection, timeout_s: float) -> bool:
    signer = envelope.Signer(connection.key)
    header = envelope.new_header(secrets.token_hex(16), "info_request")
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(connection.address("control"))
        dealer.send_multipart(signer.pack(header, _HELLO))
        if not dealer.poll(int(timeout_s * 1000)):
            return False
        try:
            return signer.good(envelope.split(dealer.recv_multipart()))
        except envelope.Malformed:
            return False


def _own_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise BadRequest(
            f"cannot make {folder} ({error.strerror or error}): name another place with --connection-file."
        ) from None
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise BadRequest(
            f"{folder} can be changed by others: run 'chmod 700' on it, or name another place with "
            "--connection-file."
        )


def _refuse_shared(path: Path, found: os.stat_result) -> None:
    if os.name != "posix":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise BadRequest(f"the connection file {path} belongs to somebody else: remove it.")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadRequest(
            f"other users may read the connection file {path}, and the key in it: run 'chmod 600' on it."
        )
