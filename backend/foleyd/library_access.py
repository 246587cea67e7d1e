"""The way to the library for commands: through the daemon that runs, or else by opening it here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from foleyd.errors import BadRequest
from foleyd.messages import BufferInfo, LibraryReply, LibraryRequest

if TYPE_CHECKING:
    from foleyd.client import Client
    from foleyd.daemon.library import Library

Ask = Callable[[LibraryRequest, Sequence[bytes]], LibraryReply]

WAIT_SECONDS = 5.0
"""How long to wait for another command that has the library open."""

LONG_SECONDS = 3600.0
"""How long the daemon may take; to rebuild or prune a large library takes its time."""


@contextmanager
def opened(library: Path | None = None) -> Iterator[Ask]:
    """What takes requests and gives replies, as long as the context lasts.

    `library`: its folder; the running daemon's where it is None, or foleyd's own where none runs. Raises
    LibraryHeld, and what answering raises.
    """
    client = _daemon_of(library)
    if client is not None:
        with client:
            yield lambda request, buffers: _sent(client, request, buffers)
        return
    from foleyd.daemon.library import Library

    with Library(library, wait=WAIT_SECONDS) as here:
        told = False

        def answer(request: LibraryRequest, buffers: Sequence[bytes]) -> LibraryReply:
            nonlocal told
            if request.action == "similar":
                return _by_sound(here, request, buffers)
            # as a request from a wire would be
            reply = here.answer(msgspec.convert(msgspec.to_builtins(request), LibraryRequest), buffers)
            notes = reply.notes if told else tuple(dict.fromkeys((*here.notes, *reply.notes)))
            told = True
            return msgspec.structs.replace(reply, notes=notes)

        yield answer


def _by_sound(library: Library, request: LibraryRequest, buffers: Sequence[bytes]) -> LibraryReply:
    from foleyd.daemon import imports
    from foleyd.daemon.ears import Ears
    from foleyd.daemon.similar import similar

    with Ears() as ears:
        return similar(
            lambda work, *arguments: work(*arguments), library, ears, imports.decode, request, buffers
        )


def ask(request: LibraryRequest, buffers: Sequence[bytes] = (), library: Path | None = None) -> LibraryReply:
    """Ask once; as :func:`opened`."""
    with opened(library) as asked:
        return asked(request, buffers)


def file_bytes(file: Path) -> bytes:
    """What is in a file that is to be imported. Raises BadRequest."""
    from foleyd.daemon.imports import MOST_BYTES

    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadRequest(f"{file} is larger than {MOST_BYTES >> 20} MiB: cut it into shorter files.")
        return file.read_bytes()
    except OSError as error:
        raise BadRequest(
            f"cannot read {file} ({error.strerror or error}): give the path of a file."
        ) from error


def described(data: bytes, name: str) -> BufferInfo:
    """What an import request says of a file's bytes."""
    return BufferInfo(
        kind="source", length=len(data), sha256=hashlib.sha256(data).hexdigest(), id=name, format="file"
    )


def _daemon_of(library: Path | None) -> Client | None:
    """The running daemon, if the library is the one that it has open."""
    from foleyd.client import Client

    client = Client.connect_running(name="library")
    if client is None or library is None:
        return client
    try:
        same = library.expanduser().resolve() == Path(client.info().library).resolve()
    except BaseException:
        client.close()
        raise
    if not same:
        client.close()
    return client if same else None


def _sent(client: Client, request: LibraryRequest, buffers: Sequence[bytes]) -> LibraryReply:
    from foleyd.wire.envelope import MOST_FRAME_BYTES

    for about, data in zip(request.buffers, buffers, strict=True):
        if len(data) > MOST_FRAME_BYTES:
            raise BadRequest(
                f"{about.id} is larger than the running daemon takes ({MOST_FRAME_BYTES >> 20} MiB): end the "
                "daemon and import it then."
            )
    return client.library(request, buffers, timeout_s=LONG_SECONDS)
