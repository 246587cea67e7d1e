"""Workers that raise, die, hang and chatter, seen from the parent."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faulty_worker import command, tone
from foleyd import recipe
from foleyd.daemon import frames
from foleyd.daemon.workers import Worker
from foleyd.errors import Cancelled, RenderFailed, WorkerDied
from foleyd.recipe import Recipe

Start = Callable[[str], Worker]


def outcome(worker: Worker, wanted: Recipe) -> list[frames.Progress | frames.Audio | frames.Done]:
    return list(worker.render([wanted]))


def test_a_render_tells_every_step_then_the_sound_then_the_end(
    faulty: Start, full: Recipe, tmp_path: Path
) -> None:
    worker = faulty("none")
    worker.load(tmp_path)
    *steps, audio, done = outcome(worker, full)
    assert [(one.step, one.steps) for one in steps if isinstance(one, frames.Progress)] == [
        (step, 5) for step in range(1, 6)
    ]
    assert isinstance(audio, frames.Audio)
    assert isinstance(done, frames.Done)
    np.testing.assert_array_equal(np.frombuffer(audio.samples, "<f4"), tone(7, 3.0))
    assert (audio.seed, audio.rate, audio.bucket) == (7, 16_000, "t1")


def test_a_batch_gives_its_sounds_in_order(faulty: Start, full: Recipe, tmp_path: Path) -> None:
    worker = faulty("none")
    worker.load(tmp_path)
    wanted = [recipe.change(full, seed=seed) for seed in (3, 1, 2)]
    audio = [reply for reply in worker.render(wanted) if isinstance(reply, frames.Audio)]
    assert [(one.index, one.seed) for one in audio] == [(0, 3), (1, 1), (2, 2)]


def test_an_exception_at_the_third_step_is_one_sentence_with_its_traceback_beside(
    faulty: Start, full: Recipe, tmp_path: Path
) -> None:
    worker = faulty("raises")
    worker.load(tmp_path)
    seen = []
    with pytest.raises(RenderFailed, match="failed with ValueError: boom in two lines: see") as caught:
        seen.extend(worker.render([full]))
    assert [one.step for one in seen if isinstance(one, frames.Progress)] == [1, 2]
    assert caught.value.reason == "error"
    assert "\n" not in str(caught.value)
    assert "in raises" in "".join(caught.value.__notes__)


def test_a_worker_outlives_its_failures(faulty: Start, full: Recipe, tmp_path: Path) -> None:
    worker = faulty("raises_once")
    before = worker.load(tmp_path).pid
    with pytest.raises(RenderFailed):
        outcome(worker, full)
    assert isinstance(outcome(worker, full)[-1], frames.Done)
    assert worker.pid == before


def test_failures_keep_their_reason(faulty: Start, full: Recipe, tmp_path: Path) -> None:
    worker = faulty("bad_words")
    worker.load(tmp_path)
    with pytest.raises(RenderFailed, match="another seed") as caught:
        outcome(worker, recipe.change(full, prompt="a bad idea"))
    assert caught.value.reason == "nan"


def test_no_memory_is_said_as_such(faulty: Start, full: Recipe, tmp_path: Path) -> None:
    worker = faulty("no_memory")
    worker.load(tmp_path)
    with pytest.raises(RenderFailed) as caught:
        outcome(worker, full)
    assert caught.value.reason == "memory"


def test_a_load_that_fails_leaves_a_worker_that_can_be_asked_again(
    faulty: Start, full: Recipe, tmp_path: Path
) -> None:
    worker = faulty("load_raises")
    for _ in range(2):
        with pytest.raises(RenderFailed, match="no such weights"):
            worker.load(tmp_path)
    with pytest.raises(RenderFailed, match="No model is loaded"):
        outcome(worker, full)


@pytest.mark.parametrize(
    ("fault", "said", "last_words"),
    [
        ("dies", "SIGKILL during a render", "the last straw"),
        ("exits", "status 3 during a render", "no such luck"),
    ],
)
def test_a_death_is_told_with_how_and_its_last_words(
    faulty: Start, full: Recipe, tmp_path: Path, fault: str, said: str, last_words: str
) -> None:
    worker = faulty(fault)
    worker.load(tmp_path)
    with pytest.raises(WorkerDied, match=said) as caught:
        outcome(worker, full)
    assert last_words in "".join(caught.value.__notes__)
    assert worker.pid is None


def test_a_program_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match="could not be started"):
        Worker(command=[str(tmp_path / "nowhere")]).load(tmp_path)


def test_what_libraries_print_stays_out_of_the_frames(faulty: Start, full: Recipe, tmp_path: Path) -> None:
    worker = faulty("chatters")
    worker.load(tmp_path)
    audio = [reply for reply in outcome(worker, full) if isinstance(reply, frames.Audio)]
    np.testing.assert_array_equal(np.frombuffer(audio[0].samples, "<f4"), tone(7, 3.0))


def test_an_interrupt_cancels_between_two_steps_and_the_worker_goes_on(
    faulty: Start, full: Recipe, tmp_path: Path
) -> None:
    worker = faulty("waits_for_cancel")
    before = worker.load(tmp_path).pid
    replies = worker.render([full])
    assert [next(replies), next(replies)] == [frames.Progress(job=1, step=step, steps=5) for step in (1, 2)]
    worker.interrupt()
    after: list[object] = []
    with pytest.raises(Cancelled):
        after.extend(replies)
    # the worker may have begun its third step; it waits in there, so it never reaches a fourth
    assert after in ([], [frames.Progress(job=1, step=3, steps=5)])
    assert isinstance(outcome(worker, recipe.change(full, steps=2))[-1], frames.Done)
    assert worker.pid == before


def test_leaving_a_render_early_does_not_disturb_the_next(
    faulty: Start, full: Recipe, tmp_path: Path
) -> None:
    worker = faulty("none")
    worker.load(tmp_path)
    for _ in worker.render([recipe.change(full, seed=1)]):
        break
    audio = [reply for reply in outcome(worker, full) if isinstance(reply, frames.Audio)]
    assert [one.seed for one in audio] == [7]


def test_an_interrupt_ends_a_load_which_cannot_be_cancelled(faulty: Start, tmp_path: Path) -> None:
    worker = faulty("load_ctrl_c")
    before = signal.signal(signal.SIGINT, lambda *_: worker.interrupt())
    try:
        with pytest.raises(Cancelled):
            worker.load(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert worker.pid is None


def test_a_worker_goes_when_its_parent_does_whatever_it_computes(full: Recipe, tmp_path: Path) -> None:
    with subprocess.Popen(command("hangs"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        frames.write(process.stdin, frames.Load(folder=str(tmp_path)))  # type: ignore[arg-type]
        frames.write(process.stdin, frames.Render(job=1, recipes=(recipe.to_json(full),)))  # type: ignore[arg-type]
        replies = [frames.read_reply(process.stdout) for _ in range(3)]  # type: ignore[arg-type]
        assert isinstance(replies[-1], frames.Progress)
        process.stdin.close()
        assert process.wait(60) == 0


def test_ctrl_c_is_not_the_workers_business(faulty: Start, full: Recipe, tmp_path: Path) -> None:
    worker = faulty("none")
    os.kill(worker.load(tmp_path).pid, signal.SIGINT)
    assert isinstance(outcome(worker, full)[-1], frames.Done)


def test_closing_twice_and_closing_what_never_started_are_fine(faulty: Start, tmp_path: Path) -> None:
    Worker().close()
    worker = faulty("none")
    pid = worker.load(tmp_path).pid
    worker.close()
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
