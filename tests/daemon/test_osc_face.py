"""The daemon over OSC, as a host on a UDP socket sees it: packets that python-osc did not build."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage

import foleyd
import gated_worker
from foleyd import commands
from foleyd.client import Client
from foleyd.messages import LibraryRequest
from serving import PATIENCE, Served

STEPS = 5
RENDER = "/foleyd/render"
DONE, FAIL, QUEUED, PROGRESS = "/done", "/fail", "/foleyd/queued", "/foleyd/progress"
SHORT = ("seconds", 0.5, "steps", STEPS, "seed", 1)
ONE_JOB = ("--most-of-client", "2")


def text(said: str) -> bytes:
    raw = said.encode() + b"\0"
    return raw + b"\0" * (-len(raw) % 4)


def packet(address: str, *arguments: Any) -> bytes:
    """A message, its tags by the arguments' types (bytes are a blob)."""
    shapes: dict[type, tuple[str, Callable[[Any], bytes]]] = {
        int: ("i", lambda one: struct.pack(">i", one)),
        float: ("f", lambda one: struct.pack(">f", one)),
        str: ("s", text),
        bytes: ("b", lambda one: struct.pack(">i", len(one)) + one + b"\0" * (-len(one) % 4)),
    }
    tags = "".join(shapes[type(one)][0] for one in arguments)
    return text(address) + text("," + tags) + b"".join(shapes[type(one)][1](one) for one in arguments)


def bundle(at: float, *packets: bytes) -> bytes:
    """A bundle whose timetag is the Unix time `at`."""
    tag = struct.pack(">Q", int((at + 2_208_988_800) * 2**32))
    return text("#bundle") + tag + b"".join(struct.pack(">i", len(one)) + one for one in packets)


class Host:
    """A program with a UDP socket."""

    def __init__(self, daemon: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        self._daemon = daemon
        self.port: int = self._socket.getsockname()[1]

    def send(self, address: str, *arguments: Any) -> None:
        self.send_raw(packet(address, *arguments))

    def send_raw(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._daemon)

    def get(self) -> tuple[str, *tuple[Any, ...]]:
        """The next message: its address and its arguments."""
        message = OscMessage(self._socket.recv(65_536))
        return message.address, *message.params

    def until(self, address: str) -> list[tuple[Any, ...]]:
        """Messages up to the first for this address."""
        got = [self.get()]
        while got[-1][0] != address:
            got.append(self.get())
        return got

    def ask(self, address: str, *arguments: Any) -> tuple[Any, ...]:
        """Send, and the one answer."""
        self.send(address, *arguments)
        return self.get()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon whose clients may have two jobs each, and whose worker waits where a prompt says so."""
    with Served(tmp_path_factory.mktemp("served"), *ONE_JOB, worker=gated_worker.COMMAND) as daemon:
        yield daemon


@pytest.fixture
def open_host(served: Served) -> Iterator[Callable[[], Host]]:
    """Opens sockets; in the end nothing waits in the queue."""
    gated_worker.close_gate(served.home)
    opened: list[Host] = []

    def open_() -> Host:
        opened.append(Host(served.osc))
        return opened[-1]

    yield open_
    gated_worker.open_gate(served.home)
    for host in opened:
        host.close()
    with Client(served.file) as client:
        events = client.events("job")
        while client.status().jobs:
            next(events)


@pytest.fixture
def host(open_host: Callable[[], Host]) -> Host:
    """A socket."""
    return open_host()


@pytest.mark.parametrize(
    "arguments",
    [
        (7, "a bell", *SHORT, "rate", 44_100),
        (7.0, "a bell, floats", "seconds", 0.5, "steps", 5.0, "seed", 1.0, "rate", 44_100.0, "count", 1.0),
    ],
    ids=["typed", "floats"],
)
def test_a_render_is_queued_progresses_and_is_done(
    host: Host, served: Served, arguments: tuple[Any, ...]
) -> None:
    host.send(RENDER, *arguments)
    first, *steps, last = host.until(DONE)
    assert first[:3] == (QUEUED, 7, 0)
    assert {one[0] for one in steps} <= {PROGRESS, QUEUED}
    told = [one[1:4] for one in steps if one[0] == PROGRESS]
    assert told == [(7, step, STEPS) for step in range(1, STEPS + 1)]
    address, command, number, clip, path, seconds = last
    assert (address, command, number, seconds) == (DONE, RENDER, 7, 0.5)
    assert Path(path).is_relative_to(served.told["library"])
    with Client(served.file) as client:
        assert client.clip(clip, audio=False).clips[0].rate == 44_100


def test_minus_one_has_a_number_chosen(host: Host) -> None:
    host.send(RENDER, -1, "a bell", *SHORT)
    messages = host.until(DONE)
    assert messages[0][0] == QUEUED
    number = messages[0][1]
    assert 1 <= number < 2**24
    assert messages[-1][2] == number


def test_a_number_may_be_used_again_once_its_job_has_ended(host: Host, served: Served) -> None:
    host.send(RENDER, 9, "wait for nine", *SHORT)
    assert host.get()[:2] == (QUEUED, 9)
    host.send(RENDER, 9, "another", *SHORT)
    fail = host.until(FAIL)[-1]
    assert (fail[1], fail[3], fail[4]) == (RENDER, 9, "bad_request")
    assert "in use" in fail[2]
    gated_worker.open_gate(served.home)
    assert host.until(DONE)[-1][2] == 9
    host.send(RENDER, 9, "another", *SHORT)
    assert host.until(DONE)[-1][2] == 9


def test_a_kept_sound_is_queued_and_done_at_once(host: Host) -> None:
    host.send(RENDER, 1, "twice", *SHORT)
    first = host.until(DONE)[-1]
    host.send(RENDER, 2, "twice", *SHORT)
    assert host.get()[:3] == (QUEUED, 2, 0)
    assert host.get()[3:] == first[3:]


def test_two_clips_are_two_dones_and_a_set(host: Host, served: Served) -> None:
    host.send(RENDER, 3, "two", *SHORT, "count", 2)
    first, second = host.until(DONE)[-1], host.get()
    assert second[:3] == (DONE, RENDER, 3)
    with Client(served.file) as client:
        seeds = [client.clip(one[3], audio=False).clips[0].seed for one in (first, second)]
        sets = client.library(LibraryRequest(action="sets")).sets
    assert seeds == [1, 2]
    assert (first[3], second[3]) in [one.clips for one in sets]


def test_a_draft_is_told_before_the_sound(host: Host, served: Served) -> None:
    host.send(RENDER, 5, "wait after a draft", *SHORT, "draft", 2.0)
    draft = host.until("/foleyd/draft")[-1]
    assert (draft[1], draft[4]) == (5, 0.5)
    gated_worker.open_gate(served.home)
    *between, done = host.until(DONE)
    assert not [one for one in between if one[0] == "/foleyd/draft"]
    with Client(served.file) as client:
        steps = [client.clip(one, audio=False).clips[0].recipe["steps"] for one in (draft[2], done[3])]
    assert steps == [2, STEPS]


def test_a_job_that_fails_says_so_with_its_number(host: Host) -> None:
    host.send(RENDER, 4, "fail", *SHORT)
    assert host.until(FAIL)[-1] == (
        FAIL,
        RENDER,
        "the samples are not numbers: try another seed.",
        4,
        "render_failed",
    )


BAD: dict[str, tuple[tuple[Any, ...], int]] = {
    "nothing": ((), -1),
    "no prompt": ((5,), 5),
    "id": (("five", "a bell"), -1),
    "id 1.5": ((1.5, "a bell"), -1),
    "id too large": ((2**24, "a bell"), 2**24),
    "id 0": ((0, "a bell"), 0),
    "prompt": ((5, 808), 5),
    "empty prompt": ((5, ""), 5),
    "blob": ((5, b"bell"), 5),
    "odd": ((5, "a bell", "seconds"), 5),
    "name": ((5, "a bell", 3, 4), 5),
    "twice": ((5, "a bell", "seed", 1, "seed", 2), 5),
    "unknown": ((5, "a bell", "colour", "red"), 5),
    "sources": ((5, "a bell", "sources", "x"), 5),
    "recipe": ((5, "a bell", "recipe", "x"), 5),
    "deliver": ((5, "a bell", "deliver", "clip"), 5),
    "seconds": ((5, "a bell", "seconds", -1.0), 5),
    "nan": ((5, "a bell", "seconds", float("nan")), 5),
    "infinite": ((5, "a bell", "guidance", float("inf")), 5),
    "within": ((5, "a bell", "within_s", 0.0), 5),
    "within nan": ((5, "a bell", "within_s", float("nan")), 5),
    "blob value": ((5, "a bell", "negative", b"x"), 5),
    "count": ((5, "a bell", "count", 17), 5),
    "model": ((5, "a bell", "model", "/etc/passwd"), 5),
    "model missing": ((5, "a bell", "model", "cvssp/audioldm-l-full"), 5),
    "priority": ((5, "a bell", "priority", "now"), 5),
    "bars": ((5, "a bell", "bars", 2), 5),
    "reply_port": ((5, "a bell", "reply_port", 70_000), 5),
    "client": ((5, "a bell", "client", ""), 5),
}


@pytest.mark.parametrize(("arguments", "number"), BAD.values(), ids=BAD)
def test_bad_input_fails_with_a_sentence_and_the_number(
    host: Host, arguments: tuple[Any, ...], number: int
) -> None:
    fail = host.ask(RENDER, *arguments)
    assert (fail[0], fail[1], fail[3]) == (FAIL, RENDER, number)
    assert fail[4] in ("bad_request", "model_missing")
    assert fail[2].endswith(".")
    assert ":" in fail[2]
    assert host.ask("/foleyd/sync", 1) == ("/foleyd/synced", 1)


def test_too_many_jobs_are_refused(host: Host) -> None:
    for number in (1, 2):
        host.send(RENDER, number, f"wait busy {number}", *SHORT)
        host.until(QUEUED)
    host.send(RENDER, 3, "one too many", *SHORT)
    fail = host.until(FAIL)[-1]
    assert fail[3:] == (3, "busy")
    host.send("/foleyd/cancel", -1)
    host.until(DONE)


@pytest.mark.parametrize("name", [11, 11.0, "pad-3", "pad-3.5", -1])
def test_cancel_by_number_by_slot_and_all(open_host: Callable[[], Host], name: int | float | str) -> None:
    host, other = open_host(), open_host()
    # a prompt of its own: a render that is stopped late may leave its take
    other.send(RENDER, 11, f"wait for other {name}", *SHORT, "slot", "pad-3")
    host.send(RENDER, 11, f"wait cancel {name}", *SHORT, "slot", name if isinstance(name, str) else "pad-3")
    host.until(QUEUED)
    host.send("/foleyd/cancel", name)
    fail, done = host.until(FAIL)[-1], host.get()
    assert (fail[1], *fail[3:]) == (RENDER, 11, "cancelled")
    assert done == (DONE, "/foleyd/cancel", 11)
    # again there is nothing to cancel, and the other program's job of that number is its own
    assert host.ask("/foleyd/cancel", name) == (DONE, "/foleyd/cancel")
    other.send("/foleyd/cancel", -1)
    assert other.until(DONE)[-1] == (DONE, "/foleyd/cancel", 11)


def test_a_cancel_right_behind_its_render_is_heard(host: Host) -> None:
    for number in range(1, 21):
        host.send(RENDER, number, f"wait overtaken {number}", *SHORT)
        host.send("/foleyd/cancel", number)
        host.send("/foleyd/sync", number)
        heard = host.until("/foleyd/synced")
        assert (DONE, "/foleyd/cancel", number) in heard
        assert [one[0] for one in heard if one[0] in (QUEUED, FAIL)] == [QUEUED, FAIL]


def test_a_slot_that_pd_turned_into_a_number_is_a_slot(host: Host) -> None:
    host.send(RENDER, 1, "wait slot 3", *SHORT, "slot", 3.0)
    host.until(QUEUED)
    host.send(RENDER, 2, "wait slot 3 again", *SHORT, "slot", "3")
    fail = host.until(FAIL)[-1]
    assert fail[3:] == (1, "superseded")
    host.send("/foleyd/cancel", "3")
    assert host.until(DONE)[-1] == (DONE, "/foleyd/cancel", 2)


def test_a_cancel_with_a_bad_name_cancels_nothing(host: Host) -> None:
    host.send(RENDER, 1, "wait bad name", *SHORT)
    host.until(QUEUED)
    for arguments in ((), (1, 1.5)):
        host.send("/foleyd/cancel", *arguments)
        fail = host.until(FAIL)[-1]
        assert (fail[1], fail[3]) == ("/foleyd/cancel", "bad_request")
    host.send("/foleyd/cancel", 1)
    assert host.until(DONE)[-1] == (DONE, "/foleyd/cancel", 1)


def test_status_version_and_sync(host: Host) -> None:
    host.send(RENDER, 1, "seen in status", *SHORT)
    host.until(DONE)
    status = host.ask("/foleyd/status")
    assert status[0] == "/foleyd/status.reply"
    assert status[1:4] == (1, "ready", "starter")
    assert status[4:6] == (0, 0)
    assert status[8] == foleyd.__version__
    assert host.ask("/foleyd/version") == (
        "/foleyd/version.reply",
        "foleyd",
        foleyd.__version__,
        commands.PROTOCOL,
    )
    assert host.ask("/foleyd/sync", 12.0) == ("/foleyd/synced", 12)
    for bad in ((), ("x",), (1.5,)):
        assert host.ask("/foleyd/sync", *bad)[:2] == (FAIL, "/foleyd/sync")
    assert host.ask("/foleyd/nothing")[0:2] == (FAIL, "/foleyd/nothing")


def test_notify_tells_of_everybodys_jobs_until_it_is_off(open_host: Callable[[], Host]) -> None:
    host, other = open_host(), open_host()
    assert other.ask("/foleyd/notify", 1) == (DONE, "/foleyd/notify", 1)
    host.send(RENDER, 21, "heard of", *SHORT, "client", "piano", "slot", "left")
    clip = host.until(DONE)[-1][3]
    heard = [other.get()]
    while heard[-1][2] != "done":
        heard.append(other.get())
    assert {one[0] for one in heard} == {"/foleyd/job"}
    assert {(one[1], one[3], one[4]) for one in heard} == {(21, "piano", "left")}
    assert heard[0][2] == "queued"
    assert heard[-1][5:] == (STEPS, STEPS, clip)
    assert other.ask("/foleyd/notify", 0) == (DONE, "/foleyd/notify", 0)
    host.send(RENDER, 22, "not heard of", *SHORT)
    host.until(DONE)
    assert other.ask("/foleyd/sync", 1) == ("/foleyd/synced", 1)
    assert other.ask("/foleyd/notify")[:2] == (FAIL, "/foleyd/notify")


def test_a_clip_is_described_and_found(host: Host) -> None:
    host.send(RENDER, 1, "an oboe far away", *SHORT)
    _, _, _, clip, path, _ = host.until(DONE)[-1]
    assert host.ask("/clip/info", clip) == ("/clip/info", clip, "an oboe far away", 0.5, 48_000, 1, path)
    for bad in ((), (3,), ("clip-none",), ("../../etc/passwd",), ("x" * 200,)):
        fail = host.ask("/clip/info", *bad)
        assert (fail[0], fail[1], fail[3]) == (FAIL, "/clip/info", "bad_request")
    assert host.ask("/clip/search", "oboe") == (
        *("/clip/search", "oboe", 0, 1, clip),
        *("an oboe far away", 0.5, path),
    )
    assert host.get() == (DONE, "/clip/search", "oboe", 1)
    assert host.ask("/clip/search", "zither") == (DONE, "/clip/search", "zither", 0)
    assert host.ask("/clip/search", "oboe", "favourites", 1)[-1] == 0
    assert host.ask("/clip/search", "oboe", "tag", "loud")[-1] == 0
    for bad in ((), ("oboe", "limit", 0), ("oboe", "limit", "many"), ("oboe", "limit")):
        assert host.ask("/clip/search", *bad)[:2] == (FAIL, "/clip/search")


def test_replies_go_to_the_port_that_is_named(open_host: Callable[[], Host]) -> None:
    sender, listener = open_host(), open_host()
    port = ("reply_port", listener.port)
    sender.send(RENDER, 1, "elsewhere", *SHORT, *port)
    assert listener.until(DONE)[-1][:3] == (DONE, RENDER, 1)
    for address in ("/foleyd/status", "/foleyd/version"):
        sender.send(address, *port)
        assert listener.get()[0] == f"{address}.reply"
    sender.send("/foleyd/sync", 5, *port)
    assert listener.get() == ("/foleyd/synced", 5)
    # failures, too
    for address, bad in ((RENDER, (1, "x", "steps", 0)), ("/clip/info", ("none",)), ("/foleyd/cancel", ())):
        sender.send(address, *bad, *port)
        assert listener.get()[:2] == (FAIL, address)
    assert sender.ask("/foleyd/sync", 6) == ("/foleyd/synced", 6)


def test_a_client_key_joins_several_sockets(open_host: Callable[[], Host]) -> None:
    one, two = open_host(), open_host()
    one.send(RENDER, 31, "wait joined", *SHORT, "client", "duo")
    one.until(QUEUED)
    assert two.ask("/foleyd/cancel", 31) == (DONE, "/foleyd/cancel")
    assert two.ask("/foleyd/cancel", 31, "client", "duo") == (DONE, "/foleyd/cancel", 31)
    assert one.until(FAIL)[-1][3:] == (31, "cancelled")


def test_a_client_of_osc_counts_as_present_for_ten_minutes(host: Host, served: Served) -> None:
    for address, arguments in (("/foleyd/sync", (1,)), ("/foleyd/status", ()), ("/foleyd/cancel", (-1,))):
        name = f"present by {address}"
        host.ask(address, *arguments, "client", name)
        with Client(served.file) as client:
            assert client.status().clients[name] > 300


def test_a_bundle_is_looked_at_when_its_time_has_come(host: Host) -> None:
    host.send_raw(bundle(time.time() + 1.0, packet("/foleyd/sync", 2)))
    host.send_raw(bundle(0, packet("/foleyd/sync", 1), packet("/foleyd/version")))
    assert [host.get()[0] for _ in range(2)] == ["/foleyd/synced", "/foleyd/version.reply"]
    assert host.get() == ("/foleyd/synced", 2)
    host.send_raw(bundle(time.time() + 10_000, packet("/foleyd/sync", 3)))
    assert host.get()[:2] == (FAIL, "/foleyd/sync")
    host.send_raw(bundle(time.time() + 0.1, packet(RENDER, 41, "in time", *SHORT)))
    assert host.until(DONE)[-1][2] == 41


def test_what_is_no_osc_is_refused(host: Host) -> None:
    for junk in (b"", b"/x", b"/foleyd/*\0\0\0,\0\0\0", packet("/foleyd/sync", 1)[:-2]):
        host.send_raw(junk)
        assert host.get()[:2] == (FAIL, "/")
    assert host.ask("/foleyd/sync", 1) == ("/foleyd/synced", 1)
