"""numba, with its cache where foleyd keeps such things.

The cache's folder is named after the source of everything that is compiled: numba itself looks only at the
file of a function, and would go on with an old layout of :mod:`foleyd_live.memory`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.extending

from foleyd.paths import home

F = TypeVar("F", bound=Callable[..., Any])
_SOURCES = ("memory.py", "events.py", "kernel.py", "compiled.py")


def _key() -> str:
    here = Path(__file__).parent
    text = b"".join((here / name).read_bytes() for name in _SOURCES)
    return hashlib.sha256(text + numba.__version__.encode()).hexdigest()[:16]


# whoever sets numba's own variable means it
numba.config.CACHE_DIR = str(Path(os.environ.get("NUMBA_CACHE_DIR") or home("cache") / "numba") / _key())


def is_empty() -> bool:
    """Whether nothing was compiled on this machine yet."""
    return not Path(numba.config.CACHE_DIR).exists()


def njit(function: F) -> F:
    """Compile `function` when it is first called, once for this machine."""
    compiled: F = numba.njit(cache=True)(function)
    return compiled


def register_jitable(function: F) -> F:
    """Leave `function` as it is, and let compiled code call it."""
    kept: F = numba.extending.register_jitable(function)
    return kept


def cfunc(signature: Any) -> Callable[[F], Any]:
    """Compile a function to one that C can call."""
    made: Callable[[F], Any] = numba.cfunc(signature, cache=True)
    return made
