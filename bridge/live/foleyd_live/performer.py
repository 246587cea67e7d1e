"""What every way into the live host needs of it: OSC, MIDI and the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from foleyd_live.desk import NOW
from foleyd_live.properties import Value

Told = Callable[..., object]
"""Takes an address and arguments: what is told of an action under way."""
Outcome = tuple[Value, ...]
"""What ``/done`` carries after the address."""


class Performer(Protocol):
    """Actions and properties. Pads are 0 to 63 in `get`, `set` and `listen`, 1 to 64 in `begin`."""

    def begin(
        self,
        action: str,
        arguments: Sequence[object],
        pairs: Mapping[str, object],
        *,
        frame: int = NOW,
        told: Told | None = None,
    ) -> Outcome | Awaitable[Outcome]:
        """Do `action`, or begin it where it takes time. Raises BadRequest."""

    def get(self, address: str, pad: int | None = None) -> Value:
        """The value of a property. Raises BadRequest."""

    def set(self, address: str, pad: int | None, value: object) -> None:
        """Set a property; raises BadRequest."""

    def listen(self, callback: Callable[[str, int | None, Value], None]) -> Callable[[], None]:
        """Call back at every change of a property; what is returned ends it."""

    def frame_at(self, unix: float) -> int:
        """The frame that sounds at a time in seconds since 1970."""
