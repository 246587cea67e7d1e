"""Looking ahead: only while the daemon is idle, one sound at a time, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import gated_worker
from foleyd import messages as m
from foleyd.client import AsyncClient
from foleyd.errors import BadRequest
from foleyd_live.daemon_line import DaemonLine
from foleyd_live.prefetch import SLOT, Prefetch
from rigged_pads import PATIENCE_S, run
from serving import Served
from small_daemon import STATUS, Daemon

Fields = dict[str, Any]


class Small(Daemon):
    """A small daemon that tells whose job an event is about, and what it is asked to render."""

    def __init__(self) -> None:
        super().__init__()
        self.rendered: asyncio.Queue[m.RenderRequest] = asyncio.Queue()
        self.cancelled: asyncio.Queue[int] = asyncio.Queue()

    async def render(self, request: m.RenderRequest, peer: Any, buffers: Any) -> Any:
        answer = await super().render(request, peer, buffers)
        self.rendered.put_nowait(request)
        return answer

    async def cancel(self, request: m.CancelRequest, peer: Any, buffers: Any) -> Any:
        answer = await super().cancel(request, peer, buffers)
        for job in request.jobs:
            self.cancelled.put_nowait(job)
        return answer

    def tell_other(self, state: m.State, job: int = 900) -> None:
        """Somebody else's job."""
        self.number += 1
        event = m.JobEvent(
            number=self.number, at=0.0, job_id=job, client="a plugin", slot="", state=state, position=0,
            eta_s=None, step=0, steps=3,
        )  # fmt: skip
        self.endpoint.publish("job", event)

    def tell_event(self, job: int, state: m.State, step: int = 0) -> None:
        self.number += 1
        client = self.jobs[job][0].client
        event = m.JobEvent(
            number=self.number, at=0.0, job_id=job, client=client, slot=self.jobs[job][0].slot, state=state,
            position=0, eta_s=None, step=step, steps=3,
        )  # fmt: skip
        self.endpoint.publish("job", event)


@asynccontextmanager
async def fetching(where: Any, wanted: list[Fields], **options: Any) -> AsyncIterator[Prefetch]:
    line = DaemonLine(where, timeout_s=PATIENCE_S, lease_s=600.0)
    prefetch = Prefetch(line, lambda: wanted, quiet_s=0.05, **options)
    line.start()
    prefetch.start()
    try:
        yield prefetch
    finally:
        await prefetch.close()
        await line.close()


def test_it_asks_for_what_has_a_seed_one_after_the_other_and_each_once() -> None:
    async def scenario() -> None:
        small = Small()
        wanted: list[Fields] = [
            {"prompt": "drawn"},
            {"prompt": "rain", "seed": 1, "steps": 5},
            {"prompt": "wrong", "seed": 1, "stepz": 5},
            {"prompt": "rain", "seed": 1, "steps": 5.0},
            {"prompt": "wind", "seed": 2},
            {"prompt": "too far ahead", "seed": 3},
        ]
        async with small.serve() as endpoint, fetching(endpoint.connection, wanted, most=5) as prefetch:
            first = await small.rendered.get()
            assert (first.slot, first.priority, first.deliver) == (SLOT, "background", "none")
            assert (first.recipe, first.client) == (wanted[1], "foleyd live")
            assert small.rendered.empty()
            small.end(1)
            assert (await small.rendered.get()).recipe == wanted[4]
            small.end(2)
            # one that fails is not asked for again
            wanted[:] = [{"prompt": "fails", "seed": 4}, {"prompt": "next", "seed": 5}]
            prefetch.poke()
            assert (await small.rendered.get()).recipe["prompt"] == "fails"
            small.end(3, "failed", "render_failed", "It is silent: try another seed.")
            assert (await small.rendered.get()).recipe["prompt"] == "next"
            small.end(4)
            wanted.append({"prompt": "last", "seed": 6})
            while prefetch.made < 3:
                prefetch.poke()
                await asyncio.sleep(0.01)
            assert (await small.rendered.get()).recipe["prompt"] == "last"
            assert small.rendered.empty()

    run(scenario)


def test_it_stops_for_any_other_job_and_goes_on_after_it() -> None:
    async def scenario() -> None:
        small = Small()
        wanted: list[Fields] = [{"prompt": "rain", "seed": 1}]
        async with small.serve() as endpoint, fetching(endpoint.connection, wanted) as prefetch:
            await small.rendered.get()
            small.tell_other("queued")
            assert await small.cancelled.get() == 1
            small.tell_other("running")
            with pytest.raises(TimeoutError):  # for many times the quiet that it wants
                await asyncio.wait_for(small.rendered.get(), 1.0)
            assert prefetch.made == 0
            small.tell_other("done")
            again = await small.rendered.get()
            assert again.recipe == wanted[0]
            small.end(2)

    run(scenario)


def test_a_daemon_that_is_busy_or_refuses_is_let_be() -> None:
    async def scenario() -> None:
        small = Small()
        busy = m.JobInfo(
            job_id=7, client="a plugin", slot="", priority="normal", state="running", prompt="rain", count=1,
            position=0, eta_s=None, step=0, steps=3,
        )  # fmt: skip
        jobs = [busy]
        looked: asyncio.Queue[None] = asyncio.Queue()

        async def status(request: m.StatusRequest, peer: Any, buffers: Any) -> Any:
            looked.put_nowait(None)
            return m.StatusReply(**{**_fields(STATUS), "jobs": tuple(jobs)}), ()

        small.desk.deeds["status"] = status
        wanted: list[Fields] = [{"prompt": "rain", "seed": 1}, {"prompt": "wind", "seed": 1}]
        async with small.serve() as endpoint, fetching(endpoint.connection, wanted) as prefetch:
            await looked.get()
            small.refusal = BadRequest("there is no such model: choose another.")
            jobs.clear()
            small.tell_other("done", 7)

            def asked() -> list[str]:
                renders = [request for _, request, _ in small.desk.asked]
                return [one.recipe["prompt"] for one in renders if isinstance(one, m.RenderRequest)]

            while len(asked()) < 2:
                await small.desk.until(len(small.desk.asked) + 1)
            small.refusal = None
            wanted.append({"prompt": "snow", "seed": 1})
            prefetch.poke()
            assert (await small.rendered.get()).recipe["prompt"] == "snow"
            assert asked() == ["rain", "wind", "snow"]

    run(scenario)


def _fields(struct: m.StatusReply) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_what_was_looked_ahead_for_is_there_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        wanted: list[Fields] = [{"prompt": f"bell {seed}", "seed": seed, "steps": 5, "seconds": 0.5}
                                for seed in range(2)]  # fmt: skip
        served = Served(tmp_path, worker=gated_worker.COMMAND)
        await asyncio.to_thread(served.__enter__)
        try:
            async with AsyncClient(served.file) as client, client.events("clip") as events:
                async with fetching(served.file, wanted) as prefetch:
                    for _ in wanted:
                        await anext(events)
                    while prefetch.made < 2:
                        await asyncio.sleep(0.01)
                for fields in wanted:
                    result = await (await client.render(**fields)).result()
                    assert result.kept == (True,)
                assert (await client.status()).jobs == ()
        finally:
            await asyncio.to_thread(served.__exit__, None, None, None)

    run(scenario)
