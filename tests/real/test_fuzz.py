"""A whole daemon under fire: broken messages and datagrams by the thousand, with good ones between them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator

import msgspec

from foleyd.daemon.osc_face import RENDER
from foleyd.errors import BadRequest
from foleyd.messages import StatusReply
from foleyd.wire import connection as connections
from foleyd.wire.osc import BadPacket, read
from osc_packets import Client as OscClient
from osc_packets import sync
from serving import Served
from wire.test_osc_fuzz import broken
from wire.test_zmq_fuzz import Fuzz
from zmq_peers import DEADLINE, JupyterPeer

ROUNDS = 5
MESSAGES, DATAGRAMS = 4000, 1000
"""A round."""
EVERY = 20
"""One good message comes after so many broken ones."""
GROWTH = 16 * 1024 * 1024
"""Bytes that the daemon may hold more after the last round than after the first, which fills its bounded
tables in part: the answers that may be asked for again. They are full after some 100 000 messages."""


def test_a_daemon_under_fire_answers_every_good_message_and_does_not_grow(fresh: Served) -> None:
    async def scenario() -> list[StatusReply]:
        seen: list[StatusReply] = []
        host, port = fresh.osc
        loop = asyncio.get_running_loop()
        line, osc = await loop.create_datagram_endpoint(OscClient, remote_addr=(host, port))
        try:
            async with JupyterPeer(connections.read(fresh.file)) as peer:
                fuzz, datagrams = Fuzz(peer, seed=7), without_renders(random.Random(7))
                for number in range(ROUNDS):
                    await asyncio.gather(over_zmq(peer, fuzz), over_osc(line, osc, datagrams, number))
                    seen.append(await status(peer))
                usage = await peer.ask("library_request", {"action": "usage"})
                assert usage["content"]["total"] == 1  # the warm-up's clip
        finally:
            line.close()
        return seen

    seen = asyncio.run(scenario())
    first, last = seen[0], seen[-1]
    assert last.memory_bytes - first.memory_bytes < GROWTH, [one.memory_bytes for one in seen]
    assert {one.pid for one in seen} == {fresh.process.pid}
    # whoever renders has noticed nothing
    assert {one.worker.pid for one in seen} == {first.worker.pid}
    assert (last.worker.phase, last.worker.restarts, last.worker.deaths) == ("ready", 0, 0)
    assert last.jobs == last.failures == ()
    assert last.osc["received"] >= ROUNDS * DATAGRAMS
    assert last.osc["refused"] > ROUNDS * DATAGRAMS // 3
    assert "Traceback" not in fresh.log


async def over_zmq(peer: JupyterPeer, fuzz: Fuzz) -> None:
    """Broken messages, and good ones, all of which have to be answered as they should."""
    waiting: set[str] = set()
    sent = asyncio.Event()

    async def send() -> None:
        for number in range(MESSAGES):
            await peer.socket.send_multipart(fuzz.next())
            if number % EVERY == EVERY - 1:
                good = peer.message("info_request")
                waiting.add(good["header"]["msg_id"])
                await peer.send(good)
        sent.set()

    sending = asyncio.create_task(send())
    while not sent.is_set() or waiting:
        async with asyncio.timeout(DEADLINE):
            frames = await peer.socket.recv_multipart()
        asked = json.loads(frames[3])["msg_id"]
        if asked in waiting:
            assert peer.session.deserialize(frames[1:])["content"]["model"] == "starter"
            waiting.remove(asked)
    await sending


async def over_osc(
    line: asyncio.DatagramTransport, osc: OscClient, datagrams: Iterator[bytes], number: int
) -> None:
    """Broken datagrams, a few at a time so that the system loses none, and a good one behind them."""
    for place in range(DATAGRAMS // EVERY):
        for _ in range(EVERY):
            line.sendto(next(datagrams))
        good = number * DATAGRAMS + place + 1_000_000
        line.sendto(sync(good))
        await osc.answer_to_sync(good)


async def status(peer: JupyterPeer) -> StatusReply:
    """The daemon's own account of itself."""
    reply = await peer.ask("status_request")
    return msgspec.convert(reply["content"], StatusReply)


def without_renders(dice: random.Random) -> Iterator[bytes]:
    """Broken datagrams, but for those that ask for a sound well enough to get one, and for empty ones, which
    asyncio does not send."""
    for datagram in broken(dice):
        try:
            asked = {timed.message.address for timed in read(datagram)}
        except (BadPacket, BadRequest):
            asked = set()
        if datagram and RENDER not in asked:
            yield datagram
