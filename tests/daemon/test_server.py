"""The daemon over ZeroMQ, as its clients see it: admission, order of work, sharing, results and refusals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gated_worker
from foleyd import messages as m
from foleyd.audio.export import read_clip
from foleyd.choice import STRIDE, seed_behind
from foleyd.client import BlockingHandle, Client
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError, JobLost, RenderFailed, TooSlow
from foleyd.messages import JobEvent, LibraryRequest
from serving import PATIENCE, Served

STEPS = 5
WHOLE = list(range(STEPS + 1))
CUT_SHORT = [0, 1, 2, 3]
"""The steps of a render that is stopped during its third: no step is begun after it."""
LIMITS = ("--most-jobs", "4", "--most-of-client", "3", "--most-background", "2")
Open = Callable[..., Client]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon with small bounds, whose worker waits where a prompt says so."""
    with Served(tmp_path_factory.mktemp("served"), *LIMITS, worker=gated_worker.COMMAND) as daemon:
        yield daemon


@pytest.fixture
def open_client(served: Served) -> Iterator[Open]:
    """Opens clients; in the end nothing waits and nobody is left."""
    gated_worker.close_gate(served.home)
    with ExitStack() as stack:

        def open_(name: str = "", **options: Any) -> Client:
            return stack.enter_context(Client(served.file, name=name, **options))

        yield open_
        gated_worker.open_gate(served.home)
        with Client(served.file) as watcher:
            _until(watcher, lambda status: not status.jobs)


@pytest.fixture
def client(open_client: Open) -> Client:
    """A client of no name."""
    return open_client(timeout_s=PATIENCE)


def _until(client: Client, so: Callable[[m.StatusReply], bool]) -> m.StatusReply:
    """The daemon's status, as soon as it is so; looked at after each event."""
    events = client.events("job")
    try:
        while not so(status := client.status()):
            next(events)
        return status
    finally:
        events.close()


def _until_step(client: Client, handle: BlockingHandle, step: int) -> None:
    job_id = handle.job_id
    _until(client, lambda status: any(job.job_id == job_id and job.step >= step for job in status.jobs))


def _ask(client: Client, prompt: str, **more: Any) -> BlockingHandle:
    return client.render(prompt, **{"seed": 1, "steps": STEPS, "seconds": 0.5, **more})


def test_a_sound_is_admitted_made_and_delivered(client: Client, served: Served) -> None:
    events: list[JobEvent] = []
    handle = _ask(client, "a bell", seed=3)
    assert handle.reply.state == "queued"
    assert handle.reply.position == 0
    [recipe] = handle.reply.recipes
    assert (recipe["prompt"], recipe["seed"], recipe["steps"]) == ("a bell", 3, STEPS)
    result = handle.result(PATIENCE, progress=events.append)
    running = [event.step for event in events if event.state == "running"]
    assert running == sorted(running)
    assert set(range(1, STEPS + 1)) <= set(running)
    assert events[-1].state == "done"
    assert events[-1].clips == (result.clips[0].clip_id,)
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))
    [clip], [audio] = result.clips, result.audio
    samples, rate = read_clip(Path(clip.path))
    assert Path(clip.path).is_relative_to(served.told["library"])
    assert (rate, samples.shape) == (48_000, (1, 24_000)) == (audio.rate, audio.samples.shape)
    # the file has 24 bits
    assert np.array_equal(samples, audio.samples)
    assert result.kept == (False,)


def test_a_kept_take_is_not_rendered_again(client: Client, served: Served) -> None:
    first = _ask(client, "kept").result(PATIENCE)
    assert not first.kept[0]
    again = _ask(client, "kept")
    assert again.reply.state == "done"
    assert again.reply.eta_s == 0
    second = again.result(PATIENCE)
    assert second.kept == (True,)
    assert second.clips == first.clips
    other = _ask(client, "kept", rate=44_100, width="dual").result(PATIENCE)
    assert other.kept == (True,)
    assert other.takes == first.takes
    assert other.clips[0].clip_id != first.clips[0].clip_id
    assert other.audio[0].samples.shape == (2, 22_050)
    assert gated_worker.steps(served.home, "kept").count(0) == 1


def test_several_clips_are_one_job_and_one_set(client: Client) -> None:
    handle = _ask(client, "three", count=3, seed=10)
    assert [recipe["seed"] for recipe in handle.reply.recipes] == [10, 11, 12]
    result = handle.result(PATIENCE)
    assert [clip.seed for clip in result.clips] == [10, 11, 12]
    assert [audio.id for audio in result.audio] == [clip.clip_id for clip in result.clips]
    found = client.library(LibraryRequest(action="sets"))
    [made] = [one for one in found.sets if one.set_id == result.set_id]
    assert made.clips == tuple(clip.clip_id for clip in result.clips)
    # asked for again it is the same Set
    assert client.result(handle.job_id).set_id == result.set_id
    assert len(client.library(LibraryRequest(action="sets")).sets) == len(found.sets)


def test_seeds_are_drawn_where_none_is_given_and_told(client: Client) -> None:
    handle = client.render("drawn", steps=STEPS, seconds=0.5, count=2)
    first, second = (recipe["seed"] for recipe in handle.reply.recipes)
    assert 0 <= first < second == first + 1 < 2**24
    # the worker says which were taken of those that the model chooses from
    taken = [clip.seed for clip in handle.result(PATIENCE).clips]
    assert taken == [seed_behind(one, STRIDE) for one in (first, second)]
    handle = client.render("drawn", steps=STEPS, seconds=0.5, best_of=1)
    assert [clip.seed for clip in handle.result(PATIENCE).clips] == [handle.reply.recipes[0]["seed"]]


def test_two_clients_share_a_render_and_one_may_leave(open_client: Open, served: Served) -> None:
    one, two, three = (open_client(name) for name in ("one", "two", "three"))
    first = _ask(one, "wait shared")
    _until_step(one, first, 2)
    second = _ask(two, "wait shared")
    third = _ask(three, "wait shared", rate=22_050, level="none")
    assert second.reply.state == "running"
    assert first.cancel()
    with pytest.raises(Cancelled):
        first.result(PATIENCE)
    gated_worker.open_gate(served.home)
    assert second.result(PATIENCE).audio[0].rate == 48_000
    result = third.result(PATIENCE)
    assert (result.audio[0].rate, result.kept) == (22_050, (False,))
    assert result.takes == second.result(PATIENCE).takes
    assert gated_worker.steps(served.home, "wait shared") == WHOLE


def test_a_newer_job_on_a_slot_supersedes_the_one_before(open_client: Open, served: Served) -> None:
    client, other = open_client("slots"), open_client("elsewhere")
    running = _ask(client, "wait slot 1", slot="pad-3")
    apart = _ask(other, "wait slot 2", slot="pad-3")
    _until_step(client, running, 2)
    waiting = _ask(client, "wait slot 3", slot="pad-3")
    last = _ask(client, "wait slot 4", slot="pad-3")
    for handle in (running, waiting):
        with pytest.raises(Cancelled, match="pad-3"):
            handle.result(PATIENCE)
        with pytest.raises(Cancelled):
            client.result(handle.job_id)
    gated_worker.open_gate(served.home)
    assert last.result(PATIENCE).clips[0].prompt == "wait slot 4"
    assert apart.result(PATIENCE).clips[0].prompt == "wait slot 2"
    assert gated_worker.steps(served.home, "wait slot 1") == CUT_SHORT
    assert gated_worker.steps(served.home, "wait slot 3") == []


def test_live_work_goes_before_and_background_work_gives_way(client: Client, served: Served) -> None:
    background = _ask(client, "wait background", priority="background")
    _until_step(client, background, 2)
    normal = _ask(client, "normal")
    live = _ask(client, "live", priority="live")
    order: list[int] = []
    events = client.events("job")
    assert live.result(PATIENCE).clips
    assert normal.result(PATIENCE).clips
    gated_worker.open_gate(served.home)
    assert background.result(PATIENCE).clips
    while len(order) < 3:
        event = next(events)
        assert isinstance(event, JobEvent)
        order += [event.job_id] if event.state == "done" else []
    events.close()
    assert order == [live.job_id, normal.job_id, background.job_id]
    done = gated_worker.steps(served.home, "wait background")
    assert done == [*CUT_SHORT, *WHOLE]


@pytest.mark.parametrize("how", ["id", "slot", "all"])
def test_cancel_is_answered_while_the_worker_renders(open_client: Open, served: Served, how: str) -> None:
    client, other = open_client(f"canceller by {how}"), open_client("bystander")
    prompt = f"wait cancel {how}"
    handle = _ask(client, prompt, slot="s")
    queued = _ask(client, f"{prompt} 2")
    theirs = _ask(other, f"{prompt} 3", slot="s")
    _until_step(client, handle, 2)
    # another client's jobs are not its to cancel
    assert other.cancel((handle.job_id,)) == ()
    wanted = {"id": {"jobs": (handle.job_id,)}, "slot": {"slot": "s"}, "all": {"all": True}}[how]
    stopped = client.cancel(**wanted)
    assert stopped == ((handle.job_id, queued.job_id) if how == "all" else (handle.job_id,))
    assert client.cancel((handle.job_id,)) == ()
    with pytest.raises(Cancelled):
        handle.result(PATIENCE)
    gated_worker.open_gate(served.home)
    assert theirs.result(PATIENCE).clips
    if how != "all":
        assert queued.result(PATIENCE).clips
    assert gated_worker.steps(served.home, prompt) == CUT_SHORT


def test_a_cancel_that_names_nothing_is_refused(client: Client) -> None:
    with pytest.raises(BadRequest, match="names nothing"):
        client.cancel()


def test_a_full_queue_refuses_with_a_time_and_keeps_what_it_has(open_client: Open, served: Served) -> None:
    client, other = open_client("greedy"), open_client("also")
    held = [_ask(client, f"wait full {number}") for number in range(3)]
    with pytest.raises(Busy, match="3 jobs") as refusal:
        _ask(client, "one too many")
    assert refusal.value.retry_after_s
    assert refusal.value.retry_after_s > 0
    held.append(_ask(other, "wait full 3"))
    with pytest.raises(Busy, match="full, with 4"):
        _ask(other, "one too many")
    background = [_ask(other, f"background {number}", priority="background") for number in range(2)]
    with pytest.raises(Busy, match="2 places"):
        _ask(other, "one too many", priority="background")
    gated_worker.open_gate(served.home)
    assert all(handle.result(PATIENCE).clips for handle in (*held, *background))
    assert _ask(client, "one too many").result(PATIENCE).clips


def test_too_little_time_is_refused_with_what_would_fit(client: Client) -> None:
    for seed in range(2):
        _ask(client, "timed", seed=seed).result(PATIENCE)
    with pytest.raises(TooSlow, match=r"fit|more time") as refusal:
        _ask(client, "timed", seed=9, steps=200, within_s=0.001)
    assert refusal.value.eta_s is not None
    assert refusal.value.eta_s > 0.001
    assert _ask(client, "timed", seed=9, within_s=3600).result(PATIENCE).clips


def test_bars_and_tempo_are_a_length(client: Client) -> None:
    handle = client.render("bars", bars=1, bpm=120, beats=3, steps=STEPS)
    told = handle.reply.recipes[0]
    assert (told["seconds"], told["bars"], told["bpm"], told["beats"]) == ("auto", 1, 120, 3)
    assert handle.result(PATIENCE).clips[0].frames == 72_000


def test_what_is_delivered_is_what_was_asked_for(client: Client) -> None:
    nothing = _ask(client, "delivered", deliver="none")
    result = nothing.result(PATIENCE)
    assert result.clips
    assert result.audio == ()
    raw = _ask(client, "delivered", deliver="take")
    [take] = raw.result(PATIENCE).audio
    assert (take.kind, take.rate, take.frames) == ("take", 16_000, 48_000)
    assert take.id == result.takes[0].take_id
    assert np.abs(take.samples).max() == pytest.approx(0.5, abs=1e-3)
    # again, and after a reconnect
    assert client.result(raw.job_id).audio[0].kind == "take"
    assert client.result(nothing.job_id).audio[0].kind == "clip"
    assert client.result(nothing.job_id, audio=False).audio == ()


def test_a_result_stays_fetchable_by_its_number(open_client: Open, served: Served) -> None:
    with Client(served.file, name="comes back") as client:
        handle = _ask(client, "wait fetched")
        job = handle.job_id
        assert client.result(job).state in ("queued", "running")
    back = open_client("comes back")
    gated_worker.open_gate(served.home)
    _until(back, lambda status: not status.jobs)
    assert back.result(job).audio[0].frames == 24_000
    with pytest.raises(JobLost):
        open_client("stranger").result(job)
    assert back.clip(back.result(job).clips[0].clip_id).audio[0].frames == 24_000
    with pytest.raises(FoleydError, match="clip-none"):
        back.clip("clip-none")


def test_one_sound_that_fails_leaves_the_others(client: Client) -> None:
    with pytest.raises(RenderFailed, match="not numbers"):
        _ask(client, "fail").result(PATIENCE)
    failed = client.status().failures[-1]
    assert (failed.prompt, failed.code) == ("fail", "render_failed")
    assert _ask(client, "not so").result(PATIENCE).clips


BAD: dict[str, dict[str, Any]] = {
    "no prompt": {"prompt": None},
    "empty": {"prompt": ""},
    "too long": {"prompt": "x" * 2000},
    "a number": {"prompt": 3},
    "seed": {"seed": -1},
    "seed beyond": {"seed": 2**31 - 1, "count": 2},
    "seed huge": {"seed": 10**40},
    "steps": {"steps": 0},
    "seconds": {"seconds": "long"},
    "seconds of the model": {"seconds": 0.31, "bars": 1, "bpm": 60},
    "rate": {"rate": 1},
    "scheduler": {"scheduler": "none"},
    "operation": {"operation": "magic"},
    "model": {"model": "/etc"},
    "model up": {"model": "../../etc"},
    "revision": {"revision": "zzz"},
    "field": {"colour": "red"},
    "count": {"count": 17},
    "count 0": {"count": 0},
    "count 1.5": {"count": 1.5},
    "slot": {"slot": "x" * 81},
    "priority": {"priority": "first"},
    "within": {"within_s": 0},
    "within less": {"within_s": -1.0},
    "bars": {"seconds": None, "bars": 2},
    "bpm": {"bpm": 120},
    "tempo": {"bars": 1, "bpm": 10},
    "beats": {"bars": 1, "bpm": 100, "beats": 0},
    "deliver": {"deliver": "pizza"},
    "runtime": {"runtime": "x" * 41},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(client: Client, bad: dict[str, Any]) -> None:
    fields = {"prompt": "a bell", "steps": STEPS, "seconds": 0.5, **bad}
    with pytest.raises(FoleydError) as refusal:
        client.render(**{name: value for name, value in fields.items() if value is not None})
    assert refusal.value.code in ("bad_request", "model_missing")
    sentence = str(refusal.value)
    assert sentence.endswith(".")
    assert ":" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300


def test_nothing_is_lost_by_bad_input(client: Client) -> None:
    before = client.status()
    handle = _ask(client, "wait through it")
    for bad in ({"steps": 0}, {"slot": "x" * 81}, {"count": 17}):
        with pytest.raises(BadRequest):
            _ask(client, "a bell", **bad)
    assert [job.job_id for job in client.status().jobs] == [handle.job_id]
    assert client.status().worker.restarts == before.worker.restarts
    assert handle.cancel()


def test_many_threads_ask_at_once(client: Client) -> None:
    results: list[str] = []

    def ask(number: int) -> None:
        results.append(_ask(client, f"thread {number}").result(PATIENCE).clips[0].prompt)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(results) == [f"thread {number}" for number in range(3)]


def test_figures_are_counted(client: Client) -> None:
    _ask(client, "counted").result(PATIENCE)
    text = client.metrics()
    for line in (
        'foleyd_jobs_total{state="done"}',
        'foleyd_renders_total{source="rendered"}',
        "foleyd_worker_up 1.0",
    ):
        assert line in text
    status = client.status()
    assert (status.ready, status.worker.phase, status.worker.model) == (True, "ready", "starter")
    assert client.info().library
