"""RIFF chunks: built from parts, and found in files that may be broken or hostile.

Reading is bounded: sizes are checked against the file before anything is read, the number of chunks is
limited, and the only error that comes out is BadRequest.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from foleyd.errors import BadRequest

MOST_CHUNKS = 4096
LARGEST_FILE = 2**32 - 1


class Chunk(NamedTuple):
    """Where a chunk's body lies in its file."""

    ident: bytes
    start: int
    size: int


def chunk(ident: bytes, body: bytes) -> bytes:
    """A chunk with its header, padded to an even length."""
    return struct.pack("<4sI", ident, len(body)) + body + b"\0" * (len(body) % 2)


def text(ident: bytes, words: str) -> bytes:
    """A chunk that holds text: UTF-8, ended by a zero byte."""
    return chunk(ident, words.replace("\0", " ").encode("utf-8", "replace") + b"\0")


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a WAVE file in their order, bodies unread. Raises BadRequest for whatever is not a
    whole RIFF WAVE file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise BadRequest("this is not a WAV file (RIFF WAVE): give a clip that foleyd wrote.")
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > size:
        raise BadRequest(f"the WAV file is cut short ({size} of {end} bytes): copy it again.")
    place = 12
    for _ in range(MOST_CHUNKS):
        # a lone odd byte at the end is padding that some programs count
        if place + 8 > end:
            return
        file.seek(place)
        ident, length = struct.unpack("<4sI", file.read(8))
        if place + 8 + length > end:
            raise BadRequest(
                f"the WAV file is broken (chunk {ident!r} says {length} bytes, {end - place - 8} are "
                "left): copy it again."
            )
        yield Chunk(ident, place + 8, length)
        place += 8 + length + length % 2
    raise BadRequest(f"the WAV file has more than {MOST_CHUNKS} chunks: give a clip that foleyd wrote.")


def body(file: BinaryIO, found: Chunk, most: int) -> bytes:
    """A chunk's bytes; BadRequest when there are more than ``most``."""
    if found.size > most:
        raise BadRequest(
            f"the WAV file's chunk {found.ident!r} has {found.size} bytes, at most {most} make sense: "
            "give a clip that foleyd wrote."
        )
    file.seek(found.start)
    return file.read(found.size)
