"""Workers that raise, die, hang and chatter, seen from the parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from faulty_worker import GO, LONG, PARTS, command, tone
from foleyd import recipe
from foleyd.daemon import deaths, frames
from foleyd.daemon.blocking_worker import Worker
from foleyd.daemon.workers import WorkerProcess
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
        before = len(PARTS) + 1  # the load's progress and its end
        replies = [frames.read_reply(process.stdout) for _ in range(before + 1)]  # type: ignore[arg-type]
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


# --- the same process, attended to by asyncio

DEADLINE = 120.0
Talk = Callable[[WorkerProcess], Awaitable[None]]


def attended(fault: str | list[str], talk: Talk, **options: object) -> None:
    """Run `talk` with a worker of that fault, not yet loaded, and see that nothing is left of it."""

    async def run() -> None:
        line = command(fault) if isinstance(fault, str) else fault
        worker = WorkerProcess(command=line, **options)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(DEADLINE):
                await talk(worker)
        finally:
            await worker.close()
        assert worker.pid is None

    asyncio.run(run())


def test_a_batch_is_a_list_in_order_and_every_step_is_told(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        parts: list[frames.LoadProgress] = []
        steps: list[frames.Progress] = []
        loaded = await worker.load(tmp_path, on_progress=parts.append)
        assert (loaded.pid, loaded.device) == (worker.pid, "an abacus")
        assert [(one.part, one.done, one.of) for one in parts] == [
            (part, done, len(PARTS)) for done, part in enumerate(PARTS)
        ]
        wanted = [recipe.change(full, seed=seed) for seed in (3, 1, 2)]
        audio = await worker.render(wanted, threads=2, on_progress=steps.append)
        assert [(one.index, one.seed, one.threads) for one in audio] == [(0, 3, 2), (1, 1, 2), (2, 2, 2)]
        assert [one.step for one in steps] == [1, 2, 3, 4, 5]

    attended("none", talk)


def test_the_longest_sound_fits_through_the_pipe(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        await worker.load(tmp_path)
        [audio] = await worker.render([full])
        assert audio.samples == np.ones(LONG, "<f4").tobytes()

    attended("long", talk)


def test_two_callers_at_once_take_turns(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        await worker.load(tmp_path)
        renders = [worker.render([recipe.change(full, seed=seed)]) for seed in (1, 2, 3)]
        assert [one.seed for [one] in await asyncio.gather(*renders)] == [1, 2, 3]

    attended("none", talk)


def test_a_cancel_is_heard_at_the_next_step(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        before = (await worker.load(tmp_path)).pid
        worker.cancel()  # nothing is at hand, so this is for nobody
        steps: list[int] = []

        def hear(progress: frames.Progress) -> None:
            steps.append(progress.step)
            if progress.step == 2:
                worker.cancel()

        with pytest.raises(Cancelled):
            await worker.render([full], on_progress=hear)
        assert steps in ([1, 2], [1, 2, 3])
        assert len(await worker.render([recipe.change(full, steps=2)])) == 1
        assert worker.pid == before

    attended("waits_for_cancel", talk)


def test_a_task_that_is_cancelled_cancels_its_render(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        before = (await worker.load(tmp_path)).pid
        second = asyncio.Event()

        def hear(progress: frames.Progress) -> None:
            if progress.step == 2:
                second.set()

        task = asyncio.create_task(worker.render([full], on_progress=hear))
        await second.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # the fault waits for a cancel: this ends only if the worker was told of it
        [audio] = await worker.render([recipe.change(full, steps=2, seed=8)])
        assert (audio.seed, worker.pid) == (8, before)

    attended("waits_for_cancel", talk)


def test_a_load_that_is_cancelled_ends_the_process_and_the_next_has_another(tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(worker.load(tmp_path, on_progress=lambda _: begun.set()))
        await begun.wait()
        before = worker.pid
        assert before is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert worker.pid is None
        (tmp_path / GO).touch()
        assert (await worker.load(tmp_path)).pid != before
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)

    attended("load_waits", talk)


def test_a_death_is_noticed_while_nothing_is_asked(tmp_path: Path) -> None:
    heard: list[WorkerDied] = []

    async def talk(worker: WorkerProcess) -> None:
        pid = (await worker.load(tmp_path)).pid
        exited = asyncio.create_task(worker.exited())
        os.kill(pid, signal.SIGTERM)
        death = await exited
        assert death is not None
        assert "SIGTERM while it waited for work" in str(death)
        assert heard == [death]
        assert death.reason == "signal"

    attended("none", talk, on_exit=heard.append)


def test_an_end_that_was_asked_for_is_no_death(tmp_path: Path) -> None:
    heard: list[WorkerDied] = []

    async def talk(worker: WorkerProcess) -> None:
        assert await worker.exited() is None
        await worker.load(tmp_path)
        exited = asyncio.create_task(worker.exited())
        await asyncio.sleep(0)
        await worker.close()
        assert await exited is None

    attended("none", talk, on_exit=heard.append)
    assert heard == []


def test_closing_during_a_render_cancels_it(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        await worker.load(tmp_path)
        begun = asyncio.Event()
        task = asyncio.create_task(worker.render([full], on_progress=lambda _: begun.set()))
        await begun.wait()
        await worker.close()
        with pytest.raises(Cancelled):
            await task

    attended("hangs", talk)


def test_a_child_that_keeps_the_pipes_open_does_not_hide_the_death(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        await worker.load(tmp_path)
        try:
            with pytest.raises(WorkerDied, match="SIGKILL during a render"):
                await worker.render([recipe.change(full, prompt=str(tmp_path))])
        finally:
            (tmp_path / GO).touch()

    attended("leaves_a_child_and_dies", talk)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('Loading checkpoint shards: 100%', flush=True); input()", "announces"),
        (
            "import sys; sys.stdout.buffer.write(b'\\0\\0\\0\\1\\xc1'); sys.stdout.flush(); input()",
            "not a reply",
        ),
    ],
)
def test_a_program_that_talks_otherwise_is_ended(tmp_path: Path, program: str, said: str) -> None:
    async def talk(worker: WorkerProcess) -> None:
        with pytest.raises(WorkerDied, match=f"made no sense.*{said}"):
            await worker.load(tmp_path)

    attended([sys.executable, "-c", program], talk)


@pytest.mark.parametrize("counted", [True, False])
def test_a_kill_for_want_of_memory_is_said_for_certain_only_where_the_system_counted_one(
    full: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    counts = tmp_path / "vmstat"
    counts.write_text("pgfault 7\noom_kill 3\n")
    monkeypatch.setattr(deaths, "VMSTAT", counts)

    async def talk(worker: WorkerProcess) -> None:
        await worker.load(tmp_path)

        def hear(progress: frames.Progress) -> None:
            if counted:
                counts.write_text("pgfault 9\noom_kill 4\n")

        with pytest.raises(WorkerDied) as caught:
            await worker.render([full], on_progress=hear)
        if counted:
            assert "by SIGKILL during a render because the system ran out of memory" in str(caught.value)
            assert caught.value.reason == "memory"
        else:
            assert "most often the system ran out of memory" in str(caught.value)
            assert caught.value.reason == "signal"

    attended("dies", talk)


def test_an_exit_has_its_reason(full: Recipe, tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        await worker.load(tmp_path)
        with pytest.raises(WorkerDied, match="status 3") as caught:
            await worker.render([full])
        assert caught.value.reason == "exit"

    attended("exits", talk)


def test_a_lower_priority_is_a_lower_priority(tmp_path: Path) -> None:
    async def talk(worker: WorkerProcess) -> None:
        pid = (await worker.load(tmp_path)).pid
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + 4)

    attended("none", talk, nice=4)
