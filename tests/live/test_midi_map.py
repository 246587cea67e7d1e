"""What MIDI messages mean: notes of pads, learning, taking over, lights."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd.errors import BadRequest
from foleyd_live.actions import ACTIONS
from foleyd_live.lights import LIGHTS, PER_FLUSH, Colours, Lights
from foleyd_live.midi_map import Binding, Event, Kind, MidiMap, Takeover, centred, share, value_at
from foleyd_live.properties import PROPERTIES, Property, Value, check, find


def control(number: int, value: float = 1.0, channel: int = 1) -> Event:
    return Event("control", channel, number, value)


def note(number: int, value: float = 1.0, channel: int = 1) -> Event:
    return Event("note", channel, number, value)


def test_sixteen_notes_are_the_pads_of_the_shown_bank() -> None:
    midi_map = MidiMap(base_note=36)
    assert [midi_map.pad(note(number), 1) for number in (35, 36, 51, 52)] == [None, 0, 15, None]
    assert [midi_map.pad(note(number), 4) for number in (36, 51)] == [48, 63]
    assert midi_map.pad(control(36), 1) is None


def test_pads_listen_on_their_channel() -> None:
    midi_map = MidiMap(channel=10)
    assert midi_map.pad(note(36, channel=10), 1) == 0
    assert midi_map.pad(note(36, channel=9), 1) is None


def test_notes_and_pads_are_each_others_way_back() -> None:
    midi_map = MidiMap(base_note=40)
    for bank in (1, 2, 3, 4):
        shown = {midi_map.note(pad, bank): pad for pad in range(64)}
        assert sorted(number for number in shown if number is not None) == list(range(40, 56))
        for number, pad in shown.items():
            if number is not None:
                assert midi_map.pad(note(number), bank) == pad
    assert MidiMap(base_note=120).note(10, 1) is None


def test_the_next_message_that_suits_is_learned() -> None:
    midi_map = MidiMap()
    midi_map.learn("pad/gain", 2)
    assert midi_map.learning == ("pad/gain", 3)
    assert midi_map.take(note(36)) is None
    assert midi_map.take(control(20, 0.0)) is None
    learned = midi_map.take(control(21, 0.3, channel=5))
    assert learned == Binding(kind="control", target="pad/gain", number=21, channel=5, pad=3)
    assert midi_map.learning is None
    assert midi_map.take(control(22)) is None
    assert midi_map.find(control(21, 0.9, channel=5)) == learned
    assert midi_map.find(control(21, 0.9, channel=4)) is None


@pytest.mark.parametrize(
    ("target", "pad", "suits"),
    [
        ("pad/gain", 0, {"control", "bend"}),
        ("host/bank", None, {"control", "bend"}),
        ("pad/mute", 0, {"note", "control"}),
        ("pad/play", 0, {"note", "control", "program"}),
        ("setlist/next", None, {"note", "control", "program"}),
    ],
)
def test_what_suits(target: str, pad: int | None, suits: set[Kind]) -> None:
    kinds: tuple[Kind, ...] = ("note", "control", "program", "bend")
    taken = set()
    for kind in kinds:
        midi_map = MidiMap()
        midi_map.learn(target, pad)
        if midi_map.take(Event(kind, 1, 7, 0.8)) is not None:
            taken.add(kind)
    assert taken == suits


def test_learning_again_replaces_the_message_and_what_it_drove() -> None:
    midi_map = MidiMap()
    for target, number in (("mixer/gain", 1), ("mixer/cue", 2), ("mixer/gain", 2)):
        midi_map.learn(target)
        midi_map.take(control(number))
    assert midi_map.bindings == (Binding(kind="control", target="mixer/gain", number=2, channel=1),)


def test_forgetting() -> None:
    midi_map = MidiMap(bindings=[Binding(kind="control", target="pad/pan", number=3, pad=1)])
    assert not midi_map.forget("pad/pan", 1)
    assert midi_map.forget("pad/pan", 0)
    assert not midi_map.forget("pad/pan", 0)
    midi_map.learn("mixer/gain")
    assert midi_map.forget("mixer/gain")
    assert midi_map.take(control(1)) is None


def test_a_binding_of_any_channel_is_found_on_each_and_yields_to_one_of_its_own() -> None:
    everywhere = Binding(kind="control", target="mixer/gain", number=7)
    own = Binding(kind="control", target="mixer/cue", number=7, channel=3)
    midi_map = MidiMap(bindings=[everywhere, own])
    assert midi_map.find(control(7, channel=2)) == everywhere
    assert midi_map.find(control(7, channel=3)) == own


def test_bindings_survive_a_file() -> None:
    midi_map = MidiMap()
    for target, pad, event in (
        ("pad/gain", 63, control(1, 0.4, 16)),
        ("pad/play", 0, note(99)),
        ("clock/tempo", None, Event("bend", 2, 0, 0.5)),
        ("setlist/next", None, Event("program", 1, 5, 1.0)),
    ):
        midi_map.learn(target, pad)
        assert midi_map.take(event) is not None
    kept = msgspec.json.decode(msgspec.json.encode(midi_map.bindings), type=tuple[Binding, ...])
    assert len(kept) == 4
    assert MidiMap(bindings=kept).bindings == midi_map.bindings


@pytest.mark.parametrize(
    ("binding", "why"),
    [
        (Binding(kind="control", target="pad/gain", number=1), "give the pad"),
        (Binding(kind="control", target="pad/gain", number=1, pad=65), "give the pad"),
        (Binding(kind="control", target="mixer/gain", number=1, pad=1), "belongs to no pad"),
        (Binding(kind="note", target="mixer/gain", number=1), "bound to a note"),
        (Binding(kind="control", target="mixer/gain", number=128), "number"),
        (Binding(kind="control", target="mixer/gain", channel=17), "channel"),
        (Binding(kind="control", target="pad/name", pad=1), "cannot be bound"),
        (Binding(kind="control", target="preset/load"), "cannot be bound"),
        (Binding(kind="control", target="nothing/here"), "cannot be bound"),
    ],
)
def test_a_binding_that_cannot_be_is_refused_and_all_stay_as_they_were(binding: Binding, why: str) -> None:
    good = Binding(kind="control", target="mixer/cue", number=9)
    midi_map = MidiMap(bindings=[good])
    with pytest.raises(BadRequest, match=why):
        midi_map.replace([Binding(kind="control", target="mixer/gain", number=1), binding])
    assert midi_map.bindings == (good,)


def test_learning_without_its_pad_is_refused_and_nothing_waits() -> None:
    midi_map = MidiMap()
    with pytest.raises(BadRequest, match="give the pad"):
        midi_map.learn("pad/play")
    with pytest.raises(BadRequest, match="cannot be bound"):
        midi_map.learn("host/status")
    assert midi_map.learning is None


def test_everything_that_can_be_learned_can_be_learned() -> None:
    for row in PROPERTIES.values():
        if row.learn:
            MidiMap().learn(row.address, 0 if row.scope == "pad" else None)
    for action in ACTIONS.values():
        if action.learn:
            of_pad = any(argument.name == "pad" for argument in action.arguments)
            MidiMap().learn(action.name, 0 if of_pad else None)


@given(row=st.sampled_from([row for row in PROPERTIES.values() if row.learn]), at=st.floats(0, 1))
def test_values_of_controllers_are_always_taken_by_their_property(row: Property, at: float) -> None:
    value = value_at(row, at)
    assert check(row, value) == value


def test_the_ends_and_the_middle_of_a_fader_are_those_of_its_property() -> None:
    assert [centred(value, 64, 127) for value in (0, 64, 127)] == [0.0, 0.5, 1.0]
    assert [centred(value, 8192, 16383) for value in (0, 8192, 16383)] == [0.0, 0.5, 1.0]
    pan = find("pad/pan")
    assert [value_at(pan, at) for at in (0.0, 0.5, 1.0)] == [-1, 0, 1]
    bank = find("host/bank")
    assert [value_at(bank, at) for at in (0.0, 0.24, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, 4, 4]
    assert [value_at(find("pad/mute"), at) for at in (0.0, 0.49, 0.5, 1.0)] == [0, 0, 1, 1]
    assert share(find("pad/gain"), 12) == 1.0


def test_a_fader_takes_over_when_it_passes_the_value() -> None:
    fader = Takeover()
    assert not fader.moves(0.1, 0.5)
    assert not fader.moves(0.3, 0.5)
    assert fader.moves(0.6, 0.5)
    assert fader.moves(0.9, 0.6)
    assert fader.moves(0.1, 0.9)


def test_a_fader_that_stands_at_the_value_has_it_at_once() -> None:
    assert Takeover().moves(0.51, 0.5)
    assert not Takeover().moves(0.55, 0.5)


def test_a_value_that_something_else_moved_is_not_pulled_back() -> None:
    fader = Takeover()
    assert fader.moves(0.5, 0.5)
    assert fader.moves(0.55, 0.5)
    assert not fader.moves(0.6, 0.1)
    assert not fader.moves(0.3, 0.1)
    assert fader.moves(0.05, 0.1)


class Desk:
    """Properties of pads, and what was sent to the lights."""

    def __init__(self, base_note: int = 36, channel: int = 0) -> None:
        self.bank = 1
        self.states = ["empty"] * 64
        self.playing = [0] * 64
        self.sent: list[tuple[int, ...]] = []
        self.map = MidiMap(base_note, channel)
        self.lights = Lights(self.get, lambda data: self.sent.append(tuple(data)), self.map, Colours())

    def get(self, address: str, pad: int | None) -> Value:
        if address == "host/bank":
            return self.bank
        assert pad is not None
        return {"pad/state": self.states[pad], "pad/playing": self.playing[pad]}[address]

    def flush(self) -> Sequence[tuple[int, ...]]:
        """Flush until nothing is left; what was sent."""
        self.sent.clear()
        while self.lights.flush():
            pass
        return list(self.sent)


def test_lights_show_what_changed_and_only_that() -> None:
    desk = Desk()
    desk.lights.refresh()
    assert sorted(desk.flush()) == [(0x90, 36 + number, 0) for number in range(16)]
    for number, state in enumerate(LIGHTS):
        desk.states[number] = state
        assert desk.lights.changed("pad/state", number)
    desk.playing[9] = 2
    desk.lights.changed("pad/playing", 9)
    colours = Colours()
    lit = dict.fromkeys(("loading", "queued", "rendering"), colours.waiting)
    lit |= {"ready": colours.ready, "failed": colours.failed}
    wanted = [(0x90, 36 + number, lit[state]) for number, state in enumerate(LIGHTS) if state != "empty"]
    assert sorted(desk.flush()) == sorted([*wanted, (0x90, 45, colours.playing)])
    desk.lights.changed("pad/state", 1)
    assert desk.flush() == []


def test_lights_of_other_properties_are_not_sent() -> None:
    desk = Desk()
    assert not desk.lights.changed("pad/gain", 3)
    assert desk.flush() == []


def test_of_many_changes_the_last_is_sent() -> None:
    desk = Desk()
    for state in ("loading", "ready", "rendering", "failed"):
        desk.states[4] = state
        desk.lights.changed("pad/state", 4)
    assert desk.flush() == [(0x90, 40, Colours().failed)]


def test_a_flush_sends_no_more_than_a_cable_carries() -> None:
    desk = Desk()
    desk.states = ["ready"] * 64
    desk.lights.refresh()
    assert desk.lights.flush()
    assert len(desk.sent) == PER_FLUSH
    assert not desk.lights.flush()
    assert len(desk.sent) == 16


def test_another_bank_changes_its_lights_and_pads_that_are_not_shown_none() -> None:
    desk = Desk(channel=10)
    desk.states[16:20] = ["ready"] * 4
    desk.lights.changed("pad/state", 17)
    assert desk.flush() == []
    desk.bank = 2
    desk.lights.changed("host/bank", None)
    lit = [message for message in desk.flush() if message[2]]
    assert lit == [(0x99, 36 + number, Colours().ready) for number in range(4)]


def test_lights_go_off_at_the_end() -> None:
    desk = Desk()
    desk.states[:2] = ["ready", "failed"]
    desk.lights.refresh()
    desk.flush()
    desk.sent.clear()
    desk.lights.off()
    assert sorted(desk.sent) == [(0x90, 36, 0), (0x90, 37, 0)]
