"""A stand-in for the live host, for tests of its faces: it keeps properties, notes what it is asked, and
plays nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foleyd.messages import JobInfo
from foleyd_live import actions, properties
from foleyd_live.clips import Clip
from foleyd_live.desk import NOW
from foleyd_live.history import ClipSource
from foleyd_live.levels import Levels
from foleyd_live.page_host import BankCard, Health, PresetCard
from foleyd_live.properties import PADS, PROPERTIES, Value
from foleyd_live.readings import Meters, VoiceState
from foleyd_live.stream import StreamState

RATE = 48_000
Outcome = tuple[Value, ...]


def clip(
    slot: int = 0, *, name: str = "a kick", seconds: float = 0.5, path: str | Path = "", clip_id: str = "c1"
) -> Clip:
    """A clip that falls from full scale to silence."""
    frames = int(seconds * RATE)
    fall = np.linspace(1.0, 0.0, 400)
    return Clip(
        slot=slot,
        path=str(path),
        clip_id=clip_id,
        name=name,
        stretch=1.0,
        rate=RATE,
        samples=np.zeros((frames, 2), np.float32),
        loop=None,
        overview=tuple((-float(one), float(one)) for one in fall),
        key=(clip_id, slot),
    )


def stream(**changes: Any) -> StreamState:
    """A stream that is open and well."""
    fields: dict[str, Any] = {
        "state": "open",
        "device": "system",
        "host_api": "JACK Audio Connection Kit",
        "rate": RATE,
        "block": 256,
        "latency_s": 0.0107,
        "outputs": 4,
        "inputs": 0,
        "xruns": 0,
        "load": 0.04,
        "load_most": 0.09,
        "realtime": False,
        "why": "",
    }
    return StreamState(**{**fields, **changes})


class StandIn:
    """Answers as :class:`foleyd_live.page_host.PageHost`. `outcomes` by action: what it comes to, an
    awaitable of that, or the error that it raises."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[object, ...], dict[str, object]]] = []
        self.outcomes: dict[str, Outcome | Awaitable[Outcome] | Exception] = {}
        self.heard = asyncio.Event()
        self.values: dict[tuple[str, int | None], Value] = {}
        self.listeners: list[Callable[[str, int | None, Value], None]] = []
        self.clips: dict[int, Clip] = {}
        self.made: dict[int, list[Clip]] = {}
        self.sounding: list[VoiceState] = []
        self.peaks = Meters([0.0, 0.0], 0.0, 0.0, [0.0] * PADS, 1.0)
        self.levels = Levels(lambda: self.peaks)
        self.log: deque[str] = deque(maxlen=200)
        self.now = Health(stream=stream(), voices=0, daemon="connected")
        self.queue: list[JobInfo] = []
        self.shelf: list[BankCard] = [
            BankCard(
                name="drums", title="Drums", presets=(PresetCard(preset="drums/Deep kick", name="Deep kick"),)
            )
        ]
        self.entries: list[str] = []

    def begin(
        self,
        action: str,
        arguments: Sequence[object],
        pairs: Mapping[str, object],
        *,
        frame: int = NOW,
        told: Callable[..., object] | None = None,
    ) -> Outcome | Awaitable[Outcome]:
        actions.read(actions.find(action), arguments)
        self.asked.append((action, tuple(arguments), dict(pairs)))
        self.heard.set()
        outcome = self.outcomes.get(action, ())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def get(self, address: str, pad: int | None = None) -> Value:
        return self.values.get((address, pad), PROPERTIES[address].default)

    def set(self, address: str, pad: int | None, value: object) -> None:
        row = properties.find(address)
        self.change(address, pad, properties.check(row, value))

    def change(self, address: str, pad: int | None, value: Value) -> None:
        """A property becomes this, read-only or not."""
        self.values[address, pad] = value
        self.heard.set()
        for listener in self.listeners:
            listener(address, pad, value)

    def listen(self, callback: Callable[[str, int | None, Value], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def frame_at(self, unix: float) -> int:
        return 0

    def meter(self) -> Callable[[], Meters]:
        return self.levels.reader()

    def voices(self) -> Sequence[VoiceState]:
        return self.sounding

    def clip(self, pad: int) -> Clip | None:
        return self.clips.get(pad)

    def candidates(self, pad: int) -> Sequence[ClipSource]:
        return [
            ClipSource(
                path=one.path, clip_id=one.clip_id, name=one.name, seconds=one.seconds, recipe={"seed": 7}
            )
            for one in self.made.get(pad, [])
        ]

    async def clip_of(self, source: ClipSource) -> Clip:
        clips = [one for made in self.made.values() for one in made]
        return next(one for one in clips if one.clip_id == source.clip_id)

    def banks(self) -> Sequence[BankCard]:
        return self.shelf

    def setlist(self) -> Sequence[str]:
        return self.entries

    def where(self) -> Mapping[str, str | int]:
        return {"page": "http://127.0.0.1:17180/?token=secret", "osc": "127.0.0.1:17140"}

    def health(self) -> Health:
        return self.now

    def jobs(self) -> Sequence[JobInfo]:
        return self.queue
