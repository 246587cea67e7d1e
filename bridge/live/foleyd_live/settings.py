"""What ``foleyd live`` is told on its command line."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a live host is set up. Rates in Hz, blocks in frames, ports in UDP's and TCP's numbers (None: the
    usual one, or the next that is free; 0: any)."""

    device: str = ""
    """Name, part of a name or number of the audio device; the system's own when empty."""
    host_api: str = ""
    """Audio system, such as "JACK Audio Connection Kit"; any when empty."""
    rate: int = 0
    """0: the device's own."""
    block: int = 0
    """0: as the device likes it."""
    outputs: int = 0
    """Channels; 0: all that the device has, at most 32."""
    inputs: int = 0
    """Channels of input, 0 for none."""
    cue: int = 0
    """Pair of outputs of the cue bus; 0: the second pair where there is one, -1: none."""
    mixer: str = "auto"
    osc_bind: str = "127.0.0.1"
    osc_port: int | None = None
    osc_allow: tuple[str, ...] = ()
    page: bool = True
    page_bind: str = "127.0.0.1"
    page_port: int | None = None
    page_allow: tuple[str, ...] = ()
    midi_in: tuple[str, ...] = ()
    midi_out: tuple[str, ...] = ()
    link: bool = False
    connection_file: Path | None = None
    """Where the daemon publishes itself; None for the usual place."""
    sounds: tuple[Path, ...] = ()
    """Folders beside the library whose files surfaces may load by path."""
    recordings: Path | None = None
    """Folder of recordings; None for foleyd's own."""
    show: Path | None = None
    resume: bool = False
    """Whether to begin with what the last host had."""
    bank: str = ""
    """A bank that is loaded on the first pads at the start."""
    prefetch: bool = True
    replay: Path | None = None
    """A trigger log that is played again."""
    screen: bool = True
