"""The queue under any order of calls: what must hold after each of them, and where every job ends."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from foleyd.daemon.estimate import CostModel, Work
from foleyd.daemon.jobs import ENDED, PRIORITIES, Job, Limits, Render, Wanted
from foleyd.daemon.queue import SOONEST_RETRY_S, Queue
from foleyd.errors import BadRequest, Busy, RenderFailed, TooSlow
from foleyd.messages import Priority

WORK = Work(model="m", seconds=5.0, steps=10, guided=True)
LIMITS = Limits(jobs=4, per_client=3, background=2, remembered=6)

FOLLOWS: dict[str, set[str]] = {
    "": {"queued", "running", "done"},
    "queued": {"queued", "running", "cancelled", "superseded"},
    "running": {"running", "queued", *ENDED},
    **{state: set() for state in ENDED},
}
"""What may be told of a job after what."""

clients = st.sampled_from(["anna", "ben", "carl"])
slots = st.sampled_from(["", "", "kick", "snare"])
ids = st.integers(1, 4)
sounds = st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, None, None, "kept"]))


def same(one: Job, other: Job) -> bool:
    return (one.client, one.id) == (other.client, other.id)


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.cost = CostModel()
        self.cost.observe(WORK, 10.0)
        self.jobs: list[Job] = []
        self.told: dict[Job, tuple[str, int]] = {}
        self.ended: list[Job] = []
        self.aboard: set[Job] = set()
        self.gone: list[Render] = []
        self.queue = Queue(LIMITS, cost=self.cost, clock=lambda: self.now, listen=self.hear)

    def hear(self, job: Job) -> None:
        before, _ = self.told.get(job, ("", 0))
        assert job.state in FOLLOWS[before], f"{before} -> {job.state}"
        self.told[job] = (job.state, job.position)
        if job.state in ENDED:
            self.ended.append(job)

    @property
    def active(self) -> list[Job]:
        return [job for job in self.jobs if job.active]

    def placed(self, jobs: list[Job]) -> list[Job]:
        return [job for job in jobs if job.priority == "background" and job not in self.aboard]

    def full(self, client: str, priority: Priority, others: list[Job]) -> bool:
        if priority == "background":
            return len(self.placed(others)) >= LIMITS.background
        front = [job for job in others if job.priority != "background"]
        own = [job for job in front if job.client == client]
        return len(front) >= LIMITS.jobs or len(own) >= LIMITS.per_client

    @rule(
        client=clients,
        slot=slots,
        priority=st.sampled_from(PRIORITIES),
        wanted=st.lists(sounds, min_size=1, max_size=3),
        job_id=st.none() | ids,
        within_s=st.none() | st.sampled_from([0.5, 15.0, 45.0, 1000.0]),
    )
    def admit(
        self,
        client: str,
        slot: str,
        priority: Priority,
        wanted: list[tuple[str, str | None]],
        job_id: int | None,
        within_s: float | None,
    ) -> None:
        before = self.active
        replaced = [job for job in before if slot and (job.client, job.slot) == (client, slot)]
        others = [job for job in before if job not in replaced]
        used = any((job.client, job.id) == (client, job_id) for job in before)
        known = all(result is not None for _, result in wanted)
        full = not known and self.full(client, priority, others)
        told = dict(self.told)
        refusal: BadRequest | Busy | TooSlow | None = None
        try:
            job = self.queue.admit(
                client=client,
                wanted=[Wanted(key=key, payload=key, work=WORK, result=result) for key, result in wanted],
                slot=slot,
                priority=priority,
                job_id=job_id,
                within_s=within_s,
            )
        except (BadRequest, Busy, TooSlow) as error:
            refusal = error
        if refusal is not None:
            assert type(refusal) is (BadRequest if used else Busy if full else TooSlow)
            if isinstance(refusal, Busy):
                assert (refusal.retry_after_s or 0.0) >= SOONEST_RETRY_S
            if isinstance(refusal, TooSlow):
                assert within_s is not None
                assert refusal.eta_s is not None
                assert refusal.eta_s > within_s
            assert self.told == told
            assert self.active == before
            return
        assert not used
        assert not full
        self.jobs.append(job)
        assert [one.state for one in replaced] == ["superseded"] * len(replaced)
        assert self.queue.job(job.id, client) is job
        eta = self.queue.eta_s(job)
        assert eta is not None
        assert within_s is None or known or eta <= within_s + 1e-9

    @rule()
    def take(self) -> None:
        idle = self.queue.running is None
        waiting = [job for job in self.active if job.open]
        render = self.queue.take_next()
        assert (render is not None) == (idle and bool(waiting))
        if render is None:
            return
        best = min(PRIORITIES.index(job.priority) for job in waiting)
        first = next(job for job in waiting if PRIORITIES.index(job.priority) == best)
        assert PRIORITIES.index(render.priority) == best
        assert first in render.jobs
        self.aboard = set(render.jobs)
        assert all(job.state == "running" for job in render.jobs)

    @precondition(lambda self: self.queue.running is not None)
    @rule(step=st.integers(1, 10))
    def progress(self, step: int) -> None:
        render = self.running()
        self.queue.progressed(render, step, 10)
        self.now += 1.0

    @precondition(lambda self: self.queue.running is not None)
    @rule()
    def finish(self) -> None:
        render = self.running()
        waiting_for_it = render.requesters[:]
        self.queue.finished(render, f"sound of {render.key}")
        assert all(job.results[index] == f"sound of {render.key}" for job, index in waiting_for_it)
        self.gone.append(render)

    @precondition(lambda self: self.queue.running is not None)
    @rule()
    def fail(self) -> None:
        render = self.running()
        jobs = render.jobs
        self.queue.failed(render, RenderFailed("silence", "silence"))
        assert all(job.error is not None for job in jobs)
        self.gone.append(render)

    @precondition(lambda self: self.queue.running is not None)
    @rule()
    def stop(self) -> None:
        render = self.running()
        jobs = render.jobs
        over = len(self.placed(self.active)) + sum(job.priority == "background" for job in self.aboard_now())
        self.queue.stopped(render)
        self.aboard = set()
        evicted = [job for job in jobs if job.state == "cancelled"]
        assert len(evicted) == max(0, over - LIMITS.background)
        assert all(job.priority == "background" for job in evicted)
        if render.state == "over":
            self.gone.append(render)

    @precondition(lambda self: self.queue.must_stop())
    @rule()
    def obey(self) -> None:
        self.stop()

    @precondition(lambda self: self.gone)
    @rule()
    def report_too_late(self) -> None:
        render = self.gone[-1]
        told, running = dict(self.told), self.queue.running
        self.queue.progressed(render, 1, 10)
        self.queue.finished(render, "late")
        self.queue.failed(render, RenderFailed("late"))
        self.queue.stopped(render)
        assert (self.told, self.queue.running) == (told, running)

    @rule(client=st.none() | clients, job_ids=st.lists(ids, max_size=2), slot=st.none() | slots)
    def cancel(self, client: str | None, job_ids: list[int], slot: str | None) -> None:
        chosen: Callable[[Job], bool] = lambda job: (  # noqa: E731
            job.id in job_ids or (bool(slot) and job.slot == slot) or not (job_ids or slot)
        )
        expected = [job for job in self.active if client in (None, job.client) and chosen(job)]
        self.check_cancelled(expected, self.queue.cancel(client=client, job_ids=job_ids, slot=slot))

    @rule(client=clients)
    def lease_ends(self, client: str) -> None:
        expected = [job for job in self.active if (job.client, job.priority) == (client, "background")]
        self.check_cancelled(expected, self.queue.lease_ended(client))

    def check_cancelled(self, expected: list[Job], cancelled: list[Job]) -> None:
        assert cancelled == expected
        assert all(job.state == "cancelled" and job.error is not None for job in cancelled)

    def running(self) -> Render:
        assert self.queue.running is not None
        return self.queue.running

    def aboard_now(self) -> list[Job]:
        return [job for job in self.aboard if job.active]

    @invariant()
    def the_bounds_hold(self) -> None:
        front = [job for job in self.active if job.priority != "background"]
        assert len(front) <= LIMITS.jobs
        for client in ("anna", "ben", "carl"):
            assert sum(job.client == client for job in front) <= LIMITS.per_client
        assert len(self.placed(self.active)) <= LIMITS.background

    @invariant()
    def each_open_sound_is_in_exactly_one_render(self) -> None:
        held = [
            (job, index, render.key)
            for render in self.queue._renders.values()
            for job, index in render.requesters
        ]
        wanted = [(job, index, job.wanted[index].key) for job in self.active for index in job.open]
        assert len(held) == len(wanted)
        assert set(held) == set(wanted)
        for job in self.active:
            assert job.open
            assert all(
                (job.results[index] is None) or index not in job.open for index in range(len(job.results))
            )

    @invariant()
    def no_render_waits_for_nobody(self) -> None:
        for render in self.queue._renders.values():
            assert render.requesters or render is self.queue.running
            assert render.state == ("running" if render is self.queue.running else "waiting")

    @invariant()
    def the_running_render_stops_when_it_should(self) -> None:
        render = self.queue.running
        if render is None:
            assert not self.queue.must_stop()
            return
        live_waits = any(
            job.priority == "live" and job.wanted[index].key != render.key
            for job in self.active
            for index in job.open
        )
        kinds = {job.priority for job, _ in render.requesters}
        assert self.queue.must_stop() == (not kinds or (kinds == {"background"} and live_waits))

    @invariant()
    def all_was_told(self) -> None:
        for job in self.jobs:
            assert self.told[job] == (job.state, self.queue.position(job))

    @invariant()
    def a_job_runs_exactly_while_one_of_its_renders_may(self) -> None:
        if self.queue.running is not None:
            assert {job for job in self.active if job.state == "running"} == set(self.queue.running.jobs)

    @invariant()
    def slots_hold_one_job_each(self) -> None:
        taken = [(job.client, job.slot) for job in self.active if job.slot]
        assert len(taken) == len(set(taken))

    @invariant()
    def ended_jobs_are_remembered_and_say_how_they_ended(self) -> None:
        known = [job for client in ("anna", "ben", "carl") for job in self.queue.jobs_of(client)]
        over = [job for job in known if not job.active]
        assert len(over) <= LIMITS.remembered
        assert {job for job in known if job.active} == set(self.active)
        assert len({(job.client, job.id) for job in known}) == len(known)
        assert all(self.queue.job(job.id, job.client) is job for job in known)
        newest = [job for job in self.ended if all(job is one or not same(job, one) for one in known)]
        assert newest[len(newest) - len(over) :] == sorted(over, key=newest.index)
        for job in over:
            there = [result is not None for result in job.results]
            assert job.state != "done" or any(there)
            assert job.state != "failed" or not any(there)
            assert job.state == "done" or job.error is not None
            assert self.queue.eta_s(job) == 0.0

    @invariant()
    def the_snapshot_is_all_that_is_under_way(self) -> None:
        shot = self.queue.snapshot()
        assert set(shot.jobs) == set(self.active)
        assert sum(shot.waiting.values()) + sum(shot.running.values()) == len(shot.jobs)
        for job in shot.jobs:
            eta = self.queue.eta_s(job)
            assert eta is not None
            assert eta >= 0.0

    def teardown(self) -> None:
        if not hasattr(self, "queue"):
            return
        for _ in range(3 * len(self.jobs) + 1):
            self.take()
            if self.queue.running is not None:
                self.finish()
        assert self.active == []
        assert self.queue.running is None
        assert not self.queue._renders


def test_what_must_hold_holds_under_any_order_of_calls() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=80, stateful_step_count=40))
