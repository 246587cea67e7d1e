"""The live host's MIDI: bytes in, actions and properties out; and real ports, over ALSA's sequencer where the
kernel has one and over a private JACK server."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import mido
import pytest
import rtmidi
from hypothesis import given
from hypothesis import strategies as st

import jack_server
import programs
from foleyd.errors import BadRequest, FoleydError
from foleyd_live import midi_ports, properties
from foleyd_live.actions import ACTIONS, read
from foleyd_live.desk import NOW
from foleyd_live.lights import Colours
from foleyd_live.midi import Midi, MidiSettings
from foleyd_live.midi_clock import MidiClock
from foleyd_live.midi_map import Binding
from foleyd_live.midi_ports import SEQUENCER, Ports
from foleyd_live.midi_system import Arrived, NoMidi, System
from foleyd_live.properties import PROPERTIES, Value, check, find
from foleyd_live.tempo import Tempo

PATIENCE_S = 120.0
RATE = 48_000
Begun = tuple[str, tuple[Value, ...], int]


class Host:
    """A host whose actions are noted, after the real tables have read them."""

    def __init__(self) -> None:
        self.begun: list[Begun] = []
        self.values: dict[tuple[str, int | None], Value] = {}
        self.listeners: list[Callable[[str, int | None, Value], None]] = []
        self.fails: FoleydError | None = None
        self.slow: asyncio.Event | None = None
        self.news = threading.Event()

    def begin(
        self, action: str, arguments: Sequence[object], pairs: Mapping[str, object], *, frame: int = NOW
    ) -> tuple[Value, ...] | Awaitable[tuple[Value, ...]]:
        row = ACTIONS[action]
        self.begun.append((action, tuple(read(row, arguments)), frame))
        self.news.set()
        if self.slow is not None:
            return self._later(self.slow)
        if self.fails is not None:
            raise self.fails
        return ()

    async def _later(self, event: asyncio.Event) -> tuple[Value, ...]:
        await event.wait()
        if self.fails is not None:
            raise self.fails
        return ()

    def get(self, address: str, pad: int | None = None) -> Value:
        return self.values.get((address, pad), find(address).default)

    def set(self, address: str, pad: int | None, value: object) -> None:
        self.values[address, pad] = check(find(address), value)
        self.tell(address, pad)

    def tell(self, address: str, pad: int | None = None) -> None:
        for listener in tuple(self.listeners):
            listener(address, pad, self.get(address, pad))

    def show(self, pad: int, state: str, playing: int = 0) -> None:
        """A pad has come to another state."""
        self.values["pad/state", pad], self.values["pad/playing", pad] = state, playing
        self.tell("pad/state", pad)

    def listen(self, callback: Callable[[str, int | None, Value], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def frame_at(self, unix: float) -> int:
        return round(unix * RATE)


class Rig:
    """A host with its MIDI, which is fed with bytes."""

    def __init__(self, **settings: Any) -> None:
        self.host = Host()
        self.midi = Midi(self.host, MidiSettings(**settings))

    def send(self, *messages: mido.Message, at: float = 10.0, port: str = "keys") -> list[Begun]:
        """Send messages; what they began."""
        self.host.begun.clear()
        for message in messages:
            self.midi.received(bytes(message.bytes()), at, port)
        return list(self.host.begun)


def on(note: int, velocity: int = 127, channel: int = 1) -> mido.Message:
    return mido.Message("note_on", note=note, velocity=velocity, channel=channel - 1)


def off(note: int, channel: int = 1) -> mido.Message:
    return mido.Message("note_off", note=note, channel=channel - 1)


def turn(control: int, value: int, channel: int = 1) -> mido.Message:
    return mido.Message("control_change", control=control, value=value, channel=channel - 1)


def test_a_note_plays_its_pad_with_its_velocity_and_lets_it_go() -> None:
    rig = Rig()
    assert rig.send(on(36), on(51, 64)) == [
        ("pad/play", (0, 1.0), NOW),
        ("pad/play", (15, 64 / 127), NOW),
    ]
    assert rig.send(off(51), on(36, 0)) == [("pad/release", (15,), NOW), ("pad/release", (0,), NOW)]
    assert rig.send(off(51)) == []


def test_notes_that_are_no_pads_do_nothing() -> None:
    rig = Rig(base_note=60, channel=10)
    assert rig.send(on(36, channel=10), on(60, channel=9), on(76, channel=10)) == []
    assert rig.send(on(60, channel=10)) == [("pad/play", (0, 1.0), NOW)]


def test_a_note_held_over_a_change_of_bank_lets_its_own_pad_go() -> None:
    rig = Rig()
    rig.send(on(37))
    rig.host.set("host/bank", None, 3)
    assert rig.send(off(37), on(37)) == [("pad/release", (1,), NOW), ("pad/play", (33, 1.0), NOW)]


def test_all_notes_off_lets_go_what_its_channel_holds() -> None:
    rig = Rig()
    rig.send(on(36, channel=1), on(37, channel=1), on(38, channel=2))
    assert rig.send(turn(123, 0, channel=1)) == [("pad/release", (0,), NOW), ("pad/release", (1,), NOW)]
    assert rig.send(turn(120, 0, channel=2)) == [("pad/release", (2,), NOW)]


def test_a_learned_fader_moves_its_property_over_its_range_once_it_has_met_it() -> None:
    rig = Rig()
    rig.midi.learn("pad/pan", 4)
    assert rig.midi.state().learning == "pad/pan 5"
    rig.send(turn(20, 3))
    assert rig.host.get("pad/pan", 4) == 0.0
    for value, wanted in ((30, 0.0), (60, 0.0), (64, 0.0), (127, 1.0), (0, -1.0)):
        rig.send(turn(20, value))
        assert rig.host.get("pad/pan", 4) == wanted
    rig.host.set("pad/pan", 4, 0.8)
    rig.send(turn(20, 2))
    assert rig.host.get("pad/pan", 4) == 0.8
    assert rig.host.begun == []


def test_the_pitch_wheel_can_be_learned() -> None:
    rig = Rig()
    rig.midi.learn("pad/tune", 0)
    rig.send(mido.Message("pitchwheel", pitch=100), mido.Message("pitchwheel", pitch=0))
    rig.send(mido.Message("pitchwheel", pitch=8191))
    assert rig.host.get("pad/tune", 0) == 24.0


def test_a_learned_note_toggles_and_a_learned_button_follows() -> None:
    rig = Rig()
    rig.midi.learn("pad/mute", 0)
    rig.send(on(36))
    rig.midi.learn("pad/solo", 1)
    rig.send(turn(50, 127))
    states = []
    for message in (on(36), off(36), on(36), off(36), turn(50, 127), turn(50, 0), turn(50, 100)):
        assert rig.send(message) == []
        states.append((rig.host.get("pad/mute", 0), rig.host.get("pad/solo", 1)))
    assert states == [(1, 0), (1, 0), (0, 0), (0, 0), (0, 1), (0, 0), (0, 1)]


def test_a_learned_note_plays_a_pad_wherever_it_lies() -> None:
    rig = Rig()
    rig.midi.learn("pad/play", 63)
    assert rig.send(on(36)) == []
    assert rig.send(on(36, 127), on(36, 64), off(36)) == [
        ("pad/play", (63, 1.0), NOW),
        ("pad/play", (63, 64 / 127), NOW),
        ("pad/release", (63,), NOW),
    ]


def test_a_learned_button_does_its_action_once_a_press() -> None:
    rig = Rig()
    rig.midi.learn("record/keep")
    rig.send(turn(80, 127))
    assert rig.send(turn(80, 10), turn(80, 70), turn(80, 90), turn(80, 0), turn(80, 127)) == [
        ("record/keep", (), NOW),
        ("record/keep", (), NOW),
    ]


def test_a_learned_program_does_its_action_each_time() -> None:
    rig = Rig()
    rig.midi.learn("setlist/next")
    rig.send(mido.Message("program_change", program=4))
    assert rig.send(*[mido.Message("program_change", program=4)] * 2) == [("setlist/next", (), NOW)] * 2


def test_taps_are_placed_where_they_were_heard() -> None:
    rig = Rig()
    rig.midi.learn("clock/tap")
    rig.send(on(90))
    assert rig.send(on(90), at=12.5) == [("clock/tap", (), round(12.5 * RATE))]


def test_every_learnable_action_can_be_done_by_a_note() -> None:
    for action in ACTIONS.values():
        if not action.learn:
            continue
        rig = Rig()
        of_pad = any(argument.name == "pad" for argument in action.arguments)
        rig.midi.learn(action.name, 6 if of_pad else None)
        rig.send(on(100))
        assert [(name, arguments[:1]) for name, arguments, _ in rig.send(on(100))] == [
            (action.name, (6,) if of_pad else ())
        ]


def test_every_learnable_property_can_be_moved_by_a_controller() -> None:
    for row in PROPERTIES.values():
        if not row.learn:
            continue
        rig = Rig()
        pad = 6 if row.scope == "pad" else None
        rig.midi.learn(row.address, pad)
        rig.send(turn(1, 127))
        rig.send(*(turn(1, value) for value in range(128)))
        assert rig.host.get(row.address, pad) == (1 if row.kind == "switch" else row.high)


def test_programs_go_to_the_setlist_or_load_presets() -> None:
    programs_sent = [mido.Message("program_change", program=number) for number in (0, 1, 2)]
    assert Rig().send(*programs_sent) == [("setlist/go", (number,), NOW) for number in (1, 2, 3)]
    assert Rig(programs=("drums/kick", "weather")).send(*programs_sent) == [
        ("preset/load", ("drums/kick",), NOW),
        ("preset/load", ("weather",), NOW),
    ]
    assert Rig(channel=2).send(*programs_sent) == []


def test_what_was_learned_is_told_kept_and_restored() -> None:
    rig = Rig()
    learned: list[Binding] = []
    rig.midi.on_learned = learned.append
    rig.midi.learn("host/panic")
    rig.send(on(127))
    assert tuple(learned) == rig.midi.bindings
    other = Rig()
    other.midi.restore(rig.midi.bindings)
    assert other.send(on(127)) == [("host/panic", (), NOW)]
    assert other.midi.forget("host/panic")
    assert other.send(on(127)) == []


def test_what_cannot_be_done_is_logged_and_the_next_message_works(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.host.fails = BadRequest("pad 1 is empty: load a clip.")
    with caplog.at_level(logging.WARNING):
        rig.send(on(36))
    assert "pad 1 is empty" in caplog.text
    rig.host.fails = None
    assert rig.send(on(37)) == [("pad/play", (1, 1.0), NOW)]


def test_slow_actions_are_awaited_and_their_failures_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.host.slow = asyncio.Event()
        rig.host.fails = BadRequest("the setlist has 2 entries: give 1 or 2.")
        rig.send(mido.Message("program_change", program=9))
        rig.host.slow.set()
        async with asyncio.timeout(PATIENCE_S):
            while "the setlist has 2 entries" not in caplog.text:
                await asyncio.sleep(0)
        rig.host.slow.clear()
        rig.send(mido.Message("program_change", program=9))
        await rig.midi.close()
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())


@given(st.lists(st.binary(max_size=6), max_size=20))
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    rig = Rig()
    for chunk in chunks:
        rig.midi.received(chunk, 0.0)
    assert rig.send(on(36))


def test_clock_messages_lead_the_tempo() -> None:
    host = Host()
    at = 100.0
    tempo = Tempo(lambda: round(at * RATE), RATE)
    clock = MidiClock(tempo, host.frame_at, lambda: at)
    tempo.lead("midi", clock)
    tempo.set_source("midi")
    midi = Midi(host, MidiSettings(), clock)
    midi.received(bytes(mido.Message("songpos", pos=16).bytes()), at, "keys")
    midi.received(b"\xfb", at, "keys")
    for _ in range(48):
        midi.received(b"\xf8", at, "keys")
        at += 60 / 90 / 24
    assert tempo.bpm == 90.0
    assert tempo.beat() == pytest.approx(6, abs=0.001)
    assert midi.state().clock == "running"
    midi.received(b"\xfc", at, "keys")
    assert midi.state().clock == "stopped"
    assert host.begun == []


def test_without_ports_it_starts_and_ends_and_reaches_for_no_midi_system() -> None:
    async def scenario() -> None:
        rig = Rig()
        await rig.midi.start()
        assert rig.midi.state().inputs == ()
        assert rig.midi.state().why == ""
        await rig.midi.close()
        assert rig.host.listeners == []

    asyncio.run(scenario())


def test_where_there_is_no_midi_system_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def refuse(name: str) -> midi_ports.Reach:
        def reach(wanted: midi_ports.Wanted, arrived: Arrived) -> System:
            tries.append(name)
            raise NoMidi(f"no {name}.")

        return reach

    refusing = {name: refuse(name) for name in ("alsa", "jack")}
    monkeypatch.setattr(midi_ports, "SYSTEMS", {sys.platform: refusing})
    ports = Ports(["keys"], ["keys"], lambda data, at, port: None)
    for _ in range(64):
        ports.rescan()
    assert ports.why == "there is no MIDI here: no alsa; no jack."
    assert ports.missing == ("keys", "keys")
    # the 1st time, the 2nd, 4th, 8th, 16th, 32nd and 64th
    assert tries == ["alsa", "jack"] * 7
    ports.send(b"\x90\x24\x00")
    ports.close()


# Real ports


@pytest.fixture(scope="module")
def jack() -> Iterator[jack_server.Server]:
    """A JACK server of our own, with a dummy driver."""
    with jack_server.served() as server:
        yield server


@pytest.fixture(params=["alsa", "jack"])
def system(request: pytest.FixtureRequest) -> str:
    """A MIDI system with real ports."""
    if request.param == "jack":
        request.getfixturevalue("jack")
    elif not SEQUENCER.exists():
        pytest.skip("this kernel has no ALSA sequencer (/dev/snd/seq)")
    return str(request.param)


class Controller:
    """A pad controller as the system sees it: a port that plays and one that has lights."""

    def __init__(self, system: str) -> None:
        self.shown: list[tuple[int, ...]] = []
        self._device = _DEVICES[system]("Grid")
        self._plugged = True

    def hit(self, *messages: mido.Message) -> None:
        for message in messages:
            self._device.send(bytes(message.bytes()))

    def look(self) -> list[tuple[int, ...]]:
        """All that the lights were told so far."""
        self.shown.extend(tuple(message) for message in self._device.take())
        return self.shown

    def unplug(self) -> None:
        if self._plugged:
            self._plugged = False
            self._device.close()


class AlsaDevice:
    def __init__(self, name: str) -> None:
        self._api, self._name = int(rtmidi.API_LINUX_ALSA), name
        self._keys, self._lights = rtmidi.MidiOut(self._api, name), rtmidi.MidiIn(self._api, name)
        self._ports = [self._keys, self._lights]
        self._keys.open_virtual_port("keys")
        self._lights.open_virtual_port("lights")

    def reach(self, name: str) -> None:
        # RtMidi connects no port that was opened for others to connect to
        self._keys = rtmidi.MidiOut(self._api, self._name)
        self._ports.append(self._keys)
        self._keys.open_port(self.targets().index(name))

    def targets(self) -> list[str]:
        return list(self._keys.get_ports())

    def send(self, message: bytes) -> None:
        self._keys.send_message(message)

    def take(self) -> Iterator[bytes]:
        while (message := self._lights.get_message()) is not None:
            yield bytes(message[0])

    def close(self) -> None:
        for port in self._ports:
            port.close_port()
            port.delete()


class JackDevice:
    def __init__(self, name: str) -> None:
        self._jack = jack_server.midi(name, ["lights"], ["keys"])

    def reach(self, name: str) -> None:
        self._jack.connect("out", 0, name)

    def targets(self) -> list[str]:
        return self._jack.names("out")

    def send(self, message: bytes) -> None:
        self._jack.send(0, message)

    def take(self) -> Iterator[bytes]:
        return (message for _, message, _ in self._jack.take())

    def close(self) -> None:
        self._jack.close()


_DEVICES: dict[str, type[AlsaDevice] | type[JackDevice]] = {"alsa": AlsaDevice, "jack": JackDevice}


async def until(what: Callable[[], object]) -> None:
    """Wait until `what` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def plugged(system: str, **settings: Any) -> Any:
    """A host whose MIDI looks for a controller that is there."""
    controller = Controller(system)
    host = Host()
    midi = Midi(host, MidiSettings(inputs=("grid",), outputs=("GRID",), **settings), system=system)
    try:
        await midi.start()
        await until(lambda: not midi.ports.missing)
        yield controller, host, midi
    finally:
        await midi.close()
        controller.unplug()


def test_a_real_controller_plays_pads_in_order_with_the_time_of_arrival(system: str) -> None:
    async def scenario() -> None:
        async with plugged(system) as (controller, host, midi):
            midi.learn("clock/tap")
            controller.hit(on(99))
            await until(lambda: midi.bindings)
            before = time.time()
            controller.hit(on(36, 100), on(37, 64), off(36), on(99))
            await until(lambda: len(host.begun) == 4)
            assert host.begun[:3] == [
                ("pad/play", (0, 100 / 127), NOW),
                ("pad/play", (1, 64 / 127), NOW),
                ("pad/release", (0,), NOW),
            ]
            assert host.begun[3][0] == "clock/tap"
            # what a block of JACK's brings counts as come during the block before
            block = 256 / RATE if system == "jack" else 0.0
            assert before - block <= host.begun[3][2] / RATE <= time.time() + 1 / RATE

    asyncio.run(scenario())


def test_a_real_controller_sends_clock(system: str) -> None:
    async def scenario() -> None:
        host = Host()
        tempo = Tempo(lambda: host.frame_at(time.time()), RATE)
        clock = MidiClock(tempo, host.frame_at)
        heard: list[str] = []
        received = clock.received
        clock.received = lambda kind, at, **rest: (heard.append(kind), received(kind, at, **rest))  # type: ignore[method-assign,assignment]
        controller = Controller(system)
        midi = Midi(host, MidiSettings(inputs=("grid",)), clock, system=system)
        try:
            await midi.start()
            await until(lambda: not midi.ports.missing)
            controller.hit(mido.Message("start"), *[mido.Message("clock")] * 5, mido.Message("stop"))
            await until(lambda: len(heard) == 7)
            assert heard == ["start", *["clock"] * 5, "stop"]
        finally:
            await midi.close()
            controller.unplug()

    asyncio.run(scenario())


def test_the_lights_of_a_real_controller_follow_its_pads_and_go_off_at_the_end(system: str) -> None:
    async def scenario() -> None:
        colours = Colours()
        async with plugged(system) as (controller, host, midi):
            await until(lambda: len(controller.look()) == 16)
            assert sorted(controller.shown) == [(0x90, 36 + number, 0) for number in range(16)]
            host.show(2, "ready")
            host.show(3, "ready", playing=1)
            await until(lambda: len(controller.look()) == 18)
            assert set(controller.shown[16:]) == {(0x90, 38, colours.ready), (0x90, 39, colours.playing)}
            midi.lights.off()
            await until(lambda: len(controller.look()) == 20)
            assert set(controller.shown[18:]) == {(0x90, 38, 0), (0x90, 39, 0)}

    asyncio.run(scenario())


def test_the_lights_of_a_real_controller_go_off_with_the_host(system: str) -> None:
    async def scenario() -> None:
        controller = Controller(system)
        host = Host()
        host.show(2, "ready")
        midi = Midi(host, MidiSettings(outputs=("grid",)), system=system)
        try:
            await midi.start()
            await until(lambda: (0x90, 38, Colours().ready) in controller.look())
            assert (0x90, 38, 0) not in controller.shown
            await midi.close()
            await until(lambda: (0x90, 38, 0) in controller.look())
        finally:
            controller.unplug()

    asyncio.run(scenario())


def test_a_real_controller_that_is_unplugged_lets_go_and_works_again_when_it_comes_back(system: str) -> None:
    async def scenario() -> None:
        async with plugged(system) as (controller, host, midi):
            host.show(5, "ready")
            controller.hit(on(36))
            await until(lambda: host.begun)
            controller.unplug()
            await until(lambda: len(midi.ports.missing) == 2 and len(host.begun) == 2)
            assert host.begun == [("pad/play", (0, 1.0), NOW), ("pad/release", (0,), NOW)]
            again = Controller(system)
            try:
                await until(lambda: not midi.ports.missing)
                again.hit(on(37))
                await until(lambda: len(host.begun) == 3)
                await until(lambda: (0x90, 41, Colours().ready) in again.look())
            finally:
                again.unplug()
            assert host.begun[2] == ("pad/play", (1, 1.0), NOW)

    asyncio.run(scenario())


def test_a_real_port_of_our_own_can_be_played_by_another_program(system: str) -> None:
    async def scenario() -> None:
        host = Host()
        midi = Midi(host, MidiSettings(inputs=("virtual",)), system=system)
        sequencer = _DEVICES[system]("Sequencer")
        try:
            await midi.start()
            await until(lambda: not midi.ports.missing)
            sequencer.reach(next(name for name in sequencer.targets() if name.startswith("foleyd live")))
            sequencer.send(bytes([0x90, 40, 127]))
            await until(lambda: host.begun)
            assert host.begun == [("pad/play", (4, 1.0), NOW)]
        finally:
            await midi.close()
            sequencer.close()

    asyncio.run(scenario())


def test_ports_come_back_with_the_jack_server() -> None:
    async def scenario(server: jack_server.Server) -> None:
        async with plugged("jack") as (controller, host, midi):
            controller.hit(on(36))
            await until(lambda: host.begun)
            server.stop(crash=True)
            await until(lambda: len(midi.ports.missing) == 2 and len(host.begun) == 2)
            assert host.begun == [("pad/play", (0, 1.0), NOW), ("pad/release", (0,), NOW)]
            midi.ports.send(b"\x90\x24\x00")
            # what a server left behind keeps this process from the next one
            controller.unplug()
            server.start()
            again = Controller("jack")
            try:
                await until(lambda: not midi.ports.missing)
                again.hit(on(37))
                await until(lambda: len(host.begun) == 3)
            finally:
                again.unplug()
            assert host.begun[2] == ("pad/play", (1, 1.0), NOW)

    with jack_server.served() as server:
        asyncio.run(scenario(server))


def test_a_jack_connection_that_others_undo_is_made_again(jack: jack_server.Server) -> None:
    disconnect = programs.find("jack_disconnect", "jackd2")

    async def scenario() -> None:
        async with plugged("jack") as (controller, host, midi):
            controller.hit(on(36))
            await until(lambda: host.begun)
            ends = (midi.ports.inputs["grid"], "foleyd live:pads in")
            subprocess.run([disconnect, *ends], check=True, capture_output=True)
            await until(lambda: midi.ports.missing == ("grid",))
            await until(lambda: not midi.ports.missing)
            controller.hit(on(37))
            await until(lambda: len(host.begun) == 3)
            assert host.begun[1:] == [("pad/release", (0,), NOW), ("pad/play", (1, 1.0), NOW)]

    asyncio.run(scenario())


def test_what_jack_cannot_do_is_refused_in_a_sentence(jack: jack_server.Server) -> None:
    from foleyd_live.jackmidi import JackMidi

    device = JackDevice("full")
    try:
        with pytest.raises(NoMidi, match="takes no messages"):
            device.send(bytes(4))
        with pytest.raises(NoMidi, match="does not connect nobody:there"):
            device.reach("nobody:there")
        with pytest.raises(NoMidi, match="more than 16 MIDI ports"):
            JackMidi("many", [str(number) for number in range(17)], [])
    finally:
        device.close()


def test_nothing_is_left_of_real_ports(system: str) -> None:
    async def scenario() -> None:
        async with plugged(system) as (_, _, midi):
            assert ":keys" in midi.state().inputs[0]
            assert ":lights" in midi.state().outputs[0]

    asyncio.run(scenario())
    assert not [thread.name for thread in threading.enumerate() if thread.name == "foleyd midi"]
    looker = _DEVICES[system]("looker")
    try:
        assert not [name for name in looker.targets() if "foleyd" in name]
    finally:
        looker.close()


def test_properties_and_actions_that_share_a_name_are_told_apart() -> None:
    rig = Rig()
    rig.midi.learn("pad/release", 0)
    rig.send(turn(5, 1))
    rig.send(turn(5, 0), turn(5, 127))
    assert rig.host.get("pad/release", 0) == properties.find("pad/release").high
    assert rig.host.begun == []
