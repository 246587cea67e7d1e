"""What JACK calls on its own threads, as machine code.

JACK ends its threads with ``pthread_cancel`` when a client closes. A thread that waits for Python's global
lock at that moment dies with the lock's mutex in its hand, and the whole process stands still. So the events
that only count are compiled, and a process callback in Python is called where the thread cannot be cancelled.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from numba import types

from foleyd_live.compiler import cfunc
from foleyd_live.jacklibrary import ffi
from foleyd_live.kernel import pointer

_ENABLE, _DISABLE = 0, 1

_processes: dict[int, Callable[[int], None]] = {}
_numbers = itertools.count(1)


@ffi.callback("int (uint32_t, void *)")  # type: ignore[untyped-decorator]
def _process(frames: int, data: Any) -> int:
    _processes[int(ffi.cast("intptr_t", data))](frames)
    return 0


llvmlite.binding.add_symbol("foleyd_jack_process", int(ffi.cast("intptr_t", _process)))
_in_python = types.ExternalFunction("foleyd_jack_process", types.int32(types.uint32, types.voidptr))
_set_cancel_state = types.ExternalFunction("pthread_setcancelstate", types.int32(types.int32, types.voidptr))

if os.name == "nt":
    _guarded = _process
else:

    @cfunc(types.int32(types.uint32, types.voidptr))
    def _compiled(frames, data):  # type: ignore[no-untyped-def]
        _set_cancel_state(_DISABLE, pointer(0))
        done = _in_python(frames, data)
        _set_cancel_state(_ENABLE, pointer(0))
        return done

    _guarded = ffi.cast("int (*)(uint32_t, void *)", _compiled.address)


@cfunc(types.int32(types.CPointer(types.int64)))
def _count(data):  # type: ignore[no-untyped-def]
    data[0] += 1
    return 0


@cfunc(types.void(types.CPointer(types.int64)))
def _raise(data):  # type: ignore[no-untyped-def]
    data[0] = 1


def counter(place: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """A ``JackXRunCallback`` that adds one to `place` `[1]`, and its data."""
    return ffi.cast("int (*)(void *)", _count.address), ffi.cast("void *", place.ctypes.data)


def flag(place: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """A ``JackShutdownCallback`` that sets `place` `[1]` to one, and its data."""
    return ffi.cast("void (*)(void *)", _raise.address), ffi.cast("void *", place.ctypes.data)


class PythonProcess:
    """A ``JackProcessCallback`` that calls `run` with the number of frames; as long as it is kept."""

    def __init__(self, run: Callable[[int], None]) -> None:
        self._number = next(_numbers)
        _processes[self._number] = run
        self.data = ffi.cast("void *", self._number)
        self.call = _guarded

    def close(self) -> None:
        """Forget `run`, once JACK calls no more."""
        _processes.pop(self._number, None)
