"""The queue: which jobs are let in, in which order their sounds are made, and who still waits for what.

It computes, and does nothing else: no thread, no socket, no clock but the one it is given. Whoever owns it
takes the next render, reports how it goes, and asks between two steps whether to stop::

    render = queue.take_next()
    for step in …:
        queue.progressed(render, step, steps)
        if queue.must_stop():
            queue.stopped(render)
    queue.finished(render, result)

A worker that gains by batches takes more of one shape along (`take_along`), each reported like the first.
All calls come from one thread. `listen` is called before a call returns, when all of its changes are made.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from foleyd.daemon.estimate import CostModel
from foleyd.daemon.forecast import Forecast, end_of, foresee, gives_way, start_of, too_slow
from foleyd.daemon.jobs import (
    PRIORITIES,
    Job,
    Limits,
    Part,
    Register,
    Render,
    Snapshot,
    Wanted,
)
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError
from foleyd.messages import Priority, State

SOONEST_RETRY_S = 0.1
UNKNOWN_RETRY_S = 1.0
"""What a refusal tells before any render was timed."""


def _silent(job: Job) -> None:
    """Nobody listens."""


class Queue:
    """Jobs and the renders that they wait for, of one worker.

    `limits` bound it, `cost` estimates it, `clock` gives seconds that never go back. `listen` is called with
    a job whenever its state, its progress or its position changed.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        cost: CostModel,
        clock: Callable[[], float] = time.monotonic,
        listen: Callable[[Job], None] = _silent,
    ) -> None:
        self.limits = limits or Limits()
        self._cost = cost
        self._clock = clock
        self._listen = listen
        self._renders: dict[str, Render] = {}
        self._running: list[Render] = []
        self._jobs = Register(self.limits.remembered)
        self._tickets = 0
        # jobs that were taken to the worker with the last render: of the background they hold no place
        self._aboard: frozenset[Job] = frozenset()
        self._changed: dict[Job, None] = {}
        self._forecast: Forecast | None = None
        self._foreseen = False

    @property
    def running(self) -> Render | None:
        """The render that the worker has, the first of a batch, None while it has none."""
        return self._running[0] if self._running else None

    @property
    def batch(self) -> tuple[Render, ...]:
        """All the renders that the worker has."""
        return tuple(self._running)

    def admit(
        self,
        *,
        client: str,
        wanted: Sequence[Wanted],
        slot: str = "",
        priority: Priority = "normal",
        job_id: int | None = None,
        within_s: float | None = None,
    ) -> Job:
        """Let a job in, or refuse it at once and leave all as it was.

        A job on a `slot` that the client has another one on takes that one's place. `job_id` is the client's
        own number for it: no other job of the same client may be under way with it, and one that has ended
        is forgotten for it; None draws one. Sounds that are there already cost nothing, and a job of such
        alone is done at once, whatever the bounds.

        Raises BadRequest (the id), Busy (no place), TooSlow (not done in `within_s` seconds; never before a
        render of its model was timed on this device).
        """
        if not wanted:
            raise BadRequest("A job needs at least one sound: ask for one or more.")
        job = Job(
            id=self._jobs.free_id() if job_id is None else self._jobs.check_id(client, job_id),
            client=client,
            slot=slot,
            priority=priority,
            wanted=tuple(wanted),
            ticket=self._tickets + 1,
            admitted=self._clock(),
        )
        replaced = next(
            (one for one in self._jobs.active if slot and (one.client, one.slot) == (client, slot)), None
        )
        if job.open:
            others = [one for one in self._jobs.active if one is not replaced]
            self._check_room(job, others)
            refusal = within_s is not None and too_slow(
                job, others, self._running, self._cost, self._clock(), within_s
            )
            if refusal:
                raise refusal
        self._jobs.add(job, drawn=job_id is None)
        self._enter(job)
        if replaced is not None:
            self._end(replaced, "superseded", Cancelled(f"A newer job on the slot {slot!r} took its place."))
        self._tell()
        return job

    def take_next(self) -> Render | None:
        """The render to do now, marked as running; None where none waits or one runs already.

        The highest priority goes first, and within it the job that came first.
        """
        if self._running:
            return None
        waiting = self._waiting()
        return self._begin(waiting[0]) if waiting else None

    def take_along(self) -> Render | None:
        """The next render in the order of work, to be made as one batch with those that run; marked as
        running, too. None where it is not alike, of another priority, or live: so nobody is overtaken."""
        first, waiting = self.running, self._waiting()
        if first is None or not first.requesters or not waiting:
            return None
        following = waiting[0]
        same = (following.alike, following.priority) == (first.alike, first.priority)
        if not same or not first.alike or first.priority == "live":
            return None
        return self._begin(following)

    def next_priority(self) -> Priority | None:
        """The priority of the render that waits and is next, None where none waits."""
        return next((render.priority for render in self._waiting()), None)

    def must_stop(self) -> bool:
        """Whether what runs is to be stopped: nobody waits for it any more, or live work waits and it is
        background work or several sounds at once, which take longer than one."""
        ranks = [render.rank for render in self._running if render.requesters]
        if not ranks:
            return bool(self._running)
        return any(gives_way(min(ranks), render.rank, len(ranks)) for render in self._waiting())

    def progressed(self, render: Render, step: int, steps: int) -> None:
        """`step` of `steps` are done. Like all reports, ignored where `render` is not the running one."""
        if render not in self._running:
            return
        render.step, render.steps = step, steps
        self._show_progress(render)
        self._tell(moved=False)

    def remarked(self, render: Render, remark: str) -> None:
        """The render begins again, for a reason that is told."""
        if render is not self.running:
            return
        render.step = 0
        for job, _ in render.requesters:
            job.remark = remark
        self._show_progress(render)
        self._tell(moved=False)

    def finished(self, render: Render, result: Any) -> None:
        """The render gave `result` (anything but None), for all that wait for it."""
        if render not in self._running:
            return
        for job, index in self._retire(render):
            job.results[index] = result
            job.parts[index].step = job.parts[index].steps
            self._close(job, index)
        self._tell()

    def failed(self, render: Render, error: FoleydError) -> None:
        """The render gave nothing. A job with other sounds goes on with those."""
        if render not in self._running:
            return
        for job, index in self._retire(render):
            job.error = job.error or error
            self._close(job, index)
        self._tell()

    def stopped(self, render: Render, *, apart: bool = False) -> None:
        """The render was left unfinished: as :meth:`must_stop` wished, or since its worker died.

        It waits again, at the head of its priority since its requesters were there first, and starts anew.
        Where nobody waits for it, it is gone. A background job whose place was taken meanwhile is evicted:
        it ends as cancelled, and keeps the results that it has. `apart`: from now on it is made alone.
        """
        if render not in self._running:
            return
        self._running.remove(render)
        if apart:
            render.alike = ""
        render.state, render.step = "waiting", 0
        self._show_progress(render)
        if not render.requesters:
            self._drop(render)
        self._board(self._aboard_now())
        self._tell()

    def cancel(
        self, *, client: str | None = None, job_ids: Iterable[int] = (), slot: str | None = None
    ) -> list[Job]:
        """End jobs under way and return them: those with an id in `job_ids` and those on `slot`, or all of
        them where neither is given. With a `client`, its own jobs only. Ids that are unknown, or of jobs
        that are over, are ignored."""
        ids = frozenset(job_ids)
        chosen = [
            job
            for job in self._jobs.active
            if client in (None, job.client)
            and (not (ids or slot) or job.id in ids or (slot and job.slot == slot))
        ]
        return self._cancel(chosen, "The job was cancelled.")

    def lease_ended(self, client: str) -> list[Job]:
        """The client went away: end its background jobs and return them. The others go on."""
        chosen = [job for job in self._jobs.active if job.client == client and job.priority == "background"]
        return self._cancel(chosen, "The client went away before its background job was done.")

    def job(self, job_id: int, client: str | None = None) -> Job | None:
        """A job that is under way or remembered: the client's own, or the last that came with this id."""
        return self._jobs.find(job_id, client)

    def jobs_of(self, client: str) -> list[Job]:
        """The client's jobs: those remembered, in the order in which they ended, then those under way."""
        return [job for job in (*self._jobs.over, *self._jobs.active) if job.client == client]

    def position(self, job: Job) -> int:
        """Renders before the job's next one; 0 where it is next, runs or is over."""
        return job.position

    def eta_s(self, job: Job) -> float | None:
        """Seconds until the job is expected to end, 0 where it has; None before any render was timed."""
        if not job.active:
            return 0.0
        forecast = self._foresee()
        return None if forecast is None else max(0.0, end_of(job, forecast) - self._clock())

    def snapshot(self) -> Snapshot:
        """All that is under way."""
        jobs = sorted(self._jobs.active, key=lambda job: (job.state != "running", job.position, job.ticket))
        count = Counter((job.state, job.priority) for job in jobs)
        return Snapshot(
            waiting={priority: count["queued", priority] for priority in PRIORITIES},
            running={priority: count["running", priority] for priority in PRIORITIES},
            jobs=tuple(jobs),
        )

    # admission

    def _check_room(self, job: Job, others: Sequence[Job]) -> None:
        if job.priority == "background":
            waiting = [one for one in others if self._holds_place(one)]
            bounds = [(waiting, self.limits.background, "All {} places for background jobs are taken")]
        else:
            front = [one for one in others if one.priority != "background"]
            own = [one for one in front if one.client == job.client]
            bounds = [
                (front, self.limits.jobs, "The queue is full, with {} jobs"),
                (own, self.limits.per_client, "This client has {} jobs under way, as many as it may have"),
            ]
        full = [(held, said) for held, bound, said in bounds if len(held) >= bound]
        if full:
            retry = max(self._place_free_in(held) for held, _ in full)
            held, said = full[-1]
            raise Busy(f"{said.format(len(held))}: try again in {retry:.1f} s, or cancel one.", retry)

    def _place_free_in(self, held: Sequence[Job]) -> float:
        """Seconds until the first of the jobs in `held` leaves its place: at its end, or where it is of the
        background, at its start."""
        forecast = self._foresee()
        if forecast is None:
            return UNKNOWN_RETRY_S
        leaves = (
            start_of(one, forecast)
            if one.priority == "background" and one.state == "queued"
            else end_of(one, forecast)
            for one in held
        )
        return max(SOONEST_RETRY_S, min(leaves) - self._clock())

    def _enter(self, job: Job) -> None:
        self._tickets = job.ticket
        self._changed[job] = None
        for index in sorted(job.open):
            self._attach(job, index)
        if not job.open:
            self._end(job, "done")

    # work in progress

    def _attach(self, job: Job, index: int) -> None:
        wanted = job.wanted[index]
        render = self._renders.get(wanted.key)
        if render is None:
            render = Render(wanted.key, wanted.payload, wanted.work, alike=wanted.alike)
            self._renders[wanted.key] = render
        render.requesters.append((job, index))
        if render in self._running:
            job.parts[index] = Part(render.step, render.steps)
            self._run(job)

    def _waiting(self) -> list[Render]:
        """The renders that wait, next first."""
        renders = (render for render in self._renders.values() if render not in self._running)
        return sorted(renders, key=lambda render: render.rank)

    def _begin(self, render: Render) -> Render:
        self._running.append(render)
        render.state, render.began = "running", self._clock()
        render.attempts += 1
        render.step, render.steps = 0, render.work.steps
        for job, _ in render.requesters:
            self._run(job)
        self._board(self._aboard_now())
        self._tell()
        return render

    def _aboard_now(self) -> list[Job]:
        """The jobs that wait for what runs."""
        return [job for render in self._running for job in render.jobs]

    def _run(self, job: Job) -> None:
        if job.state != "running":
            job.state = "running"
            job.started = self._clock() if job.started is None else job.started
            self._changed[job] = None

    def _board(self, jobs: Iterable[Job]) -> None:
        """Let the worker have `jobs`. Those that run no more wait again, and the background jobs among them
        for which no place is left, the last to come first, are evicted."""
        before, self._aboard = self._aboard, frozenset(jobs)
        for job in self._jobs.active:
            if job.state == "running" and job not in self._aboard:
                job.state = "queued"
                self._changed[job] = None
        placed = [job for job in self._jobs.active if self._holds_place(job)]
        back = [job for job in placed if job in before]
        excess = max(0, len(placed) - self.limits.background)
        for job in back[len(back) - excess :]:
            taken = f"All {self.limits.background} places for background jobs were taken"
            gone = Cancelled(f"{taken} when this one gave way to other work: send it again later.")
            self._end(job, "cancelled", gone)

    def _holds_place(self, job: Job) -> bool:
        """Whether a job under way has one of the places for background jobs."""
        return job.priority == "background" and job not in self._aboard

    def _show_progress(self, render: Render) -> None:
        for job, index in render.requesters:
            job.parts[index] = Part(render.step, render.steps)
            self._changed[job] = None

    def _retire(self, render: Render) -> list[tuple[Job, int]]:
        self._running.remove(render)
        self._drop(render)
        return list(render.requesters)

    def _drop(self, render: Render) -> None:
        render.state = "over"
        del self._renders[render.key]

    # ends

    def _close(self, job: Job, index: int) -> None:
        """One sound of a job was tried; with the last one the job is over."""
        job.open.discard(index)
        self._changed[job] = None
        if not job.open:
            self._end(job, "failed" if all(one is None for one in job.results) else "done")

    def _cancel(self, jobs: list[Job], why: str) -> list[Job]:
        for job in jobs:
            self._end(job, "cancelled", Cancelled(why))
        self._tell()
        return jobs

    def _end(self, job: Job, state: State, error: FoleydError | None = None) -> None:
        job.state, job.ended, job.position = state, self._clock(), 0
        job.error = error or job.error
        for key in {job.wanted[index].key for index in job.open}:
            render = self._renders[key]
            render.requesters = [one for one in render.requesters if one[0] is not job]
            if not render.requesters and render not in self._running:
                self._drop(render)
        job.open.clear()
        self._jobs.end(job)
        self._changed[job] = None

    # what follows from every change

    def _foresee(self) -> Forecast | None:
        if not self._foreseen:
            self._forecast = foresee(self._jobs.active, self._running, self._cost, self._clock())
            self._foreseen = True
        return self._forecast

    def _tell(self, *, moved: bool = True) -> None:
        """Tell of all jobs that changed; where the order may have, also of those that moved in it."""
        self._foreseen = False
        if moved:
            self._number()
        changed, self._changed = self._changed, {}
        for job in changed:
            self._listen(job)

    def _number(self) -> None:
        places: dict[Job, int] = dict.fromkeys(self._aboard_now(), 0)
        for place, render in enumerate(self._waiting()):
            for job, _ in render.requesters:
                places.setdefault(job, place)
        for job, place in places.items():
            if job.position != place:
                job.position = place
                self._changed[job] = None
