"""The journal: what was said stays said, torn lines go, and it does not grow for ever."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foleyd.daemon import marks as module
from foleyd.daemon.marks import Mark, Marks
from foleyd.errors import BadRequest, DiskFull, FoleydError
from foleyd.messages import SetInfo

MARK = Mark(name="Glocke 🔔", tags=("metal", "kurz"), rating=4, favourite=True)
PAIR = SetInfo(set_id="set-a", name="pair", created=1.5, clips=("clip-b", "clip-a"))


def furnished(path: Path) -> Marks:
    marks = Marks(path)
    marks.say({"clip-a": MARK, "clip-b": Mark(rating=1)})
    marks.gather(PAIR)
    marks.hold("Opening Night", ["clip-a"])
    return marks


def state(marks: Marks) -> tuple[object, ...]:
    return {clip: marks.of(clip) for clip in marks.marked}, dict(marks.holds), dict(marks.sets)


def test_what_was_said_is_read_again(tmp_path: Path) -> None:
    first = furnished(tmp_path / "marks.jsonl")
    again = Marks(tmp_path / "marks.jsonl")
    assert state(again) == state(first)
    assert again.stamp == first.stamp
    assert again.notes == ()
    assert (again.of("clip-a"), again.of("clip-z")) == (MARK, Mark())
    assert (again.sets_of("clip-b"), again.holds_of("clip-b")) == (("set-a",), ())
    assert again.keeps("clip-a") == [
        "it is a favourite",
        "it belongs to the Set set-a",
        "'Opening Night' holds it",
    ]
    assert again.keeps("clip-z") == []


def test_every_change_changes_the_stamp(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks.jsonl")
    stamps = [marks.stamp]
    for rating in (1, 2, 1):
        marks.say({"clip-a": Mark(rating=rating)})
        stamps.append(marks.stamp)
    assert len(set(stamps)) == len(stamps)
    assert Marks(tmp_path / "marks.jsonl").stamp == stamps[-1]


def test_to_forget_is_to_forget_everywhere(tmp_path: Path) -> None:
    marks = furnished(tmp_path / "marks.jsonl")
    marks.forget(["clip-a", "clip-z"])
    for one in (marks, Marks(tmp_path / "marks.jsonl")):
        assert state(one) == ({"clip-b": Mark(rating=1)}, {}, {"set-a": one.sets["set-a"]})
        assert one.sets["set-a"].clips == ("clip-b",)
    marks.forget(["clip-b"])
    assert state(Marks(tmp_path / "marks.jsonl")) == ({}, {}, {})


@pytest.mark.parametrize("cut", range(1, 55, 6))
def test_a_torn_last_line_is_dropped_and_the_next_one_is_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "marks.jsonl"
    furnished(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    torn = Marks(path)
    assert dict(torn.holds) == ({"Opening Night": ("clip-a",)} if cut == 1 else {})
    assert torn.of("clip-a") == MARK
    assert len(torn.notes) == (cut != 1)
    torn.hold("other", ["clip-b"])
    again = Marks(path)
    assert state(again) == state(torn)
    assert again.notes == ()


@given(st.binary(max_size=300), st.integers(0, 400))
@settings(max_examples=50)
def test_no_journal_is_too_broken_to_go_on_with(
    tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, at: int
) -> None:
    path = tmp_path_factory.mktemp("broken") / "marks.jsonl"
    furnished(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + rubbish + whole[at:])
    marks = Marks(path)
    marks.say({"clip-new": MARK})
    assert Marks(path).of("clip-new") == MARK
    assert state(Marks(path)) == state(marks)


def test_lines_of_a_newer_foleyd_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    furnished(path)
    strange = b'{"do":"colour","clip":"clip-a","colour":"red"}'
    path.write_bytes(strange + b"\n" + path.read_bytes() + b'{"do":"ma')
    assert strange in path.read_bytes()
    Marks(path)
    assert path.read_bytes().count(strange) == 1
    assert b'{"do":"ma\n' not in path.read_bytes()


def test_the_journal_is_written_anew_when_most_of_it_was_overtaken(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    marks = furnished(path)
    longest = 0
    for number in range(700):
        marks.say({"clip-a": Mark(rating=number % 5, favourite=True)})
        longest = max(longest, path.stat().st_size)
    assert longest < 25_000
    assert state(Marks(path)) == state(marks)
    assert marks.stamp == Marks(path).stamp


def test_a_journal_that_cannot_be_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "marks.jsonl"
    marks = furnished(path)
    before, lines = state(marks), path.read_bytes()
    for number, kind in ((errno.ENOSPC, DiskFull), (errno.EIO, FoleydError)):

        def fail(_: int, number: int = number) -> NoReturn:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(module.os, "fsync", fail)
            with pytest.raises(kind, match=r"marks\.jsonl"):
                marks.say({"clip-a": Mark()})
        assert state(marks) == before
        assert path.read_bytes() == lines
    marks.say({"clip-a": Mark(rating=2)})
    assert Marks(path).of("clip-a") == Mark(rating=2)


def test_tags_and_names_as_they_are_kept() -> None:
    assert module.tag(" Me\u0301TAL\t drum ") == "métal drum"
    assert module.tag("İ") == module.tag(module.tag("İ"))
    assert module.name("a\nname\x00 ") == "a name"
    for wrong in ("", "a,b", "x" * 41):
        with pytest.raises(BadRequest):
            module.tag(wrong)
    with pytest.raises(BadRequest, match="121 characters"):
        module.name("x" * 121)
