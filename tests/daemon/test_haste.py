"""Something soon: drafts that come before their sound, and deadlines that steps are chosen for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import believed_costs
import gated_worker
from foleyd.client import Client, Result
from foleyd.errors import BadRequest, TooSlow
from foleyd.messages import JobEvent, LibraryRequest
from serving import PATIENCE, Served

FIELDS = {"seed": 1, "seconds": 0.5}
STEP_S = 0.1
"""What a step of the clips above is believed to take."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A daemon that believes in a slow machine, until it has rendered."""
    home = tmp_path
    believed_costs.believe(home, STEP_S)
    with Served(home, worker=gated_worker.COMMAND) as daemon:
        yield daemon


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    gated_worker.close_gate(served.home)
    with Client(served.file, timeout_s=PATIENCE) as one:
        yield one
        one.cancel(all=True)
        gated_worker.open_gate(served.home)


def test_drafts_come_first_and_the_sounds_follow(client: Client, served: Served) -> None:
    handle = client.render("wait for more", count=2, steps=5, draft=2, **FIELDS)
    assert [(made["seed"], made["steps"]) for made in handle.reply.recipes] == [(1, 5), (2, 5)]
    sketches: list[Result] = []

    def hear(event: JobEvent) -> None:
        # the sounds themselves wait at the gate, and the drafts are there to be played
        if len(event.drafts) == 2 and not sketches:
            assert (event.state, event.clips) == ("running", ())
            sketches.extend(client.clip(draft) for draft in event.drafts)
            assert [job.count for job in client.status().jobs] == [2]
            gated_worker.open_gate(served.home)

    result = handle.result(PATIENCE, progress=hear)
    assert [(one.clips[0].seed, one.clips[0].recipe["steps"]) for one in sketches] == [(1, 2), (2, 2)]
    assert all(one.audio[0].samples.shape == (1, 24_000) for one in sketches)
    assert [(clip.seed, clip.recipe["steps"]) for clip in result.clips] == [(1, 5), (2, 5)]
    assert len(result.audio) == 2
    sets = {one.set_id: one.clips for one in client.library(LibraryRequest(action="sets")).sets}
    assert sets[result.set_id] == tuple(clip.clip_id for clip in result.clips)
    again = client.render("wait for more", count=2, steps=5, draft=2, **FIELDS)
    assert again.reply.state == "done"
    assert again.result(PATIENCE).set_id == result.set_id


def test_a_draft_with_as_many_steps_as_its_sound_is_refused(client: Client) -> None:
    with pytest.raises(BadRequest, match="draft is 5, the sound itself has 5 steps: give fewer"):
        client.render("a bell", steps=5, draft=5, **FIELDS)
    assert client.status().jobs == ()


@pytest.mark.parametrize(("within_s", "steps"), [(100.0, 20), (1.3, 12), (0.55, 5), (0.45, 4)])
def test_as_many_steps_as_the_time_allows(client: Client, within_s: float, steps: int) -> None:
    handle = client.render(f"in {within_s} s", within_s=within_s, **FIELDS)
    assert handle.reply.recipes[0]["steps"] == steps
    assert handle.result(PATIENCE).clips[0].recipe["steps"] == steps


def test_too_little_time_is_refused_with_what_the_fewest_steps_need(client: Client) -> None:
    with pytest.raises(TooSlow) as refusal:
        client.render("at once", within_s=0.1, **FIELDS)
    assert refusal.value.eta_s == pytest.approx(4 * STEP_S, rel=0.2)
    # who says how many steps gets those or nothing
    with pytest.raises(TooSlow, match="12 steps instead of 20 would fit"):
        client.render("twenty", within_s=1.3, steps=20, **FIELDS)


def test_a_deadline_is_for_the_draft(client: Client) -> None:
    handle = client.render("first a draft", within_s=0.6, draft=4, **FIELDS)
    assert handle.reply.recipes[0]["steps"] == 20
    assert handle.result(PATIENCE).clips[0].recipe["steps"] == 20


def test_a_draft_that_is_too_slow_is_refused(client: Client) -> None:
    with pytest.raises(TooSlow):
        client.render("first a slow draft", within_s=0.6, draft=10, **FIELDS)
    assert client.status().jobs == ()
