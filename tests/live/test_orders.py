"""Renders of pads, over a real daemon in a process of its own that is killed, ended and started again; and
over a small one where the test has to say what it answers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

import gated_worker
from foleyd import messages as m
from foleyd.choice import STRIDE, seed_behind
from foleyd.client import AsyncClient
from foleyd.errors import (
    BadRequest,
    Busy,
    Cancelled,
    FoleydError,
    NoDaemon,
    RenderFailed,
    WorkerDied,
    from_code,
)
from foleyd.wire.connection import Connection
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer
from foleyd_live.daemon_line import DaemonLine
from foleyd_live.desk import TooManyEvents
from foleyd_live.history import ClipSource
from foleyd_live.order import Order, Wish
from foleyd_live.orders import Orders
from foleyd_live.promise import Promise, nearest
from foleyd_live.properties import Value
from foleyd_live.tempo import Tempo
from rigged_pads import DELAY, PATIENCE_S, RATE, Rig, noise, rigged, run, write
from serving import PATIENCE, Served, wait_until_gone
from small_daemon import Daemon, clip_of

PAIRS: dict[str, Value] = {"seconds": 0.5, "steps": 5.0}
BAR = 2 * RATE


class Studio(NamedTuple):
    """Pads with a line to a daemon. `states` are what the line said of itself."""

    rig: Rig
    line: DaemonLine
    orders: Orders
    promise: list[str]
    states: list[str]

    async def connected(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.line.there()

    async def rendering(self, pad: int, share: float = 0.4) -> None:
        """Wait until so much of the pad's render is done; of one clip, the gate leaves 0.4."""
        await self.rig.until(lambda: float(self.rig.pads.get(pad, "progress")) >= share)


@asynccontextmanager
async def studio(where: Path | Connection) -> AsyncIterator[Studio]:
    async with rigged() as rig:
        states: list[str] = []
        promise = ["later"]
        line = DaemonLine(
            where, changed=lambda state, why: states.append(state), timeout_s=PATIENCE_S, lease_s=600.0
        )
        orders = Orders(rig.pads, line, rig.tempo, lambda: rig.desk.frame, lambda: promise[0])
        line.start()
        try:
            yield Studio(rig, line, orders, promise, states)
        finally:
            await orders.close()
            await line.close()


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Served]:
    """A daemon whose worker waits at its gate."""
    served = Served(home, worker=gated_worker.COMMAND)
    await asyncio.to_thread(served.__enter__)
    try:
        yield served
    finally:
        await asyncio.to_thread(served.__exit__, None, None, None)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One daemon for the tests that leave it alone."""
    with Served(tmp_path_factory.mktemp("daemon"), worker=gated_worker.COMMAND) as served:
        yield served


def loop_of(rig: Rig, folder: Path) -> asyncio.Task[None]:
    """Let a loop play on pad 3."""

    async def begin() -> None:
        rig.pads.set(2, "mode", "loop")
        await rig.load(2, write(folder / "loop.wav", noise(3000, 1)))
        rig.pads.play(2)

    return asyncio.create_task(begin())


def turned(begin: int, end: int) -> np.ndarray:
    """That loop from frame to frame."""
    return np.resize(noise(3000, 1), (end, 2))[begin:]


def test_a_killed_daemon_costs_neither_sound_nor_render(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with studio(tmp_path / "connection.json") as here:
            rig, line, orders, states = here.rig, here.line, here.orders, here.states
            pads = rig.pads
            await loop_of(rig, tmp_path)
            prompt = "wait for the rain"
            first = Served(tmp_path, worker=gated_worker.COMMAND)
            await asyncio.to_thread(first.__enter__)
            try:
                await here.connected()
                rendering = asyncio.create_task(orders.render(2, prompt, {**PAIRS, "count": 2}))
                await here.rendering(2, 0.2)
                seed = orders.waiting[0].seed
                assert seed is not None
                heard = [rig.mixed(4000)]
                pid = (await line.check().status()).worker.pid
                assert pid is not None
                worker = os.pidfd_open(pid)
                first.process.kill()
            finally:
                await asyncio.to_thread(first.__exit__, None, None, None)
            await asyncio.to_thread(wait_until_gone, worker)
            while line.state == "connected":
                heard.append(rig.mixed(500))
                await asyncio.sleep(0.05)
            assert line.why
            heard.append(rig.mixed(4000))
            before = gated_worker.steps(tmp_path, prompt)
            async with serving(tmp_path):
                await here.connected()
                while len(gated_worker.steps(tmp_path, prompt)) < 2 * len(before):
                    heard.append(rig.mixed(500))
                    await asyncio.sleep(0.05)
                assert not rendering.done()
                assert orders.waiting[0].seed == seed
                gated_worker.open_gate(tmp_path)
                number, clip_id = await rendering
                found = await line.check().clip(str(clip_id), audio=False)
            # chosen again from the same first seeds
            taken = seed_behind(seed, STRIDE)
            assert (number, found.clips[0].seed) == (3, taken)
            assert [source.recipe["seed"] for source in pads.candidates(2)] == [
                taken,
                seed_behind(seed + 1, STRIDE),
            ]
            assert (pads.get(2, "clip"), pads.get(2, "prompt")) == (clip_id, prompt)
            assert (pads.get(2, "state"), pads.get(2, "why"), orders.waiting) == ("ready", "", [])
            assert "away" in states[states.index("connected") :]
            assert line.state == "connected"
            # the loop went on to its end, and the new clip came on the very next sample
            mixed = sum(map(len, heard))
            np.testing.assert_array_equal(np.concatenate(heard)[DELAY:], turned(0, mixed - DELAY))
            rest = -mixed % 3000
            clip = pads.clip(2)
            assert clip is not None
            after = rig.heard(rest + 2000)
            np.testing.assert_array_equal(after[:rest], turned(mixed, mixed + rest))
            np.testing.assert_array_equal(after[rest:], clip.samples[:2000])

    run(scenario)


def test_a_daemon_that_ends_in_good_order_is_asked_again_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with studio(tmp_path / "connection.json") as here:
            async with serving(tmp_path) as served:
                await here.connected()
                rendering = asyncio.create_task(here.orders.render(0, "wait here", PAIRS))
                await here.rendering(0)
                seed = here.orders.waiting[0].seed
                served.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(served.process.wait, PATIENCE)
            assert not rendering.done()
            assert here.rig.pads.get(0, "state") == "queued"
            gated_worker.open_gate(tmp_path)
            async with serving(tmp_path):
                await rendering
            source = here.rig.pads.source(0)
            assert source is not None
            assert source.recipe["seed"] == seed_behind(seed, STRIDE)

    run(scenario)


def test_a_killed_worker_is_asked_again_with_the_same_seed(tmp_path: Path, daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.close_gate(daemon.home)
        async with studio(daemon.file) as here:
            await here.connected()
            rendering = asyncio.create_task(here.orders.render(0, "wait for the axe", PAIRS))
            await here.rendering(0)
            seed = here.orders.waiting[0].seed
            pid = (await here.line.check().status()).worker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await here.rig.until(lambda: here.rig.pads.get(0, "progress") == 0.0)
            await here.rendering(0)
            gated_worker.open_gate(daemon.home)
            await rendering
            source = here.rig.pads.source(0)
            assert source is not None
            assert source.recipe["seed"] == seed_behind(seed, STRIDE)
            assert gated_worker.steps(daemon.home, "wait for the axe")[:3] == [0, 1, 2]
            assert gated_worker.steps(daemon.home, "wait for the axe").count(0) == 2

    run(scenario)


def test_a_failed_render_leaves_the_pad_as_it_was_and_says_why(tmp_path: Path, daemon: Served) -> None:
    async def scenario() -> None:
        async with studio(daemon.file) as here:
            rig, pads = here.rig, here.rig.pads
            await here.connected()
            await loop_of(rig, tmp_path)
            before = pads.state(2)
            heard = [rig.mixed(1000)]
            with pytest.raises(RenderFailed, match="not numbers") as failure:
                await here.orders.render(2, "fail again", PAIRS)
            assert pads.get(2, "why") == str(failure.value)
            assert (pads.get(2, "state"), pads.get(2, "progress"), pads.get(2, "eta")) == ("ready", 0.0, 0.0)
            heard.append(rig.mixed(5000))
            np.testing.assert_array_equal(np.concatenate(heard)[DELAY:], turned(0, 6000 - DELAY))
            assert pads.state(2) == before
            assert pads.candidates(2) == ()
            with pytest.raises(RenderFailed):
                await here.orders.render(7, "fail on an empty pad", PAIRS)
            assert (pads.get(7, "state"), pads.clip(7)) == ("failed", None)
            told: list[tuple[float, float]] = []
            await here.orders.render(2, "a bell", PAIRS, lambda share, eta: told.append((share, eta)))
            assert pads.get(2, "why") == ""
            assert pads.state(2) != before
            shares = [share for share, _ in told]
            assert shares == sorted(shares)
            assert {0.2, 0.4, 0.6, 0.8} <= set(shares)
            await pads.undo(2)
            assert pads.state(2) == before

    run(scenario)


def test_a_newer_render_takes_the_place_of_the_one_before(tmp_path: Path, daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.close_gate(daemon.home)
        async with studio(daemon.file) as here:
            pads = here.rig.pads
            await here.connected()
            older = asyncio.create_task(here.orders.render(0, "wait long", PAIRS, preset="bank/old"))
            await here.rendering(0)
            newer = asyncio.create_task(here.orders.render(0, "a quick one", PAIRS, preset="bank/new"))
            with pytest.raises(Cancelled, match="newer one on pad 1"):
                await older
            await newer
            assert (pads.get(0, "prompt"), pads.get(0, "preset")) == ("a quick one", "bank/new")
            assert not any(name == "why" for _, name, _ in here.rig.told)
            assert (await here.line.check().status()).jobs == ()

    run(scenario)


def test_a_cancelled_render_is_over_at_once_here_and_soon_at_the_daemon(daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.close_gate(daemon.home)
        async with studio(daemon.file) as here:
            await here.connected()
            client = here.line.check()
            assert not await here.orders.cancel(0)
            async with client.events("job") as events:
                for _ in range(2):
                    rendering = asyncio.create_task(here.orders.render(0, "wait in vain", PAIRS))
                    await here.rendering(0)
                    assert await here.orders.cancel(0)
                    assert here.rig.pads.get(0, "state") == "empty"
                    with pytest.raises(Cancelled, match="pad 1 was cancelled"):
                        await rendering
                    async for event in events:
                        if isinstance(event, m.JobEvent) and event.state == "cancelled":
                            break
            assert here.rig.pads.get(0, "why") == ""
            # who waits for it may also go away
            rendering = asyncio.create_task(here.orders.render(0, "wait in vain", PAIRS))
            await here.rendering(0)
            rendering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await rendering
            assert here.orders.waiting == []

    run(scenario)


def test_a_draft_plays_until_the_sound_takes_its_place(tmp_path: Path, daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.close_gate(daemon.home)
        async with studio(daemon.file) as here:
            pads = here.rig.pads
            await here.connected()
            await loop_of(here.rig, tmp_path)
            before = pads.get(2, "clip")
            pairs: dict[str, Value] = {**PAIRS, "draft": 2.0, "seed": 4}
            rendering = asyncio.create_task(here.orders.render(2, "wait for the rest", pairs))
            await here.rig.until(lambda: pads.get(2, "clip") != before)
            draft = pads.source(2)
            assert draft is not None
            assert (draft.recipe["steps"], draft.recipe["seed"]) == (2, 4)
            assert pads.get(2, "state") == "rendering"
            # what is heard goes over to the draft without a gap, and later to the sound
            assert here.rig.mixed(4000).any(axis=1)[DELAY:].mean() > 0.9
            gated_worker.open_gate(daemon.home)
            _, clip_id = await rendering
            final = pads.source(2)
            assert final is not None
            assert (pads.get(2, "clip"), final.recipe["steps"]) == (clip_id, 5)
            assert [one.recipe["steps"] for one in pads.candidates(2)] == [5]
            # the draft is no step of its own
            await pads.undo(2)
            assert pads.get(2, "clip") == before
        gated_worker.close_gate(daemon.home)

    run(scenario)


def test_an_idle_pad_plays_its_sound_while_it_is_made(daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.close_gate(daemon.home)
        async with studio(daemon.file) as here:
            pads = here.rig.pads
            await here.connected()
            pairs: dict[str, Value] = {"seconds": 1.0, "steps": 5.0, "early": 1.0, "seed": 9}
            rendering = asyncio.create_task(here.orders.render(1, "linger a while", pairs))
            await here.rig.until(lambda: pads.clip(1) is not None)
            sketch = pads.clip(1)
            assert sketch is not None
            assert (sketch.seconds, pads.get(1, "state"), pads.get(1, "clip")) == (1.0, "rendering", "")
            pads.play(1)
            # a quarter of a second is there, and the rest silent
            heard = here.rig.mixed(RATE)
            assert np.abs(heard[RATE // 10 : RATE // 5]).max() > 0.1
            assert not heard[RATE // 3 :].any()
            gated_worker.open_gate(daemon.home)
            _, clip_id = await rendering
            final = pads.clip(1)
            assert final is not None
            assert (pads.get(1, "clip"), final is sketch) == (clip_id, False)
            # the sketch was filled to its end, half as loud as the model made it
            assert np.abs(sketch.samples[RATE // 2 : -RATE // 10]).max() == pytest.approx(0.25, abs=0.01)
            await pads.undo(1)
            assert pads.clip(1) is None
        gated_worker.close_gate(daemon.home)

    run(scenario)


def test_a_sound_that_is_given_up_half_made_leaves_the_pad_as_it_was(tmp_path: Path, daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.close_gate(daemon.home)
        async with studio(daemon.file) as here:
            pads = here.rig.pads
            await here.connected()
            await here.rig.load(1, write(tmp_path / "before.wav", noise(3000, 1)))
            before = pads.clip(1)
            pairs: dict[str, Value] = {"seconds": 1.0, "steps": 5.0, "early": 1.0, "seed": 10}
            rendering = asyncio.create_task(here.orders.render(1, "linger in vain", pairs))
            await here.rig.until(lambda: pads.clip(1) is not before)
            assert await here.orders.cancel(1)
            with pytest.raises(Cancelled):
                await rendering
            await here.rig.until(lambda: pads.clip(1) is before)
            # with nothing before it, the pad is empty again
            rendering = asyncio.create_task(here.orders.render(4, "linger in vain", pairs))
            await here.rig.until(lambda: pads.clip(4) is not None)
            await here.orders.cancel(4)
            with pytest.raises(Cancelled):
                await rendering
            await here.rig.until(lambda: pads.clip(4) is None)

    run(scenario)


def test_a_looping_pad_waits_for_the_whole_sound(tmp_path: Path, daemon: Served) -> None:
    async def scenario() -> None:
        gated_worker.open_gate(daemon.home)
        async with studio(daemon.file) as here:
            pads = here.rig.pads
            await here.connected()
            await loop_of(here.rig, tmp_path)
            had = {id(pads.clip(2))}
            pairs: dict[str, Value] = {"seconds": 1.0, "steps": 5.0, "early": 1.0, "seed": 11}
            rendering = asyncio.create_task(here.orders.render(2, "a loop", pairs))
            while not rendering.done():
                had.add(id(pads.clip(2)))
                await asyncio.sleep(0)
            assert pads.get(2, "clip") == rendering.result()[1]
            assert len(had) <= 2
        gated_worker.close_gate(daemon.home)

    run(scenario)


def test_candidates_and_bars(daemon: Served) -> None:
    async def scenario() -> None:
        async with studio(daemon.file) as here:
            pads = here.rig.pads
            await here.connected()
            here.rig.tempo.set_tempo(240.0)
            pairs: dict[str, Value] = {"bars": 0.5, "count": 3.0, "seed": 5, "steps": 5}
            _, clip_id = await here.orders.render(1, "a drum loop", pairs)
            assert [source.recipe["seed"] for source in pads.candidates(1)] == [5, 6, 7]
            assert (pads.get(1, "seconds"), pads.get(1, "bpm")) == (0.5, 240.0)
            assert pads.get(1, "clip") == clip_id
            await pads.choose(1, 2)
            source = pads.source(1)
            assert source is not None
            assert (source.recipe["seed"], source.bpm) == (7, 240.0)
            await pads.undo(1)
            assert pads.get(1, "clip") == clip_id

    run(scenario)


def test_without_a_daemon_it_says_so_and_finds_the_first_that_comes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with studio(tmp_path / "connection.json") as here:
            pads = here.rig.pads
            with pytest.raises(NoDaemon, match="foleyd serve"):
                await here.orders.render(0, "rain", PAIRS)
            assert "foleyd serve" in str(pads.get(0, "why"))
            assert (pads.get(0, "state"), here.line.state) == ("failed", "away")
            async with serving(tmp_path):
                await here.connected()
                assert here.line.why == ""
                assert here.line.info is not None
                await here.orders.render(0, "rain", PAIRS)
            assert (pads.get(0, "state"), pads.get(0, "why")) == ("ready", "")

    run(scenario)


def test_the_line_tells_of_everybody_s_jobs(daemon: Served) -> None:
    async def scenario() -> None:
        async with studio(daemon.file) as here, AsyncClient(daemon.file, name="the editor") as other:
            await here.connected()
            handle = await other.render("wait for the editor", seconds=0.5, steps=5, seed=77)
            async with asyncio.timeout(PATIENCE_S):
                while [one.client for one in here.line.jobs] != ["the editor"]:
                    await asyncio.sleep(0.05)
                await handle.cancel()
                while here.line.jobs:
                    await asyncio.sleep(0.05)

    run(scenario)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({"stepz": 3}, "no field 'stepz'.*did you mean 'steps'"),
        ({"steps": -1}, "steps is -1"),
        ({"count": 0}, "count is 0: give 1 to 16"),
        ({"count": 1.5}, "count is 1.5"),
        ({"bars": 65}, "bars is 65"),
        ({"bars": "two"}, "bars is 'two'"),
        ({"bars": 2, "seconds": 1}, "both seconds and bars"),
        ({"by": "beat"}, "by is 'beat'"),
        ({"best_of": 17}, "best_of is 17: give 1 to 16"),
        ({"draft": 0}, "draft is 0: give 1 to 200 steps"),
        ({"draft": "quick"}, "draft is 'quick'"),
        ({"early": 2}, "early is 2: give 1 or 0"),
        ({"within_s": -1.0}, "within_s is -1.0"),
        ({"within_s": "soon"}, "within_s is 'soon'"),
        ({"prompt": "wind"}, "prompt is given twice"),
    ],
)
def test_wrong_pairs_are_named(pairs: dict[str, Value], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        Wish.read("rain", pairs)
    assert Wish.read("rain", {"by": "bar", "count": 2.0, "steps": 5.0}) == Wish(
        fields={"prompt": "rain", "steps": 5.0}, count=2, by_bar=True
    )


def test_what_is_asked_for_again_and_how_often() -> None:
    def order() -> Order:
        return Order(0, Wish(fields={"prompt": "rain"}), lambda share, eta: None, Tempo(lambda: 0, RATE))

    reply = m.RenderReply(job_id=1, state="queued", position=0, eta_s=None, recipes=({"seed": 3},))
    new, old = order(), order()
    old.admit(reply)
    for error in (NoDaemon("gone"), Busy("full"), Cancelled("about to end")):
        assert old.refused(error)
        assert not new.refused(error)
    assert not old.refused(BadRequest("no"))
    assert [old.failed(WorkerDied("dead")) for _ in range(3)] == [True, True, False]
    # cancelled once: perhaps the daemon ends; twice: somebody means it, unless it did end
    assert [old.failed(Cancelled("cancelled")) for _ in range(2)] == [True, False]
    again = order()
    again.admit(reply)
    for _ in range(3):
        assert again.failed(Cancelled("cancelled"))
        again.refused(Cancelled("about to end"))
    again.superseded = True
    assert not again.failed(Cancelled("superseded"))
    assert not old.failed(RenderFailed("nan"))


class Slow(Daemon):
    """A small daemon that gives an ETA, and has clips in its library."""

    eta_s: float | None = 0.0
    shelf: tuple[m.ClipInfo, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.admitted = asyncio.Event()

    async def render(self, request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        reply, raw = await super().render(request, peer, buffers)
        assert isinstance(reply, m.RenderReply)
        self.admitted.set()
        return msgspec.structs.replace(reply, eta_s=self.eta_s), raw

    async def library(self, request: m.LibraryRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        words = request.text.split()
        found = [clip for clip in self.shelf if all(word in clip.prompt for word in words)]
        return m.LibraryReply(clips=tuple(found[: request.limit])), ()


def test_a_render_that_is_cancelled_before_its_admission_is_called_off_after_it() -> None:
    async def scenario() -> None:
        small, go = Daemon(), asyncio.Event()
        admit = small.desk.deeds["render"]

        async def slow(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            await go.wait()
            return await admit(request, peer, buffers)

        async def asked(command: str) -> m.Message:
            while True:
                found = [request for name, request, _ in small.desk.asked if name == command]
                if found:
                    return found[-1]
                await small.desk.until(len(small.desk.asked) + 1)

        small.desk.deeds["render"] = slow
        async with small.serve() as endpoint, studio(endpoint.connection) as here:
            await here.connected()
            rendering = asyncio.create_task(here.orders.render(0, "rain", {}))
            request = await asked("render")
            assert isinstance(request, m.RenderRequest)
            assert (request.slot, request.priority, request.client) == ("pad-1", "live", "foleyd live")
            await here.orders.cancel(0)
            with pytest.raises(Cancelled):
                await rendering
            go.set()
            assert await asked("cancel") == m.CancelRequest(jobs=(1,), client="foleyd live")

    run(scenario)


def test_by_the_next_bar_a_clip_is_launched_on_it() -> None:
    async def scenario() -> None:
        slow = Slow()
        sent = np.frombuffer(slow.samples, "<f4").reshape(2, 3)
        async with slow.serve() as endpoint, studio(endpoint.connection) as here:
            rig = here.rig
            await here.connected()
            rig.mixed(1000)
            rendering = asyncio.create_task(here.orders.render(0, "a hit", {"by": "bar"}))
            await slow.admitted.wait()
            slow.end(1)
            # the clip's file is on no disk here: its samples came with the result
            assert await rendering == (1, "c1")
            clip = rig.pads.clip(0)
            assert clip is not None
            assert clip.source is not None
            np.testing.assert_array_equal(clip.source.samples, sent.T)
            heard = rig.heard(BAR)
            assert not heard[: BAR - 1000].any()
            np.testing.assert_array_equal(heard[BAR - 1000 :][: clip.frames], clip.samples)

    run(scenario)


def test_a_bar_that_cannot_be_kept_gets_the_nearest_clip_meanwhile(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow, hit = Slow(), noise(5000, 4)
        path = write(tmp_path / "near.wav", hit)
        near = msgspec.structs.replace(
            clip_of(9, {"prompt": "thunder far away", "seed": 1}), path=str(path), clip_id="c9"
        )
        slow.eta_s, slow.shelf = 60.0, (clip_of(8, {"prompt": "a dog", "seed": 1}), near)
        async with slow.serve() as endpoint, studio(endpoint.connection) as here:
            rig = here.rig
            here.promise[0] = "nearest"
            await here.connected()
            rendering = asyncio.create_task(here.orders.render(0, "loud thunder and rain", {"by": "bar"}))
            await rig.until(lambda: rig.pads.get(0, "clip") == "c9")
            assert rig.pads.get(0, "state") == "queued"
            np.testing.assert_array_equal(rig.heard(BAR + 6000)[BAR : BAR + 5000], hit)
            slow.end(1)
            await rendering
            assert rig.pads.get(0, "clip") == "c1"
            begun = rig.desk.frame
            heard = rig.heard(BAR)
            assert not heard[: 2 * BAR - begun].any()
            assert heard[2 * BAR - begun :][:3].any()
            await rig.pads.undo(0)
            assert rig.pads.get(0, "clip") == "c9"

            slow.shelf = ()
            assert await nearest(here.line.check(), "thunder") is None

    run(scenario)


def test_a_promise_is_the_next_bar_or_a_later_one() -> None:
    frame = 1000
    tempo = Tempo(lambda: frame, RATE)
    tempo.align(0)
    soon = Promise(tempo, "later", 1.0, 1000)
    assert (soon.met, soon.frame(50_000)) == (True, BAR)
    # it came late after all: the bar after
    assert soon.frame(BAR - 10) == 2 * BAR
    later = Promise(tempo, "later", 4.1, 1000)
    assert (later.met, later.frame(2000)) == (False, 3 * BAR)
    assert later.frame(3 * BAR + 1) == 4 * BAR
    wait = Promise(tempo, "wait", 4.1, 1000)
    assert (wait.met, wait.frame(2000)) == (False, BAR)
    unknown = Promise(tempo, "later", None, 1000)
    assert (unknown.met, unknown.frame(BAR + 1)) == (False, 2 * BAR)
    # the tempo doubles: the same beat, sooner
    tempo.set_tempo(240.0, 1000)
    assert later.frame(2000) == 1000 + (3 * BAR - 1000) // 2
    # the count begins anew: the promised beat is far away, and the next bar is taken
    tempo.align(300_000)
    assert later.frame(300_001) == 300_000 + RATE


def test_a_source_knows_what_it_was_made_from() -> None:
    info = clip_of(3, {"prompt": "rain", "seed": 9})
    source = ClipSource.of(info, preset="weather/rain", bpm=120.0)
    assert (source.label, source.prompt, source.recipe["seed"]) == ("c3", "rain", 9)
    assert msgspec.json.decode(msgspec.json.encode(source), type=ClipSource) == source
    assert ClipSource(path="/a.wav").label == "/a.wav"
    assert issubclass(NoDaemon, FoleydError)


def test_the_host_s_own_errors_do_not_stand_for_the_daemon_s() -> None:
    """The mixer is busy in its own way; who waits for a place in the queue catches Busy."""
    assert TooManyEvents.code == Busy.code
    refused = from_code("busy", "full", retry_after_s=2.0)
    assert type(refused) is Busy
    assert refused.retry_after_s == 2.0
