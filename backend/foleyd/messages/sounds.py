"""Clips and takes as they are told of."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from foleyd.messages.base import Message


class ClipInfo(Message, frozen=True, kw_only=True):
    """A clip of the library."""

    clip_id: str
    take_id: str
    name: Annotated[str, Meta(description="What people call it; the prompt at first.")]
    prompt: str
    operation: str
    seed: int
    seconds: float
    rate: Annotated[int, Meta(description="Hz.")]
    channels: int
    frames: int
    size: Annotated[int, Meta(description="Bytes of the file.")]
    path: Annotated[str, Meta(description="Where the WAV lies on the daemon's machine.")]
    created: Annotated[float, Meta(description="Unix time.")]
    model: str
    revision: str
    licence: str
    sellable: bool
    recipe: Annotated[dict[str, Any], Meta(description="The whole recipe; empty for imported audio.")]
    true_peak_dbtp: float | None = None
    sha256: Annotated[
        str, Meta(description="Of imported audio: the hash that a recipe's source names; empty otherwise.")
    ] = ""
    tags: tuple[str, ...] = ()
    rating: Annotated[int, Meta(description="0 (none) to 5.")] = 0
    favourite: bool = False
    sets: Annotated[tuple[str, ...], Meta(description="Ids of the Sets that it belongs to.")] = ()
    holds: Annotated[tuple[str, ...], Meta(description="Names of the shows and sessions that hold it.")] = ()


class TakeInfo(Message, frozen=True, kw_only=True):
    """The identity of a raw take: what the model saw and how it was run. The library keeps it beside the
    samples."""

    take_id: str
    recipe: Annotated[str, Meta(description="Canonical JSON.")]
    seed: int
    bucket: str
    runtime: str
    precision: str
    threads: int
    rate: Annotated[int, Meta(description="Hz.")]
    frames: int
    sha256: Annotated[str, Meta(description="Of the samples as little-endian float32, lower-case hex.")]
    batch: Annotated[
        int, Meta(description="Takes computed at once with it; only those of 1 come out the same to the bit.")
    ] = 1
