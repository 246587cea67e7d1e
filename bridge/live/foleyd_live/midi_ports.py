"""The MIDI ports: found by a part of their name, opened when they come, let go when they go.

On Linux this is the ALSA sequencer, or JACK's MIDI where there is no sequencer; elsewhere the system's own.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import rtmidi

from foleyd_live.midi_system import CLIENT, Arrived, NoMidi, Port, System
from foleyd_live.rtmidi_system import RtMidiSystem

VIRTUAL = "virtual"
"""This name makes a port of our own, which other programs connect to (not on Windows)."""
SEQUENCER = Path("/dev/snd/seq")
LONGEST_WAIT = 32
"""Rescans between two tries to reach a MIDI system that is not there, at most."""

Wanted = Mapping[str, Sequence[str]]
Reach = Callable[[Wanted, Arrived], System]

_log = logging.getLogger(__name__)


def _alsa(wanted: Wanted, arrived: Arrived) -> System:
    # RtMidi complains on standard error where the kernel has no sequencer
    if not SEQUENCER.exists():
        raise NoMidi(f"the kernel has no ALSA sequencer (modprobe snd-seq makes {SEQUENCER}).")
    return RtMidiSystem(rtmidi.API_LINUX_ALSA, arrived)


def _jack(wanted: Wanted, arrived: Arrived) -> System:
    from foleyd_live.jacklibrary import library

    if library() is None:
        raise NoMidi("JACK is not installed.")
    from foleyd_live.jackmidi import JackSystem

    return JackSystem(wanted, arrived)


SYSTEMS: Mapping[str, Mapping[str, Reach]] = {
    "linux": {"alsa": _alsa, "jack": _jack},
    "darwin": {"core": lambda _, arrived: RtMidiSystem(rtmidi.API_MACOSX_CORE, arrived)},
    "win32": {"multimedia": lambda _, arrived: RtMidiSystem(rtmidi.API_WINDOWS_MM, arrived)},
}
"""The MIDI systems of each platform, by name; the first that can be reached is taken."""


class Ports:
    """The ports whose names contain `inputs` and `outputs`; of several, the first.

    `arrived` is called on threads of MIDI's own. `system` is a name in :data:`SYSTEMS`, the first that can be
    reached when left out. :meth:`rescan` may block for a moment, and one thread at a time may call it; all
    else never blocks for long.
    """

    def __init__(
        self, inputs: Sequence[str], outputs: Sequence[str], arrived: Arrived, system: str | None = None
    ) -> None:
        self._wanted = {"in": tuple(dict.fromkeys(inputs)), "out": tuple(dict.fromkeys(outputs))}
        self._arrived = arrived
        self._name = system
        self._system: System | None = None
        self._ports: dict[str, dict[str, tuple[str, Port]]] = {"in": {}, "out": {}}
        self._lock = threading.Lock()
        self._tries = 0
        self.why = ""
        """Why there is no MIDI; empty where there is."""

    @property
    def inputs(self) -> dict[str, str]:
        """The open inputs: wanted name, name of the port."""
        return self._open("in")

    @property
    def outputs(self) -> dict[str, str]:
        """The open outputs: wanted name, name of the port."""
        return self._open("out")

    def _open(self, side: str) -> dict[str, str]:
        with self._lock:
            return {wanted: name for wanted, (name, _) in self._ports[side].items()}

    @property
    def missing(self) -> tuple[str, ...]:
        """The names for which there is no port."""
        with self._lock:
            return tuple(
                name
                for side, wanted in self._wanted.items()
                for name in wanted
                if name not in self._ports[side]
            )

    def rescan(self) -> None:
        """Open the ports that came, close those that went. Raises nothing: :attr:`missing` and :attr:`why`
        tell."""
        if self._system is not None and self._system.gone:
            _log.warning("the MIDI system has ended; its ports are opened again when it comes back.")
            # and not before the next rescan: whoever looks in between must see that they are gone
            self.close()
            return
        if not any(self._wanted.values()):
            return
        system = self._reach()
        if system is None:
            return
        for side, wanted in self._wanted.items():
            seen = [name for name in system.names(side) if not name.startswith(CLIENT)]
            for name in wanted:
                self._update(system, side, name, seen)

    def send(self, message: bytes) -> None:
        """Send a message to all open outputs; one that fails is closed, and opened again by a rescan."""
        with self._lock:
            for name, (_, port) in tuple(self._ports["out"].items()):
                try:
                    port.send(message)
                except NoMidi as error:
                    _log.warning("MIDI output %s is let go: %s", name, error)
                    port.close()
                    del self._ports["out"][name]

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for ports in self._ports.values():
                ports.clear()
        if self._system is not None:
            self._system.close()
            self._system = None

    def _reach(self) -> System | None:
        """The MIDI system; tried ever more rarely while there is none."""
        if self._system is not None:
            return self._system
        self._tries += 1
        if self._tries & (self._tries - 1) and self._tries % LONGEST_WAIT:
            return None
        reasons = []
        for name, reach in SYSTEMS.get(sys.platform, {}).items():
            if self._name in (None, name):
                try:
                    self._system = reach(self._wanted, self._arrived)
                except NoMidi as error:
                    reasons.append(str(error).rstrip("."))
                    continue
                self._tries, self.why = 0, ""
                return self._system
        why = "; ".join(reasons) or f"foleyd knows none for {sys.platform}"
        self.why = f"there is no MIDI here: {why}."
        return None

    def _update(self, system: System, side: str, wanted: str, names: list[str]) -> None:
        open_one = self._ports[side].get(wanted)
        if open_one is not None:
            name, port = open_one
            if wanted != VIRTUAL and not (name in names and port.connected):
                with self._lock:
                    self._ports[side].pop(wanted, None)
                    port.close()
                _log.warning("MIDI port %s is gone; it is opened again when it comes back.", name)
            return
        found = None
        if wanted != VIRTUAL:
            found = next((name for name in names if wanted.casefold() in name.casefold()), None)
            if found is None:
                return
        try:
            port = system.open(side, wanted, found)
        except NoMidi as error:
            _log.warning("MIDI port %s cannot be opened: %s", found or wanted, error)
            return
        with self._lock:
            self._ports[side][wanted] = (found or CLIENT, port)
        _log.info("MIDI %sput %s is open.", side, found or CLIENT)
