"""Other machines: who is let in, and that what goes out stays a small multiple of what came in.

Senders elsewhere cannot be had in a test, so the socket is left out here: datagrams are handed to the
protocol with the addresses that they would have come from.
"""

from __future__ import annotations

import pytest

from foleyd.wire.osc import Message, write
from foleyd.wire.osc_endpoint import LONGEST_REPLY_AWAY, Endpoint, Sender
from foleyd.wire.osc_limits import FACTOR, MOST_SAVED, REPLIES, UDP_HEADERS, Bucket, Buckets, Credit
from osc_packets import Line, answer_sync, bundle, message, sync

TABLET = ("192.0.2.7", 9000)


def bound(*allow: str, own: tuple[str, int] = ("0.0.0.0", 17130)) -> tuple[Endpoint, Line]:
    """An endpoint that other machines reach, and the wire that holds what it sends."""
    endpoint = Endpoint(
        {
            "/foleyd/sync": lambda said, sender: answer_sync(endpoint, said.arguments, sender),
            "/many": lambda said, sender: many(endpoint, sender),
        },
        allow=allow,
        ticks=lambda: 0.0,
    )
    line = Line(own)
    endpoint.connection_made(line)
    return endpoint, line


def many(endpoint: Endpoint, sender: Sender) -> None:
    for number in range(200):
        endpoint.send(sender, "/foleyd/progress", number, 200)


def on_the_wire(datagrams: list[bytes]) -> int:
    return sum(len(datagram) + UDP_HEADERS for datagram in datagrams)


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::7", True),
        ("2001:0db8:0::0007", True),
        ("192.0.2.8", False),
        ("::ffff:192.0.2.8", False),
        ("2001:db8::8", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("fe80::1%2", False),
    ],
)
def test_only_this_machine_and_allowed_ones_are_heard(host: str, answered: bool) -> None:
    endpoint, line = bound("192.0.2.7", "2001:db8:0:0::7")
    endpoint.datagram_received(sync(1), (host, 9000))
    assert line.answers() == [("/foleyd/synced", 1)] * answered
    assert endpoint.counters.strangers == (not answered)


def test_strangers_are_not_told_why() -> None:
    endpoint, line = bound()
    for packet in (b"junk", message("/what"), sync(1), bundle(sync(1), time=2**63)):
        endpoint.datagram_received(packet, TABLET)
    assert line.sent == []
    assert (endpoint.counters.strangers, endpoint.counters.received, endpoint.counters.refused) == (4, 4, {})


def test_other_machines_hear_nothing_of_packets_that_cannot_be_read() -> None:
    endpoint, line = bound("192.0.2.7")
    endpoint.datagram_received(b"junk", TABLET)
    assert line.sent == []
    assert endpoint.counters.refused == {"address": 1}
    endpoint.datagram_received(message("/what"), TABLET)
    assert [answer[:2] for answer in line.answers()] == [("/fail", "/what")]


def test_what_goes_out_is_bounded_by_what_came_in() -> None:
    endpoint, line = bound("192.0.2.7")
    came = []
    for _ in range(20):
        for packet in (message("/many"), message("/what"), bundle(*[message("/many")] * 9), b"junk"):
            came.append(packet)
            endpoint.datagram_received(packet, TABLET)
            went = [datagram for datagram, _ in line.sent]
            assert on_the_wire(went) <= FACTOR * on_the_wire(came)
            assert len(went) <= REPLIES * len(came)
    assert len(line.sent) > len(came)
    assert endpoint.counters.held_back > 10_000


def test_this_machine_is_not_counted() -> None:
    endpoint, line = bound("192.0.2.7")
    endpoint.datagram_received(message("/many"), ("127.0.0.1", 9000))
    assert len(line.sent) == 200


def test_another_port_of_the_same_machine_has_no_credit_of_its_own() -> None:
    endpoint, line = bound("192.0.2.7")
    endpoint.datagram_received(message("/many"), TABLET)
    went = len(line.sent)
    assert not endpoint.send(Sender("192.0.2.7", 9001), "/foleyd/progress", 1, 2)
    assert len(line.sent) == went


def test_machines_that_never_spoke_are_sent_nothing() -> None:
    endpoint, line = bound("192.0.2.7")
    assert not endpoint.send(Sender(*TABLET), "/foleyd/job", 1)
    assert not endpoint.send(Sender("192.0.2.8", 9000), "/foleyd/job", 1)
    assert line.sent == []


def test_subscribers_are_sent_what_they_asked_for() -> None:
    endpoint, line = bound("192.0.2.7", "192.0.2.8")
    endpoint.subscribe(Sender(*TABLET))
    many(endpoint, Sender(*TABLET))
    many(endpoint, Sender("192.0.2.8", 9000))
    assert len(line.sent) == 200
    endpoint.unsubscribe(Sender(*TABLET))
    assert not endpoint.send(Sender(*TABLET), "/foleyd/job", 1)


def test_a_render_from_a_tablet_ends_with_its_answer_whatever_progress_there_was() -> None:
    endpoint, line = bound("192.0.2.7")
    request = write("/foleyd/render", -1, "glass bell")
    endpoint.datagram_received(request, TABLET)
    line.sent.clear()
    tablet = Sender(*TABLET)
    assert endpoint.send(tablet, "/foleyd/queued", 1, 0, 2.5)
    shown = [endpoint.send(tablet, "/foleyd/progress", 1, step, 50, 1.0, spare=True) for step in range(50)]
    assert shown[0]
    assert not shown[-1]
    assert endpoint.send(tablet, "/done", "/foleyd/render", 1, "clip-" + "a" * 24, "/" + "p" * 250, 5.12)


def test_replies_to_other_machines_fit_a_frame() -> None:
    endpoint, line = bound("192.0.2.7")
    endpoint.subscribe(Sender(*TABLET))
    endpoint.send(Sender(*TABLET), "/clip/info", "x" * 2000)
    endpoint.send(Sender(*TABLET), "/fail", "\U0001f514" * 2000)
    endpoint.send(Sender(*TABLET), "/clip/info", "x" * (LONGEST_REPLY_AWAY - 17))
    assert [len(datagram) <= LONGEST_REPLY_AWAY for datagram, _ in line.sent] == [True] * 3
    assert len(line.sent[2][0]) == LONGEST_REPLY_AWAY
    codes = [answer[-1] for answer in line.answers()]
    assert codes[:2] == ["too_long", "too_long"]
    assert endpoint.counters.too_long == 2


@pytest.mark.parametrize(
    ("own", "sender", "echo"),
    [
        (("0.0.0.0", 17130), ("127.0.0.1", 17130), True),
        (("0.0.0.0", 17130), ("192.0.2.7", 17130), False),
        (("192.0.2.7", 17130), ("192.0.2.7", 17130), True),
        (("127.0.0.1", 17130), ("127.0.0.1", 17131), False),
    ],
)
def test_a_tablet_may_use_the_same_port(own: tuple[str, int], sender: tuple[str, int], echo: bool) -> None:
    endpoint, line = bound("192.0.2.7", own=own)
    endpoint.datagram_received(sync(1), sender)
    assert len(line.sent) == (not echo)
    assert endpoint.counters.echoes == echo


def test_credit_is_saved_up_to_a_bound_and_lasts() -> None:
    credit = Credit()
    assert not credit.spend(0)
    credit.earn(1_000_000)
    spent = 0
    while credit.spend(972):
        spent += 1000
        credit.earn(-UDP_HEADERS)
    assert MOST_SAVED - 1000 < spent <= MOST_SAVED


def test_a_bucket_fills_up_to_a_second() -> None:
    now = [0.0]
    bucket = Bucket(5, lambda: now[0])
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] = 0.25
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_a_bucket_saves_up_as_many_as_it_is_told() -> None:
    now = [0.0]
    bucket = Bucket(10, lambda: now[0], most=5)
    assert [bucket.take() for _ in range(7)] == [True] * 5 + [False] * 2
    now[0] = 0.25
    assert [bucket.take() for _ in range(4)] == [True, True, False, False]
    now[0] = 100.0
    assert sum(bucket.take() for _ in range(20)) == 5


def test_buckets_forget_who_was_not_seen_for_longest() -> None:
    buckets = Buckets(1, lambda: 0.0, most=3)
    assert [buckets.take(key) for key in "abcab"] == [True, True, True, False, False]
    assert buckets.take("d")
    assert len(buckets) == 3
    assert [buckets.take(key) for key in "ab"] == [False, False]
    assert buckets.take("c")


def test_messages_of_other_machines_hold_what_they_say() -> None:
    heard: list[tuple[Message, Sender]] = []
    endpoint = Endpoint({"/a": lambda said, sender: heard.append((said, sender))}, allow=["192.0.2.7"])
    endpoint.connection_made(Line())
    endpoint.datagram_received(write("/a", 1, "x"), TABLET)
    assert heard == [(Message("/a", (1, "x")), Sender("192.0.2.7", 9000))]


def test_a_long_datagram_earns_no_flood_of_short_ones() -> None:
    endpoint, line = bound("192.0.2.7")
    endpoint.datagram_received(write("/foleyd/sync", "x" * 1200), TABLET)
    while endpoint.send(Sender(*TABLET), "/a"):
        pass
    assert len(line.sent) == REPLIES
