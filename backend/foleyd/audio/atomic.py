"""A file that appears whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foleyd.errors import BadRequest, DiskFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new name beside ``path`` to write to; on leaving, what stands there takes ``path``'s place in one
    step.

    Flushed to the disk first, so that a power cut leaves the old file or the new one. When the body raises,
    the new file goes and ``path`` stays as it was. Raises BadRequest when nothing can be written there,
    DiskFull when there is no room.
    """
    target = Path(path)
    # The suffix stays the target's: libraries choose a format by it.
    beside = target.with_name(f".{target.stem[:80]}.{secrets.token_hex(6)}.part{target.suffix}")
    try:
        yield beside
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        beside.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        _discard(beside)
        if error.errno in _NO_ROOM:
            raise DiskFull(f"no room to write {target}: free some disk space and try again.") from error
        raise BadRequest(
            f"cannot write {target} ({error.strerror or error}): choose a folder that exists and may be "
            "written."
        ) from error
    except BaseException:
        _discard(beside)
        raise


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # Some systems cannot open a folder; there the rename is as safe as the system makes it.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
