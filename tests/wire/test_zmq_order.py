"""Who waits for whom at the ZeroMQ sockets, and how they begin and end."""

from __future__ import annotations

import asyncio
import socket

import pytest
import zmq
import zmq.asyncio

from foleyd import messages as m
from foleyd.errors import BadRequest
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer, Endpoint, Limits
from zmq_peers import ADMITTED, DEADLINE, RENDER, Desk, JupyterPeer, code, free, run

JOB = m.JobEvent(
    number=1, at=0.0, job_id=7, client="", slot="", state="done", position=0, eta_s=None, step=1, steps=1
)


def test_control_is_answered_while_everything_on_shell_hangs() -> None:
    async def scenario() -> None:
        async def hang(request: m.Message, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

        async def cancel(request: m.CancelRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            return m.CancelReply(cancelled=request.jobs), ()

        desk = Desk(clip=hang, cancel=cancel)
        limits = Limits(flights=4, flights_a_session=10)
        async with Endpoint(free(), desk.handle, limits=limits) as endpoint:
            async with (
                JupyterPeer(endpoint.connection) as shell,
                JupyterPeer(endpoint.connection, "control") as control,
            ):
                # all four wait on one lane; the fifth finds no room
                for _ in range(5):
                    await shell.send(shell.message("clip_request", {"clip": "c"}))
                refusal = await shell.receive()
                assert code(refusal)[0] == "busy"
                assert refusal["content"]["retry_after_s"] == 1.0
                reply = await control.ask("cancel_request", {"jobs": [1, 2]})
                assert reply["content"]["cancelled"] == [1, 2]
                assert [name for name, _, _ in desk.asked] == ["clip", "cancel"]
            assert endpoint.counters["busy"] == 1

    run(scenario)


def test_nobody_waits_for_another_client_or_another_command() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            if request.slot == "slow":
                await go.wait()
            return ADMITTED, ()

        desk = Desk(render=render)
        async with (
            Endpoint(free(), desk.handle) as endpoint,
            JupyterPeer(endpoint.connection) as slow,
            JupyterPeer(endpoint.connection) as quick,
        ):
            await slow.send(slow.message("render_request", {**RENDER, "slot": "slow"}))
            await desk.until(1)
            assert (await quick.ask("render_request", RENDER))["content"]["job_id"] == 7
            assert (await slow.ask("info_request"))["content"]["status"] == "ok"
            go.set()
            assert (await slow.receive())["content"]["job_id"] == 7

    run(scenario)


def test_the_renders_and_cancels_of_a_session_keep_their_order() -> None:
    async def scenario() -> None:
        begun: list[str] = []

        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            # the first needs the longest
            for _ in range(20 - int(request.slot)):
                await asyncio.sleep(0)
            begun.append(request.slot)
            return ADMITTED, ()

        async def cancel(request: m.CancelRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            begun.append("cancel")
            return m.CancelReply(cancelled=()), ()

        desk = Desk(render=render, cancel=cancel)
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            for n in range(20):
                await peer.send(peer.message("render_request", {**RENDER, "slot": str(n)}))
            await peer.send(peer.message("cancel_request", {"all": True}))
            for _ in range(21):
                await peer.receive()
            assert begun == [*map(str, range(20)), "cancel"]

    run(scenario)


def test_a_client_cannot_have_more_than_its_share_under_way() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            await go.wait()
            return ADMITTED, ()

        desk = Desk(render=render)
        limits = Limits(flights_a_session=3)
        async with (
            Endpoint(free(), desk.handle, limits=limits) as endpoint,
            JupyterPeer(endpoint.connection) as greedy,
            JupyterPeer(endpoint.connection) as modest,
        ):
            refused = greedy.message("render_request", RENDER)
            for message in [greedy.message("render_request", RENDER) for _ in range(3)] + [refused]:
                await greedy.send(message)
            assert code(await greedy.receive())[0] == "busy"
            await modest.send(modest.message("render_request", RENDER))
            await desk.until(2)
            go.set()
            assert (await modest.receive())["content"]["job_id"] == 7
            for _ in range(3):
                assert (await greedy.receive())["content"]["job_id"] == 7
            # a refusal of this kind is not what the message is remembered by
            await greedy.send(refused)
            assert (await greedy.receive())["content"]["job_id"] == 7

    run(scenario)


def test_a_peer_that_does_not_read_costs_nobody_else_anything() -> None:
    async def scenario() -> None:
        data = bytes(4_000_000)
        reply = m.ClipReply(buffers=(envelope.describe(data, "clip"),))

        async def clip(request: m.ClipRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            return reply, (data,)

        limits = Limits(queue=2, patience_s=0.1, kept_bytes=1_000_000)
        async with (
            Endpoint(free(), Desk(clip=clip).handle, limits=limits) as endpoint,
            JupyterPeer(endpoint.connection) as lazy,
            JupyterPeer(endpoint.connection) as other,
        ):
            lazy.socket.rcvhwm = 1
            lazy.socket.disconnect(lazy.socket.last_endpoint)
            lazy.socket.connect(endpoint.connection.address("shell"))
            async with asyncio.timeout(DEADLINE):
                while not endpoint.counters.get("lost"):
                    await lazy.send(lazy.message("clip_request", {"clip": "c"}))
                    assert (await other.ask("info_request"))["content"]["status"] == "ok"
            assert endpoint.held["answer_bytes"] <= 1_000_000

    run(scenario)


def test_ports_that_are_taken_give_way_unless_they_were_named() -> None:
    async def scenario() -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            async with Endpoint(free(shell_port=port, control_port=port), Desk().handle) as endpoint:
                here = endpoint.connection
                assert port < here.shell_port < here.control_port
                assert len({here.shell_port, here.control_port, here.iopub_port, 0}) == 4
                async with JupyterPeer(here, "control") as peer:
                    assert (await peer.ask("info_request"))["content"]["status"] == "ok"
            with pytest.raises(BadRequest, match=f"port {port} is taken"):
                Endpoint(free(shell_port=port), Desk().handle, exact=True)

    run(scenario)


@pytest.mark.parametrize(("field", "value"), [("key", ""), ("ip", "0.0.0.0"), ("ip", "192.168.0.1")])
def test_no_key_and_other_machines_are_refused(field: str, value: str) -> None:
    async def scenario() -> None:
        with pytest.raises(BadRequest):
            Endpoint(free(**{field: value}), Desk().handle)

    run(scenario)


def test_closing_ends_hanging_requests_and_frees_the_ports() -> None:
    async def scenario() -> None:
        ended: list[bool] = []

        async def hang(request: m.Message, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
            raise AssertionError

        desk = Desk(clip=hang)
        context = zmq.asyncio.Context()
        endpoint = Endpoint(free(), desk.handle, context=context)
        running = asyncio.create_task(endpoint.run())
        async with JupyterPeer(endpoint.connection) as peer:
            await peer.send(peer.message("clip_request", {"clip": "c"}))
            await desk.until(1)
            await asyncio.gather(endpoint.close(grace_s=0.0), endpoint.close())
            await running
        assert ended == [True]
        assert "failed" not in endpoint.counters
        assert not context.closed
        endpoint.publish("job", JOB)
        endpoint.tell(desk.asked[0][2], "render_result", m.RenderResult(job_id=1, state="done"))
        # waits for ever where a socket is left open
        await asyncio.to_thread(context.term)
        async with Endpoint(endpoint.connection, Desk().handle, exact=True) as again:
            assert again.connection == endpoint.connection
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario)


def test_a_cancelled_run_closes() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(free(), Desk().handle)
        running = asyncio.create_task(endpoint.run())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not connections.listens(endpoint.connection)

    run(scenario)


def test_a_request_may_end_the_daemon_and_is_answered() -> None:
    async def scenario() -> None:
        async def shutdown(request: m.Message, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            asyncio.get_running_loop().call_soon(stop.set)
            return m.ShutdownReply(pid=5), ()

        stop = asyncio.Event()
        async with (
            Endpoint(free(), Desk(shutdown=shutdown).handle) as endpoint,
            JupyterPeer(endpoint.connection, "control") as peer,
        ):
            await peer.send(peer.message("shutdown_request"))
            await stop.wait()
            await endpoint.close()
            assert (await peer.receive())["content"] == {"status": "ok", "pid": 5}

    run(scenario)
