"""The daemon when things go wrong: dead workers, a dead daemon, a second one, a full disk, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import gated_worker
from faulty_worker import command
from foleyd import messages as m
from foleyd.client import AsyncClient, BlockingHandle, Client
from foleyd.daemon import room
from foleyd.daemon.server import Daemon, Settings, serve
from foleyd.errors import Cancelled, DiskFull, FoleydError, RenderFailed, WorkerDied, WorkerDown
from foleyd.messages import JobEvent, WorkerEvent
from foleyd.wire.connection import Connection
from serving import PATIENCE, Served, wait_until_gone

STEPS = 5


def ask(client: Client, prompt: str, seed: int = 1) -> BlockingHandle:
    return client.render(prompt, seed=seed, steps=STEPS, seconds=0.5)


def wait_for_step(client: Client, handle: BlockingHandle, step: int) -> None:
    events = client.events("job")
    try:
        while not any(
            job.job_id == handle.job_id and job.step >= step and job.state == "running"
            for job in client.status().jobs
        ):
            next(events)
    finally:
        events.close()


def worker_pid(client: Client) -> int:
    pid = client.status().worker.pid
    assert pid is not None
    return pid


def half_files(home: Path) -> list[Path]:
    """What a write that was cut short would leave."""
    return [path for path in home.rglob("*") if ".part" in path.name or path.suffix == ".tmp"]


def test_a_killed_worker_costs_its_own_job_alone(tmp_path: Path) -> None:
    with Served(tmp_path, worker=gated_worker.COMMAND) as served, Client(served.file) as client:
        doomed, queued = ask(client, "wait to be killed"), ask(client, "queued")
        wait_for_step(client, doomed, 2)
        before = worker_pid(client)
        os.kill(before, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="SIGKILL"):
            doomed.result(PATIENCE)
        assert queued.result(PATIENCE).clips[0].prompt == "queued"
        status = client.status()
        assert status.worker.pid not in (before, None)
        assert (status.ready, status.worker.restarts) == (True, 1)
        assert [(job.job_id, job.code) for job in status.failures] == [(doomed.job_id, "worker_died")]
        # the same sound again has nothing of its death
        gated_worker.open_gate(tmp_path)
        assert ask(client, "wait to be killed").result(PATIENCE).kept == (False,)


def test_a_worker_that_raises_fails_the_job_in_one_sentence(tmp_path: Path) -> None:
    with Served(tmp_path, worker=command("raises")) as served, Client(served.file) as client:
        for seed in range(2):
            with pytest.raises(RenderFailed, match="boom") as failure:
                ask(client, "a bell", seed).result(PATIENCE)
            assert "\n" not in str(failure.value)
        assert client.status().worker.restarts == 0
        assert client.library(m.LibraryRequest(action="list")).total == 0


def test_five_deaths_in_a_row_and_the_daemon_still_answers(tmp_path: Path) -> None:
    with Served(tmp_path, worker=command("load_dies")) as served, Client(served.file) as client:
        events = client.events("worker")
        while client.status().ready:
            assert isinstance(next(events), WorkerEvent)
        events.close()
        status = client.status()
        assert (status.worker.phase, status.worker.deaths) == ("down", 5)
        assert "5 times in a row" in status.worker.last_error
        with pytest.raises(WorkerDown, match="restart foleyd"):
            ask(client, "a bell")
        assert "foleyd_worker_up 0.0" in client.metrics()
        assert client.library(m.LibraryRequest(action="list")).total == 0


def test_a_daemon_that_is_killed_leaves_a_library_that_opens(tmp_path: Path) -> None:
    with Served(tmp_path, worker=gated_worker.COMMAND) as served, Client(served.file) as client:
        kept = ask(client, "kept").result(PATIENCE).clips[0]
        wait_for_step(client, ask(client, "wait for ever"), 2)
        worker = os.pidfd_open(worker_pid(client))
        client.close()
        served.process.kill()
        served.process.wait(PATIENCE)
        wait_until_gone(worker)
        assert served.file.exists()  # stale, and known to be
        assert Client.connect_running(served.file) is None
    with Served(tmp_path, worker=gated_worker.COMMAND) as served, Client(served.file) as client:
        found = client.library(m.LibraryRequest(action="list"))
        assert [clip.clip_id for clip in found.clips] == [kept.clip_id]
        assert half_files(tmp_path) == []
        assert ask(client, "kept").result(PATIENCE).kept == (True,)
        assert ask(client, "new").result(PATIENCE).clips


def test_a_client_gets_over_a_daemon_that_is_started_anew(tmp_path: Path) -> None:
    with Served(tmp_path, worker=gated_worker.COMMAND) as served:
        client = Client(served.file, timeout_s=PATIENCE, reconnect_s=PATIENCE)
        served.process.kill()
        served.process.wait(PATIENCE)
    with client, Served(tmp_path, worker=gated_worker.COMMAND):
        assert ask(client, "a bell").result(PATIENCE).clips


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "request"])
def test_the_end_is_clean_and_told(tmp_path: Path, how: str) -> None:
    with Served(tmp_path, worker=gated_worker.COMMAND) as served, Client(served.file) as client:
        handle = ask(client, "wait for the end")
        wait_for_step(client, handle, 2)
        worker = os.pidfd_open(worker_pid(client))
        if how == "request":
            assert client.shutdown().pid == served.process.pid
        else:
            served.process.send_signal(getattr(signal, how))
        with pytest.raises(Cancelled):
            handle.result(PATIENCE)
        assert served.process.wait(PATIENCE) == 0
        wait_until_gone(worker)
        client.close()
    assert not served.file.exists()
    assert half_files(tmp_path) == []
    assert "Traceback" not in served.log
    with Served(tmp_path, worker=gated_worker.COMMAND) as served, Client(served.file) as client:
        assert client.library(m.LibraryRequest(action="list")).total == 0


def test_a_second_daemon_says_who_is_in_the_way(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for home in (first, second):
        home.mkdir()
    with Served(first, worker=command("none")) as served:
        connection = served.file.read_bytes()
        shell = served.told["shell"].rpartition(":")[2]
        osc = served.told["osc"].rpartition(":")[2]
        refusals = {
            rf"ended with 1: foleyd: The library .*process {served.process.pid}": (
                "--library",
                served.told["library"],
            ),
            rf"ended with 1: foleyd: A daemon runs already \(process {served.process.pid}": (
                "--connection-file",
                str(served.file),
            ),
            rf"ended with 2: foleyd: port {shell} is taken": ("--zmq-ports", f"{shell},0,0"),
            rf"ended with 1: foleyd: UDP port {osc} .* is taken": ("--osc-port", osc),
        }
        for sentence, arguments in refusals.items():
            with (
                pytest.raises(AssertionError, match=sentence),
                Served(second, *arguments, worker=command("none")),
            ):
                pass
            assert not (second / "connection.json").exists()
        # the first has lost nothing by it
        assert served.file.read_bytes() == connection
        with Client(served.file) as client:
            assert ask(client, "a bell").result(PATIENCE).clips


# in this process


def run(settings: Settings, scenario: Callable[[AsyncClient, Connection], Awaitable[None]]) -> None:
    """A daemon and a client of it in one loop, for the length of a scenario."""

    async def both() -> None:
        ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        daemon = asyncio.create_task(serve(settings, ready.set_result))
        await asyncio.wait({daemon, ready}, return_when=asyncio.FIRST_COMPLETED)
        if daemon.done():
            await daemon
        connection = await ready
        async with AsyncClient(connection, timeout_s=PATIENCE) as client:
            try:
                await scenario(client, connection)
            finally:
                await client.shutdown()
        await daemon

    asyncio.run(asyncio.wait_for(both(), PATIENCE))


def settings(tmp_path: Path, **more: object) -> Settings:
    fields: dict[str, object] = {
        "connection_file": tmp_path / "connection.json",
        "zmq_ports": (0, 0, 0),
        "osc_port": 0,
        "worker": gated_worker.COMMAND,
    }
    return Settings(**{**fields, **more})  # type: ignore[arg-type]


def test_ports_that_are_taken_give_way_to_the_next_ones(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        shell, osc = tcp.getsockname()[1], udp.getsockname()[1]

        async def scenario(client: AsyncClient, connection: Connection) -> None:
            assert connection.shell_port > shell
            assert int(connection.osc.rpartition(":")[2]) > osc
            assert (await client.info()).osc == connection.osc

        run(settings(tmp_path, zmq_ports=(shell, 0, 0), osc_port=osc), scenario)


def test_a_full_disk_fails_the_job_before_anything_is_rendered(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(client: AsyncClient, connection: Connection) -> None:
        first = await client.render("first", seed=1, steps=STEPS, seconds=0.5)
        await first.result(PATIENCE)
        monkeypatch.setattr(room, "RESERVE", 10**18)
        second = await client.render("second", seed=1, steps=STEPS, seconds=0.5)
        with pytest.raises(DiskFull, match="library prune"):
            await second.result(PATIENCE)
        # what is there already needs no room
        again = await client.render("first", seed=1, steps=STEPS, seconds=0.5)
        assert (await again.result(PATIENCE)).kept == (True,)
        monkeypatch.undo()

    run(settings(tmp_path), scenario)
    assert gated_worker.steps(own_home, "second") == []
    assert half_files(own_home) == []


def test_no_job_is_taken_while_the_daemon_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Daemon.farewell

    async def scenario(client: AsyncClient, connection: Connection) -> None:
        late = AsyncClient(connection, timeout_s=PATIENCE)
        await late.open()

        async def farewell(daemon: Daemon) -> None:
            await whole(daemon)
            with pytest.raises(Cancelled, match="about to end"):
                await late.render("too late", steps=STEPS)
            await late.close()
            seen.append("refused")

        monkeypatch.setattr(Daemon, "farewell", farewell)

    seen: list[str] = []
    run(settings(tmp_path), scenario)
    assert seen == ["refused"]


def test_a_fault_of_the_daemon_fails_the_job_and_not_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from foleyd.daemon import dispatch

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("no\nway")

    async def scenario(client: AsyncClient, connection: Connection) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "keep", broken)
            handle = await client.render("first", seed=1, steps=STEPS, seconds=0.5)
            with pytest.raises(FoleydError, match="ZeroDivisionError: no way") as failure:
                await handle.result(PATIENCE)
            assert failure.value.code == "render_failed"
        handle = await client.render("first", seed=1, steps=STEPS, seconds=0.5)
        assert (await handle.result(PATIENCE)).kept == (False,)

    run(settings(tmp_path), scenario)
    assert "a render failed inside the daemon" in caplog.text


def test_a_client_that_fell_silent_loses_its_background_jobs_alone(tmp_path: Path, own_home: Path) -> None:
    async def scenario(client: AsyncClient, connection: Connection) -> None:
        async with client.events("job") as events:
            async with AsyncClient(connection, name="gone", lease_s=1.0) as going:
                normal = await going.render("wait normal", seed=1, steps=STEPS, seconds=0.5)
                back = await going.render(
                    "wait back", seed=1, steps=STEPS, seconds=0.5, priority="background"
                )
                mine = await client.render(
                    "wait mine", seed=1, steps=STEPS, seconds=0.5, priority="background"
                )
            async for event in events:
                if isinstance(event, JobEvent) and event.state == "cancelled":
                    assert event.job_id == back.job_id
                    assert "went away" in event.message
                    break
        assert {job.job_id for job in (await client.status()).jobs} == {normal.job_id, mine.job_id}
        gated_worker.open_gate(own_home)
        assert (await mine.result(PATIENCE)).clips

    run(settings(tmp_path), scenario)
