"""Leases: who counts as present, for how long, and who is told when it ends."""

from __future__ import annotations

import pytest

from foleyd.daemon import leases
from foleyd.daemon.leases import Leases


class Clock:
    """Seconds that go on when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def test_a_lease_ends_once_when_nothing_comes_any_more(clock: Clock) -> None:
    ended: list[str] = []
    held = Leases(ended.append, clock=clock)
    assert held.renew("one") == 30.0
    assert held.renew("two", 5.0) == 5.0
    assert held.left() == {"one": 30.0, "two": 5.0}
    clock.now += 4.9
    assert held.expire() == []
    clock.now += 0.1
    assert held.expire() == ["two"] == ended
    assert held.expire() == []
    assert held.left() == {"one": 25.0}


def test_any_message_renews_for_as_long_as_was_agreed(clock: Clock) -> None:
    ended: list[str] = []
    held = Leases(ended.append, clock=clock)
    held.renew("one", 5.0, "live")
    for _ in range(3):
        clock.now += 4.0
        assert held.renew("one") == 5.0
        assert held.expire() == []
        assert held.live
    clock.now += 5.0
    assert held.expire() == ["one"]
    assert not held.live
    # who comes back begins anew
    assert held.renew("one") == 30.0
    assert not held.live


def test_a_role_may_be_given_up(clock: Clock) -> None:
    held = Leases(lambda client: None, clock=clock)
    held.renew("one", role="live")
    held.renew("two", role="plugin")
    assert held.live
    held.renew("one", role="plugin")
    assert not held.live


def test_the_table_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "MOST_CLIENTS", 2)
    ended: list[str] = []
    held = Leases(ended.append, clock=clock)
    held.renew("long", 60.0)
    held.renew("short", 1.0)
    held.renew("new", 30.0)
    assert ended == ["short"]
    held.renew("long")
    assert list(held.left()) == ["long", "new"]
