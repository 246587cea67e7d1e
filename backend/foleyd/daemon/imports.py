"""Audio that was recorded, dropped or sent: decoded, checked, and written into the library.

What comes in may come from a stranger. Headers are believed in nothing: samples are decoded block by block
until there are none left or a limit is passed, and every one must be a finite number. What goes onto the disk
is foleyd's own WAV with the samples as they were: whole numbers bit by bit, everything else as 32-bit float.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd.audio.atomic import replacing
from foleyd.audio.measure import flaw
from foleyd.daemon import label, marks
from foleyd.errors import BadRequest

CHUNK = b"orig"
"""The chunk of an imported clip's label, an :class:`Origin` in JSON."""

LONGEST_SECONDS = 600
MOST_BYTES = 512 * 1024 * 1024
"""Of a file as it comes, and of its samples as they are kept."""
CHANNELS = 2
RATES = (4_000, 384_000)

_BLOCK_FRAMES = 65_536
_CONTENT = b"foleyd audio 1 %d %d\n"
_CLIP = b'foleyd clip 1\n{"file":"%s"}'
_WHOLE_BITS = {
    **dict.fromkeys(("PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW"), 16),
    "PCM_24": 24,
    "PCM_32": 32,
}
# in the sentence for a file that is none: what libsndfile reads, as far as people meet it
_KINDS = "WAV, AIFF, FLAC, Ogg, Opus or MP3"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What an imported clip's file says about it. `sha256`: see :func:`decode`; `name`: the name of the file
    that it came in."""

    origin: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    clip_id: str
    take_id: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    name: str


class Recording(NamedTuple):
    """Decoded audio: `blocks` of interleaved samples of `bits` bits, little-endian, as a WAV holds them."""

    origin: Origin
    blocks: list[bytes]
    rate: int
    channels: int
    bits: int
    floating: bool


def decode(data: bytes, name: str) -> Recording:
    """The audio in a file's bytes; `name` is what the file was called.

    Its content hash is SHA-256 over the line ``foleyd audio 1 CHANNELS RATE`` and the samples as interleaved
    little-endian float32 (whole numbers divided by full scale), so the same audio in another kind of file is
    the same clip. Raises BadRequest for what is no audio, too long, too wide, or not made of numbers.
    """
    named = _file_name(name)
    if len(data) > MOST_BYTES:
        raise BadRequest(f"{named} is larger than {MOST_BYTES >> 20} MiB: cut it into shorter files.")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            return _decoded(sound, named)
    except BadRequest:
        raise
    # libsndfile's own errors, and what its binding trips over in headers that lie
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise BadRequest(f"{named} cannot be read as audio ({said}): give {_KINDS}.") from error


def of_samples(data: bytes, rate: int, channels: int, name: str) -> Recording:
    """Samples that came as float32, little-endian, channel after channel. Raises BadRequest as
    :func:`decode` does."""
    named = _file_name(name)
    _check_shape(rate, channels, named)
    if not data or len(data) % (4 * channels):
        raise BadRequest(
            f"{named} has {len(data)} bytes: send whole samples, float32, the same number in each channel."
        )
    planar = np.frombuffer(data, "<f4").reshape(channels, -1)
    if planar.shape[1] > LONGEST_SECONDS * rate:
        raise BadRequest(f"{named} is longer than {LONGEST_SECONDS // 60} minutes: cut it.")
    if reason := flaw(planar):
        raise BadRequest(f"{named} holds samples that are not numbers ({reason}): export it again.")
    block = np.ascontiguousarray(planar.T).tobytes()
    content = hashlib.sha256(_CONTENT % (channels, rate))
    content.update(block)
    return Recording(_origin(content, named), [block], rate, channels, 32, True)


def content_hash(samples: NDArray[np.float32], rate: int) -> str:
    """The content hash of samples ``[channels, frames]``, as :func:`decode` has it."""
    content = hashlib.sha256(_CONTENT % (len(samples), rate))
    content.update(np.ascontiguousarray(samples.T, dtype="<f4").tobytes())
    return content.hexdigest()


def write(path: Path, recording: Recording) -> None:
    """Write an imported clip's file, whole or not at all. Raises DiskFull, BadRequest."""
    size = sum(map(len, recording.blocks))
    head = label.head(
        CHUNK,
        msgspec.json.encode(recording.origin),
        rate=recording.rate,
        channels=recording.channels,
        bits=recording.bits,
        floating=recording.floating,
        size=size,
    )
    with replacing(path) as beside:
        beside.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(head)
            file.writelines(recording.blocks)
            file.write(b"\0" * (size % 2))


def _decoded(sound: soundfile.SoundFile, name: str) -> Recording:
    rate, channels = int(sound.samplerate), int(sound.channels)
    _check_shape(rate, channels, name)
    bits = _WHOLE_BITS.get(sound.subtype, 0)
    content = hashlib.sha256(_CONTENT % (channels, rate))
    blocks = []
    frames = kept = 0
    for block in _blocks(sound, "int32" if bits else "float32"):
        frames += len(block)
        if reason := flaw(block) if not bits else None:
            raise BadRequest(f"{name} holds samples that are not numbers ({reason}): export it again.")
        floats = (block / 2.0**31 if bits else block).astype("<f4")
        content.update(floats.tobytes())
        blocks.append(_packed(block, bits) if bits else floats.tobytes())
        kept += len(blocks[-1])
        if frames > LONGEST_SECONDS * rate or kept > MOST_BYTES:
            raise BadRequest(
                f"{name} is longer than {LONGEST_SECONDS // 60} minutes or {MOST_BYTES >> 20} MiB: cut it "
                "into shorter files."
            )
    if not frames:
        raise BadRequest(f"{name} holds no sound: export it again.")
    return Recording(_origin(content, name), blocks, rate, channels, bits or 32, not bits)


def _check_shape(rate: int, channels: int, name: str) -> None:
    if not 1 <= channels <= CHANNELS:
        raise BadRequest(f"{name} has {channels} channels: mix it down to one or two first.")
    if not RATES[0] <= rate <= RATES[1]:
        raise BadRequest(f"{name} has {rate} samples a second: convert it to {RATES[0]} to {RATES[1]} Hz.")


def _origin(content: hashlib._Hash, name: str) -> Origin:
    return Origin(
        clip_id=f"clip-{_short(hashlib.sha256(_CLIP % content.hexdigest().encode()).digest())}",
        take_id=f"take-{_short(content.digest())}",
        sha256=content.hexdigest(),
        name=name,
    )


def _blocks(sound: soundfile.SoundFile, kind: str) -> Iterator[NDArray[Any]]:
    while len(block := sound.read(_BLOCK_FRAMES, dtype=kind, always_2d=True)):
        yield block


def _packed(block: NDArray[np.int32], bits: int) -> bytes:
    """The upper `bits` bits of 32-bit words, as bytes."""
    words = np.ascontiguousarray(block, dtype="<i4")
    return words.view(np.uint8).reshape(-1, 4)[:, 4 - bits // 8 :].tobytes()


def _short(digest: bytes) -> str:
    """The first 120 bits, as in all of foleyd's ids."""
    return base64.b32encode(digest[:15]).decode().lower()


def _file_name(text: str) -> str:
    """The last part of a path of any system, as a line of text."""
    return marks.name(re.split(r"[\\/]", text)[-1][: marks.LONGEST_NAME]) or "sound"
