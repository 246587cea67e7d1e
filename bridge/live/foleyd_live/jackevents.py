"""The MIDI events of a JACK block, between its ports and rings of our own, as machine code.

JACK's thread must not wait for Python: every client of the server would be late with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np
from numba import carray, types

from foleyd_live.compiler import cfunc
from foleyd_live.jacklibrary import ffi, library_name
from foleyd_live.kernel import pointer

MOST_PORTS = 16
"""Ports of each direction."""
SLOTS = 1024
"""Messages that a ring holds."""
LONGEST = 3
"""Bytes of a message: all but system-exclusive ones, which nothing here reads or sends."""

# The address of all this; the rate; how many ports there are; how many messages came, and were taken; how
# many blocks there were. Then an event as JACK writes it, the addresses of the ports (inputs, outputs), how
# many messages each output was given, and has sent, the ring of what came, and a ring for each output.
E_SELF, E_RATE, E_INPUTS, E_OUTPUTS, E_CAME, E_TAKEN, E_BLOCKS = range(7)
_EVENT = 8
_PORTS = 12
_GIVEN = _PORTS + 2 * MOST_PORTS
_GONE = _GIVEN + MOST_PORTS
_IN = _GONE + MOST_PORTS
_OUT = _IN + 3 * SLOTS
_SIZE = _OUT + MOST_PORTS * SLOTS
_WORD = 8

llvmlite.binding.load_library_permanently(library_name())
_get_buffer = types.ExternalFunction("jack_port_get_buffer", types.voidptr(types.voidptr, types.uint32))
_get_time = types.ExternalFunction("jack_get_time", types.uint64())
_count_events = types.ExternalFunction("jack_midi_get_event_count", types.uint32(types.voidptr))
_get_event = types.ExternalFunction(
    "jack_midi_event_get", types.int32(types.voidptr, types.voidptr, types.uint32)
)
_clear = types.ExternalFunction("jack_midi_clear_buffer", types.void(types.voidptr))
_reserve = types.ExternalFunction(
    "jack_midi_event_reserve", types.uint64(types.voidptr, types.uint32, types.uint64)
)


@cfunc(types.int32(types.uint32, types.CPointer(types.int64)))
def callback(count, data):  # type: ignore[no-untyped-def]
    """JACK's ``JackProcessCallback``; `data` is the memory of :class:`Rings`."""
    e = carray(data, (_SIZE,))
    event = e[E_SELF] + _EVENT * _WORD
    # what a block brings came while the block before was played
    began = np.int64(_get_time()) - count * 1_000_000 // e[E_RATE]
    for port in range(e[E_INPUTS]):
        buffer = _get_buffer(pointer(e[_PORTS + port]), count)
        for number in range(_count_events(buffer)):
            if _get_event(pointer(event), buffer, number) != 0:
                continue
            size = e[_EVENT + 1]
            came = e[E_CAME]
            if size < 1 or size > LONGEST or came - e[E_TAKEN] >= SLOTS:
                continue
            read = carray(pointer(e[_EVENT + 2]), (size,), np.uint8)
            word = size
            for place in range(size):
                word |= np.int64(read[place]) << (8 * (place + 1))
            at = _IN + came % SLOTS * 3
            e[at] = word
            e[at + 1] = began + (e[_EVENT] & 0xFFFFFFFF) * 1_000_000 // e[E_RATE]
            e[at + 2] = port
            e[E_CAME] = came + 1
    for port in range(e[E_OUTPUTS]):
        buffer = _get_buffer(pointer(e[_PORTS + MOST_PORTS + port]), count)
        _clear(buffer)
        while e[_GONE + port] < e[_GIVEN + port]:
            word = e[_OUT + port * SLOTS + e[_GONE + port] % SLOTS]
            size = word & 0xFF
            room = np.int64(_reserve(buffer, 0, size))
            if room == 0:
                break
            written = carray(pointer(room), (size,), np.uint8)
            for place in range(size):
                written[place] = (word >> (8 * (place + 1))) & 0xFF
            e[_GONE + port] += 1
    e[E_BLOCKS] += 1
    return 0


class Rings:
    """What came and what goes, for a client with these ports (as addresses) at `rate` Hz."""

    def __init__(self, rate: int, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self._memory = np.zeros(_SIZE, np.int64)
        self._memory[E_SELF] = self._memory.ctypes.data
        self._memory[E_RATE] = rate
        self._memory[E_INPUTS], self._memory[E_OUTPUTS] = len(inputs), len(outputs)
        self._memory[_PORTS : _PORTS + len(inputs)] = inputs
        self._memory[_PORTS + MOST_PORTS : _PORTS + MOST_PORTS + len(outputs)] = outputs

    @property
    def process(self) -> tuple[Any, Any]:
        """The ``JackProcessCallback`` and its data; as long as this is kept."""
        call = ffi.cast("int (*)(uint32_t, void *)", callback.address)
        return call, ffi.cast("void *", self._memory.ctypes.data)

    @property
    def blocks(self) -> int:
        """Blocks so far."""
        return int(self._memory[E_BLOCKS])

    @property
    def waiting(self) -> bool:
        """Whether something was put that has not gone."""
        given, gone = self._memory[_GIVEN:_GONE], self._memory[_GONE:_IN]
        return bool((given != gone).any())

    def take(self) -> list[tuple[int, bytes, int]]:
        """What came since: the number of the input, the message, and when, in microseconds of JACK's clock.
        One thread at a time may take."""
        memory = self._memory
        begin, end = int(memory[E_TAKEN]), int(memory[E_CAME])
        taken = []
        for number in range(begin, end):
            at = _IN + number % SLOTS * 3
            word, when, port = (int(value) for value in memory[at : at + 3])
            taken.append((port, word.to_bytes(_WORD, "little")[1 : 1 + (word & 0xFF)], when))
        memory[E_TAKEN] = end
        return taken

    def put(self, port: int, message: bytes) -> bool:
        """Send 1 to 3 bytes with the next block of an output; whether there was room. One thread at a time
        may put."""
        given = int(self._memory[_GIVEN + port])
        if not 1 <= len(message) <= LONGEST or given - self._memory[_GONE + port] >= SLOTS:
            return False
        word = int.from_bytes(bytes((len(message),)) + message, "little")
        self._memory[_OUT + port * SLOTS + given % SLOTS] = word
        self._memory[_GIVEN + port] = given + 1
        return True
