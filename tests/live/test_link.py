"""Ableton Link: real sessions of aalink over this machine's loopback."""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aalink
import pytest

from foleyd.errors import BadRequest
from foleyd_live.link import LinkClock, NoLink
from foleyd_live.properties import Value
from foleyd_live.tempo import Tempo

PATIENCE_S = 120.0
RATE = 48_000


class Player:
    """A tempo that Link can lead."""

    def __init__(self, bpm: float = 120.0) -> None:
        self.tempo = Tempo(self.frame, RATE, bpm=bpm)
        self.link = LinkClock(self.tempo, lambda at: at * RATE, time.monotonic)
        self.tempo.lead("link", self.link)
        self.told: list[tuple[str, Value]] = []
        self.tempo.listen(lambda address, value: self.told.append((address, value)))

    def frame(self) -> int:
        return round(time.monotonic() * RATE)


async def until(what: Callable[[], object]) -> None:
    """Wait until `what` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def session(bpm: float = 120.0) -> AsyncIterator[tuple[Player, Any]]:
    """A player in a session with another program."""
    player = Player(bpm)
    other = aalink.Link(97.0)
    other.quantum = 4.0
    other.enabled = True
    try:
        player.tempo.set_source("link")
        await until(lambda: player.link.peers == 1 and other.num_peers == 1)
        yield player, other
    finally:
        player.tempo.set_source("internal")
        other.enabled = False


def apart(player: Player, other: Any) -> float:
    """Seconds between the player's beat and the other's, the least of a few looks."""
    looks = []
    for _ in range(20):
        mine, theirs, again = player.tempo.beat(), other.beat, player.tempo.beat()
        away = ((mine + again) / 2 - theirs + 2) % 4 - 2
        looks.append(abs(away) * 60 / player.tempo.bpm)
    return min(looks)


def test_two_programs_of_a_session_share_tempo_and_the_place_in_the_bar() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            await until(lambda: abs(player.tempo.bpm - other.tempo) < 0.01)
            await until(lambda: apart(player, other) < 0.002)
            assert player.tempo.led

    asyncio.run(scenario())


def test_a_tempo_that_another_program_sets_is_taken_up_and_told_as_it_was_set() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            other.tempo = 133.0
            await until(lambda: ("clock/tempo", 133.0) in player.told)
            await until(lambda: apart(player, other) < 0.002)

    asyncio.run(scenario())


def test_a_tempo_that_is_set_here_reaches_the_session() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            player.tempo.set_tempo(141.0)
            await until(lambda: abs(other.tempo - 141) < 0.01)
            await until(lambda: player.tempo.bpm == 141.0)
            with pytest.raises(BadRequest, match="tempo"):
                player.tempo.set_tempo(1000)

    asyncio.run(scenario())


def test_align_moves_the_bars_here_and_leaves_the_beats_of_the_session() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            await until(lambda: apart(player, other) < 0.002)
            player.tempo.align(player.frame())
            assert abs(player.tempo.beat()) < 0.6
            await asyncio.sleep(0)
            beat, theirs = player.tempo.beat(), other.beat
            assert abs((beat - theirs + 0.5) % 1 - 0.5) < 0.1
            await until(lambda: player.tempo.beat() > 1)
            assert player.tempo.beat() < 60

    asyncio.run(scenario())


def test_bars_of_a_session_are_exactly_even() -> None:
    async def scenario() -> None:
        player = Player(150.0)
        player.tempo.set_source("link")
        try:
            await until(lambda: player.tempo.bpm == 150.0 and player.tempo.led)
            first = player.tempo.next("bar")
            second = player.tempo.next("bar", first + 1)
            third = player.tempo.next("bar", second + 1)
            assert second - first == third - second == 4 * RATE * 60 // 150
        finally:
            player.tempo.set_source("internal")

    asyncio.run(scenario())


def test_leaving_goes_on_alone_at_the_same_tempo_and_leaves_no_task() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            other.tempo = 90.0
            await until(lambda: player.tempo.bpm == 90.0)
        await until(lambda: other.num_peers == 0)
        assert (player.tempo.source, player.tempo.bpm, player.link.peers) == ("internal", 90.0, 0)
        player.tempo.set_tempo(100)
        assert player.tempo.bpm == 100.0
        await until(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(scenario())


def test_joining_again_after_leaving() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            player.tempo.set_source("internal")
            await until(lambda: other.num_peers == 0)
            other.tempo = 77.0
            # of two sessions that meet, the older one stays: one that is half a second older, for certain
            joining = time.monotonic() + 1.5
            await until(lambda: time.monotonic() > joining)
            player.tempo.set_source("link")
            await until(lambda: player.tempo.bpm == 77.0)

    asyncio.run(scenario())


def test_beats_of_the_bar_are_shared_by_programs_that_count_alike() -> None:
    async def scenario() -> None:
        async with session() as (player, other):
            player.tempo.set_beats(3)
            other.quantum = 3.0

            def near() -> bool:
                away = (player.tempo.beat() - other.beat + 1.5) % 3 - 1.5
                return abs(away) < 0.02

            await until(near)

    asyncio.run(scenario())


def test_without_aalink_the_source_stays_and_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aalink", None)
    player = Player()
    with pytest.raises(NoLink, match=r"foleyd\[link\]"):
        player.tempo.set_source("link")
    assert (player.tempo.source, player.told) == ("internal", [])


def test_aalink_is_imported_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name, *rest: (asked.append(name), real(name, *rest))[1]
    )

    async def scenario() -> None:
        player = Player()
        assert asked == []
        player.tempo.set_source("link")
        player.tempo.set_source("internal")

    asyncio.run(scenario())
    assert "aalink" in asked
