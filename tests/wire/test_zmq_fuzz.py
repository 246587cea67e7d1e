"""20 000 broken messages, with good ones between them: every good one is answered, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import resource
import sys
from collections.abc import Callable
from typing import Any

from foleyd import messages as m
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer, Endpoint, Limits
from zmq_peers import DEADLINE, Desk, JupyterPeer, free

ROUNDS = 4
A_ROUND = 5000
EVERY = 10
"""One good message comes after so many broken ones."""

VALUES: list[Any] = [
    *(None, True, -1, 0, 2**63, -(2**70), 1.5, 1e300, "", "x" * 500, "☔\0\n", [], {}, [[]], {"": {}}),
    *([0] * 50, {"a": {"b": {"c": [1, 2]}}}, "../../etc/passwd", "<IDS|MSG>", "__class__"),
]
COMMANDS = ["info", "render", "clip", "library", "models", "status", "metrics", "cancel", "shutdown", "moon"]
FIELDS = ["recipe", "count", "slot", "bars", "action", "clips", "buffers", "job_id", "jobs", "client"]


class Fuzz:
    """Broken messages as frames, from a seed."""

    def __init__(self, peer: JupyterPeer, seed: int) -> None:
        self._random = random.Random(seed)
        self._peer = peer
        self._kinds: list[Callable[[], list[bytes]]] = [
            self._noise,
            self._cut,
            self._flipped,
            self._unsigned,
            self._deep,
            self._odd_values,
            self._odd_values,
            self._broken_json,
            self._strange_header,
            self._many_frames,
            self._shuffled,
        ]

    def next(self) -> list[bytes]:
        """The frames of one message."""
        return self._random.choice(self._kinds)()

    def _bytes(self, most: int) -> bytes:
        return self._random.randbytes(self._random.randrange(most))

    def _good(self) -> list[bytes]:
        frames: list[bytes] = self._peer.session.serialize(self._peer.message("info_request"))
        return frames

    def _sign(self, *parts: bytes) -> list[bytes]:
        return [b"<IDS|MSG>", self._peer.session.sign(list(parts)), *parts]

    def _header(self, **changes: Any) -> bytes:
        # sessions of its own, some of them again and again
        header = {
            "msg_id": str(self._random.randrange(100)),
            "session": f"fuzz {self._random.randrange(40)}",
            "msg_type": f"{self._random.choice(COMMANDS)}_request",
            **changes,
        }
        return json.dumps(header).encode()

    def _noise(self) -> list[bytes]:
        return [self._bytes(200) for _ in range(self._random.randrange(1, 12))]

    def _cut(self) -> list[bytes]:
        frames = self._good()
        return frames[: self._random.randrange(1, len(frames))]

    def _flipped(self) -> list[bytes]:
        frames = self._good()
        place = self._random.randrange(len(frames))
        changed = bytearray(frames[place])
        changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        frames[place] = bytes(changed)
        return frames

    def _unsigned(self) -> list[bytes]:
        frames = self._good()
        frames[1] = self._random.choice([b"", b"0" * 64, self._bytes(80)])
        return frames

    def _deep(self) -> list[bytes]:
        depth = self._random.randrange(1, 5000)
        opened, closed = self._random.choice([(b"[", b"]"), (b'{"a":', b"}")])
        nested = opened * depth + b"1" + closed * self._random.choice([depth, 0])
        content = b'{"recipe":' + nested + b"}"
        return self._sign(self._header(), b"{}", b"{}", content)

    def _odd_values(self) -> list[bytes]:
        content = {
            self._random.choice(FIELDS): self._random.choice(VALUES) for _ in range(self._random.randrange(5))
        }
        return self._sign(self._header(), b"{}", b"{}", json.dumps(content).encode())

    def _broken_json(self) -> list[bytes]:
        parts = [b"{}", b"{}", b"{}"]
        parts[self._random.randrange(3)] = self._random.choice(
            [b"", b"\xff", b"[", b'{"a":}', b"NaN", b'"\xed\xa0\x80"', b'{"a":"\\ud800"}', self._bytes(100)]
        )
        return self._sign(self._header(), *parts)

    def _strange_header(self) -> list[bytes]:
        field = self._random.choice(["msg_id", "session", "msg_type", "date", "version", "username"])
        return self._sign(self._header(**{field: self._random.choice(VALUES)}), b"{}", b"{}", b"{}")

    def _many_frames(self) -> list[bytes]:
        extra = [self._bytes(20) for _ in range(self._random.randrange(1, 150))]
        return [*self._sign(self._header(), b"{}", b"{}", b'{"recipe":{}}'), *extra]

    def _shuffled(self) -> list[bytes]:
        frames = self._good()
        self._random.shuffle(frames)
        return frames


def test_20_000_broken_messages_leave_no_good_one_unanswered_and_memory_flat() -> None:
    async def plain(request: m.Message, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        return m.CancelReply(cancelled=()), ()

    desk = Desk(**dict.fromkeys(COMMANDS[1:], plain))
    # tables that are full long before the end
    limits = Limits(answers=50, sessions=20, kept_bytes=100_000, flights=200, flights_a_session=100)

    async def scenario() -> None:
        async with (
            Endpoint(free(), desk.handle, limits=limits) as endpoint,
            JupyterPeer(endpoint.connection) as peer,
        ):
            fuzz = Fuzz(peer, seed=20_000)
            blocks: list[int] = []
            peaks: list[int] = []
            for _ in range(ROUNDS):
                await _round(peer, fuzz)
                desk.asked.clear()
                gc.collect()
                blocks.append(sys.getallocatedblocks())
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
                held = endpoint.held
                assert held["answers"] <= 20 * 50
                assert held["answer_bytes"] <= 100_000
                assert held["flights"] <= 4  # the last one, as it goes
                assert held["outlet"] <= 2 * 20
            counters = endpoint.counters
            assert counters["received"] == ROUNDS * (A_ROUND + A_ROUND // EVERY + 1)
            # every way out was taken, many times
            for way, least in {"unsigned": 1000, "malformed": 1000, "refused": 1000, "repeated": 20}.items():
                assert counters[way] > least
            assert counters.get("failed", 0) == 0
            # what the first two rounds filled stays as large as it is
            assert max(blocks[2:]) - blocks[1] < 2000
            assert peaks[-1] - peaks[1] < 32 * 1024  # KiB

    asyncio.run(scenario())


async def _round(peer: JupyterPeer, fuzz: Fuzz) -> None:
    """Send broken messages with good ones between them; all of these have to be answered as they should."""
    waiting: set[str] = set()
    answered: set[str] = set()
    over = asyncio.Event()

    async def send() -> None:
        for n in range(A_ROUND):
            await peer.socket.send_multipart(fuzz.next())
            if n % EVERY == 0:
                good = peer.message("info_request")
                waiting.add(good["header"]["msg_id"])
                await peer.send(good)
        over.set()

    sending = asyncio.create_task(send())
    while not over.is_set() or answered != waiting:
        async with asyncio.timeout(DEADLINE):
            frames = await peer.socket.recv_multipart()
        asked = json.loads(frames[3])["msg_id"]
        if asked in waiting:
            reply = peer.session.deserialize(frames[1:])
            assert reply["content"].get("model") == "starter"
            assert asked not in answered
            answered.add(asked)
    await sending
    # the broken ones behind the last good one have been looked at too
    await peer.ask("info_request")
