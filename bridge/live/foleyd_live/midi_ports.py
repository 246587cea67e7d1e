"""The MIDI ports: found by a part of their name, opened when they come, let go when they go.

On Linux this is the ALSA sequencer, or JACK's MIDI where there is no sequencer; elsewhere the system's own.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rtmidi

from foleyd.errors import FoleydError

CLIENT = "foleyd live"
VIRTUAL = "virtual"
"""This name makes a port of our own, which other programs connect to (not on Windows)."""
SEQUENCER = Path("/dev/snd/seq")
POLL_S = 0.001
"""How often JACK's messages are fetched."""
LONGEST_WAIT = 32
"""Rescans between two tries to reach a MIDI system that is not there, at most."""
_JACK = rtmidi.API_UNIX_JACK
_APIS = (rtmidi.API_LINUX_ALSA, _JACK, rtmidi.API_MACOSX_CORE, rtmidi.API_WINDOWS_MM)

Arrived = Callable[[bytes, float, str], None]
"""Takes a message, the time at which it came (as :func:`time.time`), and the port's wanted name."""

_log = logging.getLogger(__name__)


class NoMidi(FoleydError):
    """There is no MIDI here."""

    code = "no_midi"


class Ports:
    """The ports whose names contain `inputs` and `outputs`; of several, the first.

    `arrived` is called on threads of MIDI's own. `api` is one of rtmidi's, the first that works when left
    out. :meth:`rescan` may block for a moment, and one thread at a time may call it; all else never blocks
    for long.
    """

    def __init__(
        self, inputs: Sequence[str], outputs: Sequence[str], arrived: Arrived, api: int | None = None
    ) -> None:
        self._wanted = {"in": tuple(dict.fromkeys(inputs)), "out": tuple(dict.fromkeys(outputs))}
        self._arrived = arrived
        self._api = api
        self._scanners: dict[str, Any] = {}
        self._ports: dict[str, dict[str, tuple[str, Any]]] = {"in": {}, "out": {}}
        self._lock = threading.Lock()
        self._fetcher: _Fetcher | None = None
        self._idle = 0
        self.why = ""
        """Why there is no MIDI; empty where there is."""

    @property
    def inputs(self) -> dict[str, str]:
        """The open inputs: wanted name, name of the port."""
        with self._lock:
            return {wanted: name for wanted, (name, _) in self._ports["in"].items()}

    @property
    def outputs(self) -> dict[str, str]:
        """The open outputs: wanted name, name of the port."""
        with self._lock:
            return {wanted: name for wanted, (name, _) in self._ports["out"].items()}

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
        if not any(self._wanted.values()) or not self._reach():
            return
        seen = {side: self._names(side) for side in self._wanted}
        self._leave_if_gone(any(seen.values()))
        for side, wanted in self._wanted.items():
            for name in wanted:
                self._update(side, name, seen[side])

    def send(self, message: bytes) -> None:
        """Send a message to all open outputs; one that fails is closed, and opened again by a rescan."""
        with self._lock:
            for name, (_, port) in tuple(self._ports["out"].items()):
                try:
                    port.send_message(message)
                except (rtmidi.RtMidiError, ValueError) as error:
                    _log.warning("MIDI output %s is let go: %s", name, error)
                    self._close(port)
                    del self._ports["out"][name]

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for ports in self._ports.values():
                for _, port in ports.values():
                    self._close(port)
                ports.clear()
        if self._fetcher is not None:
            self._fetcher.close()
            self._fetcher = None
        for scanner in self._scanners.values():
            scanner.delete()
        self._scanners = {}

    def _reach(self) -> bool:
        """Whether there is a MIDI system; tried ever more rarely while there is none."""
        if self._scanners:
            return True
        self._idle += 1
        if self._idle & (self._idle - 1) and self._idle % LONGEST_WAIT:
            return False
        try:
            self._api, self._scanners = _scanners(self._api)
        except NoMidi as error:
            self.why = str(error)
            return False
        self._idle, self.why = 0, ""
        return True

    def _leave_if_gone(self, ports: bool) -> None:
        """A JACK server that ended leaves clients that see nothing: they are made anew, ever more rarely, for
        there may simply be no port."""
        self._idle = 0 if ports else self._idle + 1
        if self._api != _JACK or ports or (self._idle & (self._idle - 1) and self._idle % LONGEST_WAIT):
            return
        idle = self._idle
        self.close()
        self._reach()
        self._idle = idle

    def _names(self, side: str) -> list[str]:
        scanner = self._scanners.get(side)
        if scanner is None:
            return []
        try:
            return [name for name in scanner.get_ports() if not name.startswith(CLIENT)]
        except rtmidi.RtMidiError:
            return []

    def _update(self, side: str, wanted: str, names: list[str]) -> None:
        open_one = self._ports[side].get(wanted)
        if open_one is not None and (wanted == VIRTUAL or open_one[0] in names):
            return
        if open_one is not None:
            with self._lock:
                self._ports[side].pop(wanted, None)
                self._close(open_one[1])
            _log.warning("MIDI port %s is gone; it is opened again when it comes back.", open_one[0])
        found = next((name for name in names if wanted.casefold() in name.casefold()), None)
        if found is None and wanted != VIRTUAL:
            return
        try:
            port = self._open(side, wanted, found or CLIENT)
        except (rtmidi.RtMidiError, NotImplementedError, ValueError) as error:
            _log.warning("MIDI port %s cannot be opened: %s", found or wanted, error)
            return
        with self._lock:
            self._ports[side][wanted] = (found or CLIENT, port)
        _log.info("MIDI %sput %s is open.", side, found or CLIENT)

    def _open(self, side: str, wanted: str, name: str) -> Any:
        port = (rtmidi.MidiIn if side == "in" else rtmidi.MidiOut)(self._api, CLIENT)
        try:
            if side == "in":
                self._hear(port, wanted)
            if wanted == VIRTUAL:
                port.open_virtual_port(f"pads {side}")
            else:
                # ports may have come and gone since they were listed: the number is that of now
                port.open_port(port.get_ports().index(name), f"pads {side}")
        except BaseException:
            self._close(port)
            raise
        return port

    def _hear(self, port: Any, wanted: str) -> None:
        port.ignore_types(sysex=True, timing=False, active_sense=True)
        if self._api == _JACK:
            # RtMidi calls back from JACK's own real-time thread, which would wait there for the GIL and make
            # every client of the server late: a thread of ours fetches instead
            if self._fetcher is None:
                self._fetcher = _Fetcher(self._arrived)
            self._fetcher.add(port, wanted)
            return

        def call(message: tuple[list[int], float], data: object) -> None:
            self._arrived(bytes(message[0]), time.time(), wanted)

        port.set_callback(call)

    def _close(self, port: Any) -> None:
        if self._fetcher is not None:
            self._fetcher.remove(port)
        with contextlib.suppress(rtmidi.RtMidiError):
            if isinstance(port, rtmidi.MidiIn):
                port.cancel_callback()
            port.close_port()
        port.delete()


class _Fetcher:
    """A thread that fetches messages from ports that must not call back."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived = arrived
        self._ports: list[tuple[Any, str]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foleyd midi", daemon=True)
        self._thread.start()

    def add(self, port: Any, wanted: str) -> None:
        """Fetch from `port` too."""
        with self._lock:
            self._ports.append((port, wanted))

    def remove(self, port: Any) -> None:
        """Fetch from `port` no longer; it may be closed then."""
        with self._lock:
            self._ports = [one for one in self._ports if one[0] is not port]

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(POLL_S):
            with self._lock:
                for port, wanted in self._ports:
                    while (message := port.get_message()) is not None:
                        self._arrived(bytes(message[0]), time.time(), wanted)


def _scanners(api: int | None) -> tuple[int, dict[str, Any]]:
    """The API that works, with a client of it for each side that only looks."""
    compiled = rtmidi.get_compiled_api()
    for one in (api,) if api is not None else _APIS:
        if one not in compiled or (one == rtmidi.API_LINUX_ALSA and not SEQUENCER.exists()):
            continue
        scanners: dict[str, Any] = {}
        try:
            scanners["in"] = rtmidi.MidiIn(one, CLIENT)
            scanners["out"] = rtmidi.MidiOut(one, CLIENT)
        except rtmidi.RtMidiError:
            for scanner in scanners.values():
                scanner.delete()
            continue
        return one, scanners
    if sys.platform == "linux":
        raise NoMidi(
            f"there is no MIDI here: load the ALSA sequencer (modprobe snd-seq makes {SEQUENCER}) or start a "
            "JACK server."
        )
    raise NoMidi("there is no MIDI here: the system's MIDI service does not answer.")
