"""The compiled mixer as JACK calls it: one buffer for each port, where the mixer has frames of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np
from numba import carray, types

from foleyd_live import memory as m
from foleyd_live.compiled import CompiledMixer, _done, _now, _state
from foleyd_live.compiler import cfunc
from foleyd_live.jacklibrary import library_name
from foleyd_live.kernel import mix, pointer

# what the callback gets: addresses of the mixer's table, of buffers of frames, of JACK's clocks; counts
(
    J_TABLE,
    J_TABLE_SIZE,
    J_OUT,
    J_IN,
    J_CLIENT,
    J_TIMES,
    J_OUTPUTS,
    J_INPUTS,
    J_LATENCY_NS,
) = range(9)
_PORTS = 9
_MOST = _PORTS + 64 + 64

llvmlite.binding.load_library_permanently(library_name())
_get_buffer = types.ExternalFunction("jack_port_get_buffer", types.voidptr(types.voidptr, types.uint32))
_get_time = types.ExternalFunction("jack_get_time", types.uint64())
_get_cycle_times = types.ExternalFunction(
    "jack_get_cycle_times",
    types.int32(types.voidptr, types.voidptr, types.voidptr, types.voidptr, types.voidptr),
)


class Links:
    """What a callback gets, and all that it leads to."""

    def __init__(self, mixer: CompiledMixer, outputs: int, inputs: int) -> None:
        self.memory = np.zeros(_MOST, np.int64)
        self._out = np.zeros((m.MOST_BLOCK, max(1, outputs)), np.float32)
        self._in = np.zeros((m.MOST_BLOCK, max(1, inputs)), np.float32)
        self._times = np.zeros(4, np.int64)
        self._mixer = mixer
        for place, array in ((J_TABLE, mixer.table), (J_OUT, self._out), (J_IN, self._in)):
            self.memory[place] = array.ctypes.data
        self.memory[J_TABLE_SIZE] = len(mixer.table)
        self.memory[J_TIMES] = self._times.ctypes.data

    def set_latency(self, seconds: float) -> None:
        """How long after the beginning of a cycle its first frame is heard."""
        self.memory[J_LATENCY_NS] = round(seconds * 1e9)


def links(mixer: Any, client: int, outputs: Sequence[int], inputs: Sequence[int]) -> Links:
    """For `mixer` and a client with these ports, all but the mixer as addresses."""
    made = Links(mixer, len(outputs), len(inputs))
    made.memory[J_CLIENT] = client
    made.memory[J_OUTPUTS], made.memory[J_INPUTS] = len(outputs), len(inputs)
    ports = [*outputs, *inputs]
    made.memory[_PORTS : _PORTS + len(ports)] = ports
    return made


@cfunc(types.int32(types.uint32, types.CPointer(types.int64)))
def callback(count, data):  # type: ignore[no-untyped-def]
    """JACK's ``JackProcessCallback``; `data` is the memory of :class:`Links`."""
    j = carray(data, (_MOST,))
    t = carray(pointer(j[J_TABLE]), (j[J_TABLE_SIZE],), np.int64)
    state = _state(t)
    s = state.s
    frames = np.int64(count)
    begun = _now(t, state)
    late = np.int64(0)
    times = j[J_TIMES]
    client = pointer(j[J_CLIENT])
    clocks = carray(pointer(times), (4,), np.int64)
    if (
        _get_cycle_times(client, pointer(times), pointer(times + 8), pointer(times + 16), pointer(times + 24))
        == 0
    ):
        late = np.int64(_get_time()) - clocks[1]
    s[m.S_SEQUENCE] += 1
    s[m.S_CLOCK_FRAME] = s[m.S_FRAME]
    s[m.S_CLOCK_NS] = begun
    state.f[m.F_LATENCY] = j[J_LATENCY_NS] * 1e-9 - late * 1e-6
    s[m.S_SEQUENCE] += 1
    outputs, inputs = j[J_OUTPUTS], j[J_INPUTS]
    out = carray(pointer(j[J_OUT]), (m.MOST_BLOCK, max(1, outputs)), np.float32)
    sound = carray(pointer(j[J_IN]), (m.MOST_BLOCK, max(1, inputs)), np.float32)
    most = min(state.pad.shape[1], m.MOST_BLOCK)
    done = 0
    while done < frames:
        part = min(most, frames - done)
        for column in range(inputs):
            heard = carray(_get_buffer(pointer(j[_PORTS + outputs + column]), count), (frames,), np.float32)
            for k in range(part):
                sound[k, column] = heard[done + k]
        mix(state, part, out[:part], sound[:part])
        for column in range(outputs):
            played = carray(_get_buffer(pointer(j[_PORTS + column]), count), (frames,), np.float32)
            for k in range(part):
                played[done + k] = out[k, column]
        done += part
    _done(t, state, begun)
    return 0
