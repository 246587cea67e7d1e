"""A hundred thousand broken datagrams between valid ones: each valid one is answered, nothing piles up."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import struct
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from foleyd.wire.osc import write
from foleyd.wire.osc_endpoint import Endpoint
from foleyd.wire.timetag import MOST_WAITING
from osc_packets import HOSTILE, Line, answer_sync, bundle, message, ntp, sync, talking, text

TOTAL, BETWEEN = 100_000, 10
ODD_INTS = (0, 1, 3, 4, 2**31 - 1, -1, -4, -8, -(2**31))
SEEDS = (
    write("/foleyd/render", -1, "glass bell", "steps", 20, "seconds", 2.5, "slot", "a"),
    write("/foleyd/status"),
    write("/clip/search", "fünf Glöckchen", "limit", 5),
    message("/a", "ifshdb", bytes(8), text("x"), bytes(16), struct.pack(">i", 3) + b"abc\0"),
    bundle(sync(-1), bundle(write("/foleyd/version")), sync(-2)),
    bundle(write("/foleyd/render", 1.0, "Regen"), time=ntp(1_800_000_000)),
    *(packet for packet, _ in HOSTILE.values() if len(packet) < 700),
)


def junk(dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice((4, 8, 12, 16, 20, 64, 7)))


def flip(dice: random.Random, packet: bytearray) -> None:
    for _ in range(dice.randint(1, 4)):
        packet[dice.randrange(len(packet))] ^= 1 << dice.randrange(8)


def cut(dice: random.Random, packet: bytearray) -> None:
    del packet[dice.randrange(len(packet)) & dice.choice((-1, -4)) :]


def splice(dice: random.Random, packet: bytearray) -> None:
    other = dice.choice(SEEDS)
    place = dice.randrange(len(packet) + 1) & -4
    packet[place : place + 4 * dice.randint(0, 3)] = other[dice.randrange(len(other) + 1) & -4 :]


def number(dice: random.Random, packet: bytearray) -> None:
    place = dice.randrange(len(packet)) & -4
    packet[place : place + 4] = struct.pack(">i", dice.choice(ODD_INTS))


def wrap(dice: random.Random, packet: bytearray) -> None:
    for _ in range(dice.randint(1, 10)):
        packet[:] = bundle(bytes(packet), time=dice.choice((0, 1, 2**63, 2**64 - 1, ntp(time.time() + 9))))


MUTATIONS = (flip, cut, splice, number, wrap)


def broken(dice: random.Random) -> Iterator[bytes]:
    """Datagrams without end: bytes by chance, hostile ones, and changed valid ones."""
    while True:
        if dice.random() < 0.1:
            yield junk(dice)
            continue
        packet = bytearray(dice.choice(SEEDS))
        for _ in range(dice.randint(0, 3)):
            if packet:
                dice.choice(MUTATIONS)(dice, packet)
        yield bytes(packet)


def test_every_valid_datagram_is_answered_and_memory_is_flat(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[Endpoint, list[int]]:
        endpoint = Endpoint(
            {"/foleyd/sync": lambda said, sender: answer_sync(endpoint, said.arguments, sender)}
        )
        line = Line(("127.0.0.1", 17130))
        endpoint.connection_made(line)
        datagrams, held = broken(random.Random(5)), []
        for valid in range(TOTAL // BETWEEN):
            for _ in range(BETWEEN):
                endpoint.datagram_received(next(datagrams), ("127.0.0.1", 9000))
            line.sent.clear()
            endpoint.datagram_received(sync(valid), ("127.0.0.1", 9001))
            assert line.answers() == [("/foleyd/synced", valid)]
            if valid % (TOTAL // BETWEEN // 5) == 0:
                endpoint.schedule.close()
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
        endpoint.connection_lost(None)
        return endpoint, held

    tracemalloc.start()
    try:
        with caplog.at_level(logging.WARNING):
            endpoint, held = asyncio.run(scenario())
    finally:
        tracemalloc.stop()
    assert caplog.records == []
    # the first look is before anything was kept for good (an error a kind, a bucket a sender)
    assert max(held[1:]) - min(held[1:]) < 64 * 1024, held
    kinds = {kind for _, kind in HOSTILE.values()}
    assert set(endpoint.counters.refused) == kinds
    refused = sum(endpoint.counters.refused.values())
    assert endpoint.counters.received == TOTAL + TOTAL // BETWEEN
    assert TOTAL // 2 < refused < TOTAL
    assert endpoint.counters.failed == 0


def test_broken_datagrams_for_later_fill_no_more_than_the_schedule() -> None:
    async def scenario() -> None:
        endpoint, line = Endpoint({}), Line()
        endpoint.connection_made(line)
        later = bundle(*[message("/a")] * 250, time=ntp(time.time() + 3000))
        for _ in range(40):
            endpoint.datagram_received(later, ("127.0.0.1", 9000))
        assert endpoint.figures()["waiting"] == MOST_WAITING
        assert endpoint.counters.untimely == 10_000 - MOST_WAITING
        assert len(line.sent) < 10_000 - MOST_WAITING
        endpoint.connection_lost(None)
        assert endpoint.figures()["waiting"] == 0

    asyncio.run(scenario())


def test_every_valid_datagram_is_answered_through_a_socket(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        datagrams = broken(random.Random(6))
        async with talking() as (endpoint, client):
            for valid in range(500):
                for _ in range(BETWEEN):
                    client.send(next(datagrams), endpoint.own)
                client.send(sync(valid), endpoint.own)
                await client.answer_to_sync(valid)
            assert endpoint.counters.received > 5000
            assert sum(endpoint.counters.refused.values()) > 2500

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.records == []
