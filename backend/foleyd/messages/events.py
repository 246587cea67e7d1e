"""What is told without being asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from foleyd.messages.base import Message, State
from foleyd.messages.service import WorkerInfo


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
