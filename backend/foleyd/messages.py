"""What goes over the wires, as structs: requests, replies, results and events.

Each field carries its meaning and its range; :mod:`foleyd.commands` says which command they belong to, and
tables of ``bridge/PROTOCOL.md`` are made from both. A field that is added needs a default: unknown fields are
ignored, so that a newer client can talk to an older daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

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


class RenderRequest(Message, frozen=True, kw_only=True):
    """Make sounds. Answered at once with admission; `render_result` follows when the job has ended."""

    recipe: Annotated[
        dict[str, Any], Meta(description="Fields of a recipe; what is left out is the model's own.")
    ]
    count: Annotated[
        int, Meta(ge=1, le=MOST_CLIPS, description="Clips, with seeds that count up; more than one is a Set.")
    ] = 1
    slot: Annotated[
        str, Meta(max_length=80, description="A newer job on a client's slot supersedes the one before.")
    ] = ""
    priority: Annotated[Priority, Meta(description="live before normal before background.")] = "normal"
    within_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(
            description="Refuse unless the result can be there in so many seconds (with draft: the drafts). "
            "Where the recipe leaves the steps open, as many as fit are taken."
        ),
    ] = None
    draft: Annotated[
        Annotated[int, Meta(ge=1, le=200)] | None,
        Meta(description="Make each sound in so many steps first, and then as the recipe says."),
    ] = None
    early: Annotated[
        bool,
        Meta(description="Send each sound (or its draft) in parts as it is made, as `render_chunk`."),
    ] = False
    deliver: Annotated[
        Deliver,
        Meta(description="What the result carries: the finished 'clip', the raw 'take', or 'none'."),
    ] = "clip"
    runtime: Annotated[str, Meta(max_length=40, description="Pin a runtime; any kept take serves else.")] = ""
    rank: Annotated[
        bool,
        Meta(description="Order the clips of the result by how near they are to their words, by ear."),
    ] = False
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=8,
            description="Other seeds to try where a sound comes out silent, as no numbers, clipped, with a "
            "constant offset or far from its words, as long as within_s allows; the best is taken.",
        ),
    ] = 0
    sources: Annotated[
        dict[str, Annotated[str, Meta(max_length=1000)]],
        Meta(
            max_length=4,
            description="What the operation starts from: a clip's id by role (OSC: also a file's path).",
        ),
    ] = {}
    buffers: Annotated[
        tuple[BufferInfo, ...], Meta(description="The same as sound: kind 'source', the role as id.")
    ] = ()
    client: ClientKey = ""


class RenderReply(Message, frozen=True, kw_only=True):
    """Admission."""

    job_id: int
    state: State
    position: Annotated[int, Meta(description="Renders before this one; 0 is the next or the running one.")]
    eta_s: Annotated[float | None, Meta(description="Seconds until the result, as far as is known.")]
    recipes: Annotated[
        tuple[dict[str, Any], ...], Meta(description="The recipes with nothing left open, seeds drawn.")
    ]


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


class RenderChunk(Message, frozen=True, kw_only=True):
    """A part of a sound before it is finished; its buffer holds the samples. Parts of one sound come in order
    and leave no gap; a sound that was kept already comes without any."""

    job_id: int
    clip: Annotated[int, Meta(ge=0, description="Which of the job's sounds, from 0.")]
    start: Annotated[int, Meta(ge=0, description="Sample of the sound that this part begins with.")]
    of: Annotated[int, Meta(ge=1, description="Samples that all parts together have.")]
    gain: Annotated[
        float,
        Meta(description="What the samples were multiplied with: their level is known at the end only."),
    ]
    buffers: tuple[BufferInfo, ...] = ()


class RenderResult(Message, frozen=True, kw_only=True):
    """How a job ended; sent to the requester without being asked for."""

    job_id: int
    state: State
    clips: tuple[ClipInfo, ...] = ()
    takes: tuple[TakeInfo, ...] = ()
    set_id: str = ""
    similarity: Annotated[
        tuple[float, ...],
        Meta(description="With rank: how near each clip is to its words, -1 to 1; the nearest is first."),
    ] = ()
    kept: Annotated[
        tuple[bool, ...], Meta(description="For each clip: whether its take was there already.")
    ] = ()
    seconds: Annotated[float, Meta(description="From admission to the end.")] = 0.0
    code: Annotated[str, Meta(description="Why it failed, as a word; empty where all went well.")] = ""
    message: Annotated[str, Meta(description="The same in a sentence.")] = ""
    reason: Annotated[
        str, Meta(description="With 'render_failed': silence, nan, inf, memory or error; empty otherwise.")
    ] = ""
    notes: Annotated[tuple[str, ...], Meta(description="Wishes that could not be met to the letter.")] = ()
    buffers: tuple[BufferInfo, ...] = ()


class ClipRequest(Message, frozen=True, kw_only=True):
    """A clip's description and samples again, or a job's result, also after a reconnect."""

    clip: Annotated[str, Meta(max_length=40, description="The id of a clip.")] = ""
    job_id: Annotated[int | None, Meta(description="A job, instead of a clip.")] = None
    audio: Annotated[
        bool,
        Meta(description="Whether the samples come too: of the clip, or of the take where the job asked so."),
    ] = True
    client: ClientKey = ""


class ClipReply(Message, frozen=True, kw_only=True):
    """A clip, or the result of a job as `render_result` told it (state 'queued' or 'running' while it
    works)."""

    clip: ClipInfo | None = None
    result: RenderResult | None = None
    buffers: tuple[BufferInfo, ...] = ()


class LibraryRequest(Message, frozen=True, kw_only=True):
    """Look into the library, or change what is said of its clips."""

    action: Annotated[
        Literal[
            "list",
            "search",
            "similar",
            "show",
            "sets",
            "tag",
            "untag",
            "rate",
            "favourite",
            "unfavourite",
            "rename",
            "delete",
            "hold",
            "release",
            "holds",
            "import",
            "rebuild",
            "prune",
            "usage",
        ],
        Meta(description="What to do."),
    ]
    text: Annotated[
        str,
        Meta(max_length=1000, description="What to search for; '' finds all. For 'similar': what to hear."),
    ] = ""
    clips: Annotated[
        tuple[str, ...], Meta(max_length=1000, description="Ids of clips, or of a Set, to act on.")
    ] = ()
    tags: Annotated[tuple[str, ...], Meta(max_length=50, description="Tags to set, remove or require.")] = ()
    rating: Annotated[
        Annotated[int, Meta(ge=0, le=5)] | None, Meta(description="To give, or the least to list.")
    ] = None
    favourites: Annotated[bool, Meta(description="List favourites only.")] = False
    name: Annotated[str, Meta(max_length=120, description="Of a hold, or the new name of a clip.")] = ""
    set_id: Annotated[str, Meta(max_length=40, description="List this Set only.")] = ""
    keep_bytes: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Prune down to so many bytes.")
    ] = None
    force: Annotated[bool, Meta(description="Delete what a hold, a Set or a favourite keeps, too.")] = False
    limit: Annotated[int, Meta(ge=1, le=1000, description="Clips in one answer.")] = 100
    offset: Annotated[int, Meta(ge=0, description="Clips to pass over first.")] = 0
    buffers: Annotated[
        tuple[BufferInfo, ...],
        Meta(description="For 'import' the files, one a buffer; for 'similar' one file to compare with."),
    ] = ()
    client: ClientKey = ""


class SetInfo(Message, frozen=True, kw_only=True):
    """A Set: clips that belong together, in order."""

    set_id: str
    name: str
    created: float
    clips: tuple[str, ...]


class LibraryReply(Message, frozen=True, kw_only=True):
    """What was found, or changed."""

    clips: tuple[ClipInfo, ...] = ()
    similarity: Annotated[
        tuple[float, ...],
        Meta(description="For 'similar': how near each clip is, 1 the same; the nearest first."),
    ] = ()
    total: Annotated[int, Meta(description="Clips that match, however many are in this answer.")] = 0
    sets: tuple[SetInfo, ...] = ()
    holds: Annotated[dict[str, tuple[str, ...]], Meta(description="Clips by the name that holds them.")] = {}
    changed: Annotated[int, Meta(description="Clips that were changed, removed or found anew.")] = 0
    bytes: Annotated[int, Meta(description="Bytes of the library, after the change.")] = 0
    freed: Annotated[int, Meta(description="Bytes that a delete or prune gave back.")] = 0
    notes: Annotated[tuple[str, ...], Meta(description="What was left alone, and why.")] = ()


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


class JobInfo(Message, frozen=True, kw_only=True):
    """A job in the queue, or one that ended."""

    job_id: int
    client: str
    slot: str
    priority: Priority
    state: State
    prompt: str
    count: int
    position: int
    eta_s: float | None
    step: int
    steps: int
    code: str = ""
    message: str = ""


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


class CancelRequest(Message, frozen=True, kw_only=True):
    """Stop jobs of this client: by id, by slot, or all. Answered at once; the computer stops at the next
    step."""

    jobs: Annotated[tuple[int, ...], Meta(max_length=1000, description="Ids of jobs.")] = ()
    slot: Annotated[str, Meta(max_length=80, description="The jobs on this slot.")] = ""
    all: Annotated[bool, Meta(description="Every job of the client.")] = False
    client: ClientKey = ""


class CancelReply(Message, frozen=True, kw_only=True):
    """The jobs that were cancelled; ids that are missing had ended before or were never the client's."""

    cancelled: tuple[int, ...]


class ShutdownRequest(Message, frozen=True, kw_only=True):
    """End the daemon, cleanly."""

    client: ClientKey = ""


class ShutdownReply(Message, frozen=True, kw_only=True):
    """It is about to end."""

    pid: int


class Failure(Message, frozen=True, kw_only=True):
    """What an error reply holds beside `status: error`."""

    code: Annotated[str, Meta(description="A word for programs; it never changes.")]
    message: Annotated[str, Meta(description="One sentence: what is wrong and what to do.")]
    retry_after_s: Annotated[float | None, Meta(description="When asking again may help.")] = None
    eta_s: Annotated[float | None, Meta(description="With 'too_slow': the time it would need.")] = None


class Event(Message, frozen=True, kw_only=True):
    """Base of what the events socket tells. `number` counts up by one, so that a gap shows."""

    number: int
    at: Annotated[float, Meta(description="Unix time.")]


class JobEvent(Event, frozen=True, kw_only=True):
    """A job changed its state, its place, or made a step."""

    job_id: int
    client: str
    slot: str
    state: State
    position: int
    eta_s: float | None
    step: int
    steps: int
    code: str = ""
    message: str = ""
    clips: tuple[str, ...] = ()
    drafts: Annotated[tuple[str, ...], Meta(description="Clips of the job's drafts.")] = ()


class ClipEvent(Event, frozen=True, kw_only=True):
    """A clip came into the library, or was changed or removed."""

    change: Literal["added", "changed", "removed"]
    clip_id: str


class WorkerEvent(Event, frozen=True, kw_only=True):
    """The worker's state changed."""

    worker: WorkerInfo


EVENTS: Mapping[str, type[Event]] = {"job": JobEvent, "clip": ClipEvent, "worker": WorkerEvent}
"""By the topic that a subscriber asks for; the message type is the topic with `_event` behind it."""
