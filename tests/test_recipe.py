"""Recipes: no way in round the checks, every form and back, filling in, sources."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd import recipe as recipes
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS, OPERATIONS, Source
from foleyd.recipe import DRAWN_SEEDS, FORMAT, Recipe, change, from_json, make, resolve, to_json
from recipe_strategies import any_recipe, float32


@dataclass(frozen=True)
class Modest:
    """A model's own values."""

    steps: int = 20
    guidance: float = 2.5
    scheduler: str = "dpmpp-2m"
    revision: str = "0123abcd"


# what a recipe is made from


def test_a_prompt_is_needed() -> None:
    with pytest.raises(BadRequest, match="needs a prompt"):
        make(seconds=1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("secnds", "a recipe has no field 'secnds': did you mean 'seconds'?"),
        ("verses", "a recipe has no field 'verses': leave it out, or use a foleyd that knows it."),
        ("z" * 500, f"a recipe has no field '{'z' * 60}': leave it out, or use a foleyd that knows it."),
    ],
)
def test_unknown_fields_are_refused_in_one_sentence(name: str, says: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: make(prompt="x", **{name: 1}),
        lambda: from_json(json.dumps({"prompt": "x", name: 1})),
        lambda: change(make(prompt="x"), **{name: 1}),
        lambda: recipes.read_value(name, "1"),
    ]
    for attempt in attempts:
        with pytest.raises(BadRequest) as caught:
            attempt()
        assert str(caught.value) == says


def test_no_way_in_goes_round_the_checks() -> None:
    good = make(prompt="x")
    wrong: dict[str, Any] = {"prompt": "x", "seconds": 999.0}
    attempts: list[Callable[[], object]] = [
        lambda: Recipe(**wrong),
        lambda: msgspec.convert(wrong, Recipe),
        lambda: msgspec.json.decode(json.dumps(wrong).encode(), type=Recipe),
        lambda: msgspec.msgpack.decode(msgspec.msgpack.encode(wrong), type=Recipe),
        lambda: msgspec.structs.replace(good, seconds=999.0),
        lambda: change(good, seconds=999.0),
    ]
    for attempt in attempts:
        with pytest.raises(BadRequest, match=r"^seconds is 999"):
            attempt()
    assert Recipe(prompt="  x ", seconds=float32(0.3)) == make(prompt="x", seconds=0.3)


def test_a_recipe_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        make(prompt="x").seed = 3  # type: ignore[misc]


@given(recipe=any_recipe())
def test_every_recipe_comes_back_from_every_form(recipe: Recipe) -> None:
    document = to_json(recipe)
    assert from_json(document) == recipe
    assert from_json(document.encode()) == recipe
    assert to_json(from_json(document)) == document
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(recipe), type=Recipe) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert copy.deepcopy(recipe) == recipe
    assert hash(from_json(document)) == hash(recipe)


@given(recipe=any_recipe())
def test_the_document_is_canonical(recipe: Recipe) -> None:
    document = to_json(recipe)
    values = json.loads(document)
    assert list(values) == sorted(values)
    assert values.pop("format") == FORMAT
    assert set(values) <= set(FIELDS)
    for name, value in values.items():
        assert value is not None
        if isinstance(value, float):
            assert not value.is_integer(), name
            assert "e" not in repr(value), name
    assert json.dumps(json.loads(document), separators=(",", ":"), ensure_ascii=False) == document
    assert "\n" not in document


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        ("[" * 60_000, "is not JSON"),
        ('{"prompt":"\\ud83c"}', "is not JSON"),
        ('{"prompt":"x","seconds":NaN}', "is not JSON"),
        ('{"prompt":"x","seed":' + "9" * 5000 + "}", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('"x"', "is not a JSON object"),
        ("null", "is not a JSON object"),
        ('{"seconds":1}', "needs a prompt"),
        ('{"prompt":"x","format":2}', "has format 2"),
        ('{"prompt":"x","format":true}', "has format True"),
        ('{"prompt":"x","format":"' + "y" * 60_000 + '"}', "has format 'yyy"),
        ('{"prompt":"x","steps":{"a":1}}', "steps is {'a': 1}"),
        (" " * 70_000, "70000"),
    ],
)
def test_documents_from_strangers(document: str | bytes, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        from_json(document)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 200


@given(document=st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_a_recipe_or_a_bad_request(document: str | bytes) -> None:
    try:
        made = from_json(document)
    except BadRequest:
        return
    assert from_json(to_json(made)) == made


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(values=st.dictionaries(st.sampled_from([*FIELDS, "format", "verses"]), _JSON, max_size=6))
def test_any_values_are_a_recipe_or_a_bad_request(values: dict[str, object]) -> None:
    refused: BadRequest | None = None
    try:
        made = make(**values)
    except BadRequest as error:
        refused = error
    if refused is None:
        assert from_json(to_json(made)) == made
    else:
        assert "\n" not in str(refused)
        assert len(str(refused)) < 250


@pytest.mark.parametrize("interval", [(0.6, 0.4), (0.5, 0.5), (1.0, 1.0)])
def test_a_guidance_interval_that_is_empty_is_refused(interval: tuple[float, float]) -> None:
    with pytest.raises(BadRequest, match="give a smaller guidance_from, or guidance 1"):
        make(prompt="x", guidance_from=interval[0], guidance_to=interval[1])


def test_missing_fields_take_their_defaults() -> None:
    assert from_json('{"prompt":"a bell"}') == make(prompt="a bell")


# filling in


def test_resolving_fills_what_is_open_and_keeps_what_is_said() -> None:
    filled = resolve(make(prompt="x"), Modest(), draw=lambda below: below - 1)
    assert filled == make(
        prompt="x", seed=DRAWN_SEEDS - 1, steps=20, guidance=2.5, scheduler="dpmpp-2m", revision="0123abcd"
    )
    assert filled.seconds == "auto"
    said = make(prompt="x", seed=0, steps=1, guidance=1, scheduler="heun", revision="f00")
    assert resolve(said, Modest()) == said
    assert resolve(filled, Modest(steps=99)) == filled
    assert recipes.is_resolved(filled)
    assert not recipes.is_resolved(make(prompt="x"))


@pytest.mark.parametrize(("likeness", "guidance"), [(0.0, 2.5), (0.1, 2.0), (1.0, 2.0)])
def test_what_is_made_by_ear_is_guided_less(likeness: float, guidance: float) -> None:
    like = make(
        prompt="x", operation="like", likeness=likeness, sources=[Source(role="source", sha256="0" * 64)]
    )
    assert resolve(like, Modest()).guidance == guidance
    assert resolve(like, Modest(guidance=1.5)).guidance == 1.5
    assert resolve(recipes.change(like, guidance=4.0), Modest()).guidance == 4.0


def test_drawn_seeds_differ_and_survive_float32() -> None:
    seeds = [resolve(make(prompt="x"), Modest()).seed for _ in range(50)]
    assert len(set(seeds)) > 40
    for seed in seeds:
        assert seed is not None
        assert 0 <= seed < DRAWN_SEEDS
        assert float32(seed) == seed


def test_a_model_that_offers_nonsense_is_found_out() -> None:
    with pytest.raises(BadRequest, match=r"^scheduler is 'plms'"):
        resolve(make(prompt="x"), Modest(scheduler="plms"))


# sources


def test_text_takes_no_sources() -> None:
    sha256 = "0" * 64
    for sources in ([Source("from", sha256)], [{"role": "from", "sha256": sha256}]):
        with pytest.raises(BadRequest) as caught:
            make(prompt="x", sources=sources)
        assert str(caught.value) == "sources are 'from': operation 'text' takes none."


def test_an_operation_gets_the_sources_it_needs_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_splice(monkeypatch)
    one, two = {"role": "from", "sha256": "1" * 64}, {"role": "to", "sha256": "2" * 64}
    splice = make(operation="splice", prompt="x", sources=[one, two])
    assert splice.sources == (Source("from", "1" * 64), Source("to", "2" * 64))
    assert from_json(to_json(splice)) == splice
    for wrong in ([], [one], [two, one], [one, two, two]):
        with pytest.raises(BadRequest, match=r"operation 'splice' takes 'from', 'to'\.$"):
            make(operation="splice", prompt="x", sources=wrong)


@pytest.mark.parametrize(
    "source",
    [
        "a.wav",
        {"role": "from"},
        {"role": "from", "sha256": "1" * 63},
        {"role": "from", "sha256": "A" * 64},
        {"role": "from", "sha256": "1" * 64 + "\n"},
        {"role": 3, "sha256": "1" * 64},
        {"role": "from", "sha256": "1" * 64, "path": "/etc/passwd"},
    ],
)
def test_sources_that_are_none(monkeypatch: pytest.MonkeyPatch, source: object) -> None:
    _with_splice(monkeypatch)
    with pytest.raises(BadRequest, match=r"^sources is "):
        make(operation="splice", prompt="x", sources=[source])


def _with_splice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "splice", ("from", "to"))
    row = FIELDS["operation"]
    later = msgspec.structs.replace(row, choices=(*row.choices, "splice"))
    monkeypatch.setitem(FIELDS, "operation", later)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"bars": 1, "bpm": 120}, Fraction(2)),
        ({"bars": 0.5, "bpm": 90, "beats": 3}, Fraction(1)),
        ({"bars": 1, "bpm": 127.3}, Fraction(2400, 1273)),
        ({"seconds": 0.301}, Fraction(301, 1000)),
        ({}, None),
    ],
)
def test_a_length_is_exact_in_seconds_and_in_bars(
    fields: dict[str, object], seconds: Fraction | None
) -> None:
    made = make(prompt="x", **fields)
    assert recipes.length(made) == seconds
    assert recipes.length(from_json(to_json(made))) == seconds
    frames = recipes.frames_at(made, 48_000)
    assert frames == (None if seconds is None else round(seconds * 48_000))


EXTEND = {"operation": "extend", "sources": [{"role": "source", "sha256": "1" * 64}]}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"bars": 2}, "bars is given without bpm: give the tempo"),
        ({"bpm": 120}, "bpm is given without bars"),
        ({"beats": 3}, "beats is given without bars"),
        ({"bars": 1, "bpm": 120, "seconds": 2}, "both seconds and bars are given"),
        ({"bars": 64, "bpm": 20}, r"64 bars at 20 bpm last 768\.000 s: a sound has 0\.3 to 600 s"),
        ({"bars": 0.01, "bpm": 400}, "a sound has 0.3 to 600 s"),
        ({"bars": 65, "bpm": 120}, "bars is 65: give a number from 0.001 to 64"),
        ({**EXTEND}, "before and after are missing"),
        ({**EXTEND, "after": 2}, "seconds is the length of the whole of an 'extend'"),
        ({**EXTEND, "before": 1, "after": 2, "seconds": 3}, "seconds is the length of the whole"),
        ({"after": 2}, "after is given: it belongs to 'extend', not to 'text'"),
    ],
)
def test_a_length_that_cannot_be_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        make(prompt="x", **fields)
