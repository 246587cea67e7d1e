"""What a client gives as the sources of a render: ids of clips, files, sounds in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from foleyd.errors import BadRequest
from foleyd.messages import BufferInfo
from foleyd.wire import envelope

Given = str | Path | bytes | tuple[bytes, int, int]
"""A clip's id, the path of a sound file, a sound file's bytes, or samples (float32, little-endian, channel
after channel) with the number of channels and the rate in Hz."""
ONLY_ROLE = "source"
"""The role of a source that is given alone."""


class Material(NamedTuple):
    """Sources as a request carries them: ids of clips by role, and buffers with what is said of them."""

    clips: dict[str, str]
    infos: tuple[BufferInfo, ...]
    buffers: tuple[bytes, ...]


def read(given: Given | Mapping[str, Given]) -> Material:
    """What a client was given, one source or several by role; files are read. Raises BadRequest."""
    by_role = dict(given) if isinstance(given, Mapping) else {ONLY_ROLE: given} if given != "" else {}
    clips = {role: one for role, one in by_role.items() if isinstance(one, str)}
    sounds = [_described(role, one) for role, one in by_role.items() if not isinstance(one, str)]
    return Material(clips, tuple(info for info, _ in sounds), tuple(data for _, data in sounds))


def _described(role: str, given: Path | bytes | tuple[bytes, int, int]) -> tuple[BufferInfo, bytes]:
    if isinstance(given, tuple):
        data, channels, rate = given
        frames = len(data) // (4 * channels)
        info = envelope.describe(data, "source", id=role, rate=rate, channels=channels, frames=frames)
        return info, data
    data = _contents(given) if isinstance(given, Path) else given
    return envelope.describe(data, "source", id=role, format="file"), data


def _contents(path: Path) -> bytes:
    try:
        if path.stat().st_size > envelope.MOST_FRAME_BYTES:
            most = envelope.MOST_FRAME_BYTES >> 20
            raise BadRequest(f"{path} is larger than the daemon takes ({most} MiB): cut it first.")
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {path} ({error.strerror or error}): give a sound file.") from error
