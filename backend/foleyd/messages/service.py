"""The daemon itself: who it is, its models, its worker, how it is and how it ends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from foleyd.messages.base import ClientKey, Message
from foleyd.messages.renders import JobInfo


class InfoRequest(Message, frozen=True, kw_only=True):
    """Who are you, and here I am: renews the lease and says what the client is."""

    client: ClientKey = ""
    role: Annotated[
        Literal["", "live", "plugin"],
        Meta(description="A 'live' host's lease keeps a processor core free of generation."),
    ] = ""
    lease_s: Annotated[
        float, Meta(ge=1, le=3600, description="Seconds until the lease ends unless another message comes.")
    ] = 30.0


class InfoReply(Message, frozen=True, kw_only=True):
    """What this daemon is and can do."""

    protocol: Annotated[str, Meta(description="Version of the protocol.")]
    version: Annotated[str, Meta(description="Version of foleyd.")]
    pid: int
    library: Annotated[str, Meta(description="The library's folder.")]
    osc: Annotated[str, Meta(description="host:port of OSC, empty where it is off.")]
    model: Annotated[str, Meta(description="The model that renders when a recipe names none.")]
    operations: tuple[str, ...]
    schedulers: tuple[str, ...]
    limits: Annotated[dict[str, int], Meta(description="Bounds of the queue: jobs, per_client, background.")]
    clips_a_job: int
    lease_s: Annotated[float, Meta(description="How long the lease lasts from now, in seconds.")]


class ModelsRequest(Message, frozen=True, kw_only=True):
    """Which models are here. Pulling and removing are the command line's alone."""

    model: Annotated[str, Meta(max_length=200, description="One model by name; all when empty.")] = ""
    client: ClientKey = ""


class ModelInfo(Message, frozen=True, kw_only=True):
    """A model on this disk."""

    id: str
    revision: str
    title: str
    licence: str
    sellable: bool
    capabilities: Annotated[
        dict[str, Any], Meta(description="Operations, rate, channels, seconds, schedulers, defaults.")
    ]
    loaded: bool = False


class ModelsReply(Message, frozen=True, kw_only=True):
    """The models."""

    models: tuple[ModelInfo, ...]


class StatusRequest(Message, frozen=True, kw_only=True):
    """The daemon's state."""

    client: ClientKey = ""


class WorkerInfo(Message, frozen=True, kw_only=True):
    """The worker."""

    phase: str
    ready: bool
    model: str
    device: str
    pid: int | None
    deaths: Annotated[int, Meta(description="In a row.")]
    restarts: Annotated[int, Meta(description="Since the daemon began.")]
    last_error: str
    loading: Annotated[str, Meta(description="The part being loaded, with its number; empty otherwise.")]
    memory_bytes: int | None


class StatusReply(Message, frozen=True, kw_only=True):
    """What the daemon is doing."""

    version: str
    pid: int
    up_s: float
    ready: bool
    worker: WorkerInfo
    queue: Annotated[dict[str, int], Meta(description="Jobs waiting and running, by priority.")]
    jobs: tuple[JobInfo, ...]
    failures: Annotated[tuple[JobInfo, ...], Meta(description="The last that failed.")]
    clients: Annotated[dict[str, float], Meta(description="Seconds left of each client's lease.")]
    library: Annotated[dict[str, int], Meta(description="clips, bytes, free_bytes of the disk.")]
    osc: Annotated[dict[str, int], Meta(description="Datagrams received, refused, late.")]
    events: Annotated[int, Meta(description="Number of the last event.")]
    memory_bytes: Annotated[int, Meta(description="Resident memory of the daemon.")]


class MetricsRequest(Message, frozen=True, kw_only=True):
    """Figures for monitoring."""

    client: ClientKey = ""


class MetricsReply(Message, frozen=True, kw_only=True):
    """Prometheus' text exposition format."""

    text: str


class ShutdownRequest(Message, frozen=True, kw_only=True):
    """End the daemon, cleanly."""

    client: ClientKey = ""


class ShutdownReply(Message, frozen=True, kw_only=True):
    """It is about to end."""

    pid: int
