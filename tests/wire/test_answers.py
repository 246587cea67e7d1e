"""Answers that are kept for requests that come again."""

from __future__ import annotations

from foleyd.messages import LibraryRequest, RenderRequest, StatusRequest
from foleyd.wire.answers import Answers, Kept, asks_only


def kept(text: str, *, query: bool = False, buffer: int = 0) -> Kept:
    return Kept("x_reply", text.encode(), (bytes(buffer),) if buffer else (), query)


def held(answers: Answers, session: str, number: int) -> list[int]:
    return [n for n in range(number) if answers.get(session, str(n)) is not None]


def test_an_answer_is_that_of_its_session_and_message() -> None:
    answers = Answers()
    answers.keep("me", "1", kept("a"))
    assert answers.get("me", "1") == kept("a")
    assert answers.get("me", "2") is None
    assert answers.get("you", "1") is None


def test_the_last_so_many_of_a_session_are_kept() -> None:
    answers = Answers(a_session=3)
    for n in range(5):
        answers.keep("me", str(n), kept("a"))
    answers.keep("you", "0", kept("a"))
    assert held(answers, "me", 5) == [2, 3, 4]
    assert held(answers, "you", 1) == [0]
    assert len(answers) == 4


def test_the_session_that_was_silent_for_longest_goes() -> None:
    answers = Answers(sessions=2)
    for session in ("a", "b", "a", "c"):
        answers.keep(session, "0", kept("x"))
    assert [held(answers, session, 1) for session in "abc"] == [[0], [], [0]]


def test_queries_go_before_what_must_not_be_done_twice() -> None:
    answers = Answers(most_bytes=1000)
    answers.keep("me", "0", kept("r" * 400))
    answers.keep("me", "1", kept("q", query=True, buffer=300))
    answers.keep("you", "2", kept("q", query=True, buffer=200))
    assert answers.size == 400 + 301 + 201
    answers.keep("me", "3", kept("r" * 300))
    assert held(answers, "me", 4) == [0, 3]
    assert answers.get("you", "2") is not None
    answers.keep("me", "4", kept("r" * 200))
    assert answers.get("you", "2") is None
    assert held(answers, "me", 5) == [0, 3, 4]


def test_when_only_changes_are_left_the_oldest_goes() -> None:
    answers = Answers(most_bytes=1000)
    answers.keep("old", "0", kept("r" * 500))
    answers.keep("me", "0", kept("r" * 400))
    answers.keep("me", "1", kept("r" * 400))
    assert answers.get("old", "0") is None
    answers.keep("me", "2", kept("r" * 400))
    assert held(answers, "me", 3) == [1, 2]
    assert answers.size == 800


def test_what_is_larger_than_all_is_not_kept() -> None:
    answers = Answers(most_bytes=100)
    answers.keep("me", "0", kept("x", query=True, buffer=1000))
    answers.keep("me", "1", kept("x" * 1000))
    assert (len(answers), answers.size) == (0, 0)


def test_an_answer_that_is_given_anew_counts_once() -> None:
    answers = Answers()
    answers.keep("me", "0", kept("long answer", query=True))
    answers.keep("me", "0", kept("short"))
    assert answers.size == 5
    assert answers.get("me", "0") == kept("short")


def test_which_requests_only_ask() -> None:
    assert asks_only("status", StatusRequest())
    assert asks_only("library", LibraryRequest(action="search"))
    assert not asks_only("library", LibraryRequest(action="delete"))
    assert not asks_only("render", RenderRequest(recipe={}))
