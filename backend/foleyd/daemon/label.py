"""WAV files with a label: how takes and imported audio lie on the disk.

The label is JSON in a chunk of its own before the samples, so that one file holds a sound and all that must
be known of it, and appears or goes with it in one step. Any program that reads WAV plays it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from foleyd.audio import riff
from foleyd.errors import BadRequest

LONGEST = 256 * 1024
"""Bytes; a label that claims to be longer is not read."""

_PCM, _FLOAT = 1, 3
_FMT = struct.Struct("<HHIIHH")


class Look(NamedTuple):
    """What a WAV file's headers say: `rate` in Hz, and the places of its chunks by name (the first of
    each)."""

    rate: int
    channels: int
    frames: int
    chunks: Mapping[bytes, riff.Chunk]


def head(
    ident: bytes, label: bytes, *, rate: int, channels: int, bits: int, floating: bool, size: int
) -> bytes:
    """A WAV file up to its samples, which are `size` bytes of `bits` bits each, interleaved.

    `ident` is the label's chunk. The samples follow, and a zero byte after them where `size` is odd.
    """
    frame = channels * bits // 8
    fmt = _FMT.pack(_FLOAT if floating else _PCM, channels, rate, rate * frame, frame, bits)
    chunks = [
        riff.chunk(b"fmt ", fmt + (struct.pack("<H", 0) if floating else b"")),
        riff.chunk(b"fact", struct.pack("<I", size // frame)) if floating else b"",
        riff.chunk(ident, label),
        struct.pack("<4sI", b"data", size),
    ]
    before = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(before) + size + size % 2) + before


def look(file: BinaryIO) -> Look:
    """Read the headers of a WAV file. Raises BadRequest for whatever is not a whole one."""
    found: dict[bytes, riff.Chunk] = {}
    for chunk in riff.chunks(file):
        found.setdefault(chunk.ident, chunk)
    if b"data" not in found or b"fmt " not in found:
        raise BadRequest("the WAV file has no samples, or does not say of which kind: copy it again.")
    fmt = riff.body(file, found[b"fmt "], 1024)
    if len(fmt) < _FMT.size:
        raise BadRequest("the WAV file does not say of which kind its samples are: copy it again.")
    _, channels, rate, _, frame, _ = _FMT.unpack(fmt[: _FMT.size])
    if not channels or not rate or not frame or found[b"data"].size < frame:
        raise BadRequest("the WAV file holds no sound: copy it again.")
    return Look(rate, channels, found[b"data"].size // frame, found)


def read(file: BinaryIO, seen: Look, ident: bytes) -> bytes:
    """The label in the chunk `ident`. Raises BadRequest where there is none, or one that is too long."""
    if ident not in seen.chunks:
        raise BadRequest("the WAV file carries no label of foleyd's: render or import it again.")
    return riff.body(file, seen.chunks[ident], LONGEST)
