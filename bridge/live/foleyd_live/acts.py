"""What the actions of :mod:`foleyd_live.actions` do: one method each, named there.

A method that is over at once returns what ``/done`` carries; one that takes time returns an awaitable of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

import msgspec

from foleyd.errors import BadRequest
from foleyd_live import again, properties
from foleyd_live.actions import ACTIONS
from foleyd_live.desk import NOW
from foleyd_live.history import ClipSource
from foleyd_live.performer import Outcome, Told
from foleyd_live.properties import BANK, QUANTA, Value

if TYPE_CHECKING:
    from foleyd_live.host import Host


class Ask(msgspec.Struct, frozen=True):
    """What comes with an action: its pairs, the frame of its timetag, whom to tell of its progress."""

    pairs: Mapping[str, Value]
    frame: int
    told: Told

    def only(self, *names: str) -> None:
        """Raises BadRequest where a pair has another name."""
        for name in self.pairs:
            if name not in names:
                raise BadRequest(f"there is no {name!r} here: it takes {', '.join(names) or 'no pairs'}.")


class Acts:
    """The actions of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def render(self, ask: Ask, pad: int, prompt: str) -> Awaitable[Outcome]:
        """Ask the daemon for the pad's next clip."""

        def progress(share: float, eta: float) -> None:
            ask.told("/pad/progress", pad + 1, share, eta)

        return self._host.orders.render(pad, prompt, dict(ask.pairs), progress)

    def vary(self, ask: Ask, pad: int, distance: float | None = None) -> Awaitable[Outcome]:
        """A sound near the pad's."""
        return self._again(ask, pad, *again.vary(self._clip_of(pad), distance))

    def like(self, ask: Ask, pad: int, likeness: float | None = None) -> Awaitable[Outcome]:
        """A sound of the kind of the pad's."""
        return self._again(ask, pad, *again.like(self._clip_of(pad), likeness))

    def loop(self, ask: Ask, pad: int) -> Awaitable[Outcome]:
        """The pad's sound as a loop."""
        return self._again(ask, pad, *again.loop(self._clip_of(pad)))

    def restyle(self, ask: Ask, pad: int, prompt: str, strength: float | None = None) -> Awaitable[Outcome]:
        """The pad's sound in other words."""
        return self._again(ask, pad, prompt, again.restyle(self._clip_of(pad), strength))

    def morph(self, ask: Ask, pad: int, towards: str, stages: int = 5) -> Awaitable[Outcome]:
        """The way from the pad's sound to other words."""
        return self._again(ask, pad, *again.morph(self._clip_of(pad), towards, stages))

    async def restyle_input(self, ask: Ask, pad: int, prompt: str, seconds: float = 4.0) -> Outcome:
        """The last seconds of the input in other words."""
        clip, *_ = await self._host.recordings.keep_input(_span(seconds))
        source = ClipSource(clip_id=str(clip) if str(clip).startswith("clip-") else "")
        return await self._again(ask, pad, prompt, again.restyle(source, None))

    def _again(self, ask: Ask, pad: int, prompt: str, made: dict[str, Value]) -> Awaitable[Outcome]:
        return self.render(msgspec.structs.replace(ask, pairs=again.merged(made, ask.pairs)), pad, prompt)

    def _clip_of(self, pad: int) -> ClipSource:
        now = self._host.pads.source(pad)
        if now is None:
            raise BadRequest(f"pad {pad + 1} has no clip: make or load one first.")
        return now

    async def load(self, ask: Ask, pad: int, clip: str) -> Outcome:
        """Put a clip on a pad, by id or by path."""
        source = await self._host.sources.find(clip)
        await self._host.pads.load(pad, source)
        return (pad + 1, clip)

    def play(self, ask: Ask, pad: int, velocity: float = 1.0) -> Outcome:
        """Press a pad, at once or at the next of its quanta."""
        ask.only("quantise", "tune")
        if not 0 <= velocity <= 1:
            raise BadRequest(f"velocity is {velocity:g}: give 0 to 1.")
        host = self._host
        quantum = host.pads.get(pad, "quantise")
        if "quantise" in ask.pairs:
            quantum = properties.check(properties.find("pad/quantise"), ask.pairs["quantise"])
        tune = None
        if "tune" in ask.pairs:
            tune = float(properties.check(properties.find("pad/tune"), ask.pairs["tune"]))
        host.pads.play(pad, velocity, self._placed(str(quantum), ask.frame), tune=tune)
        return (pad + 1,)

    def release(self, ask: Ask, pad: int) -> Outcome:
        """Let a pad go."""
        self._host.pads.release(pad, ask.frame)
        return (pad + 1,)

    def stop(self, ask: Ask, pad: int, fade: float | None = None) -> Outcome:
        """End what a pad plays."""
        if fade is not None and not 0 <= fade <= 60:
            raise BadRequest(f"fade is {fade:g}: give 0 to 60 seconds.")
        self._host.pads.stop(pad, fade, ask.frame)
        return (pad + 1,)

    def undo(self, ask: Ask, pad: int) -> Awaitable[Outcome]:
        """The clip before."""
        return self._then(self._host.pads.undo(pad), pad + 1)

    def redo(self, ask: Ask, pad: int) -> Awaitable[Outcome]:
        """The clip after."""
        return self._then(self._host.pads.redo(pad), pad + 1)

    def clear(self, ask: Ask, pad: int) -> Awaitable[Outcome]:
        """Take the clip off a pad."""
        return self._then(self._host.pads.clear(pad), pad + 1)

    def cancel(self, ask: Ask, pad: int) -> Awaitable[Outcome]:
        """End the pad's render."""
        return self._then(self._host.orders.cancel(pad), pad + 1)

    def choose(self, ask: Ask, pad: int, candidate: int) -> Awaitable[Outcome]:
        """Put a candidate of the last render on the pad."""
        return self._then(self._host.pads.choose(pad, candidate - 1), pad + 1, candidate)

    async def audition(self, ask: Ask, clip: str) -> Outcome:
        """Play a clip on the cue bus."""
        await self._host.audition.play(await self._host.sources.find(clip))
        return (clip,)

    def end_audition(self, ask: Ask) -> Outcome:
        """End what the cue bus plays."""
        self._host.audition.stop()
        return ()

    async def load_preset(self, ask: Ask, preset: str, pad: int | None = None) -> Outcome:
        """Put a preset or a bank on pads."""
        first = (int(self._host.get("host/bank")) - 1) * BANK if pad is None else pad
        pads = await self._host.program.load(preset, first)
        return (preset, *(one + 1 for one in pads))

    async def next_preset(self, ask: Ask, pad: int) -> Outcome:
        """The bank's next preset."""
        return (await self._host.program.step(pad, 1), pad + 1)

    async def previous_preset(self, ask: Ask, pad: int) -> Outcome:
        """The bank's preset before."""
        return (await self._host.program.step(pad, -1), pad + 1)

    async def go(self, ask: Ask, place: int) -> Outcome:
        """An entry of the setlist."""
        return (place, await self._host.program.go(place))

    async def go_next(self, ask: Ask) -> Outcome:
        """The setlist's next entry."""
        return await self.go(ask, int(self._host.get("host/setlist")) + 1)

    async def go_previous(self, ask: Ask) -> Outcome:
        """The setlist's entry before."""
        return await self.go(ask, int(self._host.get("host/setlist")) - 1)

    def tap(self, ask: Ask) -> Outcome:
        """Tap the tempo."""
        self._host.tempo.tap(self._heard(ask.frame))
        return (float(self._host.tempo.bpm),)

    def align(self, ask: Ask) -> Outcome:
        """Now is the first beat of a bar."""
        self._host.tempo.align(self._heard(ask.frame))
        return ()

    async def start_recording(self, ask: Ask, stems: str = "") -> Outcome:
        """Record the main bus, and stems."""
        return (await self._host.recordings.start(stems),)

    def stop_recording(self, ask: Ask) -> Awaitable[Outcome]:
        """End the recording."""
        return self._host.recordings.stop()

    def keep_main(self, ask: Ask, seconds: float = 30.0) -> Awaitable[Outcome]:
        """The last seconds of the main bus."""
        return self._host.recordings.keep(_span(seconds))

    def keep_input(self, ask: Ask, seconds: float = 10.0) -> Awaitable[Outcome]:
        """A clip of the last seconds of the input."""
        return self._host.recordings.keep_input(_span(seconds))

    async def punch_in(self, ask: Ask) -> Outcome:
        """Begin to record the input."""
        await self._host.recordings.punch_in()
        return ()

    def punch_out(self, ask: Ask) -> Awaitable[Outcome]:
        """End it, and make a clip of it."""
        return self._host.recordings.punch_out()

    def learn(self, ask: Ask, target: str, pad: int | None = None) -> Outcome:
        """Bind the next MIDI message."""
        self._host.midi.learn(_target(target), pad)
        return (target,)

    def forget(self, ask: Ask, target: str, pad: int | None = None) -> Outcome:
        """Unbind."""
        self._host.midi.forget(_target(target), pad)
        return (target,)

    async def save_show(self, ask: Ask) -> Outcome:
        """Save the show."""
        return (str(await self._host.program.show.save()),)

    def panic(self, ask: Ask) -> Outcome:
        """End everything that sounds."""
        self._host.panic()
        return ()

    def status(self, ask: Ask) -> Outcome:
        """How the host is."""
        return self._host.status()

    def _placed(self, quantum: str, frame: int) -> int:
        if quantum == QUANTA[0]:
            return frame
        return self._host.tempo.next(quantum, self._now(frame))

    def _now(self, frame: int) -> int:
        return self._host.desk.frame if frame == NOW else frame

    def _heard(self, frame: int) -> int:
        """The frame that a person hears now: taps follow the ear, not the mixer."""
        return self._host.clockmap.frame_now() if frame == NOW else frame

    async def _then(self, doing: Awaitable[object], *outcome: Value) -> Outcome:
        await doing
        return outcome


def _span(seconds: float) -> float:
    if not 1 <= seconds <= 30:
        raise BadRequest(f"seconds is {seconds:g}: give 1 to 30.")
    return seconds


def _target(address: str) -> str:
    row = ACTIONS.get(address)
    if row is not None and row.learn:
        return address
    if properties.find(address).learn:
        return address
    raise BadRequest(
        f"{address} cannot be bound to MIDI: see the table of controls in bridge/live/README.md."
    )
