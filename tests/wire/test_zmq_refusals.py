"""What the ZeroMQ sockets drop without a word, and what they answer with an error."""

from __future__ import annotations

import asyncio
import json

import pytest
import zmq
import zmq.asyncio

from foleyd.wire import envelope
from foleyd.wire.zmq import Endpoint, Limits
from zmq_peers import DEADLINE, RENDER, Desk, JupyterPeer, admit, code, free, run


def test_what_another_key_signed_is_dropped_without_a_word() -> None:
    async def scenario() -> None:
        desk = Desk()
        async with Endpoint(free(), desk.handle) as endpoint:
            async with JupyterPeer(endpoint.connection, key="0" * 64) as stranger:
                await stranger.send(stranger.message("info_request"))
                unsigned = stranger.session.serialize(stranger.message("info_request"))
                unsigned[1] = b""
                await stranger.socket.send_multipart(unsigned)
                await stranger.socket.send_multipart([b"<IDS|MSG>", b"hello"])
                await stranger.socket.send_multipart([b""])
                # with the right key on the same connection: what came before has been looked at
                stranger.session.key = endpoint.connection.key.encode()
                reply = await stranger.ask("info_request")
                assert reply["content"]["status"] == "ok"
            assert len(desk.asked) == 1
            assert endpoint.counters["unsigned"] == 2
            assert endpoint.counters["malformed"] == 2
            assert endpoint.counters["answered"] == 1

    run(scenario)


def test_a_header_that_names_nobody_is_dropped() -> None:
    async def scenario() -> None:
        async with Endpoint(free(), Desk().handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            for header in (b"", b"\xff", b"[]", b"{}", b'{"msg_id":"a"}', b"[" * 50_000):
                await peer.send_signed(header, b"{}", b"{}", b"{}")
            assert (await peer.ask("info_request"))["content"]["status"] == "ok"
            assert endpoint.counters["malformed"] == 6
            assert endpoint.counters["answered"] == 1

    run(scenario)


@pytest.mark.parametrize(
    ("name", "channel", "reply", "said"),
    [
        ("moon_request", "shell", "moon_reply", "there is no 'moon_request'"),
        ("render", "shell", "error_reply", "there is no 'render'"),
        ("render_reply", "shell", "error_reply", "there is no"),
        ("Render_request", "shell", "error_reply", "there is no"),
        ("__init___request", "shell", "error_reply", "there is no"),
        ("kernel_info_request", "control", "kernel_info_reply", "there is no"),
        ("x" * 150, "shell", "error_reply", "there is no"),
        ("shutdown_request", "shell", "shutdown_reply", "not taken on shell: send it on control"),
        ("render_request", "control", "render_reply", "not taken on control: send it on shell"),
    ],
)
def test_commands_that_are_not_there_are_errors(name: str, channel: str, reply: str, said: str) -> None:
    async def scenario() -> None:
        desk = Desk()
        async with Endpoint(free(), desk.handle) as endpoint:
            async with JupyterPeer(endpoint.connection, channel) as peer:
                found = await peer.ask(name)
                assert found["header"]["msg_type"] == reply
                word, sentence = code(found)
                assert word == "bad_request"
                assert said in sentence
                assert (await peer.ask("info_request"))["content"]["status"] == "ok"
            assert len(desk.asked) == 1
            assert endpoint.counters["refused"] == 1

    run(scenario)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"nonsense", "no JSON"),
        (b'{"recipe":{"prompt":"\xff"}}', "no JSON"),
        (b'{"recipe":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "nested deeper"),
        (b'{"recipe":' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper"),
        (b"{}", "recipe"),
        (b'{"recipe":5}', "recipe"),
        (b'{"recipe":{},"count":1000}', "count"),
        (b'{"recipe":{},"count":"2"}', "count"),
        (b'{"recipe":{},"priority":"now"}', "priority"),
        (b'{"recipe":{"prompt":"' + b"a" * 2_000_000 + b'"}}', "send audio as buffers"),
    ],
)
def test_content_that_is_not_understood_is_an_error(content: bytes, said: str) -> None:
    async def scenario() -> None:
        desk = Desk(render=admit)
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            message = peer.message("render_request")
            header = json.dumps({**message["header"], "date": "2020-01-01T00:00:00Z"}).encode()
            await peer.send_signed(header, b"{}", b"{}", content)
            reply = await peer.receive()
            assert reply["parent_header"]["msg_id"] == message["header"]["msg_id"]
            assert code(reply)[0] == "bad_request"
            assert said in code(reply)[1]
            assert (await peer.ask("render_request", RENDER))["content"]["job_id"] == 7
            assert len(desk.asked) == 1

    run(scenario)


@pytest.mark.parametrize("part", ["parent_header", "metadata"])
@pytest.mark.parametrize("raw", [b"", b"[1]", b"{", b"[" * 50_000])
def test_the_other_parts_have_to_be_objects_too(part: str, raw: bytes) -> None:
    async def scenario() -> None:
        async with Endpoint(free(), Desk().handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            header = envelope.new_header("me", "info_request")
            parent, metadata = (raw, b"{}") if part == "parent_header" else (b"{}", raw)
            await peer.send_signed(
                json.dumps({"msg_id": header.msg_id, "session": "me", "msg_type": "info_request"}).encode(),
                parent,
                metadata,
                b"{}",
            )
            assert part in code(await peer.receive())[1]

    run(scenario)


def test_frames_beyond_the_limit_are_read_and_dropped() -> None:
    async def scenario() -> None:
        desk = Desk()
        async with Endpoint(free(), desk.handle) as endpoint, JupyterPeer(endpoint.connection) as peer:
            flood = await peer.ask("info_request", buffers=[b"x"] * 5000)
            assert code(flood) == ("bad_request", "the message has more than 64 frames: send less at a time.")
            # the delimiter itself beyond the limit: nobody to answer
            late = [b"id"] * 200 + peer.session.serialize(peer.message("info_request"))
            await peer.socket.send_multipart(late)
            assert (await peer.ask("info_request"))["content"]["status"] == "ok"
            assert endpoint.counters["malformed"] == 1
            assert len(desk.asked) == 1

    run(scenario)


def test_a_message_is_bounded_in_all_its_bytes() -> None:
    async def scenario() -> None:
        desk = Desk()
        limits = Limits(flight_bytes=100_000)
        async with (
            Endpoint(free(), desk.handle, limits=limits) as endpoint,
            JupyterPeer(endpoint.connection) as peer,
        ):
            reply = await peer.ask("info_request", buffers=[bytes(30_000)] * 4)
            assert "more than 100000 bytes" in code(reply)[1]
            assert desk.asked == []

    run(scenario)


def test_a_frame_that_is_too_long_ends_the_connection_and_nothing_else() -> None:
    async def scenario() -> None:
        desk = Desk()
        limits = Limits(frame_bytes=100_000)
        async with Endpoint(free(), desk.handle, limits=limits) as endpoint:
            async with JupyterPeer(endpoint.connection) as other, JupyterPeer(endpoint.connection) as peer:
                await other.ask("info_request")
                ended = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
                await peer.send(peer.message("info_request"), [bytes(200_000)])
                async with asyncio.timeout(DEADLINE):
                    await ended.recv_multipart()
                peer.socket.disable_monitor()
                ended.close()
                # ZeroMQ connects again by itself
                assert (await peer.ask("info_request"))["content"]["status"] == "ok"
                assert (await other.ask("info_request"))["content"]["status"] == "ok"
            assert len(desk.asked) == 3

    run(scenario)
