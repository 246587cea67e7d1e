"""liblo's oscsend and oscdump, which know nothing of foleyd, at both ends of it."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foleyd.client import Client
from foleyd.messages import JobEvent
from programs import Program
from serving import Served

Send = Callable[..., None]


@pytest.fixture
def send(program: Callable[[str, str], str], served: Served, home: Path) -> Send:
    """``send(address, types, *values)`` by oscsend, which does not wait for an answer."""

    def oscsend(address: str, types: str, *values: object) -> None:
        where = f"osc.udp://127.0.0.1:{served.osc[1]}/"
        command = (program("oscsend", "liblo-tools"), where, address, types, *map(str, values))
        with Program(*command, home=home) as running:
            assert running.ended() == 0, running.lines

    return oscsend


@pytest.fixture
def heard(program: Callable[[str, str], str], send: Send, home: Path) -> Iterator[tuple[int, Program]]:
    """An oscdump that listens, and its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Program(program("oscdump", "liblo-tools"), "-L", f"osc.udp://:{port}", home=home) as dump:
        # it does not say when it listens, so it is told until it says what it heard
        for _ in range(600):
            send("/foleyd/version", "si", "reply_port", port)
            if dump.until(_is("/foleyd/version.reply"), patience=0.2):
                break
        else:
            pytest.fail(f"oscdump hears nothing: {dump.lines}")
        yield port, dump


def _is(address: str, first: str = "") -> Callable[[str], bool]:
    """Whether a line of oscdump (time, address, types, values) is of that address and begins so."""
    return lambda line: (words := _words(line))[0] == address and (not first or words[2] == first)


def _words(line: str) -> list[str]:
    return [*shlex.split(line)[1:], "", "", ""]


def test_a_sound_that_was_asked_for_one_way_is_in_the_library(send: Send, client: Client) -> None:
    events = client.events("job")
    # nobody is there any more when the answers come
    for number in range(3):
        send(
            "/foleyd/render",
            "issfsisisi",
            -1,
            "one way",
            "seconds",
            0.5,
            "steps",
            2,
            "seed",
            90 + number,
            "count",
            1,
        )
    done = 0
    while done < 3:
        event = next(events)
        done += isinstance(event, JobEvent) and event.state == "done"
    events.close()
    status = client.status()
    assert (status.jobs, status.failures, status.worker.restarts) == ((), (), 0)
    clip = event.clips[0] if isinstance(event, JobEvent) else ""
    assert client.clip(clip, audio=False).clips[0].prompt == "one way"


def test_answers_go_where_reply_port_says(send: Send, heard: tuple[int, Program], served: Served) -> None:
    port, dump = heard
    pairs = ("seconds", 0.5, "steps", 2.0, "seed", 5.0, "reply_port", port)
    send("/foleyd/render", "fssfsfsfsi", 12.0, "glass, fünf Scherben", *pairs)
    line = dump.until(_is("/done", "/foleyd/render"))
    assert line is not None
    _, types, _, number, clip, path, seconds, *_ = _words(line)
    assert (types, number, float(seconds)) == ("sissf", "12", 0.5)
    assert clip.startswith("clip-")
    assert Path(path).is_relative_to(served.told["library"])
    assert Path(path).is_file()
    before = [_words(one) for one in dump.lines if "/foleyd/" in one]
    assert [words[:4] for words in before if words[0] == "/foleyd/queued"] == [
        ["/foleyd/queued", "iif", "12", "0"]
    ]
    assert [words[2:5] for words in before if words[0] == "/foleyd/progress"] == [
        ["12", "1", "2"],
        ["12", "2", "2"],
    ]


def test_notify_tells_of_the_jobs_of_others(send: Send, heard: tuple[int, Program], client: Client) -> None:
    port, dump = heard
    send("/foleyd/notify", "isi", 1, "reply_port", port)
    assert dump.until(_is("/done", "/foleyd/notify"))
    first = client.render("somebody else's", slot="pad 4", seconds=0.5, steps=2, seed=1)
    clip = first.result().clips[0].clip_id
    seen: list[list[str]] = []

    def over(line: str) -> bool:
        words = _words(line)
        if words[0] == "/foleyd/job":
            seen.append(words[1:9])
        return words[0] == "/foleyd/job" and words[3] == "done"

    assert dump.until(over)
    assert {tuple(words[:2]) for words in seen} == {("isssiis", str(first.job_id))}
    states = [words[2] for words in seen]
    assert states == sorted(states, key=["queued", "running", "done"].index)
    assert set(states) == {"queued", "running", "done"}
    assert {words[4] for words in seen} == {"pad 4"}
    assert seen[-1][7] == clip
    send("/foleyd/notify", "isi", 0, "reply_port", port)
    assert dump.until(_is("/done", "/foleyd/notify"))
    client.render("in private", seconds=0.5, steps=2, seed=2).result()
    send("/foleyd/sync", "isi", 77, "reply_port", port)
    assert dump.until(_is("/foleyd/synced", "77"))
    assert not any(_is("/foleyd/job")(line) for line in dump.lines[dump.lines.index(_last_done(dump)) :])


def _last_done(dump: Program) -> str:
    return [line for line in dump.lines if _is("/done", "/foleyd/notify")(line)][-1]
