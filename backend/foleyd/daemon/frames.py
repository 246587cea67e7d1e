"""What a worker and its parent say to each other: tagged structs in length-prefixed msgpack frames over two
pipes.

A frame is four bytes (unsigned, big-endian: the length of what follows) and that many bytes of msgpack.
Both sides refuse a frame above :data:`MAX_FRAME`, so a stray print into the pipe is found at once instead
of being waited for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

MAX_FRAME = 64 * 1024 * 1024
"""Largest frame in bytes: thirty seconds of float32 stereo at 192 kHz are 44 MiB."""

_LENGTH = struct.Struct(">I")
_CUT = "the pipe was closed inside a frame"


class FrameError(Exception):
    """The bytes in the pipe are no frame: cut short, too long, or not one of our messages."""


class Load(msgspec.Struct, frozen=True, tag="load", kw_only=True):
    """Load the model in `folder` (an absolute path) and answer :class:`Loaded` or :class:`Failed`."""

    folder: str
    revision: str = ""
    device: str = "auto"
    precision: str = "auto"
    runtime: str = "auto"
    threads: int | None = None


class Render(msgspec.Struct, frozen=True, tag="render", kw_only=True):
    """Render `recipes` (each the canonical JSON of a resolved recipe) as one batch.

    Answered by :class:`Progress` frames, one :class:`Audio` a recipe in order, then :class:`Done`; or
    :class:`Failed`. With `pieces`, each sound comes in :class:`Piece` frames before its Audio.
    `threads`: CPU threads for this render, None for as many as the model was loaded with. `sources`: the
    files of the recipes' sources, foleyd's own WAVs, by the hash of their audio. `best_of`: seeds of which
    the best is taken in place of each recipe's, as the Audio says.
    """

    job: int
    recipes: tuple[str, ...]
    sources: dict[str, str] = {}
    check_silence: bool = True
    pieces: bool = False
    threads: int | None = None
    best_of: int = 1


class Cancel(msgspec.Struct, frozen=True, tag="cancel", kw_only=True):
    """Stop `job` between two steps. A job that is over already is left alone."""

    job: int


class LoadProgress(msgspec.Struct, frozen=True, tag="load_progress", kw_only=True):
    """The load begins with `part` of the model; `done` of its `of` parts are loaded."""

    part: str
    done: int
    of: int


class Loaded(msgspec.Struct, frozen=True, tag="loaded", kw_only=True):
    """The model is in memory.

    `seconds`: wall clock from the request; `pid`: the worker's process id; `device`: what it computes on,
    in words; `threads`: CPU threads of a render that does not ask for another number; `unprepared`: whether
    the model might run faster once it was prepared; `together`: clips of one shape that it makes faster as
    one batch.
    """

    seconds: float
    pid: int
    device: str = ""
    threads: int = 1
    unprepared: bool = False
    together: int = 1


class Progress(msgspec.Struct, frozen=True, tag="progress", kw_only=True):
    """`step` of `steps` sampling steps of `job` are done (1-based)."""

    job: int
    step: int
    steps: int


class Piece(msgspec.Struct, frozen=True, tag="piece", kw_only=True):
    """A part of the take of recipe `index`, before it is whole: `samples` is mono little-endian float32 at
    `rate` Hz, from sample `start` of `of` on. Pieces come in order and leave no gap."""

    job: int
    index: int
    start: int
    of: int
    rate: int
    samples: bytes


class Audio(msgspec.Struct, frozen=True, tag="audio", kw_only=True):
    """One take: `samples` is mono little-endian float32; the rest is its identity as the engine states it.
    `batch`: sounds that were computed at once with it; `parts`: the takes that it was mixed from, each behind
    the canonical JSON of its recipe."""

    job: int
    index: int
    samples: bytes
    rate: int
    seed: int
    take_id: str
    bucket: str
    runtime: str
    precision: str
    threads: int
    batch: int = 1
    parts: tuple[tuple[str, Audio], ...] = ()


class Done(msgspec.Struct, frozen=True, tag="done", kw_only=True):
    """`job` is complete. `seconds`: wall clock it took in the worker."""

    job: int
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag="failed", kw_only=True):
    """What was asked for did not happen.

    `code` is the code of a :class:`foleyd.errors.FoleydError`, `message` its sentence, `reason` that of a
    failed render, `trace` the worker's traceback where the failure was not one that foleyd knows. `job` is
    None for a load.
    """

    job: int | None
    code: str
    message: str
    reason: str = ""
    trace: str = ""


Request = Load | Render | Cancel
Reply = LoadProgress | Loaded | Progress | Piece | Audio | Done | Failed

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request)
_reply = msgspec.msgpack.Decoder(Reply)


def framed(message: Request | Reply) -> bytes:
    """The frame that carries a message. Raises FrameError when it is above MAX_FRAME."""
    return packed(_encode(message))


def packed(body: bytes) -> bytes:
    """The frame around `body`. Raises FrameError when it is above MAX_FRAME."""
    if len(body) > MAX_FRAME:
        raise FrameError(f"a frame of {len(body)} bytes is above the {MAX_FRAME} that the other side takes")
    return _LENGTH.pack(len(body)) + body


def write(pipe: BinaryIO, message: Request | Reply) -> None:
    """Send one message and flush. Raises FrameError when it is above MAX_FRAME, OSError when the pipe is
    gone."""
    pipe.write(framed(message))
    pipe.flush()


def read_request(pipe: BinaryIO) -> Request | None:
    """The next request, or None where the pipe was closed between two frames. Raises FrameError."""
    body = read_body(pipe)
    if body is None:
        return None
    try:
        request: Request = _request.decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(f"not a request: {error}") from None
    return request


class Replies:
    """Replies out of bytes as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Reply]:
        """The replies that `data` completes. Raises FrameError, after those before the bytes that are none;
        nothing may be fed after it."""
        self._bytes += data
        while len(self._bytes) >= _LENGTH.size:
            end = _LENGTH.size + _length(self._bytes[: _LENGTH.size])
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[_LENGTH.size : end])
            del self._bytes[:end]
            yield _as_reply(body)


def read_reply(pipe: BinaryIO) -> Reply | None:
    """The next reply, or None where the pipe was closed between two frames. Raises FrameError."""
    body = read_body(pipe)
    return None if body is None else _as_reply(body)


def _as_reply(body: bytes) -> Reply:
    try:
        reply: Reply = _reply.decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(f"not a reply: {error}") from None
    return reply


def read_body(pipe: BinaryIO) -> bytes | None:
    """What is in the next frame, or None where the pipe was closed between two. Raises FrameError."""
    head = pipe.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise FrameError(_CUT)
    length = _length(head)
    body = pipe.read(length)
    if len(body) < length:
        raise FrameError(_CUT)
    return body


def _length(head: bytes | bytearray) -> int:
    length: int = _LENGTH.unpack(head)[0]
    if length > MAX_FRAME:
        raise FrameError(f"a frame announces {length} bytes, above the {MAX_FRAME} that are taken")
    return length
