"""The compiled mixer: PortAudio calls machine code, which never waits for Python's global lock.

It is the default. Beside a daemon that renders, with 32 voices in blocks of 128 frames, the numpy mixer's
callback takes 90 % of a block and misses 1 200 to 3 200 of them a minute, this one takes 3 % and misses 5 to
20 with real-time priority (``foleyd bench live``, figures in ``bridge/live/README.md``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types

from foleyd_live import memory as m
from foleyd_live.compiler import cfunc, njit
from foleyd_live.kernel import mix, pointer
from foleyd_live.memory import State

# the table that the callback gets: addresses of the arrays in their order, then what their shapes depend on
_ARRAYS = len(State._fields)
T_STAMP = State._fields.index("stamp")
T_MOST, T_BUSES, T_MAIN_TAP, T_INPUT_TAP, T_CHANNELS = range(_ARRAYS, _ARRAYS + 5)
CONTINUE = 0
MONOTONIC = 1
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.voidptr))
_UNDERFLOW, _OVERFLOW = 4, 2


def table(state: State) -> npt.NDArray[np.int64]:
    """What leads the callback to `state`; both must live as long as the stream."""
    addresses = [array.ctypes.data for array in state]
    taps = [state.main_tap.shape[0], state.input_tap.shape[0], state.input_tap.shape[1]]
    return np.array([*addresses, state.pad.shape[1], state.bus.shape[0], *taps], np.int64)


@njit
def _state(t: npt.NDArray[np.int64]) -> State:
    i, f, w = np.int64, np.float64, np.float32
    most, buses = t[T_MOST], t[T_BUSES]
    return State(
        carray(pointer(t[0]), (m.SCALARS,), i),
        carray(pointer(t[1]), (m.FLOATS,), f),
        carray(pointer(t[2]), (m.EVENTS, m.E_INTS), i),
        carray(pointer(t[3]), (m.EVENTS, m.E_FLOATS), f),
        carray(pointer(t[4]), (m.EVENTS, m.E_INTS), i),
        carray(pointer(t[5]), (m.EVENTS, m.E_FLOATS), f),
        carray(pointer(t[6]), (m.EVENTS,), i),
        carray(pointer(t[7]), (m.EVENTS,), i),
        carray(pointer(t[8]), (m.SLOTS, m.V_INTS), i),
        carray(pointer(t[9]), (m.SLOTS, m.V_FLOATS), f),
        carray(pointer(t[10]), (m.CLIPS, m.C_INTS), i),
        carray(pointer(t[11]), (m.PADS, m.P_INTS), i),
        carray(pointer(t[12]), (m.PADS, m.P_FLOATS), f),
        carray(pointer(t[13]), (m.PADS, most, 2), w),
        carray(pointer(t[14]), (buses, most, 2), w),
        carray(pointer(t[15]), (buses, m.WINDOW, 2), w),
        carray(pointer(t[16]), (m.WINDOW,), f),
        carray(pointer(t[17]), (m.WINDOW,), f),
        carray(pointer(t[18]), (m.METERS,), f),
        carray(pointer(t[19]), (t[T_MAIN_TAP], 2), w),
        carray(pointer(t[20]), (t[T_INPUT_TAP], t[T_CHANNELS]), w),
        carray(pointer(t[21]), (m.PADS,), i),
        carray(pointer(t[22]), (m.DURATIONS,), w),
        carray(pointer(t[23]), (m.DURATIONS,), i),
        carray(pointer(t[24]), (4,), i),
        carray(pointer(t[25]), (m.CLIPS, m.STAGES), i),
        carray(pointer(t[26]), (m.CLIPS, m.STAGES), f),
    )


@njit
def _now(t: npt.NDArray[np.int64], state: State) -> int:
    _clock_gettime(MONOTONIC, pointer(t[T_STAMP]))
    return int(state.stamp[0] * 1_000_000_000 + state.stamp[1])


@njit
def _done(t: npt.NDArray[np.int64], state: State, begun: int) -> None:
    count = state.s[m.S_DURATIONS]
    state.begins[count % m.DURATIONS] = begun
    state.durations[count % m.DURATIONS] = (_now(t, state) - begun) / 1000.0
    state.s[m.S_DURATIONS] = count + 1


_SIGNATURE = types.int32(
    types.voidptr,
    types.voidptr,
    types.ulong,
    types.CPointer(types.float64),
    types.ulong,
    types.CPointer(types.int64),
)


@cfunc(_SIGNATURE)
def callback(source, target, frames, times, flags, data):  # type: ignore[no-untyped-def]
    """PortAudio's ``PaStreamCallback``; `data` is a :func:`table`."""
    t = carray(data, (_ARRAYS + 5,))
    state = _state(t)
    s = state.s
    begun = _now(t, state)
    count = np.int64(frames)
    # the three times of PaStreamCallbackTimeInfo: of the input's first sample, of this call, of the output's
    clock = carray(times, (3,))
    s[m.S_SEQUENCE] += 1
    s[m.S_CLOCK_FRAME] = s[m.S_FRAME]
    s[m.S_CLOCK_NS] = begun
    state.f[m.F_LATENCY] = clock[2] - clock[1]
    s[m.S_SEQUENCE] += 1
    if flags & _UNDERFLOW:
        s[m.S_UNDERRUNS] += 1
    if flags & _OVERFLOW:
        s[m.S_OVERRUNS] += 1
    out = carray(target, (count, s[m.S_OUTPUTS]), np.float32)
    sound = carray(source, (count, max(1, s[m.S_INPUTS])), np.float32)
    done = 0
    most = state.pad.shape[1]
    while done < count:
        part = min(most, count - done)
        mix(state, part, out[done : done + part], sound[done : done + part])
        done += part
    _done(t, state, begun)
    return CONTINUE


class CompiledMixer:
    """The mixer whose callback PortAudio gets as an address."""

    name = "numba"

    def __init__(self, state: State) -> None:
        self.state = state
        self.table = table(state)
        self.address: int = callback.address

    def process(self, out: npt.NDArray[np.float32], sound: npt.NDArray[np.float32]) -> None:
        """One block outside PortAudio; `out` and `sound` are `[frames, channels]`, C order."""
        mix(self.state, len(out), out, sound)

    def ready(self) -> Any:
        """Compile all that :meth:`process` needs, without a sound."""
        return callback
