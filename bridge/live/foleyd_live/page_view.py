"""What the page is told: one struct a kind of message, and how each is made of the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

import foleyd
from foleyd.fields import BOUND_FIELDS, FIELDS, Field
from foleyd.messages import JobInfo
from foleyd_live.actions import ACTIONS
from foleyd_live.clips import Clip
from foleyd_live.history import ClipSource
from foleyd_live.page_host import BankCard, Health, PageHost
from foleyd_live.properties import BANK, PADS, PROPERTIES, Property, Value
from foleyd_live.readings import Meters

Place = tuple[str, int | None, Value]
"""A property's address, its pad from 1, its value."""

UNSHOWN = frozenset({"clock/beat", "pad/playing"})
"""What the page knows sooner from :class:`Live`."""
_NO_FIELDS = frozenset({"operation", "prompt", "sources", "revision", "rate", *BOUND_FIELDS})


class Told(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """Base of what the page is told. Pads count from 1."""


class Learnable(msgspec.Struct, frozen=True):
    """An action that a MIDI control can be bound to."""

    name: str
    about: str
    learn: bool
    pad: bool


class Hello(Told, frozen=True, tag="hello"):
    """The tables, and every value that is not its default."""

    version: str
    pads: int
    bank: int
    properties: tuple[Property, ...]
    fields: tuple[Field, ...]
    actions: tuple[Learnable, ...]
    values: list[Place]


class Changes(Told, frozen=True, tag="changes"):
    """Properties that have changed, the last value of each."""

    values: list[Place]


class Live(Told, frozen=True, tag="live"):
    """Peaks as factors, the limiter's lowest gain, and the playheads: for each voice its pad and its place as
    a share of the clip; -1 where it plays another clip than the one that is shown."""

    pairs: list[float]
    cue: float
    input: float
    limiter: float
    beat: float
    heads: list[tuple[int, float]]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How a clip looks: pairs of lowest and highest as signed bytes (127 is full scale), in base64; its loop
    as shares of its length."""

    clip: str
    name: str
    seconds: float
    wave: bytes
    loop: tuple[float, float] | None
    file: str


class Shape(Told, frozen=True, tag="shape"):
    """A pad's clip, None for none."""

    pad: int
    look: Look | None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A clip of a render; `look` is None until it has been decoded."""

    clip: str
    seconds: float
    seed: int | None
    look: Look | None


class Candidates(Told, frozen=True, tag="candidates"):
    """The clips of the pad's last render, in the order that ``/pad/choose`` counts."""

    pad: int
    candidates: list[Candidate]


class State(Told, frozen=True, tag="health"):
    """How the host is."""

    health: Health


class Jobs(Told, frozen=True, tag="jobs"):
    """What the daemon has to do."""

    jobs: Sequence[JobInfo]


class Log(Told, frozen=True, tag="log"):
    """The last lines of the log."""

    lines: Sequence[str]


class Banks(Told, frozen=True, tag="banks"):
    """The presets."""

    banks: Sequence[BankCard]


class Setlist(Told, frozen=True, tag="setlist"):
    """The show's entries."""

    entries: Sequence[str]


class Done(Told, frozen=True, tag="done"):
    """An action is done; `outcome` is what ``/done`` carries after the address."""

    id: int
    do: str
    outcome: tuple[Value, ...]


class Fail(Told, frozen=True, tag="fail"):
    """A request failed; `about` is its action or its property."""

    id: int
    about: str
    message: str
    code: str


def hello(host: PageHost) -> Hello:
    """The first message."""
    return Hello(
        version=foleyd.__version__,
        pads=PADS,
        bank=BANK,
        properties=tuple(PROPERTIES.values()),
        fields=tuple(field for name, field in FIELDS.items() if name not in _NO_FIELDS),
        actions=tuple(
            Learnable(row.name, row.about, row.learn, any(one.name == "pad" for one in row.arguments))
            for row in ACTIONS.values()
        ),
        values=[place for place in _places(host) if place[2] != PROPERTIES[place[0]].default],
    )


def _places(host: PageHost) -> list[Place]:
    places: list[Place] = []
    for address, row in PROPERTIES.items():
        if row.scope == "pad":
            places += ((address, pad + 1, host.get(address, pad)) for pad in range(PADS))
        else:
            places.append((address, None, host.get(address)))
    return places


def live(host: PageHost, meters: Meters) -> Live:
    """Levels and playheads as they are now."""
    heads: list[tuple[int, float]] = []
    clips: dict[int, Clip | None] = {}
    for voice in host.voices():
        if voice.pad >= PADS:
            continue
        if voice.pad not in clips:
            clips[voice.pad] = host.clip(voice.pad)
        clip = clips[voice.pad]
        shown = clip is not None and clip.slot == voice.slot and clip.frames > 0
        share = voice.position / clip.frames if clip is not None and shown else -1.0
        heads.append((voice.pad + 1, round(share, 4)))
    return Live(
        pairs=[_short(one) for one in meters.pairs],
        cue=_short(meters.cue),
        input=_short(meters.input),
        limiter=_short(meters.limiter),
        beat=round(float(host.get("clock/beat")), 3),
        heads=heads,
    )


def look(clip: Clip, file: str = "") -> Look:
    """`clip` as the page draws it; `file` is what a browser calls it, where it may be fetched."""
    wave = np.clip(np.asarray(clip.overview, np.float32).reshape(-1, 2) * 127, -127, 127)
    frames = max(1, clip.frames)
    return Look(
        clip=clip.clip_id or clip.path,
        name=clip.name,
        seconds=round(clip.seconds, 4),
        wave=np.round(wave).astype(np.int8).tobytes(),
        loop=(clip.loop[0] / frames, clip.loop[1] / frames) if clip.loop else None,
        file=file,
    )


def candidate(source: ClipSource, clip: Clip | None) -> Candidate:
    """`source` as the page offers it."""
    seed = source.recipe.get("seed")
    return Candidate(
        clip=source.label,
        seconds=round(source.seconds, 4),
        seed=seed if isinstance(seed, int) else None,
        look=look(clip) if clip is not None else None,
    )


def file_name(host: PageHost, pad: int, clip: Clip) -> str:
    """What a browser calls the file of the pad's clip: the pad's number, so that a folder of them sorts, and
    its words. Empty where it has no file."""
    if not clip.path:
        return ""
    preset = str(host.get("pad/preset", pad)).rpartition("/")[2]
    words = str(host.get("pad/name", pad) or preset or host.get("pad/prompt", pad)) or Path(clip.name).stem
    plain = "".join(sign if sign.isalnum() or sign in " -_" else " " for sign in words)
    return f"{pad + 1:02} {' '.join(plain.split())[:60] or 'clip'}{Path(clip.path).suffix.lower()}"


def _short(level: float) -> float:
    return round(level, 4) if math.isfinite(level) else 0.0
