"""Clips played for a person to hear: by a live host on the audio device, or on a JACK server of its own where
there is no device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from foleyd.errors import FoleydError
from foleyd.osc_request import OscRequests
from foleyd.private_jack import HOST_API, is_installed, private_jack
from foleyd.private_process import OscTold, private_process

JACK_STARTS_S = 10.0


class Told(OscTold, frozen=True):
    """What a live host says once it plays."""

    device: str
    host_api: str


def play(clips: Sequence[Path]) -> str:
    """Play clips one after the other and return on what, in words.

    Raises FoleydError where nothing here can play: no device and no jackd.
    """
    try:
        return _played(clips, ())
    except FoleydError as error:
        if not is_installed():
            raise
        no_device = str(error)
    with private_jack() as environment:
        name = _patiently(clips, environment)
    return f"{name}, a JACK server without a loudspeaker ({no_device})"


def _played(
    clips: Sequence[Path], options: tuple[str, ...], environment: dict[str, str] | None = None
) -> str:
    folders = sorted({str(path.parent.absolute()) for path in clips})
    sounds = [part for folder in folders for part in ("--sounds", folder)]
    arguments = ("live", "--headless", "--json", "--osc-port", "0", "--no-prefetch", *sounds, *options)
    with (
        private_process(*arguments, told=Told, environment=environment) as told,
        OscRequests(told.osc_address) as osc,
    ):
        for number, path in enumerate(clips, 1):
            osc.done("/pad/load", number, str(path.absolute()))
            osc.done("/pad/play", number)
            while osc.asked("/pad/get/playing", number)[-1] == 0:
                time.sleep(0.01)
            while osc.asked("/pad/get/playing", number)[-1]:
                time.sleep(0.05)
        return f"{told.device} ({told.host_api})"


def _patiently(clips: Sequence[Path], environment: dict[str, str]) -> str:
    """As :func:`_played`, again for as long as the server may need to start."""
    deadline = time.monotonic() + JACK_STARTS_S
    while True:
        try:
            return _played(clips, ("--host-api", HOST_API), environment)
        except FoleydError:
            if time.monotonic() > deadline:
                raise
