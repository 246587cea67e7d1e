"""The table of fields, and what becomes of a value that comes in: numbers, words, text of a command line."""

from __future__ import annotations

import json
import unicodedata
from fractions import Fraction
from typing import get_type_hints

import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from foleyd import recipe as recipes
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS, SCHEDULERS, Field
from foleyd.recipe import Recipe, from_json, make, to_json
from foleyd.values import accepts, check, normalise, read_text
from recipe_strategies import INTEGERS, NUMBERS, float32, grid_points

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
    filled = make(prompt="x", seconds=1, seed=1, steps=20, guidance=2.5, scheduler="ddim", revision="0")
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
