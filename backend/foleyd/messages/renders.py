"""Renders: what is asked for, how it stands, and how it ends."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from foleyd.choice import MOST
from foleyd.messages.base import MOST_CLIPS, BufferInfo, ClientKey, Deliver, Message, Priority, State
from foleyd.messages.sounds import ClipInfo, TakeInfo


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
    best_of: Annotated[
        Annotated[int, Meta(ge=1, le=MOST)] | None,
        Meta(
            description="Seeds to choose from, the recipe's own first: a sketch of each is listened to, and "
            "the one nearest to its words made. When absent, the model's own number where the recipe names "
            "no seed, and 1 where it does, and with within_s, draft or early."
        ),
    ] = None
    sources: Annotated[
        dict[str, Annotated[str, Meta(max_length=1000)]],
        Meta(
            max_length=4,
            description="What the operation starts from: a clip's id by role (OSC: also a file's path).",
        ),
    ] = msgspec.field(default_factory=dict)
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
        tuple[dict[str, Any], ...],
        Meta(
            description="The recipes with nothing left open, seeds drawn; where one is chosen from several, "
            "or another one tried, the result says which was taken."
        ),
    ]
    best_of: Annotated[
        int, Meta(description="Seeds that each sound is chosen from, the one in its recipe first.")
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
