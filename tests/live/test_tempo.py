"""Beats, bars and their frames: exact spacing, taps, changes of tempo, leaders."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd.errors import BadRequest
from foleyd_live.properties import QUANTA, Value
from foleyd_live.tempo import Tempo

RATE = 48_000
BEAT = RATE // 2
"""Frames of a beat at 120 bpm."""


class Clock:
    """The frame that is mixed next, moved by hand."""

    def __init__(self) -> None:
        self.frame = 0

    def __call__(self) -> int:
        return self.frame


class Leader:
    """Leads when told to, and notes what it was asked."""

    def __init__(self) -> None:
        self.leads = False
        self.unit = Fraction(1)
        self.asked: list[tuple[str, float]] = []
        self.refuses = False

    def start(self) -> None:
        if self.refuses:
            raise BadRequest("it is not there: plug it in.")
        self.asked.append(("start", 0))

    def stop(self) -> None:
        self.asked.append(("stop", 0))

    def wish(self, bpm: float) -> None:
        self.asked.append(("wish", bpm))

    def set_beats(self, beats: int) -> None:
        self.asked.append(("beats", beats))


def told(tempo: Tempo) -> list[tuple[str, Value]]:
    """A list that fills with what the tempo tells."""
    heard: list[tuple[str, Value]] = []
    tempo.listen(lambda address, value: heard.append((address, value)))
    return heard


def led() -> tuple[Tempo, Leader, Clock]:
    """A tempo whose leader gives the time."""
    clock, leader = Clock(), Leader()
    tempo = Tempo(clock, RATE)
    tempo.lead("midi", leader)
    tempo.set_source("midi")
    leader.leads = True
    leader.asked.clear()
    return tempo, leader, clock


def test_quanta_of_a_plain_tempo() -> None:
    tempo = Tempo(Clock(), RATE)
    assert [tempo.next(quantum, 1) for quantum in QUANTA] == [
        1,
        BEAT,
        4 * BEAT,
        8 * BEAT,
        16 * BEAT,
        32 * BEAT,
    ]


def test_a_press_on_the_beat_is_on_that_beat_and_one_after_it_on_the_next() -> None:
    tempo = Tempo(Clock(), RATE)
    assert tempo.next("beat", 3 * BEAT) == 3 * BEAT
    assert tempo.next("beat", 3 * BEAT + 1) == 4 * BEAT


def test_a_press_on_the_frame_of_a_beat_that_lies_just_before_it_is_on_that_beat() -> None:
    tempo = Tempo(Clock(), RATE, bpm=130)
    frame = tempo.next("beat", 1)
    # 60 / 130 s are 22153.85 frames
    assert frame == 22_154
    assert tempo.next("beat", frame) == frame


def test_the_frame_that_is_mixed_next_counts_where_none_is_given() -> None:
    clock = Clock()
    tempo = Tempo(clock, RATE)
    clock.frame = 5 * BEAT + 7
    assert tempo.next("beat") == 6 * BEAT
    assert tempo.next("off") == clock.frame
    assert tempo.beat() == pytest.approx(5 + 7 / BEAT)
    assert tempo.seconds_to("bar") == (8 * BEAT - clock.frame) / RATE


def test_an_unknown_quantum_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="fortnight"):
        Tempo(Clock(), RATE).next("fortnight", 0)


@given(
    bpm=st.floats(20, 400),
    rate=st.sampled_from([44_100, 48_000, 96_000]),
    beats=st.integers(1, 16),
    quantum=st.sampled_from(QUANTA[1:]),
    after=st.integers(-(10**6), 10**12),
)
def test_next_is_the_first_quantum_that_is_not_before(
    bpm: float, rate: int, beats: int, quantum: str, after: int
) -> None:
    tempo = Tempo(Clock(), rate, bpm=bpm, beats=beats)
    frame = tempo.next(quantum, after)
    length = {"beat": 1, "bar": beats, "2 bars": 2 * beats, "4 bars": 4 * beats, "8 bars": 8 * beats}[quantum]
    count = round(tempo.beat(frame) / length)
    assert tempo.frame_of(count * length) == frame
    assert tempo.frame_of((count - 1) * length) < after <= frame


@given(bpm=st.floats(20, 400), hours=st.floats(0, 48))
def test_beats_hours_on_lie_where_the_exact_line_has_them(bpm: float, hours: float) -> None:
    tempo = Tempo(Clock(), RATE, bpm=bpm)
    period = Fraction(60 * RATE) / Fraction(bpm)
    frame = int(hours * 3600 * RATE)
    first = math.ceil((frame - Fraction(1, 2)) / period)
    for number in range(first, first + 50):
        frame = tempo.next("beat", frame)
        assert frame == math.floor(number * period + Fraction(1, 2))
        frame += 1


def test_a_thousand_odd_bars_do_not_drift() -> None:
    tempo = Tempo(Clock(), 44_100, bpm=129.97)
    frames = [tempo.next("bar", 0)]
    for _ in range(1000):
        frames.append(tempo.next("bar", frames[-1] + 1))
    assert len({b - a for a, b in pairwise(frames)}) == 2
    assert abs(frames[-1] - 1000 * 4 * 60 * 44_100 / 129.97) <= 0.5


def test_a_new_tempo_goes_on_from_the_beat_where_it_is() -> None:
    clock = Clock()
    tempo = Tempo(clock, RATE)
    heard = told(tempo)
    clock.frame = 3 * BEAT + BEAT // 2
    tempo.set_tempo(60)
    assert tempo.beat() == 3.5
    assert tempo.next("beat") == clock.frame + BEAT
    assert tempo.next("bar") == clock.frame + BEAT
    tempo.set_tempo(60)
    assert heard == [("clock/tempo", 60.0)]


def test_many_changes_of_tempo_keep_the_beat() -> None:
    clock = Clock()
    tempo = Tempo(clock, RATE)
    wanted = 0.0
    for number in range(2000):
        bpm = 60 + number % 97 + number / 7919
        tempo.set_tempo(bpm)
        clock.frame += 1009
        wanted += 1009 * bpm / 60 / RATE
    assert tempo.beat() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("bpm", [19.9, 401, math.nan, math.inf])
def test_a_tempo_out_of_range_is_refused_and_nothing_changes(bpm: float) -> None:
    tempo = Tempo(Clock(), RATE)
    heard = told(tempo)
    with pytest.raises(BadRequest, match="tempo"):
        tempo.set_tempo(bpm)
    assert (tempo.bpm, heard) == (120.0, [])


def test_beats_of_a_bar() -> None:
    tempo = Tempo(Clock(), RATE)
    heard = told(tempo)
    tempo.set_beats(3)
    assert tempo.next("bar", 1) == 3 * BEAT
    assert tempo.frames_of_bars(2) == 6 * BEAT
    assert tempo.seconds_of_bars(0.5) == 0.75
    assert heard == [("clock/beats", 3)]
    with pytest.raises(BadRequest, match="beats"):
        tempo.set_beats(17)


def test_another_rate_keeps_beat_and_tempo() -> None:
    clock = Clock()
    tempo = Tempo(clock, RATE)
    clock.frame = 2 * BEAT + BEAT // 4
    tempo.set_rate(96_000)
    assert tempo.beat() == 2.25
    assert tempo.next("beat") == clock.frame + 2 * BEAT * 3 // 4
    assert tempo.frames_of_bars(1) == 8 * BEAT


def test_align_makes_a_frame_the_first_of_all_quanta() -> None:
    tempo = Tempo(Clock(), RATE)
    heard = told(tempo)
    tempo.align(1234)
    assert [tempo.next(quantum, 1234) for quantum in QUANTA] == [1234] * 6
    assert tempo.next("8 bars", 1235) == 1234 + 32 * BEAT
    assert heard == [("clock/beat", 0.0)]


def test_taps_set_tempo_and_beat() -> None:
    clock = Clock()
    tempo = Tempo(clock, RATE)
    heard = told(tempo)
    for number in range(5):
        tempo.tap(777 + number * 32_000)
    assert heard == [("clock/tempo", 90.0)]
    assert tempo.next("beat", 777 + 4 * 32_000) == 777 + 4 * 32_000
    assert tempo.next("beat", 777 + 4 * 32_000 + 1) == 777 + 5 * 32_000


def test_uneven_taps_are_evened() -> None:
    tempo = Tempo(Clock(), RATE)
    for number, slip in enumerate([300, -500, 200, 450, -300, 100, -250, 350]):
        tempo.tap(number * BEAT + slip)
    assert tempo.bpm == pytest.approx(120, abs=0.5)


def test_one_tap_after_a_rest_changes_nothing() -> None:
    tempo = Tempo(Clock(), RATE)
    for frame in (0, BEAT * 3 // 4, 10 * RATE):
        tempo.tap(frame)
    assert tempo.bpm == 160.0
    tempo.tap(10 * RATE + BEAT)
    assert tempo.bpm == 120.0


def test_a_bounced_tap_counts_once() -> None:
    tempo = Tempo(Clock(), RATE)
    for frame in (0, 900, BEAT, BEAT + 900, 2 * BEAT):
        tempo.tap(frame)
    assert tempo.bpm == 120.0


def test_taps_at_another_speed_begin_a_new_tempo_at_once() -> None:
    tempo = Tempo(Clock(), RATE)
    for number in range(4):
        tempo.tap(number * BEAT)
    tempo.tap(3 * BEAT + 2 * BEAT)
    assert tempo.bpm == 60.0


def test_listening_ends() -> None:
    tempo = Tempo(Clock(), RATE)
    heard: list[Value] = []
    end = tempo.listen(lambda address, value: heard.append(value))
    tempo.set_tempo(100)
    end()
    end()
    tempo.set_tempo(110)
    assert heard == [100.0]


def test_a_source_that_cannot_lead_leaves_the_source_as_it_was() -> None:
    tempo, leader = Tempo(Clock(), RATE), Leader()
    with pytest.raises(BadRequest, match="link"):
        tempo.set_source("link")
    leader.refuses = True
    tempo.lead("link", leader)
    with pytest.raises(BadRequest, match="plug it in"):
        tempo.set_source("link")
    assert tempo.source == "internal"


def test_sources_are_started_and_stopped() -> None:
    tempo, leader = Tempo(Clock(), RATE), Leader()
    heard = told(tempo)
    tempo.lead("link", leader)
    tempo.set_source("link")
    tempo.set_source("link")
    tempo.set_beats(3)
    tempo.set_source("internal")
    assert leader.asked == [("beats", 4), ("start", 0), ("beats", 3), ("stop", 0)]
    assert heard == [("clock/source", "link"), ("clock/beats", 3), ("clock/source", "internal")]


def test_only_the_source_is_followed() -> None:
    tempo = Tempo(Clock(), RATE)
    tempo.follow("midi", 0, 0.5, 90)
    assert (tempo.bpm, tempo.beat(0)) == (120.0, 0.0)


def test_a_leader_moves_the_line() -> None:
    tempo, _, _ = led()
    heard = told(tempo)
    tempo.follow("midi", BEAT, 9.0, 60.0)
    assert tempo.beat(BEAT) == 9.0
    assert tempo.next("bar", BEAT + 1) == BEAT + 3 * 2 * BEAT
    assert heard == [("clock/tempo", 60.0)]
    tempo.follow("midi", BEAT, 9.0, 19.0)
    assert tempo.bpm == 60.0


def test_a_leader_within_its_slack_leaves_the_line() -> None:
    tempo, _, _ = led()
    tempo.follow("midi", 0.0, 0.0, 120.0)
    tempo.follow("midi", 4 * BEAT + 40.0, 4.0, 120.0, slack_s=0.001)
    assert tempo.frame_of(8) == 8 * BEAT
    tempo.follow("midi", 4 * BEAT + 60.0, 4.0, 120.0, slack_s=0.001)
    assert tempo.frame_of(8) == 8 * BEAT + 60


def test_a_trembling_leader_is_told_in_steps_and_followed_in_full() -> None:
    tempo, _, _ = led()
    heard = told(tempo)
    for bpm in (132.98, 133.02, 132.97, 133.049, 132.951):
        tempo.follow("midi", 0, 0, bpm, grain=0.1)
    assert heard == [("clock/tempo", 133.0)]
    assert tempo.seconds_of_bars(1) == pytest.approx(4 * 60 / 132.951)


def test_a_tempo_is_asked_of_the_leader_while_it_leads_and_set_here_when_it_is_silent() -> None:
    tempo, leader, _ = led()
    tempo.set_tempo(99)
    assert (leader.asked, tempo.bpm) == ([("wish", 99.0)], 120.0)
    leader.leads = False
    tempo.set_tempo(98)
    assert (leader.asked, tempo.bpm) == ([("wish", 99.0)], 98.0)


def test_align_keeps_a_leaders_beats_and_counts_them_from_here() -> None:
    tempo, _, _ = led()
    tempo.follow("midi", 0, 6.0, 120)
    tempo.align(3 * BEAT + 500)
    assert tempo.beat(3 * BEAT) == 0.0
    tempo.follow("midi", 5 * BEAT, 11.0, 120)
    assert tempo.beat(5 * BEAT) == 2.0
    tempo.follow("midi", 8 * BEAT, 0.0, 120, anew=True)
    assert tempo.beat(8 * BEAT) == 0.0


def test_align_moves_the_beats_of_a_leader_that_does_not_know_them() -> None:
    tempo, leader, _ = led()
    leader.unit = Fraction(1, 24)
    tempo.follow("midi", 0, 0.0, 120)
    tempo.align(7 * BEAT // 24 + 100)
    assert tempo.beat(7 * BEAT // 24) == pytest.approx(0, abs=1e-9)


def test_a_tempo_that_was_told_rounded_is_kept_rounded_once_nothing_leads() -> None:
    tempo, _, clock = led()
    tempo.follow("midi", 0, 0.0, 132.98, grain=0.1)
    clock.frame = 10 * RATE
    beat = tempo.beat()
    tempo.set_source("internal")
    assert tempo.beat() == pytest.approx(beat, abs=1e-9)
    assert tempo.seconds_of_bars(1) == 4 * 60 / 133
