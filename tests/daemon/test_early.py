"""Parts of a sound that are sent before it is whole: which come, to whom, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gated_worker
from faulty_worker import PIECE, RATE, tone
from foleyd.client import Chunk, Client
from foleyd.engines import catalog
from foleyd.errors import Cancelled, FoleydError
from foleyd.messages import BufferInfo, JobEvent, RenderChunk
from serving import PATIENCE, Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("home"), worker=gated_worker.COMMAND) as daemon:
        yield daemon


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    gated_worker.close_gate(served.home)
    with Client(served.file, timeout_s=PATIENCE) as one:
        yield one
        one.cancel(all=True)
        gated_worker.open_gate(served.home)


def test_the_parts_of_a_sound_follow_each_other_and_are_the_sound(client: Client) -> None:
    said: list[Chunk] = []
    result = client.render("a bell", seed=1, seconds=0.7, steps=4, early=True).result(
        PATIENCE, chunk=said.append
    )
    # 0.7 s of the 3 s that the model makes
    assert [(one.clip, one.start, one.of) for one in said] == [
        (0, at, 11_200) for at in (0, PIECE, 2 * PIECE)
    ]
    assert {(one.audio.rate, one.audio.channels, one.audio.kind) for one in said} == {(RATE, 1, "chunk")}
    heard = np.concatenate([one.audio.samples[0] for one in said])
    assert np.allclose(heard, said[0].gain * tone(1, 0.7), atol=1e-6)
    assert len(result.audio) == 1


def test_who_did_not_ask_gets_no_parts_and_neither_does_a_kept_sound(client: Client) -> None:
    said: list[Chunk] = []
    client.render("a gong", seed=1, seconds=0.7, steps=4).result(PATIENCE, chunk=said.append)
    kept = client.render("a gong", seed=1, seconds=0.7, steps=4, early=True).result(
        PATIENCE, chunk=said.append
    )
    assert kept.kept == (True,)
    assert said == []


def test_each_sound_of_a_set_has_its_parts(client: Client) -> None:
    said: list[Chunk] = []
    client.render("a bird", count=2, seed=5, seconds=0.4, steps=4, early=True).result(
        PATIENCE, chunk=said.append
    )
    assert [(one.clip, one.start) for one in said] == [(0, 0), (0, PIECE), (1, 0), (1, PIECE)]
    assert np.allclose(said[2].audio.samples[0], said[2].gain * tone(6, 0.25), atol=1e-6)


def test_with_a_draft_the_parts_are_the_drafts(client: Client, served: Served) -> None:
    said: list[Chunk] = []
    states: list[int] = []

    def hear(event: JobEvent) -> None:
        if event.drafts:
            states.append(len(said))
            gated_worker.open_gate(served.home)

    handle = client.render("wait for more", seed=1, seconds=0.5, steps=5, draft=2, early=True)
    handle.result(PATIENCE, progress=hear, chunk=said.append)
    assert states
    assert [one.start for one in said] == [0, PIECE]


def test_after_a_cancel_no_more_parts_come(client: Client) -> None:
    said: list[Chunk] = []
    handle = client.render("wait for ever", seed=1, seconds=0.5, steps=5, early=True)

    def hear(event: JobEvent) -> None:
        if event.step == 2:
            handle.cancel()

    with pytest.raises(Cancelled):
        handle.result(PATIENCE, progress=hear, chunk=said.append)
    assert said == []


def test_the_starter_is_heard_before_its_clip_is_there(tmp_path: Path) -> None:
    able = catalog.resolve("starter")
    said: list[Chunk] = []
    with Served(tmp_path) as daemon, Client(daemon.file, timeout_s=PATIENCE) as one:
        result = one.render("a deep kick drum", seed=2, seconds=1.0, steps=4, early=True).result(
            PATIENCE, chunk=said.append
        )
        take = one.render("a deep kick drum", seed=2, seconds=1.0, steps=4, deliver="take").result(PATIENCE)
    assert able.id == result.clips[0].recipe["model"]
    heard = np.concatenate([one.audio.samples[0] for one in said])
    assert len(heard) == said[0].of == said[0].audio.rate
    assert np.allclose(heard, said[0].gain * take.audio[0].samples[0][: len(heard)], atol=1e-6)


def test_a_part_that_is_not_what_it_says_is_refused() -> None:
    from foleyd.client.result import of_chunk

    info = BufferInfo(kind="chunk", length=4, sha256="0" * 64, frames=1, rate=RATE)
    with pytest.raises(FoleydError, match="damaged on the way"):
        of_chunk(RenderChunk(job_id=1, clip=0, start=0, of=9, gain=0.5, buffers=(info,)), [b"abcd"])
    with pytest.raises(FoleydError, match="not what it says"):
        of_chunk(RenderChunk(job_id=1, clip=0, start=0, of=9, gain=0.5), [])
