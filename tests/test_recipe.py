"""Recipes: what they accept, what they refuse and how, and that equal sounds are equal recipes."""

from __future__ import annotations

import copy
import json
import pickle
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, get_type_hints

import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from foleyd import recipe as recipes
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS, OPERATIONS, SCHEDULERS, Field, Source
from foleyd.recipe import DRAWN_SEEDS, FORMAT, Recipe, change, from_json, make, resolve, to_json
from foleyd.values import accepts, check, normalise, read_text

NUMBERS = [field for field in FIELDS.values() if field.kind == "number"]
INTEGERS = [field for field in FIELDS.values() if field.kind == "integer"]
PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda text: bool(normalise(text))
)


def float32(value: float) -> float:
    single: float
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    return single


def grid_points(field: Field) -> st.SearchStrategy[float]:
    assert field.low is not None
    assert field.high is not None
    assert field.grid is not None
    per_unit = round(1 / field.grid)
    return st.integers(round(field.low * per_unit), round(field.high * per_unit)).map(lambda n: n / per_unit)


def value_of(field: Field) -> st.SearchStrategy[object]:
    """Any stored value of a field, as the table describes it."""
    if field.kind == "number":
        words = st.sampled_from(field.choices) if field.choices else st.nothing()
        found: st.SearchStrategy[object] = grid_points(field) | words
    elif field.kind == "integer":
        assert field.low is not None
        assert field.high is not None
        found = st.integers(int(field.low), int(field.high))
    elif field.kind == "choice":
        found = st.sampled_from(field.choices)
    elif field.kind == "switch":
        found = st.booleans()
    elif field.kind == "text":
        found = PLAIN.map(normalise)
    elif field.kind == "name":
        found = st.from_regex(r"[a-z0-9][a-z0-9./-]{0,40}", fullmatch=True)
    else:
        found = st.just(())
    return found | st.none() if field.default is None else found


def any_recipe() -> st.SearchStrategy[Recipe]:
    optional = {name: value_of(field) for name, field in FIELDS.items() if name != "prompt"}
    return st.fixed_dictionaries({"prompt": PLAIN}, optional=optional).map(lambda values: make(**values))


@dataclass(frozen=True)
class Modest:
    """A model's own values."""

    steps: int = 20
    guidance: float = 2.5
    scheduler: str = "dpmpp-2m"
    revision: str = "0123abcd"


# the table


def test_the_table_and_the_struct_agree() -> None:
    struct_fields = {field.name: field for field in msgspec.structs.fields(Recipe)}
    assert list(struct_fields) == list(FIELDS)
    for name, field in FIELDS.items():
        if name != "prompt":
            assert struct_fields[name].default == field.default, name
            assert type(struct_fields[name].default) is type(field.default), name


@pytest.mark.parametrize("field", FIELDS.values(), ids=list(FIELDS))
def test_every_row_explains_itself(field: Field) -> None:
    assert field.help.endswith(".")
    assert accepts(field)
    if field.kind in ("number", "integer"):
        assert field.low is not None
        assert field.high is not None
        assert field.low < field.high
    if field.kind == "number":
        assert field.grid is not None
        assert (1 / field.grid) == pytest.approx(round(1 / field.grid), rel=1e-12)
    assert bool(field.choices) == (field.kind == "choice" or field.default == "auto")
    if field.name != "prompt":
        assert check(field, field.default) == field.default


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_float32_is_finer_than_the_grid(field: Field) -> None:
    assert field.high is not None
    assert field.low is not None
    assert field.grid is not None
    assert np.spacing(np.float32(max(abs(field.high), abs(field.low)))) < field.grid / 4


def test_types_of_the_struct_are_what_the_checks_give() -> None:
    hints = get_type_hints(Recipe)
    filled = resolve(make(prompt="x", seconds=1), Modest())
    for name in FIELDS:
        msgspec.convert(getattr(filled, name), hints[name])


# numbers


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
@given(data=st.data())
def test_float32_and_double_are_one_value(field: Field, data: st.DataObject) -> None:
    assert field.low is not None
    assert field.high is not None
    value = data.draw(st.floats(field.low, field.high))
    stored = check(field, value)
    assert check(field, float32(value)) == stored
    assert check(field, np.float32(value)) == stored
    assert check(field, json.loads(json.dumps(float32(value)))) == stored


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
@given(data=st.data())
def test_a_grid_point_stays_where_it_is(field: Field, data: st.DataObject) -> None:
    point = data.draw(grid_points(field))
    assert check(field, point) == point
    assert check(field, float32(point)) == point
    assert read_text(field, repr(point)) == point
    # between grid points, the nearest
    assert field.grid is not None
    if field.low is not None and field.high is not None and field.low < point < field.high:
        assert check(field, point + field.grid * 0.4) == point
        assert check(field, point - field.grid * 0.4) == point


def test_a_value_halfway_between_two_points_is_one_recipe_too() -> None:
    # as a double this is just above the middle, as float32 just below or above: both must go the same way
    for thousandths in range(300, 30_000, 7):
        half = (thousandths + 0.5) / 1000
        assert make(prompt="x", seconds=half) == make(prompt="x", seconds=float32(half))


def test_minus_zero_is_zero() -> None:
    stored = make(prompt="x", ceiling=-0.0, fade_in=-0.0)
    assert '"ceiling":0,' in to_json(stored)
    assert '"fade_in":0,' in to_json(stored)
    assert "-0" not in to_json(make(prompt="x", ceiling=-0.001))


@pytest.mark.parametrize("field", INTEGERS, ids=lambda field: field.name)
def test_whole_floats_are_ints(field: Field) -> None:
    assert field.low is not None
    for value in (
        field.low,
        float(field.low),
        np.float32(field.low),
        np.int64(field.low),
        Fraction(field.low),
    ):
        stored = check(field, value)
        assert stored == field.low
        assert type(stored) is int


@pytest.mark.parametrize("field", NUMBERS + INTEGERS, ids=lambda field: field.name)
@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        10**400,
        10**5000,
        1e39,
        -1e9,
        True,
        "12",
        b"1",
        [],
        {},
        1j,
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_of_a_field_is_refused_in_one_sentence(field: Field, value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        check(field, value)
    message = str(caught.value)
    assert message.startswith(f"{field.name} is ")
    assert message.endswith(f": give {accepts(field)}.")
    assert len(message) < 200


def test_ranges_are_inclusive_and_end_there() -> None:
    for field in NUMBERS + INTEGERS:
        assert field.low is not None
        assert field.high is not None
        step = field.grid or 1
        assert check(field, field.low) == field.low
        assert check(field, field.high) == field.high
        for outside in (field.low - step, field.high + step):
            with pytest.raises(BadRequest, match=f"^{field.name} is "):
                check(field, outside)


def test_a_fraction_is_no_whole_number() -> None:
    for name in ("seed", "steps", "rate"):
        with pytest.raises(BadRequest, match="whole number"):
            check(FIELDS[name], 20_000.5)
    with pytest.raises(BadRequest, match="whole number"):
        check(FIELDS["seed"], Fraction(2**54 + 1, 2))


def test_switches_know_the_numbers_of_osc() -> None:
    for yes in (True, 1, 1.0):
        assert make(prompt="x", trim=yes).trim is True
    for no in (False, 0, 0.0):
        assert make(prompt="x", trim=no).trim is False
    for neither in (2, 0.5, "yes", None, float("nan")):
        with pytest.raises(BadRequest, match=r"^trim is .*: give true or false"):
            make(prompt="x", trim=neither)


# words


@given(text=st.text(max_size=60))
@example("e\u0301")
@example("\u1112\u1161\u11ab")
@example("a\u0327\u0301")
@example("\U0001f3b9\u0301 e\u0301")
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip(" ")
    assert "  " not in once


@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), max_size=40))
def test_normalising_is_nfc_for_what_unicode_long_knew(text: str) -> None:
    assume(all(unicodedata.ucd_3_2_0.category(character) != "Cn" for character in text))
    assert normalise(text) == unicodedata.normalize("NFC", text)


def test_younger_characters_stay_as_they_are() -> None:
    # U+11938 composes from these two since Unicode 13: a Python that knew less would have left them
    young = "\U00011935\U00011930"
    assert unicodedata.normalize("NFC", young) == "\U00011938"
    assert normalise(young) == young
    # the second of these marks sorts before the first since Unicode 15, which Python 3.12 brought
    assert normalise("a\u0315\U00010efd") == "a\u0315\U00010efd"


def test_composed_and_decomposed_prompts_are_one_recipe() -> None:
    assert make(prompt="cafe\u0301  noise\n") == make(prompt=" caf\u00e9 noise")
    assert make(prompt="x", negative="\t").negative == ""


def test_prompts_differ_by_case_and_compatibility() -> None:
    assert make(prompt="A bell") != make(prompt="a bell")
    assert make(prompt="\ufb01re") != make(prompt="fire")


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "prompt is empty: give 1 to 1000 characters."),
        (" \n\u3000", "prompt is empty: give 1 to 1000 characters."),
        ("x" * 1001, "prompt has 1001 characters: give 1 to 1000 characters."),
        ("a\0b", "prompt holds a control character or half a character: give plain text."),
        ("a\x1bb", "prompt holds a control character or half a character: give plain text."),
        ("\ud83c", "prompt holds a control character or half a character: give plain text."),
        (b"bell", "prompt is b'bell': give 1 to 1000 characters."),
        (None, "prompt is None: give 1 to 1000 characters."),
    ],
)
def test_prompts_that_are_refused(prompt: object, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        make(prompt=prompt)
    assert str(caught.value) == says


def test_the_longest_prompt_fits() -> None:
    longest = make(prompt="\U0001f3b9" * 1000, negative="\U0001f3b9" * 1000)
    assert from_json(to_json(longest).encode()) == longest


def test_a_models_name_is_kept_to_the_letter() -> None:
    assert make(prompt="x", model="two  spaces/e\u0301").model == "two  spaces/e\u0301"
    for wrong in ("", "a\nb", "x" * 256, 3):
        with pytest.raises(BadRequest, match=r"^model "):
            make(prompt="x", model=wrong)


def test_choices_forgive_case_only() -> None:
    assert make(prompt="x", scheduler=" DDIM ").scheduler == "ddim"
    assert make(prompt="x", seconds="Auto").seconds == "auto"
    with pytest.raises(BadRequest) as caught:
        make(prompt="x", scheduler="plms")
    assert str(caught.value) == f"scheduler is 'plms': give one of {', '.join(SCHEDULERS)}."


# what a recipe is made from


def test_a_prompt_is_needed() -> None:
    with pytest.raises(BadRequest, match="needs a prompt"):
        make(seconds=1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("secnds", "a recipe has no field 'secnds': did you mean 'seconds'?"),
        ("bars", "a recipe has no field 'bars': leave it out, or use a foleyd that knows it."),
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
    wrong: dict[str, Any] = {"prompt": "x", "seconds": 99.0}
    attempts: list[Callable[[], object]] = [
        lambda: Recipe(**wrong),
        lambda: msgspec.convert(wrong, Recipe),
        lambda: msgspec.json.decode(json.dumps(wrong).encode(), type=Recipe),
        lambda: msgspec.msgpack.decode(msgspec.msgpack.encode(wrong), type=Recipe),
        lambda: msgspec.structs.replace(good, seconds=99.0),
        lambda: change(good, seconds=99.0),
    ]
    for attempt in attempts:
        with pytest.raises(BadRequest, match=r"^seconds is 99"):
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


@given(values=st.dictionaries(st.sampled_from([*FIELDS, "format", "bars"]), _JSON, max_size=6))
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


def test_missing_fields_take_their_defaults() -> None:
    assert from_json('{"prompt":"a bell"}') == make(prompt="a bell")


# text of a command line or a table


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seconds", "2.5", 2.5),
        ("seconds", " auto ", "auto"),
        ("seconds", "3", 3.0),
        ("seed", "2147483647", 2147483647),
        ("seed", "7.0", 7),
        ("guidance", "2.5e0", 2.5),
        ("trim", "No", False),
        ("trim", "1", True),
        ("scheduler", "Heun", "heun"),
        ("prompt", " 12 ", "12"),
        ("ceiling", "-1", -1.0),
    ],
)
def test_values_written_as_text(name: str, text: str, value: object) -> None:
    assert recipes.read_value(name, text) == value
    assert type(recipes.read_value(name, text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seconds", "long"),
        ("seconds", ""),
        ("seconds", "nan"),
        ("seed", "0x10"),
        ("seed", "2147483648"),
        ("seed", "9" * 5000),
        ("seed", "1.5"),
        ("trim", "maybe"),
        ("level", "loud"),
        ("sources", "a.wav"),
    ],
)
def test_text_that_is_no_value(name: str, text: str) -> None:
    with pytest.raises(BadRequest, match=f"^{name} is ") as caught:
        recipes.read_value(name, text)
    assert len(str(caught.value)) < 200


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
    _with_morph(monkeypatch)
    one, two = {"role": "from", "sha256": "1" * 64}, {"role": "to", "sha256": "2" * 64}
    morph = make(operation="morph", prompt="x", sources=[one, two])
    assert morph.sources == (Source("from", "1" * 64), Source("to", "2" * 64))
    assert from_json(to_json(morph)) == morph
    for wrong in ([], [one], [two, one], [one, two, two]):
        with pytest.raises(BadRequest, match=r"operation 'morph' takes 'from', 'to'\.$"):
            make(operation="morph", prompt="x", sources=wrong)


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
    _with_morph(monkeypatch)
    with pytest.raises(BadRequest, match=r"^sources is "):
        make(operation="morph", prompt="x", sources=[source])


def _with_morph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "morph", ("from", "to"))
    row = FIELDS["operation"]
    later = msgspec.structs.replace(row, choices=(*row.choices, "morph"))
    monkeypatch.setitem(FIELDS, "operation", later)
