"""What the queue holds: jobs, which clients ask for, and renders, which the worker does.

A job wants one sound or several (a Set); each is made by one render, and a render may serve several jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from foleyd.daemon.estimate import Work
from foleyd.errors import BadRequest, FoleydError
from foleyd.messages import Priority, State

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""Highest first."""

ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled", "superseded"})
"""States that a job never leaves."""

ID_LIMIT = 2**24
"""Job ids are whole numbers from 1 to one below this: floats of 32 bits hold them exactly."""

Rank = tuple[int, int, int]
"""Place in the order of work: priority, then which job came first, then which of its sounds; lowest first."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One sound that a job wants.

    Two with one `key` are the same sound and share a render (the sound's id and what it is pinned to).
    `payload` is what the worker needs, which the queue only hands on. `result`: the sound, where it is there
    already. `may_wait`: whether a deadline of its job leaves it out. `alike`: what all sounds have in common
    that may be made as one batch, "" for one that is made alone.
    """

    key: str
    payload: Any
    work: Work
    result: Any = None
    may_wait: bool = False
    alike: str = ""


@dataclass(slots=True)
class Part:
    """How far one of a job's sounds is: `step` of `steps`."""

    step: int
    steps: int


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """One request, from its admission until it is forgotten. Only the queue changes it.

    `id` is unique among the jobs of one client (1 … 2²⁴ − 1), `slot` is "" where it has none, `position` the
    number of renders before its next one (0: next, running or over). Times are the queue's clock. `results`
    and `parts` go with `wanted`; a result is None until it is there. A job is "done" when every sound was
    tried and at least one is there: `error` holds the first failure, or why the job was ended. `open`: which
    sounds are still to be made.
    """

    id: int
    client: str
    slot: str
    priority: Priority
    wanted: tuple[Wanted, ...]
    ticket: int
    admitted: float
    state: State = "queued"
    position: int = 0
    results: list[Any] = field(init=False)
    parts: list[Part] = field(init=False)
    open: set[int] = field(init=False)
    error: FoleydError | None = None
    remark: str = ""
    started: float | None = None
    ended: float | None = None

    def __post_init__(self) -> None:
        self.results = [one.result for one in self.wanted]
        self.open = {index for index, result in enumerate(self.results) if result is None}
        self.parts = [
            Part(0 if index in self.open else one.work.steps, one.work.steps)
            for index, one in enumerate(self.wanted)
        ]

    @property
    def active(self) -> bool:
        """Whether it is still to end."""
        return self.state not in ENDED

    @property
    def step(self) -> int:
        """Steps done, over all its sounds."""
        return sum(part.step for part in self.parts)

    @property
    def steps(self) -> int:
        """Steps to do in all, over all its sounds."""
        return sum(part.steps for part in self.parts)

    @property
    def code(self) -> str:
        """The word for its error, "" where it has none."""
        return self.error.code if self.error else ""

    @property
    def message(self) -> str:
        """Its error's sentence; while it is active, why a sound of it is made again; "" where there is
        neither."""
        return str(self.error or (self.remark if self.active else ""))

    def rank(self, index: int) -> Rank:
        """Where the sound `index` stands in the order of work."""
        return PRIORITIES.index(self.priority), self.ticket, index


@dataclass(eq=False, slots=True)
class Render:
    """One piece of work for the worker, for as long as the queue knows it.

    `requesters`: the jobs that wait for it, each with the index of the sound in it; with none left it is to
    be stopped. `attempts`: how often it was begun; `began` (the queue's clock) and `step` of `steps` belong
    to the last time. `alike`: as :class:`Wanted` has it; "" too once it failed together with others.
    """

    key: str
    payload: Any
    work: Work
    requesters: list[tuple[Job, int]] = field(default_factory=list)
    state: Literal["waiting", "running", "over"] = "waiting"
    attempts: int = 0
    began: float = 0.0
    step: int = 0
    steps: int = 0
    alike: str = ""

    @property
    def rank(self) -> Rank:
        """Where it stands in the order of work: where the first of its requesters does. ValueError without
        one."""
        return min(job.rank(index) for job, index in self.requesters)

    @property
    def priority(self) -> Priority:
        """The highest of its requesters', "background" without one."""
        return PRIORITIES[self.rank[0]] if self.requesters else "background"

    @property
    def jobs(self) -> list[Job]:
        """The jobs that wait for it, each once, in the order in which they joined."""
        return list(dict.fromkeys(job for job, _ in self.requesters))


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the queue, each at least 1 (ValueError else).

    `jobs`: live and normal jobs that wait or run, of all clients; `per_client`: of one. `background`:
    background jobs that wait, of all clients; the one that was taken to the worker leaves its place to
    another. `remembered`: jobs that have ended and can still be asked for.
    """

    jobs: int = 32
    per_client: int = 8
    background: int = 64
    remembered: int = 1000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give 1 or more")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The queue at one moment: jobs that wait and that run, by priority, and all of them, next first."""

    waiting: dict[Priority, int]
    running: dict[Priority, int]
    jobs: tuple[Job, ...]


class Register:
    """The jobs that can be asked for: those under way (`active`) and the last `remembered` that have ended
    (`over`), each in the order in which they came there."""

    def __init__(self, remembered: int) -> None:
        self.active: dict[Job, None] = {}
        self.over: dict[Job, None] = {}
        self._remembered = remembered
        self._by_id: dict[int, dict[str, Job]] = {}
        self._drawn = 0

    def find(self, job_id: int, client: str | None = None) -> Job | None:
        """The client's job with this id; without a client, the last that came with it."""
        found = self._by_id.get(job_id, {})
        return next(reversed(found.values()), None) if client is None else found.get(client)

    def free_id(self) -> int:
        """An id that no known job has; counts up."""
        drawn = self._drawn
        while True:
            drawn = drawn % (ID_LIMIT - 1) + 1
            if drawn not in self._by_id:
                return drawn

    def check_id(self, client: str, job_id: int) -> int:
        """A client's own id, if it may be used: BadRequest while a job of the client is under way with it."""
        if not 1 <= job_id < ID_LIMIT:
            raise BadRequest(f"The job id {job_id} is out of range: give 1 to {ID_LIMIT - 1}, or none.")
        other = self.find(job_id, client)
        if other is not None and other.active:
            raise BadRequest(f"The job id {job_id} is in use by a job under way: give another one, or none.")
        return job_id

    def add(self, job: Job, *, drawn: bool) -> None:
        """A job under way, its id `drawn` here or checked; one that has ended with the same is forgotten."""
        known = self._by_id.setdefault(job.id, {})
        before = known.pop(job.client, None)
        if before is not None:
            del self.over[before]
        known[job.client] = job
        self.active[job] = None
        if drawn:
            self._drawn = job.id

    def end(self, job: Job) -> None:
        """The job has ended; the oldest is forgotten where there are too many."""
        del self.active[job]
        self.over[job] = None
        if len(self.over) > self._remembered:
            self._forget(next(iter(self.over)))

    def _forget(self, job: Job) -> None:
        del self.over[job]
        known = self._by_id[job.id]
        del known[job.client]
        if not known:
            del self._by_id[job.id]
