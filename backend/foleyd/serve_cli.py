"""``foleyd serve``: the daemon, in the foreground."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foleyd import computing
from foleyd.commands import CONTROL_PORT, EVENTS_PORT, OSC_PORT, SHELL_PORT
from foleyd.errors import BadRequest

if TYPE_CHECKING:
    from foleyd.wire.connection import Connection

DEFAULT_PORTS = f"{SHELL_PORT},{CONTROL_PORT},{EVENTS_PORT}"

EPILOG = """\b
Examples:
  foleyd serve
  foleyd serve --model cvssp/audioldm-s-full-v2 --library ~/sounds
  foleyd serve --osc-bind 0.0.0.0 --osc-allow 192.168.1.20
  foleyd serve --zmq-ports 0,0,0 --osc-port 0 --connection-file /tmp/foleyd.json

\b
Ports that are taken give way to the next free ones, unless they were named here; the connection
file says which it became, and the key that ZeroMQ messages are signed with. Only this machine is
listened to; --osc-bind with --osc-allow lets other machines send OSC. From elsewhere ZeroMQ needs
a tunnel. Ctrl-C, SIGTERM and a shutdown request end the daemon; sounds that are done are kept.
"""


def serve(
    osc_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="UDP port of OSC; 0 for any.", show_default=str(OSC_PORT)),
    ] = None,
    osc_bind: Annotated[str, typer.Option(metavar="ADDRESS", help="Where OSC listens.")] = "127.0.0.1",
    osc_allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Another machine that may send OSC; may be repeated.",
            show_default=False,
        ),
    ] = None,
    osc_sources: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where sound files may lie that OSC names as sources.",
            show_default="the library alone",
        ),
    ] = None,
    osc: Annotated[bool, typer.Option("--osc/--no-osc", help="Whether to listen to OSC at all.")] = True,
    zmq_ports: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            help="TCP ports of shell, control and events; 0 for any.",
            show_default=DEFAULT_PORTS,
        ),
    ] = None,
    library: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where clips are kept.", show_default="foleyd's own")
    ] = None,
    connection_file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Where ports and key are published.", show_default="the usual place"
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="The model that renders when a recipe names none.")
    ] = "starter",
    device: computing.Device = computing.AUTO,
    precision: computing.Precision = computing.AUTO,
    runtime: computing.Runtime = computing.AUTO,
    threads: computing.Threads = None,
    most_jobs: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Live and normal jobs under way.")
    ] = 32,
    most_of_client: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Of these, jobs of one client.")
    ] = 8,
    most_background: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Background jobs that wait.")
    ] = 64,
    idle: Annotated[
        float,
        typer.Option(min=1, metavar="SECONDS", help="Free the model's memory after so long without work."),
    ] = 600.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the connection as one line of JSON once it answers.")
    ] = False,
) -> None:
    """Listen for requests over ZeroMQ and OSC, and render until told to stop."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    from foleyd.daemon.jobs import Limits
    from foleyd.daemon.server import Settings
    from foleyd.daemon.server import serve as run

    settings = Settings(
        library=library,
        connection_file=connection_file,
        zmq_ports=_ports(zmq_ports or DEFAULT_PORTS),
        osc_port=(OSC_PORT if osc_port is None else osc_port) if osc else None,
        osc_bind=osc_bind,
        osc_allow=tuple(osc_allow or ()),
        osc_sources=osc_sources,
        exact_osc=osc_port is not None,
        exact_zmq=zmq_ports is not None,
        model=model,
        device=device,
        precision=precision,
        runtime=runtime,
        threads=threads,
        limits=Limits(jobs=most_jobs, per_client=most_of_client, background=most_background),
        idle_s=idle,
    )
    asyncio.run(run(settings, lambda connection: _say(connection, settings.connection_file, as_json)))


def _ports(text: str) -> tuple[int, int, int]:
    """Three ports. Raises BadRequest."""
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) < 65_536 for part in parts):
        raise BadRequest(f"zmq-ports is '{text:.40}': give three ports, as in {DEFAULT_PORTS}.")
    shell, control, events = (int(part) for part in parts)
    return shell, control, events


def _say(connection: Connection, path: Path | None, as_json: bool) -> None:
    """Tell that the daemon answers, and where."""
    from foleyd.wire.connection import default_path

    body = {
        "pid": connection.pid,
        "shell": connection.address("shell"),
        "control": connection.address("control"),
        "events": connection.address("events"),
        "osc": connection.osc,
        "library": connection.library,
        "connection_file": str(path or default_path()),
    }
    if as_json:
        print(json.dumps(body, ensure_ascii=False), flush=True)
        return
    print(f"foleyd answers: ZeroMQ {body['shell']}, OSC {connection.osc or 'off'}", flush=True)
    print(f"library {connection.library}, connection file {body['connection_file']}", flush=True)
