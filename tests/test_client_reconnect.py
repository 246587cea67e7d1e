"""The client of a daemon that goes away and comes back: elsewhere, without its jobs, or only for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from foleyd import messages as m
from foleyd.client import AsyncClient, Gap
from foleyd.errors import JobLost, NoDaemon
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer
from small_daemon import PATIENT, STATUS, Daemon, Line
from zmq_peers import DEADLINE, run


async def restarted(daemon: Daemon, path: Path, then: Callable[[], Awaitable[None]]) -> None:
    """Run the daemon again, elsewhere and with another key, and do something."""
    before = daemon.endpoint.connection
    async with daemon.serve(path) as endpoint:
        assert endpoint.connection.key != before.key
        assert endpoint.connection.shell_port != before.shell_port
        await then()


def test_a_daemon_that_comes_back_elsewhere_is_found_and_knows_its_jobs(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "c.json"
        daemon = Daemon()
        async with daemon.serve(path) as endpoint:
            client = AsyncClient(path, **PATIENT)
            await client.open()
            stream = await client.events("job").__aenter__()
            ended, later = await client.render("rain"), await client.render("wind")
            await client.cancel(jobs=(9,))
        daemon.silent = True
        daemon.end(ended.job_id)
        daemon.silent = False

        async def then() -> None:
            assert (await ended.result()).clips[0].prompt == "rain"
            # this one was still at work: its result goes to where the session is now
            await client.info()
            _, peer = daemon.jobs[later.job_id]
            daemon.end(later.job_id)
            assert (await later.result()).clips[0].prompt == "wind"
            assert daemon.endpoint.counters.get("unreachable", 0) == 0
            assert peer.identity != daemon.desk.asked[-1][2].identity
            seen = [await anext(stream) for _ in range(4)]
            assert [one.state if isinstance(one, m.JobEvent) else one for one in seen] == [
                "queued", "queued", Gap(None), "done",
            ]  # fmt: skip

        await restarted(daemon, path, then)
        await client.close()
        assert endpoint.counters.get("failed", 0) == 0

    run(scenario)


def test_a_daemon_that_forgot_a_job_or_has_another_of_its_number(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "c.json"
        daemon = Daemon()
        async with daemon.serve(path):
            client = AsyncClient(path, **PATIENT)
            await client.open()
            forgotten, taken = await client.render("rain"), await client.render("wind")
        # a new life: the first job is unknown, the second number has gone to another sound
        request, peer = daemon.jobs.pop(taken.job_id)
        daemon.jobs = {taken.job_id: (msgspec.structs.replace(request, recipe={"prompt": "a dog"}), peer)}
        daemon.silent = True
        daemon.end(taken.job_id)

        async def then() -> None:
            with pytest.raises(JobLost, match=r"no longer knows job 1 .*ask for the sound again"):
                await forgotten.result()
            with pytest.raises(JobLost, match=r"no longer knows job 2 \(it was restarted\)"):
                await taken.result()
            assert [event async for event in forgotten][1:] == []

        await restarted(daemon, path, then)
        await client.close()

    run(scenario)


def test_what_was_asked_of_a_daemon_that_died_is_asked_again_where_that_is_safe(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "c.json"
        daemon = Daemon()
        deeds = dict(daemon.desk.deeds)

        async def hang(request: m.Message, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

        async with daemon.serve(path):
            client = AsyncClient(path, **PATIENT)
            await client.open()
            stream = await client.events().__aenter__()
            for _ in range(5):
                daemon.tell_event(9, "running")
                await anext(stream)
            daemon.desk.deeds = dict.fromkeys(deeds, hang)
            rendering = asyncio.create_task(client.render("rain"))
            looking = asyncio.create_task(client.library(m.LibraryRequest(action="list")))
            asking = asyncio.create_task(client.status())
            deleting = asyncio.create_task(client.library(m.LibraryRequest(action="delete", clips=("c",))))
            ending = asyncio.create_task(client.shutdown())
            # the second library request waits behind the first
            await daemon.desk.until(1 + 4)
        first = {name: peer.header.msg_id for name, _, peer in daemon.desk.asked}
        daemon.desk.deeds = deeds
        daemon.desk.asked.clear()

        async def then() -> None:
            handle = await rendering
            assert handle.job_id == 1
            daemon.end(1)
            # the new daemon counts its events from one again
            assert [event.state async for event in handle] == ["queued", "done"]
            assert (await looking).notes == ("",)
            assert await asking == STATUS
            for undone in (deleting, ending):
                with pytest.raises(NoDaemon, match=r"restarted before it answered .* see whether"):
                    await undone
            again = {name: peer.header.msg_id for name, _, peer in daemon.desk.asked}
            assert set(again) >= {"render", "library", "status"}
            assert "shutdown" not in again
            assert (again["render"], again["status"]) == (first["render"], first["status"])
            library = [request for name, request, _ in daemon.desk.asked if name == "library"]
            assert library == [m.LibraryRequest(action="list")]

        await restarted(daemon, path, then)
        await client.close()

    run(scenario)


def test_a_line_that_was_cut_costs_neither_answers_nor_results_nor_events() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        go = asyncio.Event()
        admit = daemon.desk.deeds["render"]

        async def slow(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            if request.recipe["prompt"] == "slow":
                await go.wait()
            return await admit(request, peer, buffers)

        daemon.desk.deeds["render"] = slow
        async with (
            daemon.serve() as endpoint,
            Line(endpoint.connection) as line,
            AsyncClient(line.connection, **PATIENT) as client,
            client.events("job") as stream,
        ):
            handle = await client.render("rain")
            waiting = asyncio.create_task(client.render("slow"))
            await daemon.desk.until(3)
            line.cut()
            daemon.tell_event(1, "running", 1)
            # asked while the line is down: goes out when it is up again
            assert await client.status() == STATUS
            go.set()
            second = await waiting
            daemon.end(1)
            daemon.end(second.job_id)
            assert (await handle.result()).clips[0].prompt == "rain"
            assert (await second.result()).clips[0].prompt == "slow"
            names = [name for name, _, _ in daemon.desk.asked]
            assert names.count("render") == 2
            assert endpoint.counters["repeated"] == 1
            assert len({peer.identity for _, _, peer in daemon.desk.asked if peer.channel == "shell"}) == 2
            # the numbers tell what was missed while nobody listened
            seen = 0
            while seen < daemon.number:
                event = await anext(stream)
                assert not isinstance(event, Gap) or event.missed is not None
                seen += event.missed or 0 if isinstance(event, Gap) else 1
            assert seen == daemon.number

    run(scenario)


def test_a_daemon_that_stays_away_ends_the_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "c.json"
        daemon = Daemon()
        async with daemon.serve(path):
            client = AsyncClient(path, timeout_s=DEADLINE, reconnect_s=0.0)
            await client.open()
            handle = await client.render("rain")
        with pytest.raises(NoDaemon, match="did not return within 0 s: start it with 'foleyd serve'"):
            await handle.result()
        assert [event.state async for event in handle] in ([], ["queued"])
        # and is found all the same when it comes back after all
        async with daemon.serve(path):
            assert await client.status() == STATUS
            await client.close()

    run(scenario)


def test_a_client_can_be_closed_while_the_daemon_is_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "c.json"
        daemon = Daemon()
        async with daemon.serve(path):
            client = AsyncClient(path, **PATIENT)
            await client.open()
            handle = await client.render("rain")
        waiting = [asyncio.create_task(client.status()), asyncio.create_task(handle.result())]
        await asyncio.sleep(0)
        await client.close()
        for one in waiting:
            with pytest.raises(NoDaemon, match="client is closed"):
                await one

    run(scenario)
