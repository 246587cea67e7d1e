"""The endpoint on a real socket: it answers, says no in one sentence, keeps time, and outlives everything."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from foleyd.errors import BadRequest, FoleydError, ModelMissing
from foleyd.wire.osc import Message, write
from foleyd.wire.osc_endpoint import (
    LONGEST_REPLY,
    MOST_SUBSCRIBERS,
    Endpoint,
    PortTaken,
    Sender,
    open_endpoint,
)
from osc_packets import HOSTILE, Client, Line, bundle, message, ntp, sync, talking, text, until

Scenario = Callable[[Endpoint, Client], Awaitable[None]]


def talk(scenario: Scenario, dispatch: Any = None, **options: Any) -> None:
    async def run() -> None:
        async with talking(dispatch, **options) as (endpoint, client):
            await scenario(endpoint, client)

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_go_to_the_sender(host: str) -> None:
    senders: list[Sender] = []

    def who(said: Message, sender: Sender) -> None:
        senders.append(sender)

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(message("/who"), endpoint.own)
        client.send(sync(7), endpoint.own)
        assert await client.answer() == ("/foleyd/synced", 7)
        shown = f"[{host}]" if ":" in host else host
        assert [sender.key for sender in senders] == [f"osc:{shown}:{client.port}"]
        assert endpoint.counters.received == 2
        assert endpoint.counters.sent == 1

    talk(scenario, {"/who": who}, host=host)


def test_replies_go_to_another_port_on_request() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        loop = asyncio.get_running_loop()
        line, elsewhere = await loop.create_datagram_endpoint(Client, local_addr=("127.0.0.1", 0))
        assert endpoint.send(Sender("127.0.0.1", client.port).at(float(elsewhere.port)), "/here", 1)
        assert await elsewhere.answer() == ("/here", 1)
        line.close()

    talk(scenario)


@pytest.mark.parametrize("port", [0, 65_536, -1, 0.5, "9000", None, True])
def test_a_reply_port_that_is_none_is_refused(port: object) -> None:
    with pytest.raises(BadRequest, match="reply_port is "):
        Sender("127.0.0.1", 9000).at(port)


def test_messages_of_a_bundle_are_handled_in_order() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(bundle(sync(1), bundle(sync(2), sync(3)), sync(4)), endpoint.own)
        assert [await client.answer() for _ in range(4)] == [("/foleyd/synced", n) for n in (1, 2, 3, 4)]

    talk(scenario)


@pytest.mark.parametrize(("packet", "kind"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_packet_is_answered_in_a_sentence_and_harms_nothing(packet: bytes, kind: str) -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        if 0 < len(packet) <= 65_507:
            client.send(packet, endpoint.own)
        else:  # what asyncio will not send: nothing, and more than UDP carries
            endpoint.datagram_received(packet, ("127.0.0.1", client.port))
        client.send(sync(1), endpoint.own)
        ((address, command, said, code),) = await client.answer_to_sync(1)
        assert (address, command, code) == ("/fail", "/", "bad_packet")
        assert said.endswith(".")
        assert endpoint.counters.refused == {kind: 1}
        assert endpoint.figures()["refused"] == 1

    talk(scenario)


def test_an_unknown_address_fails_by_name() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(message("/foleyd/rendr"), endpoint.own)
        address, command, said, code = await client.answer()
        assert (address, command, code) == ("/fail", "/foleyd/rendr", "unknown_command")
        assert "PROTOCOL.md" in said
        assert endpoint.counters.unknown == 1

    talk(scenario)


def test_an_unknown_address_may_be_taken_by_somebody() -> None:
    taken: list[Message] = []

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(message("/pad/set/gain", "f", struct.pack(">f", 0.5)), endpoint.own)
        client.send(sync(1), endpoint.own)
        assert await client.answer_to_sync(1) == []
        assert taken == [Message("/pad/set/gain", (0.5,))]

    talk(scenario, on_unknown=lambda said, sender: taken.append(said))


@pytest.mark.parametrize("address", ["/done", "/fail"])
def test_answers_are_never_answered(address: str) -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(write(address, "/s_new", "no such synth"), endpoint.own)
        client.send(sync(1), endpoint.own)
        assert await client.answer_to_sync(1) == []
        assert (endpoint.counters.answers, endpoint.counters.unknown) == (1, 0)

    talk(scenario)


def test_two_endpoints_that_send_to_each_other_come_to_rest() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        async with talking() as (other, _):
            assert endpoint.own is not None
            assert other.own is not None
            endpoint.send(other.own, "/nobody/knows")
            # each datagram that one of them sends is one that the other receives
            await until(lambda: endpoint.counters.answers > 0)
            client.send(sync(1), endpoint.own)
            assert await client.answer_to_sync(1) == []
            assert (other.counters.unknown, other.counters.sent) == (1, 1)
            assert (endpoint.counters.answers, endpoint.counters.sent) == (1, 2)

    talk(scenario)


def test_a_reply_to_the_endpoint_itself_is_not_taken_for_a_request() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        assert endpoint.own is not None
        endpoint.send(endpoint.own, "/foleyd/sync", 5)
        await until(lambda: endpoint.counters.received > 0)
        assert endpoint.counters.echoes == 1
        assert (endpoint.counters.sent, endpoint.counters.received) == (1, 1)

    talk(scenario)


def test_an_error_of_a_handler_is_a_reply() -> None:
    def refuse(said: Message, sender: Sender) -> None:
        raise ModelMissing("there is no model 'x': run 'foleyd models pull x'.")

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(message("/foleyd/render"), endpoint.own)
        assert await client.answer() == (
            "/fail",
            "/foleyd/render",
            "there is no model 'x': run 'foleyd models pull x'.",
            "model_missing",
        )
        assert endpoint.counters.failed == 1

    talk(scenario, {"/foleyd/render": refuse})


def test_a_handler_that_breaks_is_a_reply_and_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(said: Message, sender: Sender) -> None:
        raise RuntimeError("a secret")

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(bundle(message("/break"), sync(1)), endpoint.own)
        ((*head, said, code),) = await client.answer_to_sync(1)
        assert (head, code) == (["/fail", "/break"], "error")
        assert "secret" not in said
        for number in range(50):
            client.send(message("/break"), endpoint.own)
            client.send(sync(number), endpoint.own)
            assert len(await client.answer_to_sync(number)) == 1
        assert endpoint.counters.failed == 51

    with caplog.at_level(logging.ERROR):
        talk(scenario, {"/break": breaks}, ticks=lambda: 0.0)
    assert len(caplog.records) == 5
    assert "a secret" in caplog.text


def test_a_handler_says_itself_where_to_and_what_about() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        endpoint.fail(Sender("127.0.0.1", client.port), "/foleyd/render", BadRequest("no."), 12)
        assert await client.answer() == ("/fail", "/foleyd/render", "no.", 12, "bad_request")

    talk(scenario)


def test_complaints_are_counted_out_for_each_sender() -> None:
    now = [0.0]

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        for number in range(30):
            client.send([b"junk", message("/what")][number % 2], endpoint.own)
        client.send(sync(1), endpoint.own)
        assert len(await client.answer_to_sync(1)) == 20
        assert endpoint.counters.held_back == 10
        loop = asyncio.get_running_loop()
        line, other = await loop.create_datagram_endpoint(Client, local_addr=("127.0.0.1", 0))
        other.send(b"junk", endpoint.own)
        assert (await other.answer())[0] == "/fail"
        line.close()
        now[0] = 0.25
        for _ in range(30):
            client.send(b"junk", endpoint.own)
        client.send(sync(2), endpoint.own)
        assert len(await client.answer_to_sync(2)) == 5

    talk(scenario, ticks=lambda: now[0])


def test_a_message_for_later_does_not_hold_up_the_one_behind_it() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(bundle(sync(1), time=ntp(time.time() + 3500)), endpoint.own)
        client.send(sync(2), endpoint.own)
        assert await client.answer() == ("/foleyd/synced", 2)
        assert endpoint.figures()["waiting"] == 1

    talk(scenario)


def test_a_message_for_much_later_is_refused() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(bundle(sync(1), time=ntp(time.time() + 7200)), endpoint.own)
        address, command, said, code = await client.answer()
        assert (address, command, code) == ("/fail", "/foleyd/sync", "bad_request")
        assert "at most 3600 s before" in said
        assert endpoint.counters.untimely == 1

    talk(scenario)


def test_a_handler_that_places_its_message_itself_gets_it_early_with_its_time() -> None:
    heard: list[tuple[object, float | None, float]] = []
    own: list[Endpoint] = []

    def place(said: Message, sender: Sender) -> None:
        heard.append((said.arguments[0], own[0].due, time.time()))

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        own.append(endpoint)
        due = time.time() + 0.6
        timed = message("/place", "i", struct.pack(">i", 2))
        client.send(bundle(timed, time=ntp(due)), endpoint.own)
        client.send(message("/place", "i", struct.pack(">i", 1)), endpoint.own)
        await until(lambda: len(heard) == 2)
        assert [(number, when) for number, when, _ in heard] == [(1, None), (2, pytest.approx(due, abs=1e-6))]
        assert heard[1][2] < due

    talk(scenario, {"/place": place}, early_s=0.5)


def test_timed_messages_sound_in_the_order_of_their_times() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        now = time.time()
        client.send(bundle(sync(3), sync(4), time=ntp(now + 0.2)), endpoint.own)
        client.send(bundle(sync(2), time=ntp(now + 0.1)), endpoint.own)
        client.send(bundle(sync(1), time=ntp(now - 5)), endpoint.own)
        assert [await client.answer() for _ in range(4)] == [("/foleyd/synced", n) for n in (1, 2, 3, 4)]
        assert time.time() >= now + 0.2 - 0.001
        assert endpoint.figures()["late"] >= 1
        assert endpoint.figures()["latest_ms"] >= 5000

    talk(scenario)


def test_a_timed_message_whose_handler_breaks_is_answered() -> None:
    def refuse(said: Message, sender: Sender) -> None:
        raise BadRequest("no.")

    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(bundle(message("/no"), sync(1), time=ntp(time.time() + 0.1)), endpoint.own)
        assert await client.answer_to_sync(1) == [("/fail", "/no", "no.", "bad_request")]

    talk(scenario, {"/no": refuse})


def test_nothing_that_waited_is_done_after_close() -> None:
    async def run() -> None:
        async with talking() as (endpoint, client):
            client.send(bundle(sync(1), time=ntp(time.time() + 3500)), endpoint.own)
            client.send(sync(2), endpoint.own)
            assert await client.answer() == ("/foleyd/synced", 2)
            receiver = Sender("127.0.0.1", client.port)
        assert endpoint.figures()["waiting"] == 0
        assert endpoint.own is None
        assert not endpoint.send(receiver, "/late")

    asyncio.run(run())


def test_a_reply_that_is_too_long_becomes_a_failure() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        here = Sender("127.0.0.1", client.port)
        endpoint.send(here, "/clip/info", "x" * (LONGEST_REPLY - 21))
        assert len((await client.answer())[1]) == LONGEST_REPLY - 21
        endpoint.send(here, "/clip/info", "x" * LONGEST_REPLY)
        endpoint.send(here, "/done", "/clip/search", "x" * LONGEST_REPLY)
        for command in ("/clip/info", "/clip/search"):
            *head, said, code = await client.answer()
            assert (head, code) == (["/fail", command], "too_long")
            assert "8192 fit" in said
        assert endpoint.counters.too_long == 2

    talk(scenario)


def test_a_taken_port_is_an_error_that_names_it() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        with pytest.raises(PortTaken, match=rf"UDP port {client.port} on 127\.0\.0\.1 is taken") as refusal:
            await open_endpoint("localhost", client.port, Endpoint({}))
        assert refusal.value.code == "port_taken"

    talk(scenario)


@pytest.mark.parametrize(
    ("host", "port", "allow", "said"),
    [
        ("0.0.0.0", 0, [], "osc-bind is 0.0.0.0, which other machines reach: name those"),
        ("0.0.0.0", 0, ["127.0.0.1"], "name those that may talk with osc-allow"),
        ("::", 0, [], "osc-bind is ::, which"),
        ("studio.local", 0, [], "osc-bind is 'studio.local': give an IP address"),
        ("127.0.0.1", 65_536, [], "the OSC port is 65536: give 0 to 65535"),
        ("127.0.0.1", -1, [], "the OSC port is -1"),
        ("192.0.2.1", 0, ["192.0.2.7"], "192.0.2.1 is no address of this machine"),
    ],
)
def test_what_cannot_be_bound_is_refused_in_a_sentence(
    host: str, port: int, allow: list[str], said: str
) -> None:
    with pytest.raises(FoleydError, match=said):
        asyncio.run(open_endpoint(host, port, Endpoint({}, allow=allow)))


def test_an_allowed_sender_is_an_address() -> None:
    with pytest.raises(BadRequest, match="osc-allow is 'tablet': give an IP address"):
        Endpoint({}, allow=["192.0.2.7", "tablet"])


def test_replies_wait_for_the_system_up_to_a_bound() -> None:
    endpoint, line = Endpoint({}), Line()
    endpoint.connection_made(line)
    line.unsent = 1 << 21
    assert not endpoint.send(Sender("127.0.0.1", 9000), "/a")
    assert (line.sent, endpoint.counters.held_back) == ([], 1)
    line.unsent = 0
    assert endpoint.send(Sender("127.0.0.1", 9000), "/a")


def test_what_the_system_would_not_send_is_counted() -> None:
    endpoint = Endpoint({})
    endpoint.error_received(ConnectionRefusedError())
    assert endpoint.figures()["unsent"] == 1


def test_subscribers_are_bounded() -> None:
    endpoint = Endpoint({})
    for port in range(MOST_SUBSCRIBERS):
        endpoint.subscribe(Sender("127.0.0.1", 9000 + port))
    endpoint.subscribe(Sender("127.0.0.1", 9000))
    with pytest.raises(BadRequest, match="64 programs are notified already"):
        endpoint.subscribe(Sender("127.0.0.1", 8000))
    endpoint.unsubscribe(Sender("127.0.0.1", 9000))
    endpoint.unsubscribe(Sender("127.0.0.1", 1))
    endpoint.subscribe(Sender("127.0.0.1", 8000))


def test_a_message_without_type_tags_is_handled() -> None:
    async def scenario(endpoint: Endpoint, client: Client) -> None:
        client.send(text("/foleyd/sync"), endpoint.own)
        assert await client.answer() == ("/foleyd/synced",)

    talk(scenario)


def test_figures_are_numbers() -> None:
    assert set(map(type, Endpoint({}).figures().values())) == {int}
