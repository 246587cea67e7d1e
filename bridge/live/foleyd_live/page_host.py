"""What the page and the status screen need of the live host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from foleyd.messages import JobInfo
from foleyd_live.clips import Clip
from foleyd_live.history import ClipSource
from foleyd_live.performer import Performer
from foleyd_live.properties import Value
from foleyd_live.readings import Meters, VoiceState
from foleyd_live.stream import StreamState


class PresetCard(msgspec.Struct, frozen=True, kw_only=True):
    """A preset as a browser shows it; `preset` is what ``/preset/load`` takes, bank/name."""

    preset: str
    name: str
    category: str = ""
    tags: tuple[str, ...] = ()
    prompt: str = ""


class BankCard(msgspec.Struct, frozen=True, kw_only=True):
    """A bank of presets; `name` is what ``/preset/load`` takes."""

    name: str
    title: str = ""
    about: str = ""
    presets: tuple[PresetCard, ...] = ()


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the host is.

    `daemon`: whether there is one that makes sounds, `why` not (or what is wrong) otherwise; `cue`: whether
    the device has outputs for the cue bus; `recording`: seconds recorded so far, None while not recording;
    `punched`: whether the input is being recorded; `midi` and `osc`: where they listen, for people.
    """

    stream: StreamState
    voices: int
    daemon: Literal["connected", "away"]
    why: str = ""
    cue: bool = False
    recording: float | None = None
    punched: bool = False
    show: str = ""
    midi: str = ""
    osc: str = ""


class ScreenHost(Protocol):
    """What the status screen needs."""

    @property
    def log(self) -> Sequence[str]:
        """The last lines of the log, the oldest first."""

    def get(self, address: str, pad: int | None = None) -> Value:
        """The value of a property."""

    def where(self) -> Mapping[str, str | int]:
        """What a person needs to reach the host: ``page``, ``osc`` and more."""

    def health(self) -> Health:
        """How the host is; cheap, asked twice a second."""

    def jobs(self) -> Sequence[JobInfo]:
        """The daemon's jobs that are waiting or running, as far as the host knows, in their order."""

    def meter(self) -> Callable[[], Meters]:
        """A new reader of the levels: each call gives the peaks since its last
        (:meth:`foleyd_live.levels.Levels.reader`)."""


class PageHost(Performer, ScreenHost, Protocol):
    """What the page needs. Pads are 0 … 63."""

    def get(self, address: str, pad: int | None = None) -> Value:
        """The value of a property."""

    def voices(self) -> Sequence[VoiceState]:
        """The voices that are heard."""

    def clip(self, pad: int) -> Clip | None:
        """The clip that the pad's next press plays."""

    def candidates(self, pad: int) -> Sequence[ClipSource]:
        """The clips of the pad's last render, in the order that ``/pad/choose`` counts."""

    async def clip_of(self, source: ClipSource) -> Clip:
        """The clip of a source that has a path, decoded so that it can be drawn and is at hand. Raises
        FoleydError."""

    def banks(self) -> Sequence[BankCard]:
        """All banks of presets. A new object when something changed, the same otherwise."""

    def setlist(self) -> Sequence[str]:
        """Names of the show's entries, in order."""
