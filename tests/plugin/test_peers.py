"""The core beside daemons that are killed, cancelled, hostile or somebody else: it plays without a gap, and
says what is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from foleyd.wire import connection as connections
from hostile_peer import Hostile, announcing, wrong_parts
from plugin_build import Desk
from serving import Served
from small_daemon import Daemon
from zmq_peers import free

ASK = "generate " + json.dumps({"prompt": "rain", "seed": 3, "seconds": 0.5, "steps": 4})
LONG = "generate " + json.dumps({"prompt": "rain", "seed": 3, "seconds": 20, "steps": 200})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path))
    return tmp_path


def green(state: dict[str, Any]) -> bool:
    return bool(state["light"] == 2)


def test_a_real_daemon_killed_during_a_render_is_missed_in_words_and_the_next_one_serves(
    desk: Desk, home: Path
) -> None:
    async def scenario() -> None:
        with desk.live(home / "connection.json") as player:
            with Served(home) as daemon:
                await player.until(green)
                player.tell(LONG)
                await player.until(lambda state: state["step"] > 0)
                daemon.process.kill()
                daemon.process.wait()
                state = await player.until(lambda state: state["light"] == 0)
                assert "foleyd serve" in state["sentence"]
            player.tell("cancel")
            with Served(home):
                await player.until(green)
                player.tell(ASK)
                state = await player.until(lambda state: state["frames"] > 0)
                assert state["failure"] == ""

    asyncio.run(scenario())


def test_a_render_that_is_cancelled_ends_at_the_daemon_and_says_so(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        with Served(home) as daemon, desk.live(daemon.file) as player:
            await player.until(green)
            player.tell(LONG)
            await player.until(lambda state: state["step"] > 0)
            player.tell("cancel")
            state = await player.until(lambda state: not state["under_way"])
            assert state["failure"] == "Cancelled: what was on the pad is still there."
            player.tell(ASK)  # the worker is free again
            await player.until(lambda state: state["frames"] > 0)

    asyncio.run(scenario())


def test_ten_thousand_malformed_answers_do_nothing_and_the_right_one_is_taken(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        peer = Hostile()
        async with peer.serve(file):
            with desk.live(file) as player:
                who, _ = await peer.asked("models_request")
                await player.until(green)
                player.tell(ASK)
                who, head = await peer.asked("render_request")
                reply = json.dumps({"msg_type": "render_result"}).encode()
                good = [reply, json.dumps(head).encode(), b"{}", b'{"status":"ok"}']
                for k, parts in enumerate(wrong_parts(good, 10_000)):
                    if k % 4 == 0:
                        await peer.shell.send_multipart([who, b"<IDS|MSG>", b"0" * 64, *parts])
                    elif k % 4 == 1:
                        await peer.shell.send_multipart([who, *parts[: k % 5]])
                    else:
                        await peer.send_signed(who, parts)
                assert green(player.state())
                player.tell(ASK)
                who, head = await peer.asked("render_request")
                await peer.answer(who, head, "render_result", {"status": "error", "message": "No more."})
                await player.until(lambda state: state["failure"] == "No more.")

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [2**30, 2**62])
def test_a_message_that_announces_a_gigabyte_is_not_waited_for(desk: Desk, home: Path, size: int) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        async with announcing(file, size) as met:
            with desk.live(file) as player:
                state = await player.until(lambda state: state["light"] == 0)
                assert "does not answer" in state["sentence"]
                assert met
                taken = Path(f"/proc/{player.pid}/status").read_text(encoding="ascii")
                (peak,) = (line for line in taken.splitlines() if line.startswith("VmHWM"))
                assert int(peak.split()[1]) < 200_000  # kB

    asyncio.run(scenario())


def test_a_buffer_that_is_said_to_be_a_gigabyte_is_refused_in_words(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        peer = Hostile()
        async with peer.serve(file):
            with desk.live(file) as player:
                await peer.asked("models_request")
                await player.until(green)
                player.tell(ASK)
                who, head = await peer.asked("render_request")
                told = {"kind": "clip", "length": 2**30, "frames": 2**28, "rate": 16_000, "sha256": "0" * 64}
                content = {"status": "ok", "state": "done", "clips": [{}], "buffers": [told]}
                await peer.answer(who, head, "render_result", content, bytes(64))
                state = await player.until(lambda state: state["failure"] != "")
                assert "refused: the daemon's answer was damaged" in state["failure"]

    asyncio.run(scenario())


def test_who_answers_with_another_key_is_named_as_that(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        peer = Hostile(key="f" * 64)
        async with peer.serve(file):
            answering = asyncio.create_task(peer.asked("nothing"))
            with desk.live(file) as player:
                state = await player.until(lambda state: "key" in state["sentence"])
                assert state["light"] == 0
                player.tell(ASK)
                await player.until(lambda state: "does not have its key" in state["failure"])
            answering.cancel()
            await asyncio.wait([answering])

    asyncio.run(scenario())


def test_a_daemon_that_does_not_know_the_key_stays_silent_and_the_status_says_so(
    desk: Desk, home: Path
) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        async with Daemon().serve(connection=free()) as endpoint:
            connections.write(msgspec.structs.replace(endpoint.connection, key="f" * 64), file)
            with desk.live(file) as player:
                state = await player.until(lambda state: state["light"] == 0)
                assert "foleyd serve" in state["sentence"]

    asyncio.run(scenario())
