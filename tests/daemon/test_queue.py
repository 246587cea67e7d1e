"""What the queue promises, sentence by sentence; the clock is the test's own."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from foleyd.daemon.estimate import CostModel, Work
from foleyd.daemon.jobs import Job, Limits, Render, Wanted
from foleyd.daemon.queue import SOONEST_RETRY_S, UNKNOWN_RETRY_S, Queue
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError, RenderFailed, TooSlow, WorkerDied
from foleyd.messages import Priority

WORK = Work(model="m", seconds=5.0, steps=10, guided=True)
TOOK = 10.0
"""Seconds that WORK takes on the machine of these tests."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A queue with its clock, and what it told of its jobs."""

    def __init__(self, limits: Limits | None = None, *, timed: bool = True) -> None:
        self.clock = Clock()
        self.cost = CostModel()
        if timed:
            self.cost.observe(WORK, TOOK)
        self.told: list[tuple[Job, str, int, int]] = []
        self.queue = Queue(limits, cost=self.cost, clock=self.clock, listen=self._hear)
        self._names = 0

    def _hear(self, job: Job) -> None:
        self.told.append((job, job.state, job.position, job.step))

    def states(self, job: Job) -> list[str]:
        """The states that were told of a job, without repetition."""
        told = [state for other, state, _, _ in self.told if other is job]
        return [state for at, state in enumerate(told) if at == 0 or told[at - 1] != state]

    def ask(
        self,
        *keys: str,
        client: str = "anna",
        slot: str = "",
        priority: Priority = "normal",
        job_id: int | None = None,
        within_s: float | None = None,
        work: Work = WORK,
    ) -> Job:
        """Admit a job that wants these sounds; one of its own where none is named."""
        self._names += 1
        wanted = [wish(key, work) for key in keys or (f"own-{self._names}",)]
        return self.queue.admit(
            client=client, wanted=wanted, slot=slot, priority=priority, job_id=job_id, within_s=within_s
        )

    def take(self) -> Render:
        render = self.queue.take_next()
        assert render is not None
        return render

    def finish(self) -> Render:
        """Do the next render, or the one that runs, to its end."""
        render = self.queue.running or self.take()
        self.queue.finished(render, f"sound of {render.key}")
        return render

    def drain(self) -> list[str]:
        """Do all that waits; the keys in their order."""
        done = []
        while self.queue.running is not None or self.queue.snapshot().jobs:
            done.append(self.finish().key)
        return done


def wish(key: str, work: Work = WORK, result: Any = None) -> Wanted:
    return Wanted(key=key, payload=f"recipe of {key}", work=work, result=result)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# a job and its sounds


def test_a_job_goes_from_queued_over_running_to_done(desk: Desk) -> None:
    job = desk.ask("bell")
    desk.clock.now += 1
    render = desk.take()
    assert (render.key, render.payload, render.work) == ("bell", "recipe of bell", WORK)
    desk.clock.now += 2
    desk.queue.finished(render, "samples")
    assert desk.states(job) == ["queued", "running", "done"]
    assert job.results == ["samples"]
    assert job.error is None
    assert (job.admitted, job.started, job.ended) == (1000.0, 1001.0, 1003.0)
    assert desk.queue.take_next() is None


def test_progress_is_told_over_all_sounds_of_the_job(desk: Desk) -> None:
    job = desk.ask("a", "b")
    desk.finish()
    render = desk.take()
    desk.queue.progressed(render, 3, 10)
    assert (job.step, job.steps) == (13, 20)
    assert desk.told[-1] == (job, "running", 0, 13)


def test_count_n_is_one_job_with_n_results_in_their_order(desk: Desk) -> None:
    job = desk.ask("a", "b", "c")
    assert desk.drain() == ["a", "b", "c"]
    assert job.results == ["sound of a", "sound of b", "sound of c"]
    assert desk.states(job) == ["queued", "running", "done"]


def test_one_sound_wanted_twice_in_a_job_is_rendered_once(desk: Desk) -> None:
    job = desk.ask("a", "a")
    assert desk.drain() == ["a"]
    assert job.results == ["sound of a", "sound of a"]


def test_a_set_with_a_failed_sound_keeps_the_others(desk: Desk) -> None:
    job = desk.ask("a", "b", "c")
    first, second = RenderFailed("silence", "silence"), RenderFailed("not numbers", "nan")
    desk.queue.failed(desk.take(), first)
    assert job.active
    desk.finish()
    desk.queue.failed(desk.take(), second)
    assert (job.state, job.error) == ("done", first)
    assert job.results == [None, "sound of b", None]


def test_a_job_without_any_sound_has_failed(desk: Desk) -> None:
    job = desk.ask("a", "b")
    errors = [RenderFailed("silence", "silence"), WorkerDied("it died")]
    for error in errors:
        desk.queue.failed(desk.take(), error)
    assert (job.state, job.error) == ("failed", errors[0])


def test_sounds_that_are_there_cost_nothing() -> None:
    desk = Desk(Limits(jobs=1))
    desk.ask("busy")
    known = desk.queue.admit(client="anna", wanted=[wish("x", result="kept")], within_s=0.0)
    assert (known.state, known.results) == ("done", ["kept"])
    assert desk.states(known) == ["done"]
    assert (known.step, known.steps) == (10, 10)
    desk.finish()
    partly = desk.queue.admit(client="anna", wanted=[wish("x", result="kept"), wish("y")])
    assert partly.state == "queued"
    assert desk.drain() == ["y"]
    assert partly.results == ["kept", "sound of y"]


def test_a_job_that_wants_nothing_is_refused(desk: Desk) -> None:
    with pytest.raises(BadRequest, match="at least one sound"):
        desk.queue.admit(client="anna", wanted=[])


# ids


def test_ids_are_drawn_upwards_and_pass_over_those_in_use(desk: Desk) -> None:
    assert desk.ask(job_id=2, client="ben").id == 2
    assert [desk.ask().id for _ in range(3)] == [1, 3, 4]


def test_a_refused_job_uses_up_no_id() -> None:
    desk = Desk(Limits(jobs=1))
    desk.ask()
    with pytest.raises(Busy):
        desk.ask()
    desk.finish()
    assert desk.ask().id == 2


def test_drawn_ids_begin_again_below_the_limit_that_floats_hold(desk: Desk) -> None:
    desk.queue._jobs._drawn = 2**24 - 2
    assert [desk.ask().id for _ in range(2)] == [2**24 - 1, 1]


@pytest.mark.parametrize("job_id", [-1, 0, 2**24])
def test_ids_out_of_range_are_refused(desk: Desk, job_id: int) -> None:
    with pytest.raises(BadRequest, match="out of range"):
        desk.ask(job_id=job_id)


def test_an_id_is_in_use_while_the_clients_job_is_under_way(desk: Desk) -> None:
    first = desk.ask(job_id=7, slot="s")
    with pytest.raises(BadRequest, match="in use"):
        desk.ask(job_id=7, slot="s")
    assert first.state == "queued"
    desk.finish()
    again = desk.ask(job_id=7)
    assert desk.queue.job(7) is again
    assert first not in desk.queue.jobs_of("anna")


def test_two_clients_may_use_the_same_id(desk: Desk) -> None:
    anna, ben = desk.ask(job_id=7, client="anna"), desk.ask(job_id=7, client="ben")
    assert desk.queue.job(7, "anna") is anna
    assert desk.queue.job(7, "ben") is ben
    assert desk.queue.job(7) is ben
    assert desk.queue.job(7, "carl") is None
    assert desk.queue.cancel(client="anna", job_ids=[7]) == [anna]
    assert ben.active


# bounds


def test_the_bounds_are_those_of_the_protocol_unless_configured() -> None:
    assert Limits() == Limits(jobs=32, per_client=8, background=64, remembered=1000)
    assert Queue(cost=CostModel()).limits == Limits()
    with pytest.raises(ValueError, match="per_client is 0"):
        Limits(per_client=0)


@pytest.mark.parametrize("limits", [Limits(), Limits(jobs=5, per_client=2, background=3)])
def test_jobs_over_the_bounds_are_refused(limits: Limits) -> None:
    desk = Desk(limits)
    kinds: Sequence[Priority] = ("live", "normal")
    for number in range(limits.jobs):
        desk.ask(client=f"client {number // limits.per_client}", priority=kinds[number % 2])
    with pytest.raises(Busy, match="queue is full"):
        desk.ask(client="one more")
    for number in range(limits.background):
        desk.ask(client=f"client {number % 2}", priority="background")
    with pytest.raises(Busy, match="background"):
        desk.ask(client="one more", priority="background")
    counts = desk.queue.snapshot().waiting
    assert counts["live"] + counts["normal"] == limits.jobs
    assert counts["background"] == limits.background


@pytest.mark.parametrize("limits", [Limits(), Limits(per_client=2)])
def test_a_client_has_its_own_bound_which_its_background_jobs_are_not_counted_in(limits: Limits) -> None:
    desk = Desk(limits)
    for _ in range(limits.per_client):
        desk.ask(priority="background")
    for _ in range(limits.per_client):
        desk.ask()
    with pytest.raises(Busy, match="This client has"):
        desk.ask(priority="live")
    desk.ask(client="ben", priority="live")


def test_jobs_count_and_not_their_sounds() -> None:
    desk = Desk(Limits(jobs=1))
    desk.ask(*(f"sound {number}" for number in range(16)))
    with pytest.raises(Busy):
        desk.ask("sound 0")


def test_a_running_job_counts_until_it_ends() -> None:
    desk = Desk(Limits(jobs=1))
    desk.ask()
    desk.take()
    with pytest.raises(Busy):
        desk.ask()
    desk.finish()
    desk.ask()


def test_a_refusal_changes_nothing_and_tells_nobody() -> None:
    desk = Desk(Limits(jobs=2, per_client=1))
    kept = desk.ask(slot="s", client="ben")
    desk.ask()
    told = list(desk.told)
    with pytest.raises(Busy):
        desk.ask("new")
    with pytest.raises(TooSlow):
        desk.ask("new", slot="s", client="ben", within_s=1.0)
    assert desk.told == told
    assert kept.state == "queued"
    assert desk.queue.snapshot().waiting["normal"] == 2


def test_a_refusal_tells_when_a_place_is_expected() -> None:
    desk = Desk(Limits(jobs=2))
    desk.ask()
    desk.ask()
    desk.take()
    desk.clock.now += 4
    with pytest.raises(Busy, match=r"try again in 6\.0 s") as refused:
        desk.ask()
    assert refused.value.retry_after_s == pytest.approx(TOOK - 4)
    desk.clock.now += 60
    desk.queue.progressed(desk.queue.running or desk.take(), 10, 10)
    with pytest.raises(Busy) as refused:
        desk.ask()
    assert refused.value.retry_after_s == SOONEST_RETRY_S


def test_where_two_bounds_are_met_the_later_place_is_told() -> None:
    desk = Desk(Limits(jobs=2, per_client=1))
    desk.ask(client="ben")
    desk.ask(client="anna")
    with pytest.raises(Busy) as refused:
        desk.ask(client="anna")
    assert refused.value.retry_after_s == pytest.approx(2 * TOOK)


def test_a_background_place_is_free_when_its_job_begins() -> None:
    desk = Desk(Limits(background=1))
    desk.ask()
    desk.ask(priority="background")
    with pytest.raises(Busy) as refused:
        desk.ask(priority="background")
    assert refused.value.retry_after_s == pytest.approx(TOOK)
    desk.finish()
    desk.take()
    desk.ask(priority="background")


def test_the_place_of_one_who_joined_a_running_render_is_free_when_that_ends() -> None:
    desk = Desk(Limits(background=1))
    desk.ask("shared", priority="background")
    desk.take()
    desk.ask("shared", priority="background")
    desk.clock.now += 4
    with pytest.raises(Busy) as refused:
        desk.ask(priority="background")
    assert refused.value.retry_after_s == pytest.approx(TOOK - 4)


def test_before_any_render_was_timed_a_refusal_still_tells_a_time() -> None:
    desk = Desk(Limits(jobs=1), timed=False)
    desk.ask()
    with pytest.raises(Busy) as refused:
        desk.ask()
    assert refused.value.retry_after_s == UNKNOWN_RETRY_S


@pytest.mark.parametrize(
    ("error", "code"),
    [(Busy("full", 2.5), "busy"), (TooSlow("late", 9.0), "too_slow"), (Busy("full"), "busy")],
)
def test_refusals_survive_a_copy(error: FoleydError, code: str) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.code, vars(copy)) == (str(error), code, vars(error))


# order


def test_the_highest_priority_goes_first_and_within_it_the_oldest(desk: Desk) -> None:
    order: list[tuple[str, Priority]] = [
        ("b1", "background"),
        ("n1", "normal"),
        ("l1", "live"),
        ("b2", "background"),
        ("n2", "normal"),
        ("l2", "live"),
    ]
    for key, priority in order:
        desk.ask(key, priority=priority)
    assert desk.drain() == ["l1", "l2", "n1", "n2", "b1", "b2"]


def test_one_render_runs_at_a_time(desk: Desk) -> None:
    desk.ask()
    desk.ask()
    running = desk.take()
    assert desk.queue.take_next() is None
    assert desk.queue.running is running


def test_positions_count_the_renders_before_and_are_told_when_they_change(desk: Desk) -> None:
    pair, single, late = desk.ask("a", "b"), desk.ask("c"), desk.ask("d", priority="background")
    assert [desk.queue.position(job) for job in (pair, single, late)] == [0, 2, 3]
    desk.take()
    assert [desk.queue.position(job) for job in (pair, single, late)] == [0, 1, 2]
    desk.told.clear()
    live = desk.ask("e", priority="live")
    assert [(job, position) for job, _, position, _ in desk.told] == [(live, 0), (single, 2), (late, 3)]
    desk.drain()
    assert {desk.queue.position(job) for job in (pair, single, late, live)} == {0}


def test_a_set_that_waits_behind_other_work_is_queued_meanwhile(desk: Desk) -> None:
    pair = desk.ask("a", "b")
    desk.finish()
    assert pair.state == "running"
    desk.ask("c", priority="live")
    desk.take()
    assert (pair.state, pair.position) == ("queued", 0)
    assert desk.drain() == ["c", "b"]
    assert desk.states(pair) == ["queued", "running", "queued", "running", "done"]


def test_the_snapshot_counts_jobs_by_state_and_priority(desk: Desk) -> None:
    first, live, last = desk.ask(), desk.ask(priority="live"), desk.ask(priority="background")
    desk.take()
    shot = desk.queue.snapshot()
    assert shot.running == {"live": 1, "normal": 0, "background": 0}
    assert shot.waiting == {"live": 0, "normal": 1, "background": 1}
    assert shot.jobs == (live, first, last)


# pre-emption


def test_live_work_stops_background_work_which_starts_anew_later(desk: Desk) -> None:
    low = desk.ask("low", priority="background")
    render = desk.take()
    desk.queue.progressed(render, 4, 10)
    assert not desk.queue.must_stop()
    high = desk.ask("high", priority="live")
    assert desk.queue.must_stop()
    desk.queue.stopped(render)
    assert (low.state, low.step, render.attempts) == ("queued", 0, 1)
    assert desk.finish().key == "high"
    assert high.state == "done"
    desk.clock.now += 1
    again = desk.take()
    assert again is render
    assert (again.attempts, again.step, again.began) == (2, 0, 1001.0)
    assert low.started == 1000.0
    desk.finish()
    assert desk.states(low) == ["queued", "running", "queued", "running", "done"]


@pytest.mark.parametrize(
    ("running", "waiting"),
    [("background", "normal"), ("background", "background"), ("normal", "live"), ("live", "live")],
)
def test_nothing_else_is_stopped_for_other_work(desk: Desk, running: Priority, waiting: Priority) -> None:
    desk.ask(priority=running)
    desk.take()
    desk.ask(priority=waiting)
    assert not desk.queue.must_stop()


def test_what_was_stopped_is_at_the_head_of_its_priority(desk: Desk) -> None:
    desk.ask("first", priority="background")
    desk.ask("second", priority="background")
    render = desk.take()
    desk.ask("normal")
    desk.ask("live", priority="live")
    desk.queue.stopped(render)
    assert desk.drain() == ["live", "normal", "first", "second"]


def test_background_work_without_a_place_left_is_evicted_for_live_work() -> None:
    desk = Desk(Limits(background=2))
    pushed = desk.ask("a", "b", priority="background")
    desk.finish()
    render = desk.take()
    others = [desk.ask(priority="background") for _ in range(2)]
    desk.ask(priority="live")
    desk.queue.stopped(render)
    assert pushed.state == "cancelled"
    assert "2 places for background jobs were taken" in str(pushed.error)
    assert pushed.results == ["sound of a", None]
    assert [job.state for job in others] == ["queued", "queued"]
    assert desk.queue.snapshot().waiting["background"] == 2
    assert "b" not in desk.drain()


def test_background_work_keeps_its_place_where_there_is_one() -> None:
    desk = Desk(Limits(background=2))
    kept = desk.ask("a", priority="background")
    render = desk.take()
    desk.ask(priority="background")
    desk.ask(priority="live")
    desk.queue.stopped(render)
    assert kept.state == "queued"
    with pytest.raises(Busy):
        desk.ask(priority="background")


def test_a_set_between_two_sounds_is_evicted_too() -> None:
    desk = Desk(Limits(background=1))
    pushed = desk.ask("a", "b", priority="background")
    desk.take()
    desk.ask(priority="background")
    desk.finish()
    live = desk.ask(priority="live")
    desk.take()
    assert (live.state, pushed.state) == ("running", "cancelled")
    assert desk.queue.snapshot().waiting["background"] == 1


def test_of_several_jobs_on_a_stopped_render_the_oldest_keep_their_places() -> None:
    desk = Desk(Limits(background=2))
    first, second = (desk.ask("shared", priority="background") for _ in range(2))
    render = desk.take()
    desk.ask(priority="background")
    desk.ask(priority="live")
    desk.queue.stopped(render)
    assert (first.state, second.state) == ("queued", "cancelled")


def test_who_joins_a_running_render_takes_a_place_for_it() -> None:
    desk = Desk(Limits(background=1))
    desk.ask("shared", priority="background")
    desk.take()
    desk.ask("shared", priority="background")
    with pytest.raises(Busy):
        desk.ask("shared", priority="background")


def test_a_render_whose_worker_died_may_be_put_back(desk: Desk) -> None:
    job = desk.ask("a")
    render = desk.take()
    desk.queue.stopped(render)
    assert job.state == "queued"
    assert desk.take() is render
    assert render.attempts == 2


# slots


def test_a_newer_job_on_a_slot_takes_the_place_of_a_waiting_one(desk: Desk) -> None:
    old = desk.ask("old", slot="kick")
    new = desk.ask("new", slot="kick")
    assert old.state == "superseded"
    assert "newer job on the slot 'kick'" in str(old.error)
    assert desk.drain() == ["new"]
    assert new.state == "done"


def test_a_newer_job_on_a_slot_stops_a_running_one(desk: Desk) -> None:
    old = desk.ask("old", slot="kick")
    render = desk.take()
    desk.ask("new", slot="kick")
    assert old.state == "superseded"
    assert desk.queue.must_stop()
    desk.queue.stopped(render)
    assert desk.drain() == ["new"]


def test_a_newer_job_for_the_same_sound_takes_over_the_running_render(desk: Desk) -> None:
    old = desk.ask("same", slot="kick")
    desk.queue.progressed(desk.take(), 6, 10)
    new = desk.ask("same", slot="kick")
    assert not desk.queue.must_stop()
    assert (old.state, new.state, new.step) == ("superseded", "running", 6)
    desk.finish()
    assert (old.results, new.results) == ([None], ["sound of same"])


def test_slots_are_each_clients_own_and_no_slot_is_none(desk: Desk) -> None:
    jobs = [desk.ask(slot="kick"), desk.ask(slot="snare"), desk.ask(slot="kick", client="ben")]
    jobs += [desk.ask(), desk.ask()]
    desk.drain()
    assert {job.state for job in jobs} == {"done"}


def test_the_replacement_does_not_count_twice() -> None:
    desk = Desk(Limits(jobs=1, per_client=1, background=1))
    for _ in range(3):
        job = desk.ask(slot="kick")
    low = desk.ask(slot="pad", priority="background")
    last = desk.ask(slot="pad", priority="background")
    assert (job.state, low.state, last.state) == ("queued", "superseded", "queued")


def test_a_sound_that_is_there_takes_the_slot_too(desk: Desk) -> None:
    old = desk.ask("old", slot="kick")
    desk.queue.admit(client="anna", wanted=[wish("x", result="kept")], slot="kick")
    assert old.state == "superseded"


# cancel


def test_cancel_by_job(desk: Desk) -> None:
    first, second = desk.ask("a"), desk.ask("b")
    assert desk.queue.cancel(client="anna", job_ids=[first.id, 999]) == [first]
    assert (first.state, second.state) == ("cancelled", "queued")
    assert isinstance(first.error, Cancelled)
    third = desk.ask("c")
    assert desk.queue.position(third) == 1
    desk.queue.cancel(client="anna", job_ids=[third.id])
    assert desk.queue.position(third) == 0
    assert desk.drain() == ["b"]
    assert desk.queue.cancel(client="anna", job_ids=[first.id, second.id]) == []


def test_cancel_by_slot(desk: Desk) -> None:
    kick, snare = desk.ask(slot="kick"), desk.ask(slot="snare")
    other = desk.ask(slot="kick", client="ben")
    assert desk.queue.cancel(client="anna", slot="kick") == [kick]
    assert snare.active
    assert other.active


def test_cancel_of_all_that_a_client_has(desk: Desk) -> None:
    mine = [desk.ask(), desk.ask(slot="kick"), desk.ask(priority="background")]
    other = desk.ask(client="ben")
    assert desk.queue.cancel(client="anna") == mine
    assert other.active


def test_a_client_cancels_its_own_jobs_only(desk: Desk) -> None:
    job = desk.ask()
    assert desk.queue.cancel(client="ben", job_ids=[job.id]) == []
    assert job.active
    assert desk.queue.cancel(job_ids=[job.id]) == [job]


def test_the_running_render_of_a_cancelled_job_is_to_be_stopped(desk: Desk) -> None:
    job = desk.ask("a", "b")
    render = desk.take()
    desk.queue.cancel(client="anna", job_ids=[job.id])
    assert job.state == "cancelled"
    assert desk.queue.must_stop()
    desk.queue.stopped(render)
    assert desk.queue.running is None
    assert desk.queue.take_next() is None


def test_what_comes_too_late_is_ignored(desk: Desk) -> None:
    job = desk.ask("a")
    render = desk.take()
    desk.queue.cancel(client="anna")
    desk.queue.finished(render, "late")
    assert (job.state, job.results) == ("cancelled", [None])
    following = desk.ask("a")
    assert desk.take() is not render
    desk.queue.finished(render, "later")
    desk.queue.failed(render, WorkerDied("it died"))
    desk.queue.stopped(render)
    desk.queue.progressed(render, 1, 10)
    assert (following.state, following.step) == ("running", 0)


def test_a_cancelled_set_keeps_what_it_has(desk: Desk) -> None:
    job = desk.ask("a", "b")
    desk.finish()
    desk.queue.cancel(client="anna")
    assert job.results == ["sound of a", None]


# sharing


def test_two_jobs_for_one_sound_share_one_render(desk: Desk) -> None:
    jobs = [desk.ask("same", client=client) for client in ("anna", "ben")]
    assert desk.drain() == ["same"]
    assert [job.results for job in jobs] == [["sound of same"], ["sound of same"]]


def test_a_shared_render_that_fails_fails_for_all(desk: Desk) -> None:
    jobs = [desk.ask("same", client=client) for client in ("anna", "ben")]
    desk.queue.failed(desk.take(), WorkerDied("it died"))
    assert [job.state for job in jobs] == ["failed", "failed"]


def test_who_joins_a_running_render_has_its_progress_at_once(desk: Desk) -> None:
    desk.ask("same")
    desk.queue.progressed(desk.take(), 7, 19)
    joined = desk.ask("same", client="ben")
    assert (joined.state, joined.step, joined.steps, joined.position) == ("running", 7, 19, 0)
    assert desk.states(joined) == ["running"]


def test_who_joins_before_the_first_step_knows_how_many_there_will_be(desk: Desk) -> None:
    desk.ask("same")
    desk.take()
    joined = desk.ask("same", client="ben")
    assert (joined.step, joined.steps) == (0, WORK.steps)


def leave_by_cancel(desk: Desk, job: Job) -> None:
    desk.queue.cancel(client=job.client, job_ids=[job.id])


def leave_by_supersede(desk: Desk, job: Job) -> None:
    desk.ask("another", client=job.client, slot=job.slot)


@pytest.mark.parametrize("leave", [leave_by_cancel, leave_by_supersede])
def test_a_shared_render_stops_when_nobody_is_left(desk: Desk, leave: Callable[[Desk, Job], None]) -> None:
    anna, ben = (desk.ask("same", client=client, slot="s") for client in ("anna", "ben"))
    desk.take()
    leave(desk, anna)
    assert not anna.active
    assert not desk.queue.must_stop()
    assert ben.state == "running"
    leave(desk, ben)
    assert desk.queue.must_stop()


def test_a_waiting_render_goes_with_the_last_who_wants_it(desk: Desk) -> None:
    anna, ben = (desk.ask("same", client=client) for client in ("anna", "ben"))
    desk.queue.cancel(client="anna")
    desk.queue.cancel(client="ben")
    assert not anna.active
    assert not ben.active
    assert desk.queue.take_next() is None


def test_a_shared_render_has_the_highest_priority_of_its_jobs(desk: Desk) -> None:
    desk.ask("normal")
    desk.ask("shared", priority="background")
    live = desk.ask("shared", priority="live", client="ben")
    render = desk.take()
    assert (render.key, render.priority) == ("shared", "live")
    desk.ask("more live", priority="live", client="carl")
    assert not desk.queue.must_stop()
    leave_by_cancel(desk, live)
    assert render.priority == "background"
    assert desk.queue.must_stop()


def test_a_waiting_render_falls_back_when_its_live_job_leaves(desk: Desk) -> None:
    desk.ask("shared", priority="background")
    desk.ask("normal")
    leave_by_cancel(desk, desk.ask("shared", priority="live", client="ben"))
    assert desk.drain() == ["normal", "shared"]


def test_who_comes_while_a_render_is_being_stopped_has_it_started_anew(desk: Desk) -> None:
    leave_by_cancel(desk, desk.ask("same"))
    desk.ask("same")
    render = desk.take()
    leave_by_cancel(desk, desk.queue.jobs_of("anna")[-1])
    assert desk.queue.must_stop()
    late = desk.ask("same", client="ben")
    desk.queue.stopped(render)
    assert desk.take() is render
    desk.finish()
    assert desk.states(late) == ["running", "queued", "running", "done"]


# clients that go away


def test_a_client_that_goes_away_loses_its_background_jobs_only(desk: Desk) -> None:
    live, normal = desk.ask(priority="live"), desk.ask()
    low = desk.ask("low", "lower", priority="background")
    other = desk.ask(priority="background", client="ben")
    done = desk.queue.admit(client="anna", wanted=[wish("x", result="kept")])
    assert desk.queue.lease_ended("anna") == [low]
    assert "client went away" in str(low.error)
    desk.drain()
    assert [job.state for job in (live, normal, low, other)] == ["done", "done", "cancelled", "done"]
    assert desk.queue.job(normal.id) is normal
    assert normal.results != [None]
    assert desk.queue.jobs_of("anna") == [done, low, live, normal]


def test_a_running_background_render_stops_when_its_client_goes_away(desk: Desk) -> None:
    desk.ask(priority="background")
    desk.take()
    desk.queue.lease_ended("anna")
    assert desk.queue.must_stop()


def test_the_last_jobs_are_remembered_and_the_oldest_forgotten_first() -> None:
    desk = Desk(Limits(remembered=3))
    jobs = [desk.ask(job_id=number + 1) for number in range(5)]
    desk.drain()
    assert [desk.queue.job(job.id) for job in jobs] == [None, None, *jobs[2:]]
    assert desk.queue.jobs_of("anna") == jobs[2:]
    assert desk.ask().id == 1


# estimates


def test_the_eta_counts_what_is_before_a_job(desk: Desk) -> None:
    pair, last = desk.ask("a", "b"), desk.ask("c")
    assert desk.queue.eta_s(last) == pytest.approx(3 * TOOK)
    desk.take()
    desk.clock.now += 4
    assert desk.queue.eta_s(pair) == pytest.approx(2 * TOOK - 4)
    live = desk.ask("d", priority="live")
    assert desk.queue.eta_s(live) == pytest.approx(2 * TOOK - 4)
    assert desk.queue.eta_s(last) == pytest.approx(4 * TOOK - 4)
    desk.drain()
    assert desk.queue.eta_s(last) == 0.0


def test_the_eta_of_a_late_render_follows_its_steps(desk: Desk) -> None:
    job = desk.ask()
    render = desk.take()
    desk.clock.now += 2 * TOOK
    desk.queue.progressed(render, 5, 10)
    assert desk.queue.eta_s(job) == pytest.approx(TOOK / 2)
    desk.clock.now += 2 * TOOK
    assert desk.queue.eta_s(job) == 0.0


def test_the_eta_knows_that_live_work_does_not_wait_for_background_work(desk: Desk) -> None:
    low = desk.ask(priority="background")
    desk.take()
    desk.clock.now += 4
    live = desk.ask(priority="live", client="ben")
    assert desk.queue.eta_s(live) == pytest.approx(TOOK)
    assert desk.queue.eta_s(low) == pytest.approx(2 * TOOK)


def test_a_shared_render_is_counted_once(desk: Desk) -> None:
    first = desk.ask("a", "b")
    second = desk.ask("b", "c")
    assert desk.queue.eta_s(first) == pytest.approx(2 * TOOK)
    assert desk.queue.eta_s(second) == pytest.approx(3 * TOOK)


def test_a_shared_render_is_foreseen_where_its_first_job_stands(desk: Desk) -> None:
    normal = desk.ask("shared")
    desk.ask("other")
    desk.ask("shared", priority="background", client="ben")
    assert desk.queue.eta_s(normal) == pytest.approx(TOOK)


def test_there_is_no_eta_before_a_render_was_timed() -> None:
    desk = Desk(timed=False)
    job = desk.ask(within_s=0.001)
    assert job.state == "queued"
    assert desk.queue.eta_s(job) is None


def test_a_model_that_was_never_timed_is_not_refused_on_a_guess(desk: Desk) -> None:
    other = Work(model="another", seconds=5.0, steps=10, guided=True)
    job = desk.ask(work=other, within_s=0.001)
    assert desk.queue.eta_s(job) == pytest.approx(TOOK)


def test_a_time_that_can_be_met_is_accepted(desk: Desk) -> None:
    desk.ask("before")
    desk.ask(within_s=2 * TOOK + 0.01)


def test_a_time_that_cannot_be_met_is_refused_and_the_steps_told_that_fit(desk: Desk) -> None:
    desk.ask("before")
    with pytest.raises(
        TooSlow, match=r"about 20\.0 s, longer than the 18 s given: \d steps? instead"
    ) as late:
        desk.ask(within_s=18)
    assert late.value.eta_s == pytest.approx(2 * TOOK)
    steps = int(str(late.value).split(": ")[1].split()[0])
    desk.ask(work=Work(model="m", seconds=5.0, steps=steps, guided=True), within_s=18)
    leave_by_cancel(desk, desk.queue.jobs_of("anna")[-1])
    with pytest.raises(TooSlow):
        desk.ask(work=Work(model="m", seconds=5.0, steps=steps + 1, guided=True), within_s=18)


def test_else_the_seconds_of_sound_are_told_that_fit(desk: Desk) -> None:
    with pytest.raises(TooSlow, match=r"\d s of sound in 4 steps would fit") as late:
        desk.ask(within_s=2.5)
    seconds = float(str(late.value).split(": ")[1].split()[0])
    desk.ask(work=Work(model="m", seconds=seconds, steps=4, guided=True), within_s=2.5)


def test_else_that_nothing_would_fit(desk: Desk) -> None:
    with pytest.raises(TooSlow, match=r"not even 0\.3 s of sound in 4 steps"):
        desk.ask(within_s=0.05)
    desk.ask("before")
    with pytest.raises(TooSlow, match=r"the work before it takes 10\.0 s"):
        desk.ask(within_s=8)


def test_what_fits_a_set_is_told_for_each_of_its_sounds(desk: Desk) -> None:
    with pytest.raises(TooSlow, match=r"about 30\.0 s") as late:
        desk.ask("a", "b", "c", within_s=27)
    steps = int(str(late.value).split(": ")[1].split()[0])
    desk.ask("a", "b", "c", work=Work(model="m", seconds=5.0, steps=steps, guided=True), within_s=27)


def test_what_would_fit_takes_its_own_place_in_the_order(desk: Desk) -> None:
    # asked for alone the shared render is nearly done; a shorter one would have to wait for it
    desk.ask("same")
    render = desk.take()
    desk.clock.now += 4
    with pytest.raises(TooSlow, match=r"the work before it takes 6\.0 s"):
        desk.ask("same", within_s=5, client="ben")
    desk.ask("same", within_s=6.01, client="ben")
    assert desk.queue.running is render


def test_the_replaced_job_takes_no_time(desk: Desk) -> None:
    desk.ask(slot="s")
    desk.take()
    desk.ask(slot="s", within_s=TOOK + 0.01)


# listening


def test_a_listener_may_use_the_queue(desk: Desk) -> None:
    heard: list[tuple[str, int | None]] = []

    def listen(job: Job) -> None:
        heard.append((job.state, queue.position(job)))
        if job.state == "done" and len(heard) < 10:
            queue.admit(client="anna", wanted=[wish("next")])

    queue = Queue(cost=desk.cost, clock=desk.clock, listen=listen)
    queue.admit(client="anna", wanted=[wish("first")])
    render = queue.take_next()
    assert render is not None
    queue.finished(render, "sound")
    assert heard == [("queued", 0), ("running", 0), ("done", 0), ("queued", 0)]
