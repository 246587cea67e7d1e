"""A decoder that misbehaves at files of certain names, and is the real one otherwise. For tests only.

``python faulty_decoder.py [MEMORY_MIB]``; the names are those of :data:`FAULTS`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from foleyd_live import decoder
from foleyd_live.decoder import Found, Request, Sign


def _hang(sign: Sign) -> NoReturn:
    sign(0.001)  # asks for less than the deadline, and gets the deadline
    threading.Event().wait()
    raise AssertionError


def _hang_at_once(sign: Sign) -> NoReturn:
    threading.Event().wait()
    raise AssertionError


def _die(sign: Sign) -> NoReturn:
    sign(10.0)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _die_at_once(sign: Sign) -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def _leave(sign: Sign) -> NoReturn:
    os._exit(3)


def _garble(sign: Sign) -> NoReturn:
    os.write(_ANSWERS, decoder.HEAD.pack(5) + b"[[[[[")
    threading.Event().wait()
    raise AssertionError


def _boast(sign: Sign) -> NoReturn:
    os.write(_ANSWERS, decoder.HEAD.pack(decoder.LONGEST_HEAD + 1))
    threading.Event().wait()
    raise AssertionError


FAULTS: dict[str, Callable[[Sign], NoReturn]] = {
    "hang.wav": _hang,
    "hang_at_once.wav": _hang_at_once,
    "die.wav": _die,
    "die_at_once.wav": _die_at_once,
    "leave.wav": _leave,
    "garble.wav": _garble,
    "boast.wav": _boast,
}

_ANSWERS = os.dup(1)


def read(request: Request, sign: Sign) -> Found:
    """The fault that the file's name asks for, else what the file holds."""
    fault = FAULTS.get(Path(os.fsdecode(request.path)).name)
    return fault(sign) if fault else decoder.read_file(request, sign)


if __name__ == "__main__":
    decoder.serve(read, *map(int, sys.argv[1:]))
