"""Renders of one shape made as one batch where the worker gains by that, and what that never costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gated_worker
from foleyd import recipe
from foleyd.client import BlockingHandle, Client
from foleyd.daemon.estimate import CostModel, Work
from foleyd.daemon.jobs import Job, Wanted
from foleyd.daemon.models import Models, Request
from foleyd.daemon.queue import Queue
from foleyd.daemon.together import alike
from foleyd.errors import Cancelled, RenderFailed
from foleyd.messages import Priority, StatusReply
from serving import PATIENCE, Served

WORK = Work(model="m", seconds=5.0, steps=10, guided=True)
FIELDS: dict[str, Any] = {"seed": 1, "steps": 5, "seconds": 0.5}


# the queue


@pytest.fixture
def queue() -> Queue:
    cost = CostModel()
    cost.observe(WORK, 10.0)
    return Queue(cost=cost, clock=lambda: 1000.0)


def ask(queue: Queue, *keys: str, priority: Priority = "normal", shape: str = "t8") -> Job:
    wanted = [Wanted(key=key, payload=key, work=WORK, alike=shape) for key in keys]
    return queue.admit(client="anna", wanted=wanted, priority=priority)


def cost_of(batch: int) -> float:
    """What the queue believes that so many sounds at once take."""
    cost = CostModel()
    cost.observe(WORK, 10.0)
    took = cost.estimate(Work(model="m", seconds=5.0, steps=10, guided=True, batch=batch))
    assert took is not None
    return took


def taken(queue: Queue) -> list[str]:
    """The keys of the next batch, as far as it goes."""
    first = queue.take_next()
    found = [] if first is None else [first.key]
    while (more := queue.take_along()) is not None:
        found.append(more.key)
    assert [render.key for render in queue.batch] == found
    return found


def test_what_follows_in_one_shape_is_taken_along(queue: Queue) -> None:
    pair, other = ask(queue, "a", "b"), ask(queue, "c")
    assert taken(queue) == ["a", "b", "c"]
    assert (pair.state, other.state, queue.position(other)) == ("running", "running", 0)
    for render in queue.batch:
        queue.progressed(render, 3, 10)
    assert (pair.step, other.step) == (6, 3)
    assert queue.take_next() is None
    for render in queue.batch:
        queue.finished(render, f"sound of {render.key}")
    assert pair.results == ["sound of a", "sound of b"]
    assert (pair.state, other.state, queue.batch) == ("done", "done", ())


@pytest.mark.parametrize("shape", ["t16", ""])
def test_nobody_is_overtaken(queue: Queue, shape: str) -> None:
    ask(queue, "a")
    ask(queue, "b", shape=shape)
    ask(queue, "c")
    assert taken(queue) == ["a"]


@pytest.mark.parametrize("priority", ["live", "background"])
def test_other_priorities_are_no_company(queue: Queue, priority: Priority) -> None:
    ask(queue, "a", "b", priority="normal")
    ask(queue, "c", "d", priority=priority)
    assert taken(queue) == (["a", "b"] if priority == "background" else ["c"])


def test_a_batch_gives_way_to_live_work_and_a_single_sound_does_not(queue: Queue) -> None:
    alone = ask(queue, "a")
    taken(queue)
    ask(queue, "now", priority="live")
    assert not queue.must_stop()
    queue.finished(queue.batch[0], "sound")
    assert taken(queue) == ["now"]
    queue.finished(queue.batch[0], "sound")
    pair = ask(queue, "b", "c")
    assert taken(queue) == ["b", "c"]
    assert not queue.must_stop()
    live = ask(queue, "at once", priority="live")
    assert queue.must_stop()
    assert queue.eta_s(live) == pytest.approx(10.0)
    for render in queue.batch:
        queue.stopped(render)
    assert taken(queue) == ["at once"]
    queue.finished(queue.batch[0], "sound")
    assert taken(queue) == ["b", "c"]
    assert (alone.state, live.state, pair.state) == ("done", "done", "running")


def test_who_joins_a_batch_live_is_not_stopped_for_other_live_work(queue: Queue) -> None:
    ask(queue, "a", "b")
    taken(queue)
    ask(queue, "b", priority="live")
    ask(queue, "c", priority="live")
    assert not queue.must_stop()


def test_one_that_is_cancelled_does_not_stop_the_others(queue: Queue) -> None:
    first, second = ask(queue, "a"), ask(queue, "b")
    taken(queue)
    queue.cancel(job_ids=[first.id])
    assert not queue.must_stop()
    for render in queue.batch:
        queue.finished(render, "sound")
    assert (first.state, second.state) == ("cancelled", "done")
    third, fourth = ask(queue, "c"), ask(queue, "d")
    taken(queue)
    queue.cancel(job_ids=[third.id, fourth.id])
    assert queue.must_stop()
    for render in queue.batch:
        queue.stopped(render)
    assert queue.take_next() is None


def test_what_failed_together_is_tried_apart(queue: Queue) -> None:
    job = ask(queue, "a", "b")
    taken(queue)
    for render in queue.batch:
        queue.stopped(render, apart=True)
    assert taken(queue) == ["a"]
    queue.failed(queue.batch[0], RenderFailed("silence", "silence"))
    assert taken(queue) == ["b"]
    queue.finished(queue.batch[0], "sound")
    assert (job.state, job.results) == ("done", [None, "sound"])


def test_the_time_of_a_batch_is_foreseen(queue: Queue) -> None:
    first, second = ask(queue, "a"), ask(queue, "b")
    taken(queue)
    both = cost_of(2)
    assert queue.eta_s(first) == queue.eta_s(second) == pytest.approx(both)
    assert 10.0 < both < 20.0


# which are alike


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"seed": 2, "prompt": "rain"}, True),
        ({"seconds": 0.4}, True),
        ({"rate": 44_100}, True),
        ({"seconds": 2.0}, False),
        ({"steps": 6}, False),
        ({"guidance": 2.0}, False),
        ({"operation": "loop"}, False),
    ],
)
def test_alike_is_what_the_engine_takes_as_one_batch(changes: dict[str, Any], same: bool) -> None:
    models = Models()

    def prepared(**fields: Any) -> Request:
        return models.prepare(recipe.make(**{"prompt": "a bell", **FIELDS, **fields}))

    assert (alike(prepared(), "") == alike(prepared(**changes), "")) == same
    assert alike(prepared(), "torch") != alike(prepared(), "")
    assert alike(prepared(operation="layers", attack="a click"), "") == ""


# the daemon


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon whose worker gains by batches of three."""
    home = tmp_path_factory.mktemp("served")
    gated_worker.gains_by(home, 3)
    with Served(home, worker=gated_worker.COMMAND) as daemon:
        yield daemon


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    gated_worker.close_gate(served.home)
    with Client(served.file, timeout_s=PATIENCE) as one:
        one.render("first", **FIELDS).result(PATIENCE)  # the worker has told what it gains by
        yield one
        one.cancel(all=True)
        gated_worker.open_gate(served.home)


def until(client: Client, so: Callable[[StatusReply], bool]) -> None:
    events = client.events("job")
    while not so(client.status()):
        next(events)
    events.close()


def running(*handles: BlockingHandle) -> Callable[[StatusReply], bool]:
    """Whether all of these are with the worker, two steps on."""
    ids = {handle.job_id for handle in handles}
    return lambda status: ids <= {job.job_id for job in status.jobs if job.step >= 2}


def test_several_clips_are_one_batch_and_say_so(client: Client, served: Served) -> None:
    made = client.render("a set", count=4, **FIELDS).result(PATIENCE)
    assert [clip.seed for clip in made.clips] == [1, 2, 3, 4]
    assert [take.batch for take in made.takes] == [3, 3, 3, 1]
    assert gated_worker.batches(served.home)[-2:] == [["a set"] * 3, ["a set"]]
    live = client.render("a live set", count=2, priority="live", **FIELDS).result(PATIENCE)
    assert [take.batch for take in live.takes] == [1, 1]


def test_cancelling_one_of_a_batch_leaves_the_others(client: Client, served: Served) -> None:
    block = client.render("wait block", **{**FIELDS, "steps": 6})
    until(client, running(block))
    pair = [client.render(f"wait {name}", **FIELDS) for name in ("one", "two")]
    client.cancel([block.job_id])
    until(client, running(*pair))
    assert gated_worker.batches(served.home)[-1] == ["wait one", "wait two"]
    pair[0].cancel()
    gated_worker.open_gate(served.home)
    with pytest.raises(Cancelled):
        pair[0].result(PATIENCE)
    assert pair[1].result(PATIENCE).takes[0].batch == 2


def test_live_work_stops_a_batch_which_is_done_after_it(client: Client, served: Served) -> None:
    pair = client.render("wait pair", count=2, **FIELDS)
    until(client, running(pair))
    live = client.render("at once", priority="live", **FIELDS).result(PATIENCE)
    assert live.takes[0].batch == 1
    gated_worker.open_gate(served.home)
    assert len(pair.result(PATIENCE).clips) == 2
    both = ["wait pair"] * 2
    assert gated_worker.batches(served.home)[-3:] == [both, ["at once"], both]


def test_one_that_fails_takes_no_other_along(client: Client, served: Served) -> None:
    block = client.render("wait before", **{**FIELDS, "steps": 6})
    until(client, running(block))
    good, bad = client.render("good", **FIELDS), client.render("fail", **FIELDS)
    client.cancel([block.job_id])
    with pytest.raises(RenderFailed, match="not numbers"):
        bad.result(PATIENCE)
    assert good.result(PATIENCE).takes[0].batch == 1
    assert gated_worker.batches(served.home)[-3:] == [["good", "fail"], ["good"], ["fail"]]


def test_a_worker_that_gains_nothing_makes_one_at_a_time(tmp_path: Path) -> None:
    with Served(tmp_path, worker=gated_worker.COMMAND) as daemon, Client(daemon.file) as client:
        made = client.render("a set", count=3, **FIELDS).result(PATIENCE)
        assert [take.batch for take in made.takes] == [1, 1, 1]
        assert gated_worker.batches(tmp_path) == [["a set"]] * 3
