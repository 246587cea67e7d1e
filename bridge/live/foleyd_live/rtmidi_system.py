"""The system's own MIDI, by RtMidi: ALSA's sequencer, Core MIDI, Windows' multimedia."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import rtmidi

from foleyd_live.midi_system import CLIENT, Arrived, NoMidi, Port


class RtMidiSystem:
    """One of RtMidi's: see :class:`foleyd_live.midi_system.System`."""

    gone = False

    def __init__(self, api: int, arrived: Arrived) -> None:
        """`api` is a number of RtMidi's. Raises NoMidi."""
        self._api, self._arrived = api, arrived
        self._scanners: dict[str, Any] = {}
        self._open: set[_RtMidiPort] = set()
        # RtMidi takes another one where it has not got what is asked for
        if api not in rtmidi.get_compiled_api():
            raise NoMidi(f"RtMidi was built without {rtmidi.get_api_display_name(api)}.")
        try:
            for side, make in _MAKERS.items():
                self._scanners[side] = make(api, CLIENT)
        except rtmidi.RtMidiError as error:
            self.close()
            raise NoMidi(f"the system's MIDI service does not answer ({error}).") from error

    def names(self, side: str) -> list[str]:
        """The ports that are there."""
        try:
            return list(self._scanners[side].get_ports())
        except rtmidi.RtMidiError:
            return []

    def open(self, side: str, wanted: str, name: str | None) -> Port:
        """Open a port, or one of our own. Raises NoMidi."""
        try:
            port = _RtMidiPort(_MAKERS[side](self._api, CLIENT), self._open)
        except rtmidi.RtMidiError as error:
            raise NoMidi(str(error)) from error
        try:
            if side == "in":
                port.hear(self._arrived, wanted)
            port.open(name, f"pads {side}")
        except (rtmidi.RtMidiError, NotImplementedError, NoMidi) as error:
            port.close()
            raise NoMidi(str(error)) from error
        return port

    def close(self) -> None:
        """Leave it, and its ports."""
        for port in tuple(self._open):
            port.close()
        for scanner in self._scanners.values():
            scanner.delete()
        self._scanners = {}


class _RtMidiPort:
    """A port of RtMidi's, among `others` until it is closed."""

    connected = True

    def __init__(self, port: Any, others: set[_RtMidiPort]) -> None:
        self._port = port
        self._others = others
        others.add(self)

    def hear(self, arrived: Arrived, wanted: str) -> None:
        self._port.ignore_types(sysex=True, timing=False, active_sense=True)
        self._port.set_callback(lambda message, data: arrived(bytes(message[0]), time.time(), wanted))

    def open(self, name: str | None, own: str) -> None:
        if name is None:
            self._port.open_virtual_port(own)
        else:
            # ports may have come and gone since they were listed: the number is that of now
            names = self._port.get_ports()
            if name not in names:
                raise NoMidi(f"{name} is gone.")
            self._port.open_port(names.index(name), own)

    def send(self, message: bytes) -> None:
        try:
            self._port.send_message(message)
        except (rtmidi.RtMidiError, ValueError) as error:
            raise NoMidi(str(error)) from error

    def close(self) -> None:
        self._others.discard(self)
        with contextlib.suppress(rtmidi.RtMidiError):
            if isinstance(self._port, rtmidi.MidiIn):
                self._port.cancel_callback()
            self._port.close_port()
        self._port.delete()


_MAKERS = {"in": rtmidi.MidiIn, "out": rtmidi.MidiOut}
