"""What is wrong with a sound, and how long another is tried."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from foleyd import another
from foleyd.another import Flaw, Tries, flaw, has_offset, is_clipped, notes
from foleyd.errors import RenderFailed
from foleyd.recipe import make

RATE = 16_000
RECIPE = make(prompt="rain", seed=5)


def tone(hertz: float, seconds: float = 1.0) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def test_cut_peaks_are_clipped_and_waves_that_turn_are_not() -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, RATE)
    for wave in (tone(30), tone(440), noise, np.zeros(RATE), tone(3000) * np.exp(-np.arange(RATE) / 2000)):
        assert not is_clipped(wave)
    for wave in (np.clip(tone(440), -0.3, 0.3), np.clip(noise, -0.25, 0.25), np.tanh(40 * tone(200))):
        assert is_clipped(wave)
    # a flat top once, as of a click that was switched, is none
    assert not is_clipped(np.concatenate([np.full(6, 0.9), tone(440)]))


def test_a_constant_offset_is_told_from_a_slow_wave() -> None:
    assert not has_offset(tone(440))
    assert not has_offset(tone(440) + 0.02)
    assert not has_offset(0.001 * tone(440) + 0.005)  # too quiet to click
    assert has_offset(tone(440) + 0.2)
    assert has_offset(np.full(RATE, 0.1))


def test_a_sound_is_held_against_its_words_where_that_means_something() -> None:
    listened = []

    def near() -> float:
        listened.append(True)
        return 0.1

    sound = tone(440).astype(np.float32)
    found = flaw(RECIPE, sound, 0.2, near)
    assert found == Flaw(
        "the model gave a sound far from its words for seed 5 (similarity 0.10, usually above 0.20).", 0.1
    )
    assert flaw(RECIPE, sound, 0.1, near) is None
    assert flaw(RECIPE, sound, 0.2, lambda: None) is None
    listened.clear()
    assert flaw(RECIPE, sound, None, near) is None
    morph = make(prompt="rain", operation="morph", towards="fire", seed=5)
    assert flaw(morph, sound, 0.2, near) is None
    clipped = flaw(RECIPE, np.clip(sound, -0.3, 0.3), 0.2, near)
    assert clipped is not None
    assert "clipped" in clipped.said
    assert not listened


def test_the_best_of_the_tries_is_taken() -> None:
    tries: Tries[str] = Tries(2)
    tries.failed(RenderFailed("silence.", "silence"))
    assert tries.again()
    tries.flawed("far", Flaw("far.", 0.1))
    assert tries.again()
    tries.flawed("clipped", Flaw("clipped."))
    assert not tries.again()
    assert tries.best() == ("far", "silence.", "far.")
    assert tries.good("good") == ("good", "silence.", "")
    nothing: Tries[str] = Tries(1)
    first = RenderFailed("first.", "nan")
    nothing.failed(first)
    nothing.failed(RenderFailed("second.", "silence"))
    with pytest.raises(RenderFailed, match="first"):
        nothing.best()
    with pytest.raises(RenderFailed, match="no room"):
        nothing.failed(RenderFailed("no room.", "memory"))


def test_no_try_is_begun_that_would_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(100.0, 2.0)  # each look is two seconds later
    monkeypatch.setattr(another.time, "monotonic", lambda: next(clock))
    tries: Tries[str] = Tries(8, until=107.0)
    tries.flawed("one", Flaw("clipped."))
    assert tries.again()  # at 102, and it took two seconds
    tries.flawed("two", Flaw("clipped."))
    assert tries.again()  # at 104
    tries.flawed("three", Flaw("clipped."))
    assert not tries.again()  # at 106
    assert tries.best().sound == "one"


def test_notes_say_what_was_taken_and_why() -> None:
    other = make(prompt="rain", seed=6)
    assert notes(RECIPE, RECIPE, "Silence.") == []
    assert notes(RECIPE, other, "Silence.") == ["Seed 6 was taken in place of 5, for silence."]
    assert notes(RECIPE, RECIPE, "x", "It is clipped.") == [
        "No seed that was tried gave a better sound: it is clipped."
    ]
