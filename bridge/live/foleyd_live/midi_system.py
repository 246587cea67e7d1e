"""What the host asks of a MIDI system, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from foleyd.errors import FoleydError

CLIENT = "foleyd live"
"""What other programs see the host's MIDI as."""

Arrived = Callable[[bytes, float, str], None]
"""Takes a message, the time at which it came (as :func:`time.time`), and the port's wanted name."""


class NoMidi(FoleydError):
    """There is no MIDI here, or a port cannot be used."""

    code = "no_midi"


class Port(Protocol):
    """A port that is open."""

    @property
    def connected(self) -> bool:
        """Whether it still leads to the port for which it was opened, as far as the system tells."""

    def send(self, message: bytes) -> None:
        """Send a message. Raises NoMidi."""

    def close(self) -> None:
        """Close it. Raises nothing."""


class System(Protocol):
    """A MIDI system that was reached. `side` is ``in`` or ``out``."""

    @property
    def gone(self) -> bool:
        """Whether it has ended; its ports are of no use then."""

    def names(self, side: str) -> list[str]:
        """The ports that are there."""

    def open(self, side: str, wanted: str, name: str | None) -> Port:
        """Open the port `name` for a wanted name; where it is None, one of our own, to which other programs
        connect. Raises NoMidi."""

    def close(self) -> None:
        """Leave it, once what was sent has gone. Its ports are closed with it."""
