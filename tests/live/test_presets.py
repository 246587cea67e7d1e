"""Presets: what a bank's file says, what is refused with which line, and what is kept without being known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd import recipe as recipes
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS
from foleyd_live import json_text, preset_schema, presets
from foleyd_live.json_text import JsonText
from foleyd_live.presets import Bank
from foleyd_live.properties import PROPERTIES

SHIPPED = Path(__file__).parents[2] / "presets"
BANKS = sorted(path for path in SHIPPED.glob("*.json") if path.name != "schema.json")
SCHEMA = json.loads((SHIPPED / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

KICK: dict[str, Any] = {"name": "Kick", "recipe": {"prompt": "a kick", "seed": 3}}


def bank(*rows: Any, **keys: Any) -> Bank:
    return presets.read("mine", json_text.write({**keys, "presets": list(rows)}))


def changed(**keys: Any) -> dict[str, Any]:
    return {**KICK, **keys}


# the shipped banks


@pytest.mark.parametrize("path", BANKS, ids=lambda path: path.stem)
def test_a_shipped_bank_is_right_and_known_whole(path: Path) -> None:
    found = presets.read(path.stem, path.read_bytes())
    assert len(found.presets) == 16
    assert found.notes == ()
    assert not list(VALIDATOR.iter_errors(json.loads(path.read_text(encoding="utf-8"))))
    assert json_text.write(found.document) == path.read_bytes()
    for one in found.presets:
        assert one.category
        assert one.tags
        made = [recipes.make(**fields) for fields in one.fixed()]
        assert made
        assert len({recipes.recipe_id(each) for each in made}) == len(one.seeds)


def test_a_shipped_preset_leaves_nothing_of_the_one_before_on_a_pad() -> None:
    for path in BANKS:
        played = [one.play.keys() for one in presets.read(path.stem, path.read_bytes()).presets]
        assert all(keys == played[0] for keys in played)


def test_eight_banks_ship_and_one_of_them_is_for_a_bigger_model() -> None:
    names = ["ambience", "audioldm", "drums", "game", "glitch", "impacts", "instruments", "weather"]
    assert [path.stem for path in BANKS] == names
    for path in BANKS:
        found = presets.read(path.stem, path.read_bytes())
        models = {one.recipe.get("model", "") for one in found.presets}
        assert models == ({"cvssp/audioldm-s-full-v2"} if path.stem == "audioldm" else {""})


def test_the_schema_is_not_stale() -> None:
    written = (SHIPPED / "schema.json").read_bytes()
    assert written == json_text.write(preset_schema.schema()), (
        "run: python -m foleyd_live.preset_schema presets/schema.json"
    )


def test_the_schema_is_one_and_names_every_field_and_property() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$defs"]["recipe"]["properties"].keys() == FIELDS.keys()
    writeable = {row.name for row in PROPERTIES.values() if row.scope == "pad" and not row.read_only}
    assert SCHEMA["$defs"]["play"]["properties"].keys() == writeable


# what is read


def test_a_preset_says_all_that_its_file_says() -> None:
    found = bank(
        {
            "name": "Doorbell",
            "about": "old",
            "category": "BELLDoor",
            "tags": ["door", "metal"],
            "recipe": {"prompt": " an  old doorbell ", "seconds": 2, "trim": 0, "seed": 7.0},
            "play": {"gain": -3, "mode": 1, "mute": True, "colour": "#FFAA00"},
        },
        title="My bells",
    )
    (one,) = found.presets
    assert (found.title, one.name, one.about, one.category) == ("My bells", "Doorbell", "old", "BELLDoor")
    assert one.tags == ("door", "metal")
    assert one.prompt == "an old doorbell"
    assert one.recipe == {"prompt": "an old doorbell", "seconds": 2.0, "trim": False}
    assert one.seeds == (7,)
    assert one.play == {"gain": -3.0, "mode": "gate", "mute": 1, "colour": "#ffaa00"}
    assert found.preset("doorBELL") is one
    assert found.place("Doorbell") == 0


def test_a_bank_without_title_is_called_as_its_file() -> None:
    assert bank(KICK).title == "mine"


@pytest.mark.parametrize(
    ("seed", "turns"),
    [(5, [5, 5, 5]), ([4, 9], [4, 9, 4]), ("random", [None] * 3), (None, [None] * 3)],
)
def test_seeds_come_in_turn(seed: object, turns: list[int | None]) -> None:
    (one,) = bank(changed(recipe={"prompt": "a kick", "seed": seed})).presets
    assert [one.fields(turn).get("seed") for turn in range(3)] == turns
    assert [fields["seed"] for fields in one.fixed()] == list(one.seeds)


def test_fields_are_the_callers_own() -> None:
    (one,) = bank(changed(recipe={"prompt": "a kick", "seed": 1})).presets
    one.fields().pop("prompt")
    assert one.prompt == "a kick"


# what is refused


def _with(line: str) -> bytes:
    """A bank whose second preset has `line` as its line 9."""
    return f"""{{
  "title": "x",
  "presets": [
    {{"name": "Kick",
     "recipe": {{"prompt": "a kick"}}}},
    {{
      "name": "Snare",
      "recipe": {{"prompt": "a snare"}},
      {line}
    }}
  ]
}}""".encode()


MISTAKES = [
    ('"tags": "loud"', "tags are 'loud': give a list."),
    ('"tags": ["a,b"]', "a tag is 'a,b': give 1 to 40 characters without commas."),
    ('"category": "drums"', "category is 'drums': give a CatID"),
    ('"about": 3', "about is 3: give text."),
    ('"licence": "' + "x" * 201 + '"', "licence has 201 characters: give at most 200."),
    ('"play": []', "play is []: give an object in braces."),
    ('"play": {"gain": 90}', "pad/gain is 90: give -60 to 12 dB."),
    ('"play": {"mode": "upside"}', "pad/mode is 'upside': give one-shot"),
    ('"play": {"voices": 2.5}', "pad/voices is 2.5: give a whole number"),
    ('"play": {"colour": "red"}', "pad/colour is 'red'"),
]


@pytest.mark.parametrize(("line", "reason"), MISTAKES, ids=[line[:24] for line, _ in MISTAKES])
def test_a_mistake_is_told_with_its_line(line: str, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        presets.read("mine", _with(line), label="/my/mine.json")
    assert str(refused.value).startswith(f"/my/mine.json, line 9: {reason}")
    assert str(refused.value).endswith(".")
    assert list(VALIDATOR.iter_errors(json.loads(_with(line))))


RECIPES = [
    ('{"seconds": 3}', "the recipe has no prompt"),
    ('{"prompt": ""}', "prompt is empty"),
    ('{"prompt": "x", "steps": 900}', "steps is 900: give a whole number from 1 to 200."),
    ('{"prompt": "x", "seconds": 900}', "seconds is 900"),
    ('{"prompt": "x", "operation": "sing"}', "operation is 'sing'"),
    ('{"prompt": "x", "seed": -1}', "seed is -1"),
    ('{"prompt": "x", "seed": "often"}', "seed is 'often': give a number, a list of numbers, or 'random'."),
    ('{"prompt": "x", "seed": []}', "seed lists 0 numbers"),
    ('{"prompt": "x", "seed": [1, 2.5]}', "seed is 2.5"),
    ('{"prompt": "x", "seed": [1, null]}', "seed is null"),
    ('"x"', "a recipe is 'x': give an object in braces."),
]


@pytest.mark.parametrize(("recipe", "reason"), RECIPES, ids=[recipe for recipe, _ in RECIPES])
def test_a_recipe_is_checked_field_by_field(recipe: str, reason: str) -> None:
    data = f'{{"presets": [\n{{"name": "x",\n\n"recipe": {recipe}}}]}}'.encode()
    with pytest.raises(BadRequest, match=r"^mine\.json, line 4: ") as refused:
        presets.read("mine", data)
    assert reason in str(refused.value)
    assert list(VALIDATOR.iter_errors(json.loads(data)))


def test_a_recipe_whose_fields_do_not_go_together_is_refused() -> None:
    source = {"role": "start", "sha256": "0" * 64}
    with pytest.raises(BadRequest, match=r"line \d+: sources are 'start'"):
        bank(changed(recipe={"prompt": "x", "sources": [source]}))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "line 1: this is not JSON"),
        (b'{\n"presets": [\n}', "line 3: this is not JSON"),
        (b"[]", "line 1: a bank is []: give an object in braces."),
        (b"{}", "line 1: presets are missing"),
        (b'{\n"presets": 4}', "line 2: presets are 4: give a list."),
        (b'{"presets": [\n4]}', "line 2: a preset is 4"),
        (b'{"presets": [\n{"recipe": {"prompt": "x"}}]}', "line 2: the preset has no name"),
        (b'{"presets": [\n{"name": "x"}]}', "line 2: the preset has no recipe"),
        (b'{"presets": [\n{"name": "a/b", "recipe": {"prompt": "x"}}]}', "line 2: name is 'a/b'"),
        (
            b'{"presets": [\n{"name": " x", "recipe": {"prompt": "x"}}]}',
            "line 2: name has control characters",
        ),
        (b'{"format": 2,\n"presets": []}', "line 1: format is 2: this foleyd reads 1 only."),
        (b'{"format": true,\n"presets": []}', "line 1: format is True"),
        (b'{"presets": [],\n"presets": []}', "line 2: 'presets' is given twice"),
        (b'{"presets": [],\n"x": NaN}', "line 2: NaN is no number that JSON has"),
        (b'{"presets": [],\n"x": -1e999}', "line 2: -1e999 is no number"),
        (b'{"presets": [],\n"x": "\\ud800"}', "line 2: a text holds half a character"),
        (b'{"presets": [],\n"\\udc00": 1}', "line 2: a text holds half a character"),
        (b'{"presets": [],\n"x": "\xff"}', "line 2: this is not UTF-8"),
        (b'{"presets": ' + b"[" * 200_000, "lie too deep in each other"),
        (b'{"presets": [], "x": ' + b"9" * 5000 + b"}", "too many digits"),
        (b" " * (json_text.MOST_BYTES + 1), "is larger than 4 MiB"),
    ],
)
def test_what_is_no_bank_is_refused_in_a_sentence(document: bytes, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        presets.read("mine", document)
    assert str(refused.value).startswith("mine.json")
    assert reason in str(refused.value)


def test_presets_of_one_name_are_refused_with_the_second_ones_line() -> None:
    rows = ",\n".join(
        json.dumps({"name": name, "recipe": {"prompt": "x"}}) for name in ("Ride", "Hat", "hAT")
    )
    with pytest.raises(BadRequest, match="line 4: there are two presets 'hAT'"):
        presets.read("mine", f'{{"presets": [\n{rows}]}}'.encode())


@pytest.mark.parametrize("name", ["", "Drums", "a/b", "..", "schema", "x" * 41, "-a", "a b"])
def test_names_that_are_no_banks(name: str) -> None:
    with pytest.raises(BadRequest, match="is no name of a bank"):
        presets.check_name(name)


# what is kept

STRANGE: dict[str, Any] = {
    "vendor": {"z": 1, "a": [None, 1.5, "é"]},
    "title": "Mine",
    "presets": [
        {
            "mood": "dark",
            "name": "Kick",
            "recipe": {"warp": 9, "prompt": "a kick", "seed": 3},
            "play": {"zap": 0},
        },
        {"name": "Snare", "rating": 5, "recipe": {"prompt": "a snare"}},
    ],
    "after": True,
}


def test_what_is_not_known_is_kept_in_its_place_and_told_with_its_line() -> None:
    data = json_text.write(STRANGE)
    found = presets.read("mine", data)
    assert [note.partition(":")[2].split("'")[1] for note in found.notes] == [
        "vendor", "after", "warp", "mood", "zap", "rating",
    ]  # fmt: skip
    lines = data.decode().splitlines()
    for note in found.notes:
        number, word = int(note.split()[1].rstrip(":")), note.split("'")[1]
        assert f'"{word}"' in lines[number - 1]
    assert json_text.write(found.document) == data
    assert "warp" not in found.presets[0].recipe
    assert found.presets[0].play == {}


def test_a_preset_that_takes_anothers_place_leaves_what_is_not_known() -> None:
    found = presets.put(
        presets.read("mine", json_text.write(STRANGE)),
        {"name": "kick", "tags": ["low"], "recipe": {"prompt": "a low kick", "steps": 5}},
    )
    assert list(found.document) == ["vendor", "title", "presets", "after"]
    first = found.document["presets"][0]
    assert first == {
        "mood": "dark",
        "name": "kick",
        "recipe": {"warp": 9, "prompt": "a low kick", "steps": 5},
        "play": {"zap": 0},
        "tags": ["low"],
    }
    assert list(first) == ["mood", "name", "recipe", "play", "tags"]
    assert found.presets[0].seeds == ()
    assert found.document["presets"][1] == STRANGE["presets"][1]


def test_a_preset_more_comes_last_and_a_bad_one_is_refused() -> None:
    found = presets.put(bank(KICK), {"name": "Hat", "recipe": {"prompt": "a hat"}})
    assert [one.name for one in found.presets] == ["Kick", "Hat"]
    with pytest.raises(BadRequest, match="steps is 0"):
        presets.put(found, {"name": "Bad", "recipe": {"prompt": "x", "steps": 0}})


def test_a_preset_less() -> None:
    found = presets.drop(presets.read("mine", json_text.write(STRANGE)), "kick")
    assert [one.name for one in found.presets] == ["Snare"]
    assert found.document == {**STRANGE, "presets": STRANGE["presets"][1:]}
    with pytest.raises(BadRequest, match="bank mine has no preset 'Kick'"):
        presets.drop(found, "Kick")


# lines

_SCALARS = st.integers(0, 9) | st.booleans() | st.none() | st.text(max_size=4)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)


@given(_DOCUMENTS, st.sampled_from([None, 0, 2]))
def test_every_value_has_the_line_that_it_is_on(document: Any, indent: int | None) -> None:
    marks: dict[tuple[str | int, ...], str] = {}

    def marked(place: tuple[str | int, ...], value: Any) -> Any:
        if isinstance(value, dict):
            return {key: marked((*place, key), one) for key, one in value.items()}
        if isinstance(value, list):
            return [marked((*place, at), one) for at, one in enumerate(value)]
        marks[place] = f'"mark {len(marks)} {{[\\",:"'
        return json.loads(marks[place])

    text = json.dumps(marked((), document), indent=indent)
    read = JsonText("x", text.encode())
    lines = text.split("\n")
    for place, mark in marks.items():
        assert mark in lines[read.line(place) - 1]
    assert read.line((*next(iter(marks), ()), "not", "there")) <= len(lines)


@given(_DOCUMENTS)
def test_what_is_written_is_read_again(document: Any) -> None:
    whole = {"x": document}
    assert JsonText("x", json_text.write(whole)).value == whole
