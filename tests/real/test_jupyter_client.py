"""Jupyter's own client, which knows nothing of foleyd: it reads the connection file, asks, and checks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import Session

from serving import PATIENCE, Served

Found = dict[str, Any]
STEP_OF_24_BITS = 2.0**-23


class Jupyter:
    """Jupyter's client with the connection file that the daemon wrote, and a plain socket for each port."""

    def __init__(self, file: Path) -> None:
        self.client = BlockingKernelClient()
        self.client.load_connection_file(str(file))
        self.session: Session = self.client.session
        self.shell = self.client.connect_shell()
        self.control = self.client.connect_control()
        self.events = self.client.connect_iopub()
        for socket in (self.shell, self.control, self.events):
            socket.linger = 0

    def close(self) -> None:
        for socket in (self.shell, self.control, self.events):
            socket.close()
        self.client.context.destroy(linger=0)

    def hear(self, socket: zmq.Socket[bytes]) -> Found:
        """The next message on a socket, whose signature Jupyter has checked."""
        assert socket.poll(PATIENCE * 1000), "nothing came"
        _, message = self.session.recv(socket, mode=0)
        return message

    def ask(self, socket: zmq.Socket[bytes], kind: str, content: Found | None = None) -> Found:
        """Ask, and wait for the answer to it."""
        asked = self.session.send(socket, kind, content or {})
        while (reply := self.hear(socket))["parent_header"]["msg_id"] != asked["header"]["msg_id"]:
            pass
        return reply

    def subscribed(self) -> int:
        """Make sure that events arrive: have one made again and again until one is here; its number."""
        for number in range(600):
            self.result(self.admit(prompt="hello", seed=number % 2))
            if self.events.poll(100):
                break
        last = self.hear(self.events)
        while self.events.poll(300):
            last = self.hear(self.events)
        return int(last["content"]["number"])

    def admit(self, **recipe: Any) -> Found:
        """Ask for a short sound; the admission."""
        fields = {"prompt": "a knock", "seconds": 0.5, "steps": 2, **recipe}
        reply = self.ask(self.shell, "render_request", {"recipe": fields})
        assert reply["content"]["status"] == "ok", reply["content"]
        return reply

    def result(self, admission: Found) -> Found:
        """The result of a job that was admitted."""
        message = self.hear(self.shell)
        assert message["msg_type"] == "render_result"
        assert message["parent_header"] == admission["parent_header"]
        assert message["content"]["job_id"] == admission["content"]["job_id"]
        return message


@pytest.fixture
def jupyter(served: Served) -> Iterator[Jupyter]:
    peer = Jupyter(served.file)
    yield peer
    peer.close()


def test_the_connection_file_is_one_of_jupyters(jupyter: Jupyter, served: Served) -> None:
    for socket in (jupyter.shell, jupyter.control):
        reply = jupyter.ask(socket, "info_request")
        assert reply["msg_type"] == "info_reply"
        assert reply["content"]["status"] == "ok"
        assert reply["content"]["pid"] == served.process.pid
        assert reply["content"]["osc"] == served.told["osc"]
        assert reply["header"]["version"] == "5.4"


@pytest.mark.parametrize(("width", "channels"), [("mono", 1), ("stereo", 2)])
def test_a_sound_comes_as_raw_floats_and_as_a_file(jupyter: Jupyter, width: str, channels: int) -> None:
    admission = jupyter.admit(seed=4, width=width, rate=44_100)
    assert admission["content"]["recipes"][0]["seed"] == 4
    result = jupyter.result(admission)
    content, [raw] = result["content"], result["buffers"]
    assert (content["state"], content["code"]) == ("done", "")
    [clip], [about] = content["clips"], content["buffers"]
    assert about["length"] == len(raw)
    assert about["sha256"] == hashlib.sha256(raw).hexdigest()
    assert (about["kind"], about["format"], about["id"]) == ("clip", "<f4", clip["clip_id"])
    samples = np.frombuffer(raw, "<f4").reshape(about["channels"], about["frames"])
    assert samples.shape == (channels, 22_050)
    assert about["rate"] == 44_100
    assert np.isfinite(samples).all()
    assert 0.1 < np.abs(samples).max() <= 1
    heard, rate = soundfile.read(clip["path"], dtype="float32", always_2d=True)
    assert rate == 44_100
    assert np.abs(heard.T - samples).max() <= STEP_OF_24_BITS
    # by its id, the same again
    again = jupyter.ask(jupyter.shell, "clip_request", {"clip": clip["clip_id"]})
    assert again["buffers"][0] == raw


def test_cancel_goes_over_control_while_it_renders(jupyter: Jupyter) -> None:
    admission = jupyter.admit(prompt="too long", steps=200, seconds=5)
    job = admission["content"]["job_id"]
    status = jupyter.ask(jupyter.control, "status_request")
    assert job in [one["job_id"] for one in status["content"]["jobs"]]
    reply = jupyter.ask(jupyter.control, "cancel_request", {"jobs": [job]})
    assert reply["content"] == {"status": "ok", "cancelled": [job]}
    result = jupyter.result(admission)
    assert (result["content"]["state"], result["content"]["code"]) == ("cancelled", "cancelled")
    assert result["buffers"] == []
    # it was the last job, and the worker is free for the next
    assert jupyter.result(jupyter.admit(prompt="next"))["content"]["state"] == "done"


def test_events_come_in_order_and_without_a_gap(jupyter: Jupyter) -> None:
    last = jupyter.subscribed()
    admission = jupyter.admit(prompt="an event", seed=5)
    job = admission["content"]["job_id"]
    clip = jupyter.result(admission)["content"]["clips"][0]["clip_id"]
    mine: list[Found] = []
    added: list[str] = []
    while not (mine and mine[-1]["state"] == "done" and clip in added):
        event = jupyter.hear(jupyter.events)
        content = event["content"]
        assert content["number"] == last + 1
        last += 1
        assert event["msg_type"] in ("job_event", "clip_event", "worker_event")
        if event["msg_type"] == "job_event" and content["job_id"] == job:
            mine.append(content)
        if event["msg_type"] == "clip_event" and content["change"] == "added":
            added.append(content["clip_id"])
        assert event["buffers"] == []
    states = [content["state"] for content in mine]
    assert states == sorted(states, key=["queued", "running", "done"].index)
    assert set(states) == {"queued", "running", "done"}
    steps = [content["step"] for content in mine if content["state"] == "running"]
    assert steps == sorted(steps)
    assert {1, 2} <= set(steps)
    assert mine[-1]["clips"] == [clip]
    assert added == [clip]


def test_another_key_is_not_answered(jupyter: Jupyter) -> None:
    stranger = Session(key=b"another key")
    before = jupyter.ask(jupyter.control, "status_request")["content"]
    for kind, content in [
        ("info_request", {}),
        ("render_request", {"recipe": {"prompt": "a stranger's"}}),
        ("shutdown_request", {}),
    ]:
        stranger.send(jupyter.control, kind, content)
        stranger.send(jupyter.shell, kind, content)
    # whoever comes behind them is answered, and nothing came before that
    for socket in (jupyter.shell, jupyter.control):
        asked = jupyter.session.send(socket, "info_request", {})
        assert jupyter.hear(socket)["parent_header"]["msg_id"] == asked["header"]["msg_id"]
        assert not socket.poll(200)
    after = jupyter.ask(jupyter.control, "status_request")["content"]
    assert (after["jobs"], after["events"]) == ([], before["events"])


def test_fields_that_are_unknown_are_ignored_and_commands_refused(jupyter: Jupyter) -> None:
    recipe = {"prompt": "a knock", "seconds": 0.5, "steps": 2, "seed": 6}
    content = {"recipe": recipe, "colour": "red", "nested": {"of": ["things"]}}
    admission = jupyter.ask(jupyter.shell, "render_request", content)
    assert admission["content"]["status"] == "ok"
    assert jupyter.result(admission)["content"]["state"] == "done"
    for kind, where in [("execute_request", jupyter.shell), ("render_request", jupyter.control)]:
        reply = jupyter.ask(where, kind, {"recipe": recipe})
        assert reply["content"]["status"] == "error"
        assert reply["content"]["message"].endswith(".")


def test_a_message_that_comes_again_is_answered_again_and_done_once(jupyter: Jupyter) -> None:
    recipe = {"prompt": "once only", "seconds": 0.5, "steps": 2}
    message = jupyter.session.msg("render_request", {"recipe": recipe})
    jupyter.session.send(jupyter.shell, message)
    first = jupyter.hear(jupyter.shell)
    result = jupyter.result(first)
    jupyter.session.send(jupyter.shell, message)
    second = jupyter.hear(jupyter.shell)
    assert second["msg_type"] == "render_reply"
    assert second["content"] == first["content"]
    assert second["parent_header"] == first["parent_header"]
    assert second["header"]["msg_id"] != first["header"]["msg_id"]
    # the seed was drawn, so that a second render would be another sound
    found = jupyter.ask(jupyter.control, "status_request")["content"]
    assert found["jobs"] == []
    listed = jupyter.ask(jupyter.shell, "library_request", {"action": "search", "text": "once only"})[
        "content"
    ]
    assert [clip["clip_id"] for clip in listed["clips"]] == [result["content"]["clips"][0]["clip_id"]]
