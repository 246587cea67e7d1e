"""What all messages are, and what several of them carry."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MOST_CLIPS = 16
"""Clips that one job may ask for."""

Priority = Literal["live", "normal", "background"]
Deliver = Literal["clip", "take", "none"]
State = Literal["queued", "running", "done", "failed", "cancelled", "superseded"]

ClientKey = Annotated[
    str, Meta(max_length=80, description="Who asks; the session, or OSC's sender, when empty.")
]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all requests and replies: frozen, by name only, unknown fields ignored."""


class BufferInfo(Message, frozen=True, kw_only=True):
    """What a raw buffer behind a message holds, in the buffers' order."""

    kind: Annotated[
        Literal["clip", "take", "source", "chunk"],
        Meta(description="'chunk': a part of a sound in progress."),
    ]
    length: Annotated[int, Meta(ge=0, description="Bytes.")]
    sha256: Annotated[str, Meta(description="Lower-case hex; the signature leaves buffers out.")]
    id: Annotated[str, Meta(description="clip_id or take_id; for a source, its role or file name.")] = ""
    format: Annotated[
        str, Meta(description="'<f4': float32, little-endian, channel after channel; 'file': an audio file.")
    ] = "<f4"
    channels: int = 1
    frames: int = 0
    rate: int = 0


class Failure(Message, frozen=True, kw_only=True):
    """What an error reply holds beside `status: error`."""

    code: Annotated[str, Meta(description="A word for programs; it never changes.")]
    message: Annotated[str, Meta(description="One sentence: what is wrong and what to do.")]
    retry_after_s: Annotated[float | None, Meta(description="When asking again may help.")] = None
    eta_s: Annotated[float | None, Meta(description="With 'too_slow': the time it would need.")] = None
