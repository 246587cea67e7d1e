"""Searching: every kind of text is found by its words and their beginnings, and none breaks the question."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foleyd.daemon.index import SCHEMA, Index, Wanted
from foleyd.daemon.marks import Mark
from foleyd.daemon.words import MOST_WORDS, indexed, question
from foleyd.errors import FoleydError
from foleyd.messages import ClipInfo


def clip(clip_id: str, prompt: str, created: float = 0.0, **facts: object) -> ClipInfo:
    words = {"clip_id": clip_id, "take_id": "take-x", "name": prompt, "prompt": prompt, "operation": "text"}
    blank = dict.fromkeys(("path", "model", "revision", "licence"), "")
    numbers = {"seed": 1, "seconds": 1.0, "rate": 48_000, "channels": 1, "frames": 48_000, "size": 1000}
    rest = {"sellable": True, "recipe": {}, "created": created}
    return ClipInfo(**{**words, **blank, **numbers, **rest, **facts})  # type: ignore[arg-type]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    one = Index(tmp_path / "index.sqlite")
    yield one
    one.close()


def found(index: Index, text: str = "", **wanted: object) -> list[str]:
    clips, total = index.search(Wanted(text, **wanted))  # type: ignore[arg-type]
    assert total == len(clips)
    return [one.clip_id for one in clips]


PROMPTS = {
    "glass": "breaking glass, on a stone floor",
    "drum": "AND a deep kick-drum NOT loud",
    "umlaut": "Straßenbahn über die Brücke",
    "cjk": "玻璃杯が割れる音 rain",
    "korean": "빗소리",
    "emoji": "a bell 🔔🔔 and a fire engine 👩‍🚒",
    "accent": "cafe\u0301 noise",
    "thai": "เสียงฝน",
}


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("gla", ["glass"]),
        ("GLASS break", ["glass"]),
        ("stone breaking", ["glass"]),
        ("glass drum", []),
        ("lass", []),
        ("and", ["drum", "emoji"]),
        ("AND", ["drum", "emoji"]),
        ("NOT", ["drum"]),
        ("NEAR(glass)", []),
        ("name:glass", []),
        ("kick-drum", ["drum"]),
        ("drum -loud", ["drum"]),
        ("strasse", ["umlaut"]),
        ("STRAẞE uber", ["umlaut"]),
        ("bru\u0308cke", ["umlaut"]),
        ("玻璃", ["cjk"]),
        ("璃杯", ["cjk"]),
        ("割れる", ["cjk"]),
        ("玻杯", []),
        ("玻 杯", ["cjk"]),
        ("빗소", ["korean"]),
        ("🔔", ["emoji"]),
        ("👩", ["emoji"]),
        ("🥁", []),
        ("café", ["accent"]),
        ("ฝน", ["thai"]),
    ],
)
def test_words_and_beginnings_of_words(index: Index, text: str, hits: list[str]) -> None:
    for number, (name, prompt) in enumerate(PROMPTS.items()):
        index.put(clip(name, prompt, number), "", Mark())
    assert sorted(found(index, text)) == sorted(hits)


@pytest.mark.parametrize(
    "text", ["", "-", '"', '""', "*", "()", " ", "\0", "\ud800", "^", "'", ":", "{}", ","]
)
def test_signs_alone_ask_for_nothing_in_particular(index: Index, text: str) -> None:
    index.put(clip("a", "a bell"), "", Mark())
    assert found(index, text) == ["a"]
    assert question(text) == ""


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_no_text_breaks_the_question_and_every_text_finds_itself(text: str) -> None:
    db = sqlite3.connect(":memory:")
    try:
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'ascii', prefix = '2 3')")
        db.execute("INSERT INTO words VALUES (?)", (indexed(text),))
        asked = question(text)
        if asked:
            [hits] = db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (asked,)).fetchone()
            assert hits == 1
        else:
            assert indexed(text) == ""
    finally:
        db.close()


@pytest.mark.parametrize("text", ["word " * 5000, "玻" * 5000, "a" * 100_000, "🔔 " * 999])
def test_endless_questions_are_cut(index: Index, text: str) -> None:
    index.put(clip("a", text[:900]), "", Mark())
    assert len(question(text).split()) <= MOST_WORDS
    found(index, text)


def test_a_name_counts_more_than_a_prompt_and_ties_go_to_the_newest(index: Index) -> None:
    index.put(clip("old", "glass door", 1), "", Mark())
    index.put(clip("new", "glass door", 3), "", Mark())
    index.put(clip("named", "door", 2), "", Mark(name="glass door"))
    assert found(index, "glass") == ["named", "new", "old"]
    assert found(index) == ["new", "named", "old"]


def test_tags_ratings_favourites_and_choices_narrow_it_down(index: Index) -> None:
    marks = {
        "a": Mark(tags=("metal", "impact"), rating=5),
        "b": Mark(tags=("metal",), rating=3, favourite=True),
        "c": Mark(),
    }
    for number, (name, mark) in enumerate(marks.items()):
        index.put(clip(name, "a bell", number), "", mark)
    assert found(index, tags=("metal",)) == ["b", "a"]
    assert found(index, tags=("metal", "impact", "metal")) == ["a"]
    assert found(index, tags=("meta",)) == []
    assert found(index, "impact bell") == ["a"]
    assert found(index, rating=4) == ["a"]
    assert found(index, favourites=True) == ["b"]
    assert found(index, among=("a", "c", "gone")) == ["c", "a"]
    assert found(index, among=()) == []
    assert found(index, "bell", among=("c",), tags=("metal",)) == []
    index.mark("a", Mark())
    assert found(index, tags=("metal",)) == ["b"]
    assert found(index, "impact") == []
    index.drop("b")
    assert found(index, "metal") == []
    assert found(index, "bell") == ["c", "a"]


def test_pages_add_up_to_the_whole(index: Index) -> None:
    with index.changing():
        for number in range(25):
            index.put(clip(f"c{number}", "a bell", number), "", Mark())
    pages = [index.search(Wanted("bell", limit=10, offset=offset)) for offset in (0, 10, 20, 30)]
    assert [(len(clips), total) for clips, total in pages] == [(10, 25), (10, 25), (5, 25), (0, 25)]
    assert len({one.clip_id for clips, _ in pages for one in clips}) == 25


def test_a_change_that_fails_halfway_changes_nothing(index: Index) -> None:
    def fail() -> None:
        with index.changing():
            index.put(clip("a", "a bell"), "", Mark(tags=("x",)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert found(index) == []
    index.put(clip("a", "a bell"), "", Mark())
    assert found(index, "bell") == ["a"]


def test_an_index_is_taken_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    first = Index(path)
    assert first.began == "missing"
    first.put(clip("a", "a bell"), "recipe-x", Mark())
    first.note("name", "value")
    first.close()
    second = Index(path)
    assert (second.began, second.state("name"), second.ids()) == ("", "value", {"a"})
    second.close()


@pytest.mark.parametrize(
    ("damage", "began"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000), "damaged"),
        (lambda path: path.write_bytes(b""), "unfinished"),
        (lambda path: path.unlink(), "missing"),
        (lambda path: _set_version(path, SCHEMA + 1), "newer"),
    ],
)
def test_an_index_that_is_not_right_begins_anew(tmp_path: Path, damage: object, began: str) -> None:
    path = tmp_path / "index.sqlite"
    first = Index(path)
    first.put(clip("a", "a bell"), "", Mark())
    first.close()
    damage(path)  # type: ignore[operator]
    second = Index(path)
    assert (second.began, second.ids()) == (began, set())
    second.put(clip("b", "a gong"), "", Mark())
    assert found(second, "gong") == ["b"]
    second.close()


def _set_version(path: Path, version: int) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_a_place_where_no_index_can_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir()
    with pytest.raises(FoleydError, match=r"index\.sqlite cannot be used"):
        Index(tmp_path / "index.sqlite")
