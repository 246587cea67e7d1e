"""The status screen of the terminal: one look says whether the show can go on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from foleyd.messages import JobInfo
from foleyd_live.page_host import Health, ScreenHost
from foleyd_live.properties import BANK
from foleyd_live.readings import Meters

LOOK_S = 0.25
"""How often the screen is drawn."""
TOP_LINES, PAD_LINES = 8, 14
"""Of the screen; the queue and the log get the rest."""
FLOOR_DB = -60.0

_STATES = {
    "empty": "dim",
    "loading": "cyan",
    "ready": "",
    "queued": "cyan",
    "rendering": "cyan",
    "failed": "bold red",
}


class Screen:
    """The screen of `host` on `console`, the terminal where None."""

    def __init__(self, host: ScreenHost, console: Console | None = None) -> None:
        self._host = host
        self._console = console or Console()
        self._meters = host.meter()

    async def run(self, ended: asyncio.Event) -> None:
        """Show it until `ended`. The terminal is written to off the loop, since it may be slow."""
        with Live(self.picture(), console=self._console, screen=True, auto_refresh=False) as live:
            while not ended.is_set():
                live.update(self.picture())
                await asyncio.to_thread(live.refresh)
                try:
                    async with asyncio.timeout(LOOK_S):
                        await ended.wait()
                except TimeoutError:
                    continue

    def picture(self) -> RenderableType:
        """What is seen now."""
        health, jobs = self._host.health(), self._host.jobs()
        top = Group(*self._facts(health), _levels(self._meters()))
        screen = Layout()
        screen.split_column(
            Layout(Panel(top, title="foleyd live", title_align="left"), name="top", size=TOP_LINES),
            Layout(self._pads(), name="pads", size=PAD_LINES),
            Layout(name="rest"),
        )
        screen["rest"].split_row(
            Layout(Panel(_queue(jobs), title="Queue", title_align="left"), ratio=2),
            Layout(Panel(self._log(), title="Log", title_align="left"), ratio=3),
        )
        return screen

    def _facts(self, health: Health) -> Iterable[RenderableType]:
        where, clock = self._host.where(), self._host.get
        yield _line(("Audio", *_audio(health)))
        yield _line(
            ("Load", f"{health.stream.load:.0%}, at most {health.stream.load_most:.0%}", _load_style(health)),
            ("Xruns", str(health.stream.xruns), "yellow" if health.stream.xruns else "green"),
            ("Voices", str(health.voices), ""),
            ("Tempo", f"{float(clock('clock/tempo')):.1f} ({clock('clock/source')})", ""),
            ("Recording", _clock(health.recording), "bold red" if health.recording is not None else "dim"),
        )
        away = health.daemon == "away"
        yield _line(
            (
                "Sounds",
                f"away: {health.why or 'start foleyd serve'}" if away else "ready",
                "yellow" if away else "green",
            )
        )
        yield _line(
            ("OSC", health.osc, ""), ("MIDI", health.midi or "none", ""), ("Show", health.show or "none", "")
        )
        yield _line(("Page", str(where.get("page") or "off"), ""))

    def _pads(self) -> RenderableType:
        bank = int(self._host.get("host/bank"))
        table = Table.grid(expand=True, padding=(0, 1))
        for _ in range(4):
            table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        first = (bank - 1) * BANK
        for row in range(first, first + BANK, 4):
            table.add_row(*(self._pad(pad) for pad in range(row, row + 4)))
        return Panel(table, title=f"Pads {first + 1} to {first + BANK}", title_align="left")

    def _pad(self, pad: int) -> RenderableType:
        def of(name: str) -> str | int | float:
            return self._host.get(f"pad/{name}", pad)

        state = str(of("state"))
        name = Text(f"{pad + 1:2} ", "bold")
        name.append(str(of("name") or of("prompt") or of("clip") or "–"), _STATES.get(state, ""))
        if of("playing"):
            name.stylize("black on green")
        return Group(
            name, Text("   " + _pad_state(of("progress"), of("eta"), of("seconds"), state), "dim"), ""
        )

    def _log(self) -> RenderableType:
        # the newest are the last: what has no room is cut off below
        room = max(1, self._console.height - TOP_LINES - PAD_LINES - 2)
        return Text("\n".join(list(self._host.log)[-room:]), no_wrap=True, overflow="ellipsis")


def _pad_state(
    progress: str | int | float, eta: str | int | float, seconds: str | int | float, state: str
) -> str:
    left = f", {float(eta):.0f} s" if float(eta) > 0 else ""
    if state == "rendering":
        return f"{float(progress):.0%}{left}"
    if state == "ready":
        return f"{float(seconds):.2f} s"
    return "" if state == "empty" else state + left


def _audio(health: Health) -> tuple[str, str]:
    stream = health.stream
    if stream.state != "open":
        return f"{stream.state}: {stream.why or stream.device or 'no device'}", "bold red"
    priority = {True: ", real-time", False: ", no real-time priority", None: ""}[stream.realtime]
    told = (
        f"{stream.device} ({stream.host_api}), {stream.rate} Hz, {stream.block} frames, "
        f"{stream.outputs} out, {stream.inputs} in, {stream.latency_s * 1000:.1f} ms{priority}"
    )
    return told, "green"


def _load_style(health: Health) -> str:
    most = health.stream.load_most
    return "bold red" if most >= 0.9 else "yellow" if most >= 0.6 else "green"


def _levels(meters: Meters) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    cells: list[RenderableType] = []
    levels = (("Main", max(meters.pairs, default=0.0)), ("Cue", meters.cue), ("Input", meters.input))
    for name, level in levels:
        table.add_column()
        table.add_column(ratio=1)
        shown = max(0.0, 1 - _decibels(level) / FLOOR_DB)
        cells += [
            Text(name, "dim"),
            ProgressBar(total=1, completed=shown, complete_style="green", finished_style="red"),
        ]
    table.add_row(*cells)
    return table


def _decibels(level: float) -> float:
    return max(FLOOR_DB, 20 * math.log10(level)) if level > 0 else FLOOR_DB


def _queue(jobs: Iterable[JobInfo]) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    for job in jobs:
        eta = f"{job.eta_s:.0f} s" if job.eta_s else ""
        table.add_row(
            Text(job.slot or job.client, "bold"), Text(job.prompt), Text(f"{job.state} {eta}".strip())
        )
    return table if table.row_count else Text("nothing to do", "dim")


def _line(*facts: tuple[str, str, str]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for name, value, style in facts:
        if line:
            line.append("   ")
        line.append(f"{name} ", "dim")
        line.append(value, style)
    return line


def _clock(seconds: float | None) -> str:
    return "off" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"
