"""Where foleyd keeps things on this machine.

Every folder outside the user's own files comes from :func:`home`. The environment variable ``FOLEYD_HOME``
moves all of them below one folder, which is how tests and portable installs keep to themselves.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import platformdirs

_DIRS = platformdirs.PlatformDirs("foleyd", appauthor=False)


def _runtime() -> Path:
    # without a session of the desktop (a container, root's shell) the place is one in /tmp, every time: no
    # news to anybody
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _DIRS.user_runtime_path


# Kinds that the operating system has its own place for; every other kind is data that must not vanish on its
# own.
_PLACES: dict[str, Callable[[], Path]] = {
    "cache": lambda: _DIRS.user_cache_path,
    "config": lambda: _DIRS.user_config_path,
    "logs": lambda: _DIRS.user_log_path,
    "runtime": _runtime,
}

_KIND = re.compile(r"[a-z][a-z0-9-]*")


def home(kind: str) -> Path:
    """The absolute folder for things of one kind; it is not created.

    ``kind`` is a word such as "models", "takes", "library" (data), "cache", "config", "logs" or "runtime".
    With ``FOLEYD_HOME`` set it is ``$FOLEYD_HOME/kind``, else the place the operating system has for it.

    Raises ValueError for a kind that is not a plain word (it becomes a folder name).
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"a kind of folder is a plain lower-case word, not {kind!r}")
    base = os.environ.get("FOLEYD_HOME", "").strip()
    if base:
        return Path(base).expanduser().absolute() / kind
    place = _PLACES.get(kind)
    return place() if place else _DIRS.user_data_path / kind
