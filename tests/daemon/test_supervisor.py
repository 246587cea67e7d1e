"""The supervisor: whatever becomes of its worker, the next request is served or told why not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from faulty_worker import GO, PARTS, THREADS, command, tone
from foleyd import recipe
from foleyd.daemon import frames
from foleyd.daemon.supervisor import MAX_DEATHS, STABLE_S, Supervisor, WorkerState
from foleyd.errors import Cancelled, ModelBroken, RenderFailed, WorkerDied, WorkerDown
from foleyd.recipe import Recipe

DEADLINE = 240.0


class Watched:
    """A supervisor of workers with a fault, every state that it told, and a clock that stands still."""

    def __init__(self, fault: str | list[str], full: Recipe, folder: Path, **options: object) -> None:
        self.full = full
        self.folder = folder
        self.seen: list[WorkerState] = []
        self.now = 0.0
        self._changed = asyncio.Event()
        self.supervisor = Supervisor(
            command=command(fault) if isinstance(fault, str) else fault,
            on_state=self._tell,
            clock=lambda: self.now,
            **{"nice": 0, **options},  # type: ignore[arg-type]
        )

    @property
    def state(self) -> WorkerState:
        return self.supervisor.state

    @property
    def phases(self) -> list[str]:
        """The phases seen, without repeats."""
        phases = [one.phase for one in self.seen]
        return [phase for at, phase in enumerate(phases) if at == 0 or phases[at - 1] != phase]

    async def render(self, model: str = "m", **changes: object) -> frames.Audio:
        """Render the full recipe with some changes, and a model whose folder is called that."""
        folder = self.folder / model
        folder.mkdir(exist_ok=True)
        heard = changes.pop("on_progress", lambda _: None)
        wanted = recipe.change(self.full, **changes)
        [audio] = await self.supervisor.render(
            [wanted], folder=folder, model=model, revision="1", on_progress=heard
        )
        return audio

    def begin(self, **changes: object) -> asyncio.Task[frames.Audio]:
        """The same in a task."""
        return asyncio.create_task(self.render(**changes))

    async def until(self, so: Callable[[WorkerState], bool]) -> WorkerState:
        """Wait for a state; the present one counts."""
        while not so(self.state):
            self._changed.clear()
            await self._changed.wait()
        return self.state

    async def step(self, number: int, **changes: object) -> asyncio.Task[frames.Audio]:
        """Begin a render and wait until that step of it is done."""
        done = asyncio.Event()
        task = self.begin(on_progress=lambda told: done.set() if told.step == number else None, **changes)
        await done.wait()
        return task

    def kill(self) -> int:
        """Kill the worker as it is; its process id."""
        pid = self.state.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def _tell(self, state: WorkerState) -> None:
        self.seen.append(state)
        self._changed.set()


Scenario = Callable[[Watched], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture
def run(full: Recipe, tmp_path: Path) -> Run:
    """Runs a scenario with a supervisor, closes it, and sees that no process is left."""

    def call(fault: str | list[str], scenario: Scenario, **options: object) -> None:
        async def inner() -> None:
            watched = Watched(fault, full, tmp_path, **options)
            try:
                async with asyncio.timeout(DEADLINE):
                    await scenario(watched)
            finally:
                await watched.supervisor.close()
            assert watched.state.phase == "stopped"
            for pid in {one.pid for one in watched.seen if one.pid is not None}:
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)

        asyncio.run(inner())

    return call


def test_the_first_render_starts_the_worker_and_the_next_has_it(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        assert watched.state.phase == "stopped"
        assert watched.supervisor.ready
        audio = await watched.render(seed=5)
        np.testing.assert_array_equal(np.frombuffer(audio.samples, "<f4"), tone(5, 3.0))
        first = watched.state
        assert (first.phase, first.model, first.revision, first.device) == ("ready", "m", "1", "an abacus")
        assert (first.deaths, first.restarts, first.last_error, first.load_part) == (0, 0, "", "")
        assert first.memory_bytes is not None
        assert first.memory_bytes > 1_000_000
        await watched.render(seed=6)
        assert watched.state.pid == first.pid
        assert watched.phases == ["starting", "loading", "ready", "busy", "ready", "busy", "ready"]

    run("none", scenario)


def test_loading_shows_its_parts_in_order_and_a_render_waits_for_it(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        (watched.folder / "m").mkdir()
        early = asyncio.create_task(watched.supervisor.preload(watched.folder / "m", "m", "1"))
        await watched.until(lambda state: state.load_part == PARTS[-1])
        late = [watched.begin(seed=seed) for seed in (1, 2)]
        await asyncio.sleep(0)
        assert watched.state.phase == "loading"
        (watched.folder / "m" / GO).touch()
        await early
        assert [one.seed for one in await asyncio.gather(*late)] == [1, 2]
        told = [(one.load_part, one.load_done, one.load_of) for one in watched.seen if one.load_part]
        assert told == [(part, done, len(PARTS)) for done, part in enumerate(PARTS)]
        assert watched.phases == ["starting", "loading", "ready", "busy", "ready", "busy", "ready"]

    run("load_waits", scenario)


def test_a_kill_fails_the_render_at_hand_and_the_queued_ones_run_in_a_new_process(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        at_hand = await watched.step(2, prompt="a bad bell")
        queued = [watched.begin(seed=seed) for seed in (1, 2)]
        before = watched.kill()
        with pytest.raises(WorkerDied, match="SIGKILL during a render") as caught:
            await at_hand
        assert caught.value.reason == "signal"
        assert [one.seed for one in await asyncio.gather(*queued)] == [1, 2]
        after = watched.state
        assert after.pid not in (None, before)
        assert (after.deaths, after.restarts, after.last_error) == (1, 1, str(caught.value))

    run("waits_if_bad", scenario)


def test_a_death_while_idle_is_noticed_and_the_model_loaded_again(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        await watched.render()
        before = watched.kill()
        after = await watched.until(lambda state: state.phase == "ready" and state.pid != before)
        assert after.model == "m"
        assert "SIGKILL while it waited for work" in after.last_error
        assert (await watched.render(seed=3)).seed == 3
        assert watched.state.pid == after.pid

    run("none", scenario)


def test_after_five_deaths_in_a_row_it_stays_down_and_refuses_at_once(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        for count in range(1, MAX_DEATHS + 1):
            with pytest.raises(WorkerDied):
                await watched.render(prompt="a bad bell")
            assert watched.state.deaths == count
        down = watched.state
        assert (down.phase, down.pid, down.model, down.restarts) == ("down", None, "", MAX_DEATHS - 1)
        assert not watched.supervisor.ready
        told = len(watched.seen)
        with pytest.raises(WorkerDown, match=r"died 5 times in a row.*SIGKILL during a render") as caught:
            await watched.render()
        assert str(caught.value) == down.last_error
        assert caught.value.code == "worker_down"
        with pytest.raises(WorkerDown):
            await watched.supervisor.preload(watched.folder, "m", "1")
        assert len(watched.seen) == told

    run("dies_if_bad", scenario)


def test_who_waits_is_refused_too_once_it_is_down(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        renders = [watched.begin(prompt="a bad bell") for _ in range(MAX_DEATHS + 2)]
        outcomes = await asyncio.gather(*renders, return_exceptions=True)
        assert [type(one) for one in outcomes] == [WorkerDied] * MAX_DEATHS + [WorkerDown] * 2

    run("dies_if_bad", scenario)


def test_a_worker_that_dies_of_its_model_goes_down_by_itself(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        with pytest.raises(WorkerDied, match="SIGKILL while it loaded the model"):
            await watched.supervisor.preload(watched.folder, "m", "1")
        down = await watched.until(lambda state: state.phase == "down")
        assert (down.deaths, down.restarts) == (MAX_DEATHS, MAX_DEATHS - 1)

    run("load_dies", scenario)


def test_a_program_that_is_none_goes_down_too(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        with pytest.raises(WorkerDied, match="could not be started") as caught:
            await watched.render()
        assert caught.value.reason == "exit"
        down = await watched.until(lambda state: state.phase == "down")
        assert "could not be started" in down.last_error

    run(["/there/is/no/such/program"], scenario)


@pytest.mark.parametrize(("life", "deaths"), [(STABLE_S, 1), (STABLE_S - 0.1, MAX_DEATHS)])
def test_ten_seconds_of_life_make_the_next_death_the_first(run: Run, life: float, deaths: int) -> None:
    async def scenario(watched: Watched) -> None:
        for _ in range(MAX_DEATHS - 1):
            with pytest.raises(WorkerDied):
                await watched.render(prompt="a bad bell")
        await watched.until(lambda state: state.phase == "ready")
        watched.now += life
        with pytest.raises(WorkerDied):
            await watched.render(prompt="a bad bell")
        assert watched.state.deaths == deaths
        assert (watched.state.phase == "down") == (deaths == MAX_DEATHS)

    run("dies_if_bad", scenario)


def test_renders_alone_do_not_make_a_life_stable(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        for _ in range(2):
            await watched.render()
            with pytest.raises(WorkerDied):
                await watched.render(prompt="a bad bell")
        assert watched.state.deaths == 2

    run("dies_if_bad", scenario)


def test_what_is_down_can_be_revived(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        watched.supervisor.revive()
        assert watched.seen == []
        for _ in range(MAX_DEATHS):
            with pytest.raises(WorkerDied):
                await watched.render(prompt="a bad bell")
        watched.supervisor.revive()
        assert watched.supervisor.ready
        assert watched.state.deaths == 0
        await watched.until(lambda state: state.phase == "ready")
        assert (await watched.render(seed=4)).seed == 4

    run("dies_if_bad", scenario)


def test_the_model_changes_with_the_recipe_in_the_same_process(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        for model in ("a", "a", "b", "a"):
            await watched.render(model)
            assert watched.state.model == model
        loads = [one.model for one in watched.seen if one.load_part == PARTS[0]]
        assert loads == ["a", "b", "a"]
        assert len({one.pid for one in watched.seen if one.pid is not None}) == 1

    run("none", scenario)


def test_a_death_brings_back_the_model_that_was_there_last(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        await watched.render("a")
        await watched.render("b")
        before = watched.kill()
        after = await watched.until(lambda state: state.phase == "ready" and state.pid != before)
        assert after.model == "b"

    run("none", scenario)


def test_a_model_that_cannot_be_loaded_is_an_error_and_no_death(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        with pytest.raises(ModelBroken, match="pull the model again"):
            await watched.render("broken")
        broken = watched.state
        assert (broken.phase, broken.model, broken.pid, broken.deaths) == ("stopped", "", None, 0)
        assert "pull the model again" in broken.last_error
        [before] = {one.pid for one in watched.seen if one.pid is not None}
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert (await watched.render("fine", seed=2)).seed == 2

    run("none", scenario)


def test_a_render_that_fails_leaves_the_worker_as_it_is(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        with pytest.raises(RenderFailed, match="boom"):
            await watched.render()
        before = watched.state
        assert (before.phase, before.deaths) == ("ready", 0)
        await watched.render()
        assert watched.state.pid == before.pid

    run("raises_once", scenario)


def test_after_a_rest_the_model_is_let_go_and_comes_back_when_wanted(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        await watched.render()
        before = watched.state.pid
        assert before is not None
        idle = await watched.until(lambda state: state.phase == "stopped")
        assert (idle.pid, idle.model, idle.deaths, idle.memory_bytes) == (None, "", 0, None)
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        await watched.render()
        pids = {one.pid for one in watched.seen if one.pid is not None}
        assert len(pids) == 2

    run("none", scenario, idle_s=0.05)


def test_a_render_that_is_at_hand_is_no_rest(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        at_hand = await watched.step(2, prompt="a bad bell")
        resting = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.2, resting.set_result, None)
        await resting  # several times as long as a rest may be
        assert watched.state.phase == "busy"
        watched.supervisor.cancel()
        with pytest.raises(Cancelled):
            await at_hand

    run("waits_if_bad", scenario, idle_s=0.05)


def test_a_cancel_stops_the_render_at_the_next_step_and_the_worker_stays(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        watched.supervisor.cancel()  # nothing is at hand
        at_hand = await watched.step(2, prompt="a bad bell")
        before = watched.state.pid
        queued = watched.begin(seed=9)
        watched.supervisor.cancel()
        with pytest.raises(Cancelled):
            await at_hand
        assert (await queued).seed == 9
        assert (watched.state.pid, watched.state.deaths) == (before, 0)

    run("waits_if_bad", scenario)


def test_a_task_that_is_cancelled_stops_its_render_and_the_worker_stays(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        at_hand = await watched.step(2, prompt="a bad bell")
        before = watched.state.pid
        at_hand.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at_hand
        assert (await watched.render(seed=9)).seed == 9
        assert (watched.state.pid, watched.state.deaths) == (before, 0)

    run("waits_if_bad", scenario)


@pytest.mark.parametrize("how", ["cancel", "task"])
def test_who_waits_for_a_load_can_be_cancelled_and_the_load_goes_on(run: Run, how: str) -> None:
    async def scenario(watched: Watched) -> None:
        waiting = watched.begin()
        loading = await watched.until(lambda state: state.load_part == PARTS[-1])
        if how == "cancel":
            watched.supervisor.cancel()
            with pytest.raises(Cancelled):
                await waiting
        else:
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert watched.state.phase == "loading"
        (watched.folder / "m" / GO).touch()
        await watched.render()
        assert watched.state.pid == loading.pid

    run("load_waits", scenario)


def test_a_kill_while_it_loads_fails_who_waits_for_it_and_is_a_death(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        waiting = watched.begin()
        await watched.until(lambda state: state.load_part == PARTS[-1])
        before = watched.kill()
        with pytest.raises(WorkerDied, match="SIGKILL while it loaded the model"):
            await waiting
        (watched.folder / "m" / GO).touch()
        await watched.render()
        assert watched.state.pid != before
        assert watched.state.deaths == 1

    run("load_waits", scenario)


def test_a_thread_is_spared_where_one_is_wanted(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        threads = []
        for watched.supervisor.spare in (False, True, False):
            threads.append((await watched.render()).threads)
        assert threads == [THREADS, THREADS - 1, THREADS]

    run("none", scenario)


def test_the_worker_has_a_lower_priority(run: Run) -> None:
    async def scenario(watched: Watched) -> None:
        await watched.render()
        assert watched.state.pid is not None
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, watched.state.pid) == min(19, own + 10)

    run("none", scenario, nice=10)


@pytest.mark.parametrize("fault", ["waits_if_bad", "load_waits"])
def test_closing_cancels_whoever_waits_and_leaves_no_process(run: Run, fault: str) -> None:
    async def scenario(watched: Watched) -> None:
        at_hand, queued = watched.begin(prompt="a bad bell"), watched.begin()
        busy = "loading" if fault == "load_waits" else "busy"
        await watched.until(lambda state: state.phase == busy)
        await watched.supervisor.close()
        for task in (at_hand, queued):
            with pytest.raises(Cancelled):
                await task
        with pytest.raises(Cancelled):
            await watched.render()
        assert not watched.supervisor.ready
        assert watched.state.deaths == 0

    run(fault, scenario)
