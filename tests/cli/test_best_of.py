"""A sound chosen from several seeds, on both wires and from the command line, by the starter itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foleyd.audio.export import read_meta, read_recipe
from foleyd.choice import SKETCH_STEPS, STRIDE, seed_behind
from foleyd.client import Client, Result
from foleyd.engines import catalog, checkpoint
from foleyd.errors import BadRequest
from foleyd.osc_request import OscRequests
from foleyd.wire.connection import default_path
from serving import PATIENCE, Served

STEPS = 5
HOW: dict[str, Any] = {"seconds": 1.0, "steps": STEPS}
USUAL = checkpoint.read(catalog.STARTER).capabilities.best_of


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as daemon:
        yield daemon


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.file, timeout_s=PATIENCE) as one:
        yield one


def made(client: Client, prompt: str, **fields: Any) -> tuple[int, Result, int]:
    """The seed that was drawn first, what came of it, and the most steps that were told of."""
    handle = client.render(prompt, **{**HOW, **fields})
    steps = {0}
    result = handle.result(PATIENCE, progress=lambda event: steps.add(event.steps))
    return int(handle.reply.recipes[0]["seed"]), result, max(steps)


def test_the_starter_chooses_by_itself_and_tells_the_seed_that_it_took(client: Client) -> None:
    assert USUAL > 1
    drawn, result, steps = made(client, "church organ")
    assert steps == USUAL * SKETCH_STEPS + STEPS
    [clip] = result.clips
    assert clip.seed in [seed_behind(drawn, number * STRIDE) for number in range(USUAL)]
    assert clip.recipe["seed"] == clip.seed
    assert result.notes == ()
    # what the clip says of itself names the very sound, which is there already
    again = client.render(**clip.recipe).result(PATIENCE)
    assert again.kept == (True,)
    assert [one.clip_id for one in again.clips] == [clip.clip_id]
    # and the same seeds give the same choice, also where the first is kept by now
    client.render(**{**clip.recipe, "seed": drawn}).result(PATIENCE)
    _, chosen, _ = made(client, "church organ", seed=drawn, best_of=USUAL)
    assert [one.clip_id for one in chosen.clips] == [clip.clip_id]


def test_one_is_no_choice_and_a_draft_has_the_seed_of_its_sound(client: Client) -> None:
    for fields in ({"best_of": 1}, {"within_s": 3600.0}, {"draft": 2}, {"early": True}, {"seed": 7}):
        drawn, result, steps = made(client, "church organ", **fields)
        assert steps <= 2 + STEPS  # of a draft and its sound
        assert {clip.seed for clip in result.clips} == {drawn}


def test_each_clip_of_a_request_is_chosen(client: Client) -> None:
    drawn, result, _ = made(client, "a bell", count=2, best_of=3)
    taken = [clip.seed for clip in result.clips]
    assert len(set(taken)) == 2
    for number, seed in enumerate(taken):
        assert seed in [seed_behind(drawn + number, place * STRIDE) for place in range(3)]


def test_over_osc_it_is_a_pair_as_any_other(served: Served, client: Client) -> None:
    with OscRequests(served.osc) as host:
        told: list[int] = []
        clip, _ = host.render(
            1, "church organ", lambda step, steps: told.append(steps), best_of=2, seconds=1.0, steps=STEPS
        )
        assert set(told) == {2 * SKETCH_STEPS + STEPS}
        assert client.clip(clip).clips[0].recipe["steps"] == STEPS
        with pytest.raises(BadRequest, match="best_of"):
            host.render(3, "church organ", lambda step, steps: None, best_of=17)


def test_what_cannot_be_chosen_is_refused_before_anything_is_made(client: Client) -> None:
    with pytest.raises(BadRequest, match="a draft's seed is not chosen"):
        client.render("a bell", best_of=2, draft=2, **HOW)
    with pytest.raises(BadRequest, match="best_of is 2, but operation is 'morph'"):
        client.render("a bell", best_of=2, operation="morph", towards="fire", **HOW)


@pytest.mark.parametrize("through", ["daemon", "worker"])
def test_the_command_writes_the_seed_that_was_taken(
    run: Callable[..., Any], own_home: Path, served: Served, tmp_path: Path, through: str
) -> None:
    if through == "daemon":
        default_path().parent.mkdir(mode=0o700)
        default_path().symlink_to(served.file)
    command = ("render", "church organ", "--seconds", 1, "--steps", STEPS, "-o", tmp_path)
    ran = run(*command, "--best-of", 2)
    assert ran.status == 0, ran.err
    [path] = ran.paths
    seed = read_recipe(path).seed
    assert path.name == f"church-organ-{seed}.wav"
    assert "was taken in place of" not in ran.err
    named = run(*command, "--seed", seed, "--json")
    assert [clip["clip_id"] for clip in named.json["clips"]] == [read_meta(path).clip_id]
    for wrong, said in (
        (("--best-of", 17), "less than or equal to 16"),
        (("--best-of", 2, "--draft", 2), "a draft's seed is not chosen"),
        (("--best-of", 2, "--operation", "vary", "--centre", 3), "operation is 'vary'"),
    ):
        refused = run(*command, *wrong)
        assert refused.status == 2
        assert said in refused.err
