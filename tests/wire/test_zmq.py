"""The daemon's ZeroMQ sockets, with an independent implementation of Jupyter's messages at the other end."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import msgspec
import pytest
import zmq
import zmq.asyncio

from foleyd import messages as m
from foleyd.errors import Busy
from foleyd.wire import envelope
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer, Endpoint, Limits
from zmq_peers import ADMITTED, DEADLINE, RENDER, Desk, JupyterPeer, admit, code, free, run

JOB = m.JobEvent(
    number=1, at=0.0, job_id=7, client="", slot="", state="done", position=0, eta_s=None, step=1, steps=1
)


def test_an_independent_session_asks_and_is_answered() -> None:
    async def scenario() -> None:
        desk = Desk(render=admit)
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            header = await peer.send(peer.message("render_request", {**RENDER, "count": 2, "moon": "full"}))
            reply = await peer.receive()
            assert reply["header"]["msg_type"] == "render_reply"
            assert reply["parent_header"]["msg_id"] == header["msg_id"]
            assert reply["parent_header"]["session"] == peer.session.session
            assert reply["content"] == {"status": "ok", **json.loads(msgspec.json.encode(ADMITTED))}
            [(name, request, who)] = desk.asked
            assert name == "render"
            assert request == m.RenderRequest(recipe={"prompt": "rain"}, count=2)
            assert (who.session, who.channel) == (peer.session.session, "shell")
            assert who.header.msg_id == header["msg_id"]
            assert endpoint.counters == {"received": 1, "answered": 1}

    run(scenario)


def test_a_req_socket_is_answered_too() -> None:
    async def scenario() -> None:
        async with Endpoint(free(), Desk().handle) as endpoint:
            async with JupyterPeer(endpoint.connection) as peer:
                with peer._context.socket(zmq.REQ) as req:
                    req.connect(endpoint.connection.address("control"))
                    await req.send_multipart(peer.session.serialize(peer.message("info_request")))
                    async with asyncio.timeout(DEADLINE):
                        frames = await req.recv_multipart()
            reply = peer.session.deserialize(peer.session.feed_identities(frames)[1])
            assert reply["content"]["model"] == "starter"

    run(scenario)


def test_buffers_come_and_go_whole() -> None:
    files = [b"RIFF" + bytes(range(256)) * 100, b"", bytes(3_000_000)]
    got: list[tuple[bytes, ...]] = []

    async def scenario() -> None:
        async def library(request: m.LibraryRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            got.append(buffers)
            return m.LibraryReply(changed=len(buffers)), ()

        async def clip(request: m.ClipRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            return m.ClipReply(buffers=tuple(envelope.describe(one, "clip") for one in files)), files

        async with (
            Endpoint(free(), Desk(library=library, clip=clip).handle) as endpoint,
            JupyterPeer(endpoint.connection) as peer,
        ):
            infos = [
                {"kind": "source", "length": len(one), "sha256": hashlib.sha256(one).hexdigest()}
                for one in files
            ]
            content = {"action": "import", "buffers": infos}
            reply = await peer.ask("library_request", content, files)
            assert reply["content"]["changed"] == 3
            assert got == [tuple(files)]

            reply = await peer.ask("clip_request", {"clip": "c"})
            assert [bytes(one) for one in reply["buffers"]] == files
            told = reply["content"]["buffers"]
            assert [one["length"] for one in told] == [len(one) for one in files]
            assert [one["sha256"] for one in told] == [one["sha256"] for one in infos]

            changed = [files[0], b"", bytes(2_999_999) + b"\1"]
            for wrong, said in (
                (changed, "buffer 3 has another sha256"),
                ([files[0], b"x", files[2]], "buffer 2 has 1 bytes"),
                (files[:1], "1 raw buffers came"),
            ):
                assert said in code(await peer.ask("library_request", content, wrong))[1]
            # a command that takes none
            assert "1 raw buffers came" in code(await peer.ask("info_request", buffers=[b"x"]))[1]
        assert len(got) == 1

    run(scenario)


def test_a_repeated_message_gets_the_same_answer_under_a_fresh_header() -> None:
    async def scenario() -> None:
        given = 0

        async def clip(request: m.ClipRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            nonlocal given
            given += 1
            data = bytes([given]) * 10
            return m.ClipReply(buffers=(envelope.describe(data, "clip"),)), (data,)

        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            raise Busy("The queue is full: wait.", 3.0)

        desk = Desk(clip=clip, render=render)
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            for name, content in (("clip_request", {"clip": "c"}), ("render_request", RENDER)):
                message = peer.message(name, content)
                replies = []
                for _ in range(3):
                    await peer.send(message)
                    replies.append(await peer.receive())
                first = replies[0]
                for reply in replies[1:]:
                    assert reply["content"] == first["content"]
                    assert reply["buffers"] == first["buffers"]
                    assert reply["parent_header"] == first["parent_header"]
                    assert reply["header"]["msg_type"] == first["header"]["msg_type"]
                assert len({reply["header"]["msg_id"] for reply in replies}) == 3
            assert [name for name, _, _ in desk.asked] == ["clip", "render"]
            assert endpoint.counters["repeated"] == 4
            # the same id in another session is another message
            async with JupyterPeer(endpoint.connection) as other:
                await other.send({**message, "header": {**message["header"], "session": "other"}})
                assert code(await other.receive())[0] == "busy"
            assert len(desk.asked) == 3

    run(scenario)


def test_a_repeat_while_the_first_is_worked_on_gets_the_answer_when_there_is_one() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            await go.wait()
            return ADMITTED, ()

        desk = Desk(render=render)
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            message = peer.message("render_request", RENDER)
            await peer.send(message)
            await desk.until(1)
            # from where it is connected now
            async with JupyterPeer(endpoint.connection) as again:
                await again.send(message)
                await again.ask("info_request")
                go.set()
                assert (await again.receive())["content"]["job_id"] == 7
            assert (await peer.receive())["content"]["job_id"] == 7
            assert [name for name, _, _ in desk.asked] == ["render", "info"]

    run(scenario)


def test_only_so_many_answers_are_kept() -> None:
    async def scenario() -> None:
        desk = Desk(render=admit)
        async with (
            Endpoint(free(), desk.handle, limits=Limits(answers=3)) as endpoint,
            JupyterPeer(endpoint.connection) as peer,
        ):
            messages = [peer.message("render_request", RENDER) for _ in range(4)]
            for message in messages:
                await peer.send(message)
                await peer.receive()
            await peer.send(messages[1])
            await peer.receive()
            assert len(desk.asked) == 4
            await peer.send(messages[0])
            await peer.receive()
            assert len(desk.asked) == 5

    run(scenario)


def test_errors_keep_their_word_and_faults_do_not_end_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            raise Busy("The queue is full: wait.", 3.0)

        async def clip(request: m.ClipRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            raise ZeroDivisionError("secret")

        async def models(request: m.ModelsRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            raise asyncio.CancelledError

        async def library(request: m.LibraryRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            return m.LibraryReply(notes=("\ud800",)), ()

        desk = Desk(render=render, clip=clip, models=models, library=library)
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            assert (await peer.ask("render_request", RENDER))["content"] == {
                "status": "error",
                "code": "busy",
                "message": "The queue is full: wait.",
                "retry_after_s": 3.0,
            }
            for name, content in (
                ("clip_request", {"clip": "c"}),
                ("models_request", {}),
                ("library_request", {"action": "list"}),
            ):
                word, sentence = code(await peer.ask(name, content))
                assert word == "error"
                assert "secret" not in sentence
            assert (await peer.ask("info_request"))["content"]["status"] == "ok"
            assert endpoint.counters["failed"] == 3

    run(scenario)
    assert "secret" in caplog.text


def test_a_result_follows_its_admission_to_whoever_asked() -> None:
    async def scenario() -> None:
        data = b"\0\0\x80?" * 4

        async def render(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            info = envelope.describe(data, "clip", frames=4, rate=16_000)
            result = m.RenderResult(job_id=7, state="done", buffers=(info,))
            # the clip was in the library: the result is there before the admission
            endpoint.tell(peer, "render_result", result, peer.header, (data,))
            return ADMITTED, ()

        async with (
            Endpoint(free(), Desk(render=render).handle) as endpoint,
            JupyterPeer(endpoint.connection) as other,
            JupyterPeer(endpoint.connection) as peer,
        ):
            await other.ask("info_request")
            header = await peer.send(peer.message("render_request", RENDER))
            admission, result = await peer.receive(), await peer.receive()
            assert admission["header"]["msg_type"] == "render_reply"
            assert result["header"]["msg_type"] == "render_result"
            assert result["parent_header"]["msg_id"] == header["msg_id"]
            assert result["content"]["job_id"] == 7
            assert "status" not in result["content"]
            assert [bytes(one) for one in result["buffers"]] == [data]
            assert await other.socket.poll(0) == 0

    run(scenario)


def test_a_result_for_a_peer_that_is_gone_is_counted_and_finds_its_session_when_it_returns() -> None:
    async def scenario() -> None:
        told = m.RenderResult(job_id=7, state="done")
        desk = Desk(render=admit)
        async with Endpoint(free(), desk.handle) as endpoint:
            async with JupyterPeer(endpoint.connection) as first:
                await first.ask("render_request", RENDER)
                session = first.session.session
            who = desk.asked[0][2]
            async with asyncio.timeout(DEADLINE):
                while not endpoint.counters.get("unreachable"):  # until its end has been noticed
                    endpoint.tell(who, "render_result", told)
                    await asyncio.sleep(0)
            async with JupyterPeer(endpoint.connection) as second:
                second.session.session = session
                await second.ask("info_request")
                endpoint.tell(who, "render_result", told)
                assert (await second.receive())["content"]["job_id"] == 7

    run(scenario)


class Listener:
    """A SUB socket that reads with Jupyter's session."""

    def __init__(self, peer: JupyterPeer, endpoint: Endpoint, *topics: bytes) -> None:
        self.peer = peer
        self.socket = peer._context.socket(zmq.SUB)
        self.socket.connect(endpoint.connection.address("events"))
        for topic in topics:
            self.socket.setsockopt(zmq.SUBSCRIBE, topic)

    async def hear(self) -> tuple[bytes, dict[str, Any]]:
        async with asyncio.timeout(DEADLINE):
            frames = await self.socket.recv_multipart()
        [topic], rest = self.peer.session.feed_identities(frames)
        message: dict[str, Any] = self.peer.session.deserialize(rest)
        return topic, message


def test_events_go_to_those_who_subscribed() -> None:
    async def scenario() -> None:
        async with Endpoint(free(), Desk().handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            endpoint.publish("job", JOB)
            welcome = b"welcome." + b"0123456789abcdef" * 2
            listener = Listener(peer, endpoint, b"job", b"worker", welcome)
            topic, message = await listener.hear()
            assert topic == welcome
            assert message["header"]["msg_type"] == "welcome_event"
            assert message["content"]["number"] == 1

            endpoint.publish("job", JOB)
            endpoint.publish("clip", m.ClipEvent(number=2, at=0.5, change="added", clip_id="c"))
            endpoint.publish("job", msgspec.structs.replace(JOB, number=3))
            heard = [await listener.hear(), await listener.hear()]
            assert [topic for topic, _ in heard] == [b"job", b"job"]
            assert [one["content"]["number"] for _, one in heard] == [1, 3]
            assert heard[0][1]["header"]["msg_type"] == "job_event"
            assert heard[0][1]["content"]["state"] == "done"
            assert heard[0][1]["parent_header"] == {}
            assert heard[0][1]["buffers"] == []
            assert len({one["header"]["session"] for _, one in heard}) == 1
            assert endpoint.counters["published"] == 4

    run(scenario)


def test_what_comes_in_on_the_events_socket_is_not_taken_for_requests() -> None:
    async def scenario() -> None:
        desk = Desk()
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            with peer._context.socket(zmq.XSUB) as raw:
                raw.connect(endpoint.connection.address("events"))
                request = peer.session.serialize(peer.message("info_request"))
                async with asyncio.timeout(DEADLINE):
                    await raw.send_multipart([b"\x01", *request])
                    for junk in (b"", b"\x02", b"\x01welcome.no", b"\x01welcome." + b"Z" * 32, b"\x00"):
                        await raw.send(junk)
                    await raw.send(b"\x01welcome." + b"0" * 32)
                    topic, *_ = await raw.recv_multipart()
                assert topic == b"welcome." + b"0" * 32
            assert desk.asked == []

    run(scenario)
