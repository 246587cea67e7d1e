"""Prompts with weights: which texts are mixtures, and what they are mixed of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd.errors import BadRequest
from foleyd.mixture import Part, parts
from foleyd.recipe import make

WORDS = (
    "rain", "rain | fire", "rain:0.7", "rain:0.7 | fire", "rain | fire:0.3", "news at 10:30 | at 11:15",
    "a: 1 b | c", ":0.5 | :0.5", "rain:0.7 |", "rain:-1 | fire:1", "rain:nan | fire:1", "rain:1e3 | fire:1",
    "rain:٠.٥ | fire:1", "::1 | a:1", "at 10:30 | a dog:1",
)  # fmt: skip


@pytest.mark.parametrize("text", WORDS)
def test_everything_else_is_words(text: str) -> None:
    assert parts(text) == (Part(text, 1.0),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rain:0.75 | fire:0.25", [("rain", 0.75), ("fire", 0.25)]),
        ("rain:3|fire: 1", [("rain", 0.75), ("fire", 0.25)]),
        ("rain : 1 | fire:0", [("rain", 1.0)]),
        ("news at 10:30, loud:1 | 2 dogs:1", [("news at 10:30, loud", 0.5), ("2 dogs", 0.5)]),
        ("a 808:0.5 | b:0.5", [("a 808", 0.5), ("b", 0.5)]),
        ("a:1 | b:1 | c:2", [("a", 0.25), ("b", 0.25), ("c", 0.5)]),
    ],
)
def test_parts_have_shares(text: str, expected: list[tuple[str, float]]) -> None:
    assert parts(text) == tuple(Part(*one) for one in expected)


@pytest.mark.parametrize("name", ["prompt", "negative"])
def test_weights_of_nothing_are_refused(name: str) -> None:
    fields = {"prompt": "rain", name: "rain:0 | fire:0.0"}
    with pytest.raises(BadRequest, match=f"^{name} has parts that all weigh 0: "):
        make(**fields)


@given(st.text(st.sampled_from("ab1 :|.0"), max_size=40))
def test_shares_are_a_whole(text: str) -> None:
    try:
        found = parts(text)
    except BadRequest:
        return
    assert sum(part.share for part in found) == pytest.approx(1)
    assert all(part.share > 0 for part in found)
