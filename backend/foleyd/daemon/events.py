"""What happens in the daemon, told to whoever watches: the events socket, and the client whose job it is."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from foleyd.daemon.dispatch import results
from foleyd.daemon.jobs import Job
from foleyd.daemon.supervisor import WorkerState
from foleyd.messages import (
    ClipEvent,
    Event,
    JobEvent,
    WorkerEvent,
    WorkerInfo,
)

FAILURES = 5
"""Failed jobs that are remembered for status."""
Listener = Callable[[str, Event], None]
"""Takes a topic and an event."""


class Events:
    """Numbers events and passes them on. Used from the event loop alone.

    `eta`: what the queue expects of a job, in seconds.
    """

    def __init__(self, eta: Callable[[Job], float | None]) -> None:
        self.number = 0
        """Of the last event."""
        self.pid = os.getpid()
        self._eta = eta
        self.failures: deque[Job] = deque(maxlen=FAILURES)
        """The last jobs that failed."""
        self._listeners: list[Listener] = []
        self._watchers: dict[Job, list[Callable[[Job], None]]] = {}

    def listen(self, listener: Listener) -> None:
        """Tell `listener` every event from now on."""
        self._listeners.append(listener)

    def watch(self, job: Job, watcher: Callable[[Job], None]) -> None:
        """Call `watcher` with each change of `job` until it has ended; at once if it has ended already."""
        if job.active:
            self._watchers.setdefault(job, []).append(watcher)
        else:
            watcher(job)

    def job(self, job: Job) -> None:
        """A job changed."""
        self._tell(
            "job",
            JobEvent,
            job_id=job.id,
            client=job.client,
            slot=job.slot,
            state=job.state,
            position=job.position,
            eta_s=self._eta(job) if job.active else None,
            step=job.step,
            steps=job.steps,
            code=job.code,
            message=job.message,
            clips=tuple(made.clip.clip_id for made in results(job)),
            drafts=tuple(made.clip.clip_id for made in results(job, drafts=True)),
        )
        if job.state == "failed":
            self.failures.append(job)
        watchers = self._watchers.get(job, ()) if job.active else self._watchers.pop(job, ())
        for watcher in watchers:
            watcher(job)

    def clip(self, change: Literal["added", "changed", "removed"], clip_id: str) -> None:
        """A clip came into the library, was changed there, or went."""
        self._tell("clip", ClipEvent, change=change, clip_id=clip_id)

    def worker(self, state: WorkerState, ready: bool) -> None:
        """The worker changed."""
        self._tell("worker", WorkerEvent, worker=describe(state, ready))

    def _tell(self, topic: str, kind: type[Event], **fields: Any) -> None:
        self.number += 1
        event = kind(number=self.number, at=round(time.time(), 3), **fields)
        for listener in self._listeners:
            listener(topic, event)


def describe(state: WorkerState, ready: bool) -> WorkerInfo:
    """A worker's state as the wires tell it."""
    loading = f"{state.load_part} {state.load_done}/{state.load_of}" if state.load_part else ""
    return WorkerInfo(
        phase=state.phase,
        ready=ready,
        model=state.model,
        device=state.device,
        pid=state.pid,
        deaths=state.deaths,
        restarts=state.restarts,
        last_error=state.last_error,
        loading=loading,
        memory_bytes=state.memory_bytes,
    )
