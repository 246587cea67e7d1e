"""Files that strangers send, decoded in a process of their own.

libsndfile reads two dozen formats in C; a file that makes it crash, hang or eat memory must not take the
daemon along. :func:`decoded` starts ``python -P -m foleyd.daemon.decoder NAME``, which reads a file from its
standard input and answers with its samples, and ends it when it takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence

import msgspec

from foleyd.daemon import imports
from foleyd.daemon.imports import Origin, Recording
from foleyd.errors import BadRequest, FoleydError

TIMEOUT_S = 60.0
MOST_MEMORY = 4 * 2**30
"""Bytes of address space that the process may have."""
COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "foleyd.daemon.decoder")


class Answer(msgspec.Struct, frozen=True):
    """What the process says: why it refused the file, or its samples as in a :class:`Recording`."""

    refused: str = ""
    origin: Origin | None = None
    blocks: tuple[bytes, ...] = ()
    rate: int = 0
    channels: int = 0
    bits: int = 0
    floating: bool = False


async def decoded(data: bytes, name: str, command: Sequence[str] = COMMAND) -> Recording:
    """The audio in a file's bytes, as :func:`foleyd.daemon.imports.decode` gives it. Raises BadRequest, for a
    file that the process did not survive, too."""
    process = await asyncio.create_subprocess_exec(
        *command,
        name[:255] or "sound",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            said, _ = await process.communicate(data)
    except TimeoutError:
        raise BadRequest(f"{name:.80} takes too long to read: export it again as WAV.") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        answer = msgspec.msgpack.decode(said, type=Answer)
    except msgspec.DecodeError:
        answer = Answer()
    if answer.refused:
        raise BadRequest(answer.refused)
    if process.returncode or answer.origin is None:
        raise BadRequest(f"{name:.80} cannot be read as audio: export it again as WAV.")
    return Recording(
        answer.origin, list(answer.blocks), answer.rate, answer.channels, answer.bits, answer.floating
    )


def main(arguments: Sequence[str]) -> int:
    """Decode standard input to standard output; 0 also for a file that is refused."""
    _limit()
    try:
        recording = imports.decode(sys.stdin.buffer.read(imports.MOST_BYTES + 1), arguments[0])
        answer = Answer(
            origin=recording.origin,
            blocks=tuple(recording.blocks),
            rate=recording.rate,
            channels=recording.channels,
            bits=recording.bits,
            floating=recording.floating,
        )
    except FoleydError as error:
        answer = Answer(str(error))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
    sys.stdout.buffer.flush()
    return 0


def _limit() -> None:
    """Bound this process's memory, where the system can."""
    try:
        import resource
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
