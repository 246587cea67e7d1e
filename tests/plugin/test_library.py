"""The library in the plugin: searched, loaded on a pad and dragged out, with a daemon that the test plays and
with a real one."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from foleyd import messages as m
from foleyd.audio.export import read_clip
from foleyd.client import Client
from foleyd.errors import BadRequest
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer
from plugin_build import Desk
from serving import PATIENCE, Served
from small_daemon import RATE, Daemon, clip_of


class Librarian(Daemon):
    """Knows `count` clips of every text, and refuses one."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.asked: list[m.LibraryRequest] = []

    async def library(self, request: m.LibraryRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        self.asked.append(request)
        if request.text == "nonsense":
            raise BadRequest("the text is nonsense: search for something else.")
        clips = tuple(clip_of(k, {"prompt": request.text, "seed": k}) for k in range(self.count))
        return m.LibraryReply(clips=clips, total=5000), ()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path))
    return tmp_path


def test_a_search_lists_what_the_daemon_says_and_no_more_than_is_shown(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        daemon = Librarian(300)
        file = home / "foleyd.json"
        async with daemon.serve(file):
            told = await asyncio.to_thread(desk, "search", file, "rain & thunder")
        assert told["total"] == 5000
        assert len(told["rows"]) == 100
        assert told["rows"][7] == {
            "id": "c7",
            "name": "rain & thunder",
            "prompt": "rain & thunder",
            "path": "/library/c7.wav",
            "seconds": 0.5,
        }
        (asked,) = daemon.asked
        assert (asked.action, asked.text, asked.limit) == ("search", "rain & thunder", 100)

    asyncio.run(scenario())


def test_a_search_that_is_refused_says_why(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        async with Librarian(0).serve(file):
            said = await asyncio.to_thread(desk.refusal, "search", file, "nonsense")
        assert said == "the text is nonsense: search for something else.\n"

    asyncio.run(scenario())


def test_a_clip_whose_file_is_not_here_is_dragged_as_a_file_of_the_plugin(desk: Desk, home: Path) -> None:
    async def scenario() -> None:
        file = home / "foleyd.json"
        daemon = Librarian(1)
        # on the grid of 24 bits, so that the plugin need not round them
        daemon.samples = struct.pack("<6f", 0.0, 0.25, -0.5, 0.5, -0.25, 0.125)
        async with daemon.serve(file):
            told = await asyncio.to_thread(desk, "fetch", file, "c5")
        assert told["frames"] == 3
        assert told["prompt"] == "kept"
        samples, rate = read_clip(Path(told["file"]))
        assert Path(told["file"]).parent == home / "exports"
        assert rate == RATE
        assert np.asarray(samples).tolist() == [[0.0, 0.25, -0.5], [0.5, -0.25, 0.125]]

    asyncio.run(scenario())


def test_a_clip_of_a_real_daemon_is_found_loaded_and_dragged_as_the_librarys_own_file(
    desk: Desk, home: Path
) -> None:
    with Served(home) as daemon, Client(daemon.file, timeout_s=PATIENCE) as client:
        wanted = client.render("glass breaking", seconds=0.5, seed=7, steps=4).result().clips[0]
        told = desk("search", daemon.file, "glass")
        assert [row["id"] for row in told["rows"]] == [wanted.clip_id]
        assert told["total"] == 1
        assert desk("search", daemon.file, "no such words")["rows"] == []
        loaded = desk("fetch", daemon.file, wanted.clip_id)
        assert loaded["prompt"] == "glass breaking"
        assert Path(loaded["file"]) == Path(wanted.path)
        samples, rate = read_clip(Path(wanted.path))
        assert (loaded["frames"], loaded["rate"]) == (samples.shape[-1], rate)
        left = np.atleast_2d(np.asarray(samples, dtype=np.float32))[0]
        assert hashlib.sha256(left.tobytes()).hexdigest() == loaded["sha256"]
        assert "no clip 'nothing'" in desk.refusal("fetch", daemon.file, "nothing")
