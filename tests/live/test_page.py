"""The page's server: who is let in, what an open page may ask, and what it is told."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.types import Message, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import live_stand_in as stand_in
from foleyd.errors import BadRequest
from foleyd_live import page_guard, page_socket, page_view
from foleyd_live.actions import ACTIONS
from foleyd_live.levels import Levels
from foleyd_live.page import Page, PagePortTaken
from foleyd_live.page_host import BankCard, PresetCard
from foleyd_live.properties import PADS, PROPERTIES
from foleyd_live.readings import Meters, VoiceState
from live_stand_in import StandIn
from serving import PATIENCE

TOKEN = "a-token-of-forty-characters-for-the-tests"


@asynccontextmanager
async def opened(host: StandIn | None = None, **options: Any) -> AsyncIterator[tuple[Page, StandIn]]:
    host = host or StandIn()
    page = Page(host, token=TOKEN, **options)
    await page.open("127.0.0.1", 0)
    try:
        yield page, host
    finally:
        await page.close()


async def get(page: Page, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """What the page answers to a request without and with other headers (underscores are dashes)."""

    def ask() -> tuple[int, dict[str, str], bytes]:
        link = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE)
        try:
            link.putrequest("GET", path, skip_host=True)
            for name, value in {"Host": f"127.0.0.1:{page.port}", **headers}.items():
                link.putheader(name.replace("_", "-"), value)
            link.endheaders()
            answer = link.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            link.close()

    return await asyncio.to_thread(ask)


def cookie(page: Page, token: str = TOKEN) -> str:
    return f"foleyd-{page.port}={token}"


class Browser:
    """The socket of an open page."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link

    async def say(self, **said: Any) -> None:
        await self._link.send(json.dumps(said))

    async def raw(self, text: str) -> None:
        await self._link.send(text)

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            told: dict[str, Any] = json.loads(await self._link.recv())
        return told

    async def until(self, kind: str, so: Callable[[dict[str, Any]], bool] = lambda told: True) -> Any:
        """The next message of that kind that is so."""
        while True:
            told = await self.hear()
            if told["type"] == kind and so(told):
                return told

    async def value(self, address: str, pad: int | None) -> Any:
        """The next value of a property."""

        def of(told: dict[str, Any]) -> list[Any]:
            return [value for at, which, value in told["values"] if (at, which) == (address, pad)]

        return of(await self.until("changes", lambda told: bool(of(told))))[0]

    async def ended(self) -> int:
        """Wait for the end; its code."""
        async with asyncio.timeout(PATIENCE):
            # ends without an error for 1000 and 1001 alone
            with suppress(ConnectionClosed):
                async for _ in self._link:
                    pass
        return self._link.close_code or 0


@asynccontextmanager
async def browser(page: Page, **headers: str | None) -> AsyncIterator[Browser]:
    """An open page, or one that comes with other headers (None: without)."""
    origin: str | None = headers.pop("origin", f"http://127.0.0.1:{page.port}")
    sent = {"Cookie": cookie(page), **headers}
    async with connect(
        f"ws://127.0.0.1:{page.port}/socket",
        origin=origin,  # type: ignore[arg-type]
        additional_headers={name: value for name, value in sent.items() if value is not None},
        open_timeout=PATIENCE,
        proxy=None,
    ) as link:
        yield Browser(link)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


# who is let in


def test_the_token_opens_the_page_and_becomes_a_cookie() -> None:
    async def scenario() -> None:
        async with opened() as (page, _):
            assert page.url == f"http://127.0.0.1:{page.port}/?token={TOKEN}"
            status, headers, _ = await get(page, f"/?token={TOKEN}")
            assert status == 303
            assert headers["location"] == "/"
            made = headers["set-cookie"].lower()
            assert made.startswith(f"foleyd-{page.port}={TOKEN}")
            assert "httponly" in made
            assert "samesite=strict" in made
            status, headers, body = await get(page, "/", Cookie=cookie(page))
            assert status == 200
            assert b"<title>foleyd live</title>" in body
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"

    run(scenario)


@pytest.mark.parametrize("path", ["/", "/app.js", "/clip/1", "/socket", "/nothing"])
def test_without_the_token_nothing_is_shown(path: str) -> None:
    async def scenario() -> None:
        async with opened() as (page, _):
            for given in ("", cookie(page, "x" * 40), cookie(page, "é"), "foleyd-1=" + TOKEN):
                status, headers, body = await get(page, path, Cookie=given)
                assert status == 403
                assert TOKEN.encode() not in body
                assert "set-cookie" not in headers

    run(scenario)


def test_a_wrong_token_is_refused_in_a_sentence() -> None:
    async def scenario() -> None:
        async with opened() as (page, _):
            status, headers, body = await get(page, "/?token=wrong")
            assert status == 403
            assert page_guard.WRONG_TOKEN.encode() in body
            assert "set-cookie" not in headers
            # a token opens the page, not whatever else stands in its address
            assert (await get(page, f"/app.js?token={TOKEN}"))[0] == 403

    run(scenario)


def test_names_that_are_not_the_page_s_are_refused() -> None:
    async def scenario() -> None:
        async with opened(allow=("Foley.local",)) as (page, _):
            port = page.port
            for name in (f"localhost:{port}", f"[::1]:{port}", f"foley.local:{port}", "foley.local"):
                assert (await get(page, "/", Host=name, Cookie=cookie(page)))[0] == 200
            for name in (
                f"evil.example:{port}",
                "127.0.0.1",
                f"127.0.0.1:{port + 1}",
                f"10.0.0.1:{port}",
                "",
            ):
                assert (await get(page, "/", Host=name, Cookie=cookie(page)))[0] == 421

    run(scenario)


def test_a_page_bound_everywhere_is_known_by_any_address_but_by_no_other_name() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def status(host: str) -> int:
        guard = page_guard.Guard(app, TOKEN, "0.0.0.0", 17180)
        told: list[Message] = []

        async def send(message: Message) -> None:
            told.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        headers = [(b"host", host.encode()), (b"cookie", f"foleyd-17180={TOKEN}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": headers}
        await guard(scope, receive, send)
        return int(told[0]["status"])

    async def scenario() -> None:
        assert await status("192.168.1.20:17180") == 200
        assert await status("[fe80::1]:17180") == 200
        assert await status("evil.example:17180") == 421
        assert await status("192.168.1.20:80") == 421

    run(scenario)


def test_other_pages_of_the_browser_are_refused() -> None:
    async def scenario() -> None:
        async with opened() as (page, host):
            own = f"http://127.0.0.1:{page.port}"
            assert (await get(page, "/", Origin=own, Cookie=cookie(page)))[0] == 200
            for origin in ("http://evil.example", "null", f"http://127.0.0.1:{page.port + 1}"):
                assert (await get(page, "/", Origin=origin, Cookie=cookie(page)))[0] == 403
                with pytest.raises(InvalidStatus):
                    async with browser(page, origin=origin):
                        pass
            # a program that is no browser sends none
            with pytest.raises(InvalidStatus):
                async with browser(page, origin=None):
                    pass
            for given in (None, cookie(page, "wrong")):
                with pytest.raises(InvalidStatus):
                    async with browser(page, Cookie=given):
                        pass
            assert not host.listeners

    run(scenario)


def test_the_kept_token_is_its_owner_s_alone(tmp_path: Path) -> None:
    token = page_guard.kept_token(tmp_path)
    path = tmp_path / "page-token"
    assert len(token) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert page_guard.kept_token(tmp_path) == token
    path.chmod(0o644)
    assert page_guard.kept_token(tmp_path) != token
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short")
    assert len(page_guard.kept_token(tmp_path)) >= 40
    assert [one.name for one in tmp_path.iterdir()] == ["page-token"]


# what it serves


def test_clips_of_pads_are_served_under_their_names(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "abc.wav"
        path.write_bytes(b"RIFF and so on")
        host = StandIn()
        host.values["pad/prompt", 2] = 'Glass/../ "breaking" é'
        host.clips[2] = stand_in.clip(path=path)
        host.clips[3] = stand_in.clip(path="")
        host.clips[4] = stand_in.clip(path=tmp_path / "gone.wav")
        async with opened(host) as (page, _):
            status, headers, body = await get(page, "/clip/3", Cookie=cookie(page))
            assert (status, body) == (200, b"RIFF and so on")
            assert headers["content-type"] == "audio/wav"
            assert headers["content-disposition"] == (
                "attachment; filename*=utf-8''03%20Glass%20breaking%20%C3%A9.wav"
            )
            for nothing in ("/clip/1", "/clip/4", "/clip/5", "/clip/0", "/clip/65", "/clip/x", "/clip/"):
                assert (await get(page, nothing, Cookie=cookie(page)))[0] == 404
            for outside in ("/../page.py", "/..%2fpage.py", "/%2e%2e/page.py", "//etc/passwd", "/page.py"):
                assert (await get(page, outside, Cookie=cookie(page)))[0] == 404

    run(scenario)


def test_file_names_are_safe_and_sort() -> None:
    host = StandIn()
    host.values["pad/prompt", 2] = 'Glass/../ "breaking" é' + " on" * 40
    name = page_view.file_name(host, 2, stand_in.clip(path="/x/abc.WAV"))
    assert name.startswith("03 Glass breaking é on on")
    assert name.endswith(".wav")
    assert len(name) <= 3 + 60 + 4
    host.values["pad/preset", 2] = "effects/Glass"
    assert page_view.file_name(host, 2, stand_in.clip(path="/x/abc.WAV")) == "03 Glass.wav"
    host.values["pad/name", 2] = "Crash"
    assert page_view.file_name(host, 2, stand_in.clip(path="/x/abc.WAV")) == "03 Crash.wav"
    assert page_view.file_name(host, 11, stand_in.clip(name="k.x.wav", path="/x/a.flac")) == "12 k x.flac"
    assert page_view.file_name(host, 11, stand_in.clip(name="///", path="/x/a.flac")) == "12 clip.flac"
    assert page_view.file_name(host, 11, stand_in.clip(path="")) == ""


def test_the_page_needs_nothing_from_elsewhere_and_names_what_exists() -> None:
    folder = resources.files("foleyd_live") / "page"
    files = {one.name: one.read_text("utf-8") for one in folder.iterdir()}
    known = {*ACTIONS, *PROPERTIES}
    scopes = {name.partition("/")[0] for name in known}
    named = set()
    for name, text in files.items():
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        for other in re.findall(r'(?:from "\./|(?:src|href)="/)([^"]+)"', text):
            assert other in files, f"{name} needs {other}"
        named |= {one for one in re.findall(r'"([a-z]+/[a-z]+)"', text) if one.partition("/")[0] in scopes}
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", files["index.html"])
    assert len(named) > 25
    assert named <= known


# what a page asks


def test_actions_are_done_and_answered() -> None:
    async def scenario() -> None:
        host = StandIn()
        host.outcomes = {"pad/play": (3,), "clock/tap": BadRequest("tap slower.")}
        async with opened(host) as (page, _), browser(page) as tab:
            await tab.say(do="pad/play", args=[3, 0.5], pairs={"quantise": "bar"}, id=7)
            done = await tab.until("done")
            assert done == {"type": "done", "id": 7, "do": "pad/play", "outcome": [3]}
            assert host.asked == [("pad/play", (3, 0.5), {"quantise": "bar"})]
            await tab.say(do="clock/tap", id=8)
            failed = await tab.until("fail")
            assert failed == {
                "type": "fail",
                "id": 8,
                "about": "clock/tap",
                "message": "tap slower.",
                "code": "bad_request",
            }
            for said in (
                {"do": "pad/dance"},
                {"do": "pad/play", "args": [65]},
                {"do": "pad/play", "args": []},
            ):
                await tab.say(**said, id=9)
                assert (await tab.until("fail"))["code"] == "bad_request"

    run(scenario)


def test_a_long_action_does_not_hold_up_others_and_outlives_the_page() -> None:
    async def scenario() -> None:
        host = StandIn()
        made: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        host.outcomes = {"pad/render": made, "pad/play": (1,)}
        async with opened(host) as (page, _):
            async with browser(page) as tab:
                await tab.say(do="pad/render", args=[1, "rain"], id=1)
                await tab.say(do="pad/play", args=[1], id=2)
                assert (await tab.until("done"))["id"] == 2
            while page.viewers:
                await asyncio.sleep(0)
            assert not made.done()
            made.set_result((1, "c1"))

    run(scenario)


def test_what_nobody_foresaw_is_a_failure_of_one_request_alone() -> None:
    async def scenario() -> None:
        host = StandIn()
        host.outcomes = {"pad/undo": ValueError("a secret")}
        async with opened(host) as (page, _), browser(page) as tab:
            await tab.say(do="pad/undo", args=[1], id=1)
            failed = await tab.until("fail")
            assert failed["code"] == "error"
            assert "secret" not in failed["message"]
            await tab.say(do="host/panic", id=2)
            assert (await tab.until("done"))["id"] == 2

    run(scenario)


def test_settings_are_checked_and_a_wrong_one_is_put_right() -> None:
    async def scenario() -> None:
        async with opened() as (page, host), browser(page) as tab:
            await tab.say(set="pad/gain", pad=3, value=-6)
            assert await tab.value("pad/gain", 3) == -6.0
            assert host.get("pad/gain", 2) == -6.0
            await tab.say(set="mixer/gain", value=1.5)
            assert await tab.value("mixer/gain", None) == 1.5
            for said in (
                {"set": "pad/gain", "pad": 3, "value": 99},
                {"set": "pad/gain", "pad": 3, "value": None},
                {"set": "pad/state", "pad": 3, "value": "ready"},
                {"set": "pad/gain", "value": 0},
                {"set": "pad/nothing", "pad": 3, "value": 0},
            ):
                await tab.say(**said)
                assert (await tab.until("fail"))["about"] == said["set"]
            await tab.say(set="pad/gain", pad=3, value=99)
            assert await tab.value("pad/gain", 3) == -6.0

    run(scenario)


def test_held_pads_are_let_go_when_the_page_goes_or_is_hidden() -> None:
    async def scenario() -> None:
        async with opened() as (page, host):
            async with browser(page) as tab:
                for pad in (1, 2, 3):
                    await tab.say(do="pad/play", args=[pad], id=pad)
                await tab.say(do="pad/release", args=[2], id=4)
                await tab.until("done", lambda told: told["id"] == 4)
                await tab.say(see=False)
                await tab.say(do="pad/play", args=[9], id=5)
                await tab.until("done", lambda told: told["id"] == 5)
                assert sorted(host.asked[-3:-1]) == [("pad/release", (1,), {}), ("pad/release", (3,), {})]
            while host.asked[-1] != ("pad/release", (9,), {}):
                host.heard.clear()
                async with asyncio.timeout(PATIENCE):
                    await host.heard.wait()

    run(scenario)


@pytest.mark.parametrize(
    ("said", "code"),
    [("{", 1007), ("[]", 1007), ('{"do": 3}', 1007), ('{"args": [[1]]}', 1007), ("x" * 20_000, 1009)],
)
def test_messages_that_no_page_of_ours_sends_end_it(said: str, code: int) -> None:
    async def scenario() -> None:
        async with opened() as (page, _):
            async with browser(page) as tab:
                await tab.raw(said)
                assert await tab.ended() == code
            async with browser(page) as tab:
                await tab.say(do="host/panic", id=1)
                await tab.until("done")

    run(scenario)


def test_a_flood_ends_it() -> None:
    async def scenario() -> None:
        async with opened() as (page, _), browser(page) as tab:
            # far beyond what the allowance grows by meanwhile
            flood = asyncio.create_task(_pour(tab))
            assert await tab.ended() == 1008
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)

    async def _pour(tab: Browser) -> None:
        while True:
            await tab.say(see=True)

    run(scenario)


def test_a_page_may_have_so_much_under_way_and_no_more() -> None:
    async def scenario() -> None:
        host = StandIn()
        never: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        host.outcomes = {"pad/render": asyncio.shield(never)}
        async with opened(host) as (page, _), browser(page) as tab:
            for number in range(page_socket.MOST_BEGUN + 1):
                await tab.say(do="pad/render", args=[1, "rain"], id=number + 1)
            failed = await tab.until("fail")
            assert (failed["id"], failed["code"]) == (page_socket.MOST_BEGUN + 1, "busy")
            never.cancel()

    run(scenario)


# what a page is told


def test_the_first_message_is_the_tables_and_what_is_not_its_default() -> None:
    async def scenario() -> None:
        host = StandIn()
        host.values["pad/gain", 4] = -3.0
        host.values["clock/tempo", None] = 99.0
        async with opened(host) as (page, _), browser(page) as tab:
            hello = await tab.hear()
            assert hello["type"] == "hello"
            assert (hello["pads"], hello["bank"]) == (PADS, 16)
            assert [f"{row['scope']}/{row['name']}" for row in hello["properties"]] == list(PROPERTIES)
            assert hello["values"] == [["pad/gain", 5, -3.0], ["clock/tempo", None, 99.0]]
            fields = {row["name"] for row in hello["fields"]}
            assert {"seconds", "seed", "steps", "negative"} <= fields
            assert "prompt" not in fields

    run(scenario)


def test_the_last_of_many_changes_is_told_to_every_page() -> None:
    async def scenario() -> None:
        async with opened() as (page, host), browser(page) as one, browser(page) as two:
            for tab in (one, two):
                await tab.until("health")
            for step in range(500):
                host.change("pad/progress", 7, step / 499)
            host.change("clock/beat", None, 17.0)
            host.change("pad/state", 7, "ready")
            for tab in (one, two):
                told = await tab.until("changes")
                assert sorted(told["values"]) == [["pad/progress", 8, 1.0], ["pad/state", 8, "ready"]]

    run(scenario)


def test_levels_and_playheads_are_told_while_somebody_looks() -> None:
    async def scenario() -> None:
        host = StandIn()
        host.clips[0] = stand_in.clip(5, seconds=1.0)
        host.sounding = [
            VoiceState(0, 5, 12_000.0, False, False, 1.0),
            VoiceState(0, 9, 12_000.0, False, False, 1.0),
            VoiceState(1, 5, 12_000.0, False, False, 1.0),
            VoiceState(64, 5, 12_000.0, False, False, 1.0),
        ]
        host.peaks = Meters([0.5, float("nan")], 0.25, 0.125, [0.0] * PADS, 0.8)
        host.values["clock/beat", None] = 3.5
        async with opened(host) as (page, _), browser(page) as tab:
            live = await tab.until("live")
            assert live == {
                "type": "live",
                "pairs": [0.5, 0.0],
                "cue": 0.25,
                "input": 0.125,
                "limiter": 0.8,
                "beat": 3.5,
                "heads": [[1, 0.25], [1, -1.0], [2, -1.0]],
            }
            await tab.say(see=False)
            await tab.say(do="host/panic", id=1)
            await tab.until("done")
            host.change("pad/name", 0, "marker")
            told = await tab.hear()
            while told["type"] != "changes":
                assert told["type"] != "live"
                told = await tab.hear()
            await tab.say(see=True)
            await tab.until("live")

    run(scenario)


def test_clips_and_candidates_are_drawn() -> None:
    async def scenario() -> None:
        host = StandIn()
        host.clips[0] = stand_in.clip(1, name="kick", path="/x/kick.wav")
        async with opened(host) as (page, _), browser(page) as tab:
            look = (await tab.until("shape"))["look"]
            assert (look["name"], look["seconds"], look["file"]) == ("kick", 0.5, "01 kick.wav")
            # of an empty pad nothing is told before it has had a clip
            host.clips[4] = stand_in.clip(2, name="snare")
            host.change("pad/clip", 4, "c2")
            assert (await tab.until("shape"))["pad"] == 5
            del host.clips[4]
            host.change("pad/clip", 4, "")
            assert (await tab.until("shape")) == {"type": "shape", "pad": 5, "look": None}
            host.made[0] = [stand_in.clip(3, clip_id="c3", path="/x/3.wav"), stand_in.clip(4, clip_id="c4")]
            host.change("pad/state", 0, "ready")
            offered = (await tab.until("candidates"))["candidates"]
            assert [(one["clip"], one["seed"], one["look"]) for one in offered] == [
                ("c3", 7, None),
                ("c4", 7, None),
            ]
            drawn = (await tab.until("candidates"))["candidates"]
            assert drawn[0]["look"]["clip"] == "c3"
            assert drawn[1]["look"] is None

    run(scenario)


def test_a_look_is_pairs_of_signed_bytes() -> None:
    clip = stand_in.clip(seconds=1.0)
    clip.overview = ((-1.0, 1.0), (-0.5, 0.25), (-3.0, 3.0))
    clip.loop = (12_000, 48_000)
    look = page_view.look(clip)
    assert np.frombuffer(look.wave, np.int8).tolist() == [-127, 127, -64, 32, -127, 127]
    assert look.loop == (0.25, 1.0)
    assert look.file == ""


def test_news_are_told_once() -> None:
    async def scenario() -> None:
        host = StandIn()
        host.log.append("begun")
        host.entries = ["Opening"]
        async with opened(host) as (page, _), browser(page) as tab:
            told: list[dict[str, Any]] = []
            while not {"health", "log", "setlist", "banks"} <= {one["type"] for one in told}:
                told.append(await tab.hear())
            host.now = msgspec.structs.replace(host.now, voices=3)
            host.shelf = [BankCard(name="x", presets=(PresetCard(preset="x/y", name="y"),))]
            later: list[dict[str, Any]] = []
            while not {"health", "banks"} <= {one["type"] for one in later}:
                later.append(await tab.hear())
            assert not {"log", "setlist", "jobs"} & {one["type"] for one in later}
            assert next(one for one in later if one["type"] == "health")["health"]["voices"] == 3

    run(scenario)


def test_each_reader_of_levels_gets_the_peaks_since_its_own_look() -> None:
    peaks = [0.5, 0.0, 0.25, 0.0]
    levels = Levels(lambda: Meters([peaks.pop(0)], 0.0, 0.0, [0.0], 1.0 - len(peaks) / 10))
    quick, slow = levels.reader(), levels.reader()
    assert quick().pairs == [0.5]
    assert quick().pairs == [0.0]
    assert slow().pairs == [0.5]
    assert quick().pairs == [0.25]


# life


def test_it_ends_while_pages_are_open_and_frees_its_port() -> None:
    async def scenario() -> None:
        host = StandIn()
        page = Page(host, token=TOKEN)
        await page.open("127.0.0.1", 0)
        async with browser(page) as tab:
            await tab.until("hello")
            await page.close()
            assert await tab.ended() in (1001, 1012)
        assert not host.listeners
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", page.port))

    run(scenario)


def test_a_port_that_is_taken_is_said() -> None:
    async def scenario() -> None:
        async with opened() as (page, host):
            second = Page(host, token=TOKEN)
            with pytest.raises(PagePortTaken, match=f"port {page.port}.*--page-port"):
                await second.open("127.0.0.1", page.port)
            with pytest.raises(BadRequest, match="--page-bind"):
                await second.open("203.0.113.1", 0)
            await second.close()

    run(scenario)
