"""The page: the host's face in a browser, served on the host's own loop.

``http://127.0.0.1:17180/?token=…`` opens it; :mod:`foleyd_live.page_guard` says who may. It does nothing that
the tables of actions and properties do not name, and serves the clips of pads, no other file.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import mimetypes
import socket
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from foleyd import paths
from foleyd.errors import BadRequest, FoleydError
from foleyd_live import page_view, properties
from foleyd_live.page_guard import Guard, bracketed, kept_token
from foleyd_live.page_host import PageHost
from foleyd_live.page_socket import MOST_BYTES, Viewer

PORT = 17180
"""TCP port of the page; taken, the next free one of ten."""
MOST_VIEWERS = 16
"""Pages that may be open at once."""

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; manifest-src 'self'; "
    "connect-src 'self' ws://{host} wss://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_CLIP_TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".aif": "audio/aiff"}


class PagePortTaken(FoleydError):
    """Another program listens there."""

    code = "port_taken"


class Page:
    """The page of `host`. `token` opens it, the one that is kept for this user where empty; `allow` are names
    that browsers may reach it by beside its address."""

    def __init__(self, host: PageHost, *, token: str = "", allow: Sequence[str] = ()) -> None:
        self._host, self._allow = host, tuple(allow)
        self.token = token or kept_token(paths.home("config"))
        self._files = _files()
        self._viewers: set[Viewer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._bind, self.port = "", 0

    @property
    def address(self) -> str:
        """Where it is, without the token."""
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._bind) or bracketed(self._bind)
        return f"http://{name}:{self.port}/"

    @property
    def url(self) -> str:
        """What opens it in a browser, token included."""
        return f"{self.address}?token={self.token}"

    @property
    def viewers(self) -> int:
        """Pages that are open."""
        return len(self._viewers)

    async def open(self, bind: str, port: int | None) -> None:
        """Serve at `bind`; at any of ten ports from :data:`PORT` on where `port` is None, at any free one
        where it is 0. Raises PagePortTaken, and BadRequest for an address that is not this machine's."""
        listening = _listen(bind, port)
        self._bind, self.port = bind, listening.getsockname()[1]
        app = Starlette(
            routes=[
                WebSocketRoute("/socket", self._socket),
                Route("/clip/{pad:int}", self._clip),
                Route("/{name:path}", self._file),
            ]
        )
        config = uvicorn.Config(
            Guard(app, self.token, bind, self.port, self._allow),
            http="h11",
            ws="websockets-sansio",
            ws_max_size=MOST_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]))

    async def close(self) -> None:
        """End serving; open pages are told, and what they began is cancelled."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _socket(self, socket: WebSocket) -> None:
        if len(self._viewers) >= MOST_VIEWERS:
            await socket.close(1013)
            return
        viewer = Viewer(self._host, socket, self._began)
        self._viewers.add(viewer)
        try:
            await viewer.run()
        finally:
            self._viewers.discard(viewer)

    def _began(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _file(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"] or "index.html")
        if found is None:
            return PlainTextResponse("There is no such page here.", 404)
        content, kind = found
        policy = _CSP.format(host=request.headers["host"])
        return Response(content, headers={"Content-Security-Policy": policy}, media_type=kind)

    async def _clip(self, request: Request) -> Response:
        try:
            pad = properties.index(request.path_params["pad"])
        except BadRequest as error:
            return PlainTextResponse(str(error), 404)
        clip = self._host.clip(pad)
        if clip is None or not clip.path or not await asyncio.to_thread(Path(clip.path).is_file):
            return PlainTextResponse(f"Pad {pad + 1} holds no file.", 404)
        kind = _CLIP_TYPES.get(Path(clip.path).suffix.lower()) or mimetypes.guess_type(clip.path)[0]
        return FileResponse(
            clip.path,
            media_type=kind or "application/octet-stream",
            filename=page_view.file_name(self._host, pad, clip),
            headers={"Content-Security-Policy": "default-src 'none'; sandbox"},
        )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the host's."""
        yield


def _files() -> dict[str, tuple[bytes, str]]:
    folder = resources.files("foleyd_live") / "page"
    return {
        one.name: (one.read_bytes(), _TYPES[Path(one.name).suffix])
        for one in folder.iterdir()
        if Path(one.name).suffix in _TYPES
    }


def _listen(bind: str, port: int | None) -> socket.socket:
    ports = [port] if port is not None else range(PORT, PORT + 10)
    for number in ports:
        try:
            return _bound(bind, number)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise BadRequest(
                f"the page cannot listen at {bind}:{number} ({error.strerror or error}): give --page-bind an "
                "address of this machine and --page-port a free port."
            ) from None
    taken = f"port {port}" if port is not None else f"the ports {PORT} to {PORT + 9}"
    raise PagePortTaken(
        f"{taken} of {bind} belong to other programs: give --page-port another, or 0 for any."
    )


def _bound(bind: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(64)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
