"""The terminal's status screen."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import msgspec
import pytest
from rich.console import Console

import live_stand_in as stand_in
from foleyd.messages import JobInfo
from foleyd_live.properties import PADS
from foleyd_live.readings import Meters
from foleyd_live.screen import Screen
from live_stand_in import StandIn
from serving import PATIENCE


def seen(host: StandIn, width: int = 120, height: int = 40) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(Screen(host, console).picture())
    return captured.get()


def test_everything_that_decides_whether_the_show_goes_on_is_seen() -> None:
    host = StandIn()
    host.now = msgspec.structs.replace(
        host.now,
        stream=stand_in.stream(xruns=3, load=0.25, load_most=0.5),
        recording=75.0,
        show="friday.json",
    )
    host.values |= {
        ("pad/prompt", 0): "glass breaking",
        ("pad/state", 0): "rendering",
        ("pad/progress", 0): 0.4,
        ("pad/eta", 0): 3.0,
        ("pad/name", 2): "Kick",
        ("pad/state", 2): "ready",
        ("pad/seconds", 2): 0.62,
        ("pad/state", 5): "failed",
    }
    host.queue = [
        JobInfo(
            job_id=1,
            client="foleyd live",
            slot="pad-1",
            priority="live",
            state="running",
            prompt="glass breaking",
            count=1,
            position=0,
            eta_s=3.0,
            step=2,
            steps=5,
        )
    ]
    host.log.extend(f"line {number}" for number in range(100))
    text = seen(host)
    for part in (
        "system (JACK Audio Connection Kit), 48000 Hz, 256 frames",
        "no real-time priority",
        "25%, at most 50%",
        "Xruns 3",
        "Recording 1:15",
        "Sounds ready",
        "friday.json",
        "http://127.0.0.1:17180/?token=secret",
        "glass breaking",
        "40%, 3 s",
        "Kick",
        "0.62 s",
        "failed",
        "pad-1",
        "running 3 s",
        "line 99",
    ):
        assert part in text, part
    assert "line 1\n" not in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    host = StandIn()
    for pad in range(PADS):
        host.values["pad/prompt", pad] = "a very long prompt that goes on and on " * 3
    lines = seen(host, width, height).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            lambda now: msgspec.structs.replace(now, daemon="away", why="no daemon answers"),
            "no daemon answers",
        ),
        (
            lambda now: msgspec.structs.replace(now, stream=stand_in.stream(state="lost", why="unplugged")),
            "lost: unplugged",
        ),
    ],
)
def test_what_is_wrong_is_said(change: Callable[..., object], part: str) -> None:
    host = StandIn()
    host.now = change(host.now)  # type: ignore[assignment]
    assert part in seen(host)


def test_the_newest_lines_of_the_log_are_seen_in_any_terminal() -> None:
    host = StandIn()
    host.log.extend(f"line {number}." for number in range(100))
    for height in (26, 40):
        text = seen(host, height=height)
        assert "line 99." in text
        assert "line 9." not in text


def test_the_shown_bank_is_the_host_s() -> None:
    host = StandIn()
    host.values["host/bank", None] = 4
    host.values["pad/name", 63] = "The last"
    text = seen(host)
    assert "Pads 49 to 64" in text
    assert "The last" in text


def test_levels_are_seen() -> None:
    host = StandIn()
    quiet = seen(host)
    host.peaks = Meters([1.0, 0.0], 0.1, 0.0, [0.0] * PADS, 1.0)
    assert seen(host) != quiet


def test_it_is_shown_until_the_end_and_leaves_the_terminal_as_it_was() -> None:
    async def scenario() -> str:
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=100, height=30, _environ={"TERM": "xterm"})
        ended = asyncio.Event()
        host = StandIn()
        shown = asyncio.create_task(Screen(host, console).run(ended))
        async with asyncio.timeout(PATIENCE):
            while "foleyd live" not in out.getvalue():
                await asyncio.sleep(0)
            ended.set()
            await shown
        return out.getvalue()

    text = asyncio.run(scenario())
    assert "\x1b[?1049h" in text
    assert text.rindex("\x1b[?1049l") > text.rindex("foleyd live")
    assert "\x1b[?25h" in text
