"""Who has the library open: one process at a time, and the others are told which.

``library.lock`` is locked by the operating system, which lets go of it when the process ends, however it
ends. ``holder.json`` beside it says who that is; it is only read when the lock is taken, so one that a killed
process left behind does no harm.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import filelock
import msgspec

from foleyd.audio.atomic import replacing
from foleyd.errors import BadRequest, DiskFull, LibraryHeld

LOCK = "library.lock"
CARD = "holder.json"
_LONGEST_COMMAND = 80


class Card(msgspec.Struct, frozen=True):
    """The process that holds a library: its id, its command and the Unix time when it began."""

    pid: int
    command: str
    since: float


class Holder:
    """Holds the library in the folder `root` from construction to :meth:`release`.

    `command`: what others are told; the name and first word of this process's command line when empty.
    `wait`: seconds to wait for another holder to end. Raises LibraryHeld, or BadRequest where the folder
    cannot be written to.
    """

    def __init__(self, root: Path, *, command: str = "", wait: float = 0.0) -> None:
        self._card = root / CARD
        # not thread-local: whoever closes the library may be another thread than the one that opened it
        self._lock = filelock.FileLock(root / LOCK, thread_local=False)
        try:
            self._lock.acquire(timeout=wait)
        except filelock.Timeout:
            raise LibraryHeld(_sentence(root, _read(self._card))) from None
        except OSError as error:
            raise BadRequest(
                f"The library {root} cannot be opened ({error.strerror or error}): choose a folder that may "
                "be written."
            ) from error
        with suppress(OSError):
            self._card.unlink(missing_ok=True)
        # on a full disk the library must open all the same, to be pruned; only the others' sentence is poorer
        with suppress(DiskFull, BadRequest), replacing(self._card) as beside:
            beside.write_bytes(msgspec.json.encode(Card(os.getpid(), command or _own_command(), time.time())))

    def release(self) -> None:
        """Let go of the library. A second call does nothing."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._card.unlink(missing_ok=True)
            self._lock.release()


def _read(path: Path) -> Card | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except (OSError, msgspec.MsgspecError):
        return None


def _sentence(root: Path, card: Card | None) -> str:
    if card is None:
        who = "another process"
    else:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(card.since))
        who = f"'{card.command}' (process {card.pid}, since {since})"
    return f"The library {root} is in use by {who}: ask that one, or end it first."


def _own_command() -> str:
    name = Path(sys.argv[0]).name or "python"
    return " ".join([name, *sys.argv[1:2]])[:_LONGEST_COMMAND]
