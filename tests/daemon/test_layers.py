"""Layers in the daemon: the parts stay in the library, as clips and takes of their own, and serve again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from foleyd import recipe
from foleyd.client import Client
from foleyd.daemon.job import Session
from foleyd.daemon.takes import Takes
from foleyd.messages import LibraryRequest
from serving import PATIENCE, Served

HIT: dict[str, object] = {
    "operation": "layers",
    "prompt": "a metal hit",
    "attack": "a click",
    "tail": "a long ring",
    "attack_until": 0.1,
    "tail_from": 0.4,
    "seconds": 0.8,
    "seed": 7,
    "steps": 3,
}
OF_TEXT = {name: HIT[name] for name in ("seconds", "seed", "steps")}
WORDS = ("a click", "a metal hit", "a long ring")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with (
        Served(tmp_path_factory.mktemp("served")) as daemon,
        Client(daemon.file, timeout_s=PATIENCE) as opened,
    ):
        yield opened


def test_the_parts_stay_as_clips(client: Client) -> None:
    whole = client.render(**HIT).result()
    assert [clip.prompt for clip in whole.clips] == ["a metal hit"]
    listed = client.library(LibraryRequest(action="list")).clips
    assert len(listed) == 4
    parts = {clip.prompt: clip for clip in listed if clip.clip_id != whole.clips[0].clip_id}
    assert set(parts) == set(WORDS)
    for words in WORDS:
        alone = client.render(prompt=words, **OF_TEXT).result()
        assert alone.kept == (True,)
        assert alone.clips[0].clip_id == parts[words].clip_id
    assert len(client.library(LibraryRequest(action="list")).clips) == 4
    assert client.render(**HIT).result().kept == (True,)


def test_without_a_daemon_their_takes_stay(tmp_path: Path) -> None:
    with Session(takes=Takes(tmp_path / "takes"), device="cpu", threads=1) as session:
        whole = session.sound(session.prepare(recipe.make(**HIT)))
        made = [session.sound(session.prepare(recipe.make(prompt=words, **OF_TEXT))) for words in WORDS]
    assert not whole.kept
    assert [one.kept for one in made] == [True] * 3
    attack, _, tail = (one.take.samples for one in made)
    rate = whole.take.identity.rate
    assert np.array_equal(whole.take.samples[: rate // 20], attack[: rate // 20])
    assert np.array_equal(whole.take.samples[rate // 2 :], tail[rate // 2 :])
