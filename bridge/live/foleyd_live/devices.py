"""Audio devices, and how one is chosen: JACK's by its own library, all others as PortAudio knows them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from foleyd.environment import surroundings
from foleyd.errors import BadRequest, FoleydError
from foleyd_live import jacklibrary

JACK = "JACK Audio Connection Kit"
"""JACK's name as an audio system."""

HIDDEN: Mapping[str, str] = {
    "JACK_DEFAULT_SERVER": "none-for-portaudio",
    "JACK_NO_START_SERVER": "1",
    "PIPEWIRE_NOJACK": "1",
}
"""Where PortAudio looks for JACK: see :mod:`foleyd_live.jackclient` for why it must not find it."""


class NoDevice(FoleydError):
    """There is nothing here to play on."""

    code = "no_device"


class Device(msgspec.Struct, frozen=True):
    """A device: its number, name and audio system, channels, its own rate in Hz, frames of its block where
    that is fixed (else 0). Below :attr:`JACK`'s, numbers are PortAudio's."""

    number: int
    name: str
    host_api: str
    outputs: int
    inputs: int
    rate: int
    is_default: bool
    block: int = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to themselves what sound libraries write to standard error when they look for devices."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def portaudio() -> Any:
    """The module sounddevice, that sees no JACK. Raises NoDevice where PortAudio's library is missing."""
    if "sounddevice" in sys.modules:
        return sys.modules["sounddevice"]
    try:
        with surroundings(HIDDEN), quiet():
            import sounddevice
    except OSError as error:
        raise NoDevice(
            f"PortAudio cannot be loaded ({error}): install it ('apt-get install libportaudio2' on Debian)."
        ) from error
    return sounddevice


def look_again() -> None:
    """Let PortAudio look for devices anew: it keeps the list of its first look. No stream may be open."""
    sounddevice = portaudio()
    with surroundings(HIDDEN), quiet():
        sounddevice._terminate()
        sounddevice._initialize()


def devices() -> list[Device]:
    """All devices: PortAudio's, then those of a JACK server. Where one runs, it has the default: it holds
    the sound card. Raises NoDevice where there is neither JACK nor PortAudio on this machine."""
    jack = _of_jack()
    try:
        others = _of_portaudio()
    except NoDevice:
        if not jack:
            raise
        others = []
    first = max((one.number for one in others), default=-1) + 1
    return [
        *(msgspec.structs.replace(one, is_default=one.is_default and not jack) for one in others),
        *(msgspec.structs.replace(one, number=first + place) for place, one in enumerate(jack)),
    ]


def _of_jack() -> list[Device]:
    server = jacklibrary.server()
    if server is None:
        return []
    made = [
        Device(0, one.name, JACK, len(one.outputs), len(one.inputs), server.rate, False, server.block)
        for one in server.terminals
    ]
    place = next((at for at, one in enumerate(made) if one.outputs), None)
    return [msgspec.structs.replace(one, is_default=at == place) for at, one in enumerate(made)]


def _of_portaudio() -> list[Device]:
    sounddevice = portaudio()
    apis = sounddevice.query_hostapis()
    default = sounddevice.default.device[1]
    return [
        Device(
            number,
            one["name"],
            apis[one["hostapi"]]["name"],
            one["max_output_channels"],
            one["max_input_channels"],
            round(one["default_samplerate"]),
            number == default,
        )
        for number, one in enumerate(sounddevice.query_devices())
    ]


def choose(wanted: str, host_api: str, *, kind: str = "outputs") -> Device:
    """The device that `wanted` names: a number, a name or part of one, the system's own when empty; of the
    audio system `host_api` (or part of its name) where that is given. `kind` is "outputs" or "inputs".

    Raises NoDevice where this machine has none, BadRequest where none has that name.
    """
    usable = [one for one in devices() if getattr(one, kind) > 0]
    if not usable:
        raise NoDevice(f"no audio device with {kind} was found: connect one, or start a JACK server.")
    found = [one for one in usable if host_api.lower() in one.host_api.lower()]
    if not found:
        systems = ", ".join(sorted({one.host_api for one in usable}))
        raise NoDevice(f"no device of the audio system {host_api!r} was found: there are {systems}.")
    if wanted.isdecimal():
        named = [one for one in found if one.number == int(wanted)]
    else:
        named = [one for one in found if one.name.lower() == wanted.lower()]
        named = named or [one for one in found if wanted.lower() in one.name.lower()]
    if not named:
        names = ", ".join(f"{one.number} {one.name!r}" for one in found)
        raise BadRequest(f"there is no audio device {wanted!r}: choose one of {names}.")
    return max(named, key=lambda one: one.is_default)


def table() -> str:
    """All devices, one line each, for a person."""
    lines = [
        f"{'*' if one.is_default else ' '} {one.number:3} {one.name} ({one.host_api}): "
        f"{one.outputs} out, {one.inputs} in, {one.rate} Hz"
        for one in devices()
    ]
    return "\n".join(lines) or "No audio device was found: connect one, or start a JACK server."
