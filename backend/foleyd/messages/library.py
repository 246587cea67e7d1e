"""What is asked of the library, and its answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from foleyd.messages.base import BufferInfo, ClientKey, Message
from foleyd.messages.renders import RenderResult
from foleyd.messages.sounds import ClipInfo


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
    holds: Annotated[dict[str, tuple[str, ...]], Meta(description="Clips by the name that holds them.")] = (
        msgspec.field(default_factory=dict)
    )
    changed: Annotated[int, Meta(description="Clips that were changed, removed or found anew.")] = 0
    bytes: Annotated[int, Meta(description="Bytes of the library, after the change.")] = 0
    freed: Annotated[int, Meta(description="Bytes that a delete or prune gave back.")] = 0
    notes: Annotated[tuple[str, ...], Meta(description="What was left alone, and why.")] = ()
