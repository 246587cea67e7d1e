"""Large libraries imported in less time, for processes that do nothing but render or listen."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

UNCALLED = ("peft", "scipy")
"""Packages that diffusers and transformers import wherever they are installed, and that no network here
calls: peft trains adapters, scipy is for losses and for noise levels after a beta distribution."""


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Inside, packages of `UNCALLED` that nobody has imported yet look as if they were not installed, and no
    garbage is collected: an import makes a million objects that stay, and looking through them takes a fifth
    of it. They are left alone afterwards, too, until a model is let go (`foleyd.runtime.memory.give_back`):
    otherwise a render stands still for a third of a second, the first one most likely.

    The process can import those packages itself as soon as the block is left; while it is open no other
    thread should.
    """
    hidden = [name for name in UNCALLED if name not in sys.modules]
    collects = gc.isenabled()
    # what stands for None here counts as not to be found (the import system, "The module cache")
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
        for name in hidden:
            del sys.modules[name]
