"""What goes over the wires, as structs: requests, replies, results and events.

Each field carries its meaning and its range; :mod:`foleyd.commands` says which command they belong to, and
tables of ``bridge/PROTOCOL.md`` are made from both. A field that is added needs a default: unknown fields are
ignored, so that a newer client can talk to an older daemon.
"""

from __future__ import annotations

from foleyd.messages.base import (
    MOST_CLIPS,
    BufferInfo,
    ClientKey,
    Deliver,
    Failure,
    Message,
    Priority,
    State,
)
from foleyd.messages.events import (
    EVENTS,
    ClipEvent,
    Event,
    JobEvent,
    WorkerEvent,
)
from foleyd.messages.library import (
    ClipReply,
    ClipRequest,
    LibraryReply,
    LibraryRequest,
    SetInfo,
)
from foleyd.messages.renders import (
    CancelReply,
    CancelRequest,
    JobInfo,
    RenderChunk,
    RenderReply,
    RenderRequest,
    RenderResult,
)
from foleyd.messages.service import (
    InfoReply,
    InfoRequest,
    MetricsReply,
    MetricsRequest,
    ModelInfo,
    ModelsReply,
    ModelsRequest,
    ShutdownReply,
    ShutdownRequest,
    StatusReply,
    StatusRequest,
    WorkerInfo,
)
from foleyd.messages.sounds import (
    ClipInfo,
    TakeInfo,
)

__all__ = [
    "EVENTS",
    "MOST_CLIPS",
    "BufferInfo",
    "CancelReply",
    "CancelRequest",
    "ClientKey",
    "ClipEvent",
    "ClipInfo",
    "ClipReply",
    "ClipRequest",
    "Deliver",
    "Event",
    "Failure",
    "InfoReply",
    "InfoRequest",
    "JobEvent",
    "JobInfo",
    "LibraryReply",
    "LibraryRequest",
    "Message",
    "MetricsReply",
    "MetricsRequest",
    "ModelInfo",
    "ModelsReply",
    "ModelsRequest",
    "Priority",
    "RenderChunk",
    "RenderReply",
    "RenderRequest",
    "RenderResult",
    "SetInfo",
    "ShutdownReply",
    "ShutdownRequest",
    "State",
    "StatusReply",
    "StatusRequest",
    "TakeInfo",
    "WorkerEvent",
    "WorkerInfo",
]
