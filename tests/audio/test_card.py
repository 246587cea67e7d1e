import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foleyd import recipe
from foleyd.audio.card import LONGEST_CARD, ClipMeta, read_card, write_card
from foleyd.errors import BadRequest


def test_a_card_comes_back_whole(meta: ClipMeta) -> None:
    text = write_card(meta)
    assert text.isascii()
    assert "\n" not in text
    assert read_card(text) == meta
    assert read_card(text.encode()) == meta


def test_empty_fields_take_no_room() -> None:
    bare = ClipMeta(recipe=recipe.make(prompt="rain"))
    assert set(json.loads(write_card(bare))) == {"card", "recipe", "software", "note"}
    assert bare.name == "rain"
    assert read_card(write_card(bare)) == bare


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200))
@settings(derandomize=True, deadline=None, max_examples=100, database=None)
def test_any_prompt_comes_back(words: str) -> None:
    try:
        asked = recipe.make(prompt=words)
    except BadRequest:
        return
    assert read_card(write_card(ClipMeta(recipe=asked))).recipe == asked


def test_keys_of_a_later_foleyd_are_ignored(meta: ClipMeta) -> None:
    fields = json.loads(write_card(meta)) | {"mood": ["dark"]}
    assert read_card(json.dumps(fields)) == meta


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"card": 1}',
        '{"card": 1, "recipe": {}}',
        '{"card": 1, "recipe": {"prompt": 5}}',
        '{"card": 1, "recipe": {"prompt": "a", "seconds": 1e999}}',
        '{"card": 2, "recipe": {"prompt": "a"}}',
        '{"card": 1, "recipe": {"prompt": "a"}, "loops": [[-1, 5]]}',
        '{"card": 1, "recipe": {"prompt": "a"}, "note": 128}',
        '{"card": 1, "recipe": {"prompt": "a"}, "title": "' + "x" * 5000 + '"}',
        '{"card": 1, "recipe": ' + "[" * 100_000,
        '{"card": 1, "recipe": {"prompt": "a"}, "made": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}",
        '{"card": 1, "recipe": {"prompt": "\\ud800"}}',
        "x" * (LONGEST_CARD + 1),
    ],
    ids=range(16),
)
def test_what_is_no_card_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_card(text)
    assert ":" in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BadRequest):
        read_card(b'{"card": 1, "title": "\xff\xfe"}')


def test_a_card_cannot_be_changed(meta: ClipMeta) -> None:
    with pytest.raises(AttributeError):
        meta.title = "x"  # type: ignore[misc]
    assert msgspec.structs.replace(meta, title="x").name == "x"
