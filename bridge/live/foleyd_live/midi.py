"""The live host over MIDI: pads by notes, anything else by what was learned, clock in, lights out.

Messages come on MIDI's own threads; they are handed to the loop with the time at which they came, and do
there what OSC and the page do too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import mido
import msgspec

from foleyd.errors import FoleydError
from foleyd_live import midi_clock
from foleyd_live.actions import ACTIONS
from foleyd_live.desk import NOW
from foleyd_live.lights import FLUSH_S, Colours, Lights
from foleyd_live.midi_clock import MidiClock
from foleyd_live.midi_map import PRESSED, Binding, Event, MidiMap, Takeover, centred, driven, share, value_at
from foleyd_live.midi_ports import Ports
from foleyd_live.performer import Outcome, Performer
from foleyd_live.properties import Property, Value

RESCAN_S = 0.5
"""How often ports are looked for: shorter than a cable takes to come back."""
HEARD = frozenset(("clock/tap", "clock/align"))
"""Actions that mean what was heard when the key was hit, not what can be heard next."""
SILENCERS = frozenset((120, 123))
"""Controllers that end all notes (all sound off, all notes off)."""

_log = logging.getLogger(__name__)


class MidiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Ports by a part of their name (``virtual``: one of our own); the note of the first pad of the shown
    bank; the channel of the pads (1 to 16, 0 for all); what program changes load: presets or banks by name,
    in order, or the places of the setlist where there are none; the colours of the lights."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    base_note: int = 36
    channel: int = 0
    programs: tuple[str, ...] = ()
    colours: Colours = Colours()


class MidiState(msgspec.Struct, frozen=True):
    """What the faces show: open ports, names without a port, why there is no MIDI, the state of the clock
    (``waiting``, ``running``, ``stopped`` or ``silent``), and what waits for a message to be learned."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    missing: tuple[str, ...]
    why: str
    clock: str
    learning: str


class Midi:
    """The host's MIDI. `clock` hears the clock that comes in; `system` is one of
    :data:`foleyd_live.midi_ports.SYSTEMS`, for tests."""

    def __init__(
        self,
        host: Performer,
        settings: MidiSettings,
        clock: MidiClock | None = None,
        *,
        system: str | None = None,
    ) -> None:
        self._host = host
        self._settings = settings
        self._clock = clock
        self.map = MidiMap(settings.base_note, settings.channel)
        self.ports = Ports(settings.inputs, settings.outputs, self._arrived, system)
        self.lights = Lights(host.get, self.ports.send, self.map, settings.colours)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scanning: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._flushing: asyncio.TimerHandle | None = None
        self._unlisten: Callable[[], None] | None = None
        self._tasks: set[asyncio.Future[Outcome]] = set()
        # notes that are down: (port, channel, note) → pad, for a bank may change before they are let go
        self._held: dict[tuple[str, int, int], int] = {}
        self._takeovers: dict[tuple[str, int], Takeover] = {}
        self._on: set[Binding] = set()
        self.on_learned: Callable[[Binding], object] = lambda binding: None
        """Called with each binding that was learned."""

    async def start(self) -> None:
        """Open the ports that are there, and go on looking for the others."""
        self._loop = asyncio.get_running_loop()
        self._unlisten = self._host.listen(self._changed)
        await self.rescan()
        self._scanning = self._loop.create_task(self._scan())

    async def close(self) -> None:
        """Darken the lights and close the ports."""
        self._ended.set()
        if self._unlisten is not None:
            self._unlisten()
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._scanning is not None:
            await self._scanning
        self._loop = None
        self.lights.off()
        self.ports.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def rescan(self) -> None:
        """Look for ports that came and went."""
        before, lit = self.ports.inputs, self.ports.outputs
        await asyncio.to_thread(self.ports.rescan)
        gone = {wanted for wanted, _ in before.items() - self.ports.inputs.items()}
        self._release(lambda key: key[0] in gone)
        if self.ports.outputs != lit:
            self.lights.refresh()
            self._flush_soon()

    def state(self) -> MidiState:
        """How MIDI is."""
        learning = self.map.learning
        return MidiState(
            inputs=tuple(self.ports.inputs.values()),
            outputs=tuple(self.ports.outputs.values()),
            missing=self.ports.missing,
            why=self.ports.why,
            clock=self._clock.state if self._clock else "waiting",
            learning=" ".join(str(one) for one in learning if one) if learning else "",
        )

    def learn(self, target: str, pad: int | None = None) -> None:
        """Bind the next message that suits to `target` (of `pad`, 0 to 63). Raises BadRequest."""
        self.map.learn(target, pad)

    def forget(self, target: str, pad: int | None = None) -> bool:
        """Unbind it; whether it was bound."""
        return self.map.forget(target, pad)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All that was learned, for the show."""
        return self.map.bindings

    def restore(self, bindings: Sequence[Binding]) -> None:
        """Take these bindings instead. Raises BadRequest for one that cannot be."""
        self.map.replace(bindings)
        self._takeovers.clear()
        self._on.clear()

    def received(self, data: bytes, at: float, port: str = "") -> None:
        """A message came in on `port` at `at` (seconds since 1970). What is no MIDI message is passed over,
        and what cannot be done is logged."""
        try:
            message = mido.Message.from_bytes(data)
        except (ValueError, IndexError):
            return
        handle = _HANDLERS.get(message.type)
        if handle is None:
            return
        try:
            handle(self, message, at, port)
        except FoleydError as error:
            _log.warning("MIDI %s: %s", message, error)

    def _arrived(self, data: bytes, at: float, port: str) -> None:
        """On a thread of MIDI's own."""
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self.received, data, at, port)
        except RuntimeError:
            # the loop ended in between
            return

    def _note(self, message: Any, at: float, port: str) -> None:
        down = message.type == "note_on" and message.velocity > 0
        key = (port, message.channel + 1, message.note)
        event = Event("note", key[1], key[2], message.velocity / 127 if down else 0.0)
        if self._bound(event, at):
            return
        if not down:
            self._release(lambda held: held == key)
            return
        pad = self.map.pad(event, int(self._host.get("host/bank")))
        if pad is not None:
            self._held[key] = pad
            self._begin("pad/play", (pad + 1, event.value), at)

    def _control(self, message: Any, at: float, port: str) -> None:
        channel = message.channel + 1
        event = Event("control", channel, message.control, centred(message.value, 64, 127))
        if not self._bound(event, at) and message.control in SILENCERS:
            self._release(lambda held: held[:2] == (port, channel))

    def _bend(self, message: Any, at: float, port: str) -> None:
        self._bound(Event("bend", message.channel + 1, 0, centred(message.pitch + 8192, 8192, 16383)), at)

    def _program(self, message: Any, at: float, port: str) -> None:
        if self._bound(Event("program", message.channel + 1, message.program, 1.0), at):
            return
        if self.map.channel not in (0, message.channel + 1):
            return
        names = self._settings.programs
        if not names:
            self._begin("setlist/go", (message.program + 1,), at)
        elif message.program < len(names):
            self._begin("preset/load", (names[message.program],), at)

    def _timing(self, message: Any, at: float, port: str) -> None:
        if self._clock is not None:
            kind = cast(midi_clock.Kind, message.type)
            self._clock.received(kind, at, port=port, position=getattr(message, "pos", 0))

    def _bound(self, event: Event, at: float) -> bool:
        """Whether the event was learned just now, or does what it was bound to."""
        learned = self.map.take(event)
        if learned is not None:
            self._takeovers.pop((learned.target, learned.pad), None)
            self._on.discard(learned)
            self.on_learned(learned)
            return True
        binding = self.map.find(event)
        if binding is None:
            return False
        row = driven(binding.target)
        if isinstance(row, Property):
            self._turn(binding, row, event)
        else:
            self._press(binding, event, at)
        return True

    def _press(self, binding: Binding, event: Event, at: float) -> None:
        """An action: done when a key goes down or a controller goes on."""
        on = event.value > 0 if event.kind == "note" else event.value >= PRESSED
        was = binding in self._on
        # neither a note nor a program waits for the off of the one before
        if on and (not was or event.kind != "control"):
            if event.kind != "program":
                self._on.add(binding)
            pad = (binding.pad,) if binding.pad else ()
            self._begin(binding.target, (*pad, event.value) if binding.target == "pad/play" else pad, at)
        elif was and not on:
            self._on.discard(binding)
            if binding.target == "pad/play":
                self._begin("pad/release", (binding.pad,), at)

    def _turn(self, binding: Binding, row: Property, event: Event) -> None:
        """A property: a fader moves it, a note toggles it."""
        pad = binding.pad - 1 if binding.pad else None
        current = self._host.get(row.address, pad)
        if event.kind == "note":
            if event.value > 0:
                self._host.set(row.address, pad, int(not current))
            return
        if row.kind == "number":
            takeover = self._takeovers.setdefault((binding.target, binding.pad), Takeover())
            if not takeover.moves(event.value, share(row, current)):
                return
        value = value_at(row, event.value)
        if value != current:
            self._host.set(row.address, pad, value)

    def _release(self, which: Callable[[tuple[str, int, int]], bool]) -> None:
        """Let go of the notes that are held and meant."""
        for key in [key for key in self._held if which(key)]:
            self._begin("pad/release", (self._held.pop(key) + 1,), time.time())

    def _begin(self, action: str, arguments: tuple[Value, ...], at: float) -> None:
        frame = self._host.frame_at(at) if ACTIONS[action].timed and action in HEARD else NOW
        outcome = self._host.begin(action, arguments, {}, frame=frame)
        if isinstance(outcome, tuple):
            return
        task = asyncio.ensure_future(outcome)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Outcome]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("MIDI: %s", error)

    def _changed(self, address: str, pad: int | None, value: Value) -> None:
        if self.lights.changed(address, pad):
            self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flushing is None and self._loop is not None and not self._ended.is_set():
            self._flushing = self._loop.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        if self.lights.flush():
            self._flush_soon()

    async def _scan(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._ended.wait(), RESCAN_S)
            except TimeoutError:
                await self.rescan()
            else:
                return


_HANDLERS: Mapping[str, Callable[[Midi, Any, float, str], None]] = {
    "note_on": Midi._note,
    "note_off": Midi._note,
    "control_change": Midi._control,
    "pitchwheel": Midi._bend,
    "program_change": Midi._program,
    "clock": Midi._timing,
    "start": Midi._timing,
    "continue": Midi._timing,
    "stop": Midi._timing,
    "songpos": Midi._timing,
}
