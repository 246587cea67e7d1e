"""What is made of the sound that a pad has: which render that is, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from foleyd import recipe
from foleyd.errors import BadRequest
from foleyd_live import again
from foleyd_live.history import ClipSource
from foleyd_live.order import Order, Wish
from foleyd_live.tempo import Tempo

MADE = recipe.make(
    prompt="a deep kick drum",
    negative="hiss",
    seed=7,
    steps=12,
    guidance=3,
    scheduler="dpmpp-2m",
    seconds=0.5,
    rate=44_100,
)
CLIP = "clip-abcdefghijklmnopqrstuvwx"


def source(made: recipe.Recipe | None = MADE, **values: object) -> ClipSource:
    fields = {} if made is None else msgspec.json.decode(recipe.to_json(made))
    fields.pop("format", None)
    usual: dict[str, object] = {
        "clip_id": CLIP,
        "prompt": "a deep kick drum",
        "seconds": 0.5,
        "recipe": fields,
    }
    return ClipSource(**{**usual, **values})  # type: ignore[arg-type]


def asked(prompt: str, pairs: dict[str, object]) -> dict[str, object]:
    """What the daemon would be asked."""
    wish = Wish.read(prompt, pairs)  # type: ignore[arg-type]
    return Order(0, wish, lambda share, eta: None, Tempo(lambda: 0, 48_000)).request


def test_a_variation_stays_near_the_seed_of_the_sound_and_keeps_its_other_fields() -> None:
    request = asked(*again.vary(source(), 0.4))
    assert (request["operation"], request["centre"], request["distance"]) == ("vary", 7, 0.4)
    assert "seed" not in request
    for name in ("prompt", "negative", "steps", "guidance", "scheduler", "seconds", "rate"):
        assert request[name] == getattr(MADE, name)
    second = recipe.change(MADE, operation="vary", centre=7, distance=0.4, seed=99)
    assert asked(*again.vary(source(second), None))["centre"] == 7


@pytest.mark.parametrize(
    "make", [lambda one: again.vary(one, 0.4), lambda one: again.morph(one, "ocean waves", 3)]
)
def test_a_sound_in_bars_stays_in_bars(make: Callable[[ClipSource], tuple[str, dict[str, object]]]) -> None:
    bars = recipe.make(prompt="a beat", seed=7, bars=1, bpm=97, beats=3)
    request = asked(*make(source(bars, seconds=1.856)))
    assert (request["bars"], request["bpm"], request["beats"]) == (1, 120, 4)  # the host's own tempo
    assert "seconds" not in request


def test_a_loop_has_words_seed_and_length_of_the_sound() -> None:
    request = asked(*again.loop(source(recipe.change(MADE, seconds="auto"), seconds=1.7321)))
    assert (request["operation"], request["seed"], request["seconds"]) == ("loop", 7, 1.732)
    assert asked(*again.loop(source(seconds=0.01)))["seconds"] == 0.3


def test_a_sound_like_it_and_other_words_start_from_its_clip() -> None:
    request = asked(*again.like(source(), 0.8))
    assert (request["operation"], request["source"], request["likeness"]) == ("like", CLIP, 0.8)
    assert request["prompt"] == "a deep kick drum"
    assert asked(*again.like(source(None, prompt="", name="door.wav"), None))["prompt"] == "door.wav"
    request = asked("a steel door", again.restyle(source(None), 0.3))
    assert (request["operation"], request["source"], request["strength"]) == ("restyle", CLIP, 0.3)


def test_a_morph_begins_with_the_sound_and_ends_with_the_words() -> None:
    request = asked(*again.morph(source(), "ocean waves", 4))
    assert (request["operation"], request["seed"], request["count"]) == ("morph", 7, 4)
    assert (request["prompt"], request["towards"]) == ("a deep kick drum", "ocean waves")
    for name in ("negative", "steps", "guidance", "scheduler", "seconds", "rate"):
        assert request[name] == getattr(MADE, name)
    # from the first stage of a morph to somewhere else
    first = recipe.change(MADE, operation="morph", towards="ocean waves", towards_seed=3, mix=0.0)
    again_made = asked(*again.morph(source(first), "rain", 5))
    assert (again_made["towards"], again_made["seed"]) == ("rain", 7)
    assert not {"mix", "towards_seed"} & again_made.keys()


@pytest.mark.parametrize(
    ("made", "stages", "said"),
    [
        (MADE, 1, "stages is 1: give 2 to 16"),
        (MADE, 17, "stages is 17: give 2 to 16"),
        (None, 5, "not made from words alone"),
        (recipe.change(MADE, operation="loop"), 5, "not made from words alone"),
        (recipe.change(MADE, operation="vary", centre=7, distance=0.4, seed=9), 5, "has a variation of one"),
        (recipe.change(MADE, operation="morph", towards="rain", mix=0.5), 5, "not made from words alone"),
    ],
)
def test_a_morph_that_cannot_be_is_refused(made, stages, said) -> None:
    with pytest.raises(BadRequest, match=said):
        again.morph(source(made), "ocean waves", stages)


def test_what_comes_with_the_action_counts_first() -> None:
    prompt, made = again.loop(source())
    assert again.merged(made, {"steps": 4})["steps"] == 4
    whole = again.merged(made, {"bars": 2.0})
    assert whole["bars"] == 2.0
    assert "seconds" not in whole
    assert asked(prompt, whole)["bpm"] == 120  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [again.vary, lambda one, _: again.loop(one)])
@pytest.mark.parametrize("made", [None, recipe.change(MADE, operation="loop")])
def test_a_sound_that_was_not_made_from_words_alone_is_refused(kind, made) -> None:
    with pytest.raises(BadRequest, match="not made from words alone: ask for one like it with pad/like"):
        kind(source(made), None)


def test_a_file_outside_the_library_is_refused() -> None:
    for kind in (again.like, again.restyle):
        with pytest.raises(BadRequest, match="not in the library: import it"):
            kind(source(None, clip_id="", path="/tmp/door.wav"), None)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({"source": 3}, "source is 3: give the id of a clip"),
        ({"source": CLIP, "operation": "restyle", "strength": 7}, "strength"),
        ({"source": CLIP, "operation": "restyle", "strenght": 0.7}, "did you mean 'strength'"),
        ({"operation": "restyle"}, "sources are none"),
    ],
)
def test_wrong_pairs_are_named(pairs, said) -> None:
    with pytest.raises(BadRequest, match=said):
        Wish.read("a door", pairs)
