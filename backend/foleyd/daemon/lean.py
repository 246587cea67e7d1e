"""What diffusers and transformers import for no other reason than that it is installed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

UNCALLED = ("peft", "scipy")
"""Packages that they ask for at their own import, and that no network here calls: peft trains adapters,
scipy is for losses and for noise levels after a beta distribution."""


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Inside, packages of `UNCALLED` that nobody has imported yet look as if they were not installed.

    For processes that only render or listen: they are ready about a second earlier, and smaller. They can
    import the packages themselves as soon as the block is left; while it is open no other thread should.
    """
    hidden = [name for name in UNCALLED if name not in sys.modules]
    # what stands for None here counts as not to be found (the import system, "The module cache")
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
