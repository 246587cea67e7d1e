"""Who may see the page: whoever has its token, from its own address.

Other programs of this machine and other pages of the same browser reach loopback too. So every request needs
the token (once in the address, then in a cookie), a Host header that names this page (a foreign name that
resolves to loopback does not), and, where there is an Origin, the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE_S = 30 * 24 * 3600
"""How long a browser keeps the cookie."""
LOCAL = ("127.0.0.1", "localhost", "[::1]")

_TOKEN_FILE = "page-token"
_STYLE = (
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#0f1216;color:#e9ecf1;"
    "font:18px/1.5 system-ui,sans-serif}main{max-width:34rem;padding:2rem}"
    "h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:0;color:#b3bbc8}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_REFUSAL_CSP = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"

NO_TOKEN = "Open the address that foleyd live shows: it carries the token that this page needs."
WRONG_TOKEN = "The token in this address is not this host's: open the address that foleyd live shows."
WRONG_HOST = (
    "This page is not known by that name: open it as foleyd live shows it, or name it with --page-allow."
)
WRONG_ORIGIN = "Another page asked for this: only the live host's own page may."


def kept_token(folder: Path) -> str:
    """The token in `folder`, made there when there is none, or none that is its owner's alone. It is kept so
    that a tablet comes back by itself after the host was started again."""
    path = folder / _TOKEN_FILE
    try:
        token = path.read_text("ascii").strip()
        private = os.name == "nt" or path.stat().st_mode & 0o077 == 0
        if private and len(token) >= 32:
            return token
    except (OSError, ValueError):
        pass
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    fresh = path.with_name(f"{_TOKEN_FILE}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(token + "\n")
    fresh.replace(path)
    return token


class Guard:
    """Lets through to `app` what has the token and comes from the page itself.

    `bind` is the address that the page is bound to, `allow` are more names that browsers may reach it by,
    with or without a port.
    """

    def __init__(self, app: ASGIApp, token: str, bind: str, port: int, allow: Iterable[str] = ()) -> None:
        self._app = app
        self._token = token.encode()
        self._port = port
        # cookies do not tell ports apart: two hosts on one machine need two names
        self.cookie = f"foleyd-{port}"
        self._any_address = _is_wildcard(bind)
        names = [*LOCAL, *(() if self._any_address else (bracketed(bind),))]
        self._hosts = {f"{name}:{port}" for name in names}
        for name in allow:
            self._hosts |= {name.lower(), f"{name.lower()}:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _guarded(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, _guarded(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not self._is_own(host):
            return _refused(WRONG_HOST, 421)
        origin = headers.get("origin")
        if origin is None and scope["type"] == "websocket":
            return _refused(WRONG_ORIGIN, 403)
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return _refused(WRONG_ORIGIN, 403)
        if scope["type"] == "http" and scope["path"] == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
            if given:
                return self._entry(given[0])
        if not self._is_token(self._cookie_of(headers)):
            return _refused(NO_TOKEN, 403)
        return None

    def _entry(self, given: str) -> Response:
        if not self._is_token(given):
            return _refused(WRONG_TOKEN, 403)
        # away from the address at once: it would stay in the history and be photographed with the screen
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(
            self.cookie, self._token.decode(), max_age=COOKIE_S, httponly=True, samesite="strict"
        )
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    def _cookie_of(self, headers: Headers) -> str:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _is_own(self, host: str) -> bool:
        if host in self._hosts:
            return True
        name, _, port = host.rpartition(":")
        # no name server stands behind an address, so that one cannot be made to point here
        return self._any_address and port == str(self._port) and _is_address(name)


def bracketed(address: str) -> str:
    """An address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_wildcard(bind: str) -> bool:
    return _is_address(bind) and ipaddress.ip_address(bind).is_unspecified


def _refused(message: str, status: int) -> Response:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>foleyd live</title><style>{_STYLE}</style>"
        f"<main><h1>Not let in</h1><p>{message}</p></main></html>"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": _REFUSAL_CSP})


def _guarded(send: Send) -> Send:
    """Adds what every answer says to browsers."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return sending


_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)
