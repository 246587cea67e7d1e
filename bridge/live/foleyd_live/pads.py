"""The 64 pads: their values, presses, and how a new clip comes to one.

A clip is made ready first and takes its place then, between two samples: what sounds goes on until that, and
a request that fails leaves the pad as it was. Of two requests for one pad the later wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foleyd.errors import BadRequest, Cancelled, FoleydError
from foleyd_live import properties
from foleyd_live.clips import Clip, ClipStore, Source
from foleyd_live.desk import FADE_S, NOW, Desk, factor
from foleyd_live.growing import Growing
from foleyd_live.history import ClipSource, Entry
from foleyd_live.pad import ROWS, Launch, Pad, PadState, row
from foleyd_live.properties import PADS, Value
from foleyd_live.readings import VoiceState
from foleyd_live.stretching import Stretching
from foleyd_live.tempo import Tempo

__all__ = ["ClipSource", "Launch", "PadState", "Pads"]

Changed = Callable[[int, str, Value], None]

_TO_DESK: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "gain": lambda decibels: {"gain": factor(decibels)},
    "pan": lambda place: {"pan": place},
    "output": lambda pair: {"pair": pair - 1},
    "cue": lambda on: {"cue": bool(on)},
    "fader": lambda place: {"fader": place},
}


class Pads:
    """All pads, by their numbers 0 … 63. Used from one event loop.

    `changed` is called with pad, name and value at every change of a property.
    """

    def __init__(self, desk: Desk, clips: ClipStore, changed: Changed, tempo: Tempo) -> None:
        self._desk, self._clips, self._changed = desk, clips, changed
        self._pads = [Pad(number, desk, clips, tempo) for number in range(PADS)]
        self.stretching = Stretching(self._fit)
        self._unlisten = tempo.listen(self._hear_tempo)

    async def close(self) -> None:
        """Make nothing ready any more, and let go of all clips; what sounds plays on."""
        self._unlisten()
        await self.stretching.close()
        for pad in self._pads:
            pad.ticket = None
            pad.let_go()

    # values

    def get(self, pad: int, name: str) -> Value:
        """The value of a property. Raises BadRequest for a name that there is not."""
        return self._pads[pad].values[row(name).name]

    def set(self, pad: int, name: str, value: Value) -> None:
        """Set a property to a value that :func:`foleyd_live.properties.check` gave."""
        self._set(pad, {name: value})
        if name in ("bpm", "stretch"):
            self._pads[pad].learn_bpm()
            self.stretching.later((pad,))

    def note(self, pad: int, **values: Value) -> None:
        """Values that the host itself finds out, such as `why`; only changes are told."""
        known = self._pads[pad].values
        for name, value in values.items():
            if known[name] != value:
                known[name] = value
                self._changed(pad, name, value)

    def ordered(self, pad: int, state: str, progress: float = 0.0, eta: float = 0.0) -> None:
        """How far the pad's render is: `state` queued, rendering or, once it is over, empty."""
        self._pads[pad].ordered = state
        self._show(self._pads[pad])
        self.note(pad, progress=progress, eta=eta)

    def failed(self, pad: int, why: str) -> None:
        """A request for the pad failed."""
        self.note(pad, why=why)
        self._show(self._pads[pad])

    def hear(self, voices: Iterable[VoiceState]) -> None:
        """Count the voices of each pad; for a caller that looks a few times a second."""
        counts = dict.fromkeys(range(PADS), 0)
        for voice in voices:
            if voice.pad in counts and not voice.releasing:
                counts[voice.pad] += 1
        for pad, count in counts.items():
            self.note(pad, playing=count)

    def title(self, pad: int) -> str:
        """What the pad is called: its name, else its clip's, else nothing."""
        one = self._pads[pad]
        own = str(one.values["name"]) or (one.source.name if one.source else "")
        return own or (one.clip.name if one.clip else "")

    def clip(self, pad: int) -> Clip | None:
        """The clip that a press at once plays."""
        return self._pads[pad].clip_at()

    def source(self, pad: int) -> ClipSource | None:
        """Where the pad's clip comes from; None for an empty pad."""
        return self._pads[pad].source

    def sources(self) -> Iterator[ClipSource]:
        """Every clip that a pad has, had or may choose, each stage by itself."""
        for pad in self._pads:
            for entry in (*pad.history, *pad.candidates):
                if entry is not None:
                    yield from entry.source.each()

    def file(self, pad: int) -> Path | None:
        """The file of the pad's clip, where there is one."""
        source = self.source(pad)
        return Path(source.path) if source and source.path else None

    # presses

    def play(self, pad: int, velocity: float = 1.0, frame: int = NOW, *, tune: float | None = None) -> None:
        """Press a pad: `velocity` is a factor 0 … 1, `tune` in semitones instead of the pad's own.

        One-shots play to their end; gates until :meth:`release`, around the clip's loop where it has one;
        loops until :meth:`stop`, and begin anew at the next press; toggles loop until the next press. Raises
        BadRequest for an empty pad.
        """
        clip = self._pads[pad].clip_at(frame)
        if clip is None:
            raise BadRequest(f"pad {pad + 1} is empty: render a sound or load a clip first.")
        self._desk.play(self._pads[pad].press(clip, velocity, tune), frame)

    def release(self, pad: int, frame: int = NOW) -> None:
        """Let a pad go: what a gate began ends."""
        self._desk.release(pad, frame)

    def stop(self, pad: int, fade: float | None = None, frame: int = NOW) -> None:
        """End what the pad plays over `fade` seconds, its own release where None."""
        frames = None if fade is None else max(1, round(max(fade, FADE_S) * self._desk.rate))
        self._desk.stop(pad, frame, frames)

    # clips

    async def load(
        self,
        pad: int,
        source: ClipSource,
        how: str | None = None,
        *,
        sent: Source | None = None,
        rest: tuple[Source | None, ...] = (),
        launch: Launch | None = None,
        instead: ClipSource | None = None,
    ) -> None:
        """Put a clip on a pad, and into its history, as soon as it is ready.

        `how`: now, loop or quantum, the pad's `swap` where None. `launch`: start it at that frame, whether
        the pad plays or not, in place of what it plays. `sent`: the samples, for where no file here has them,
        `rest`: those of its stages.
        `instead`: a clip whose place in the history it takes, where the pad still has that one.
        Raises what :meth:`ClipStore.load` raises, and Cancelled where another request came after this one;
        the pad is then as it was.
        """
        await self._change(pad, Entry(source, sent, rest), how, launch, instead=instead)

    def sketch(
        self, pad: int, of: int, rate: int, name: str, launch: Launch | None = None
    ) -> tuple[Clip, Growing] | None:
        """Let presses of a pad play a sound that is still being made (`of` samples at `rate` Hz, mono), until
        a clip is loaded; what sounds plays on. The history knows nothing of it.

        None for a pad that loops or follows the tempo, which needs the whole sound. Raises Busy where all
        clips are kept.
        """
        one = self._pads[pad]
        if one.needs_whole:
            return None
        growing = Growing(of, rate, self._clips.rate)
        clip = self._clips.grow(growing.samples, name)
        one.place(clip, "loop", launch)
        self._tell_clip(one)
        return clip, growing

    async def withdraw(self, pad: int, clip: Clip) -> None:
        """Give the pad back what it had before the sketch `clip`, if it still has that. Raises as
        :meth:`load` does."""
        one = self._pads[pad]
        if one.clip is not clip:
            return
        entry = one.history.now
        if entry is None:
            one.empty()
        else:
            former = await self._ready(entry, one.stretch(entry))
            if one.clip is clip:
                one.place(former, "loop")
        self._tell_clip(one)

    async def undo(self, pad: int) -> None:
        """The clip that the pad had before. Raises BadRequest where it had none, else as :meth:`load`."""
        await self._step(pad, -1)

    async def redo(self, pad: int) -> None:
        """What the last undo took away. Raises as :meth:`undo` does."""
        await self._step(pad, 1)

    async def clear(self, pad: int) -> None:
        """Take the clip off; what sounds goes over the pad's release, and undo brings the clip back."""
        one = self._pads[pad]
        one.ticket = object()
        if one.history.now is not None:
            one.empty()
            one.history.push(None)
        self.note(pad, why="")
        self._tell_clip(one)

    def offer(self, pad: int, candidates: Sequence[tuple[ClipSource, Source | None]]) -> None:
        """What the last render of the pad gave, for :meth:`choose`."""
        self._pads[pad].candidates = tuple(Entry(source, sent) for source, sent in candidates)

    def candidates(self, pad: int) -> tuple[ClipSource, ...]:
        """The clips that :meth:`choose` takes, in order."""
        return tuple(entry.source for entry in self._pads[pad].candidates)

    async def choose(self, pad: int, candidate: int) -> None:
        """Put a candidate, counted from 0, on the pad. Raises BadRequest for one that there is not, else as
        :meth:`load` does."""
        found = self._pads[pad].candidates
        if not found:
            raise BadRequest(f"pad {pad + 1} has no candidates: render a sound on it first.")
        if not 0 <= candidate < len(found):
            raise BadRequest(f"pad {pad + 1} has no candidate {candidate + 1}: choose 1 to {len(found)}.")
        await self._change(pad, found[candidate])

    # shows

    def state(self, pad: int) -> PadState:
        """The pad as a show keeps it."""
        return self._pads[pad].kept()

    async def restore(self, pad: int, state: PadState) -> None:
        """Make the pad as it was kept: its values change when its clip is ready. Raises BadRequest for a
        value out of its range, else as :meth:`load` does; the pad is then as it was."""
        values = {name: one.default for name, one in ROWS.items() if not one.read_only}
        for name, value in state.values.items():
            values[name] = properties.check(row(name), value)
        if state.clip is not None:
            await self._change(pad, Entry(state.clip), values=values)
            return
        await self.clear(pad)
        self._set(pad, values)

    # how a clip comes

    async def _change(
        self,
        pad: int,
        entry: Entry,
        how: str | None = None,
        launch: Launch | None = None,
        *,
        values: Mapping[str, Value] | None = None,
        step: int = 0,
        instead: ClipSource | None = None,
    ) -> None:
        one = self._pads[pad]
        with self._working(one):
            ticket = one.ticket = object()
            clip = await self._ready(entry, one.stretch(entry, values))
            if one.ticket is not ticket:
                raise Cancelled(f"The clip was given up for a newer one on pad {pad + 1}.")
            self._set(pad, values or {})
            one.place(clip, how, launch)
            if step:
                one.history.move(step)
            elif instead is not None and one.source is not None and one.source.label == instead.label:
                one.history.amend(entry)
            else:
                one.history.push(entry)
            if entry.source.bpm is not None:
                self.note(pad, bpm=entry.source.bpm)
            one.learn_bpm()
            self.note(pad, why="")
        self._tell_clip(one)
        # the tempo may have changed meanwhile
        self.stretching.later((pad,))

    async def _step(self, pad: int, by: int) -> None:
        one = self._pads[pad]
        async with one.turn:
            entry = one.history.look(by)
            if entry is not None:
                await self._change(pad, entry, step=by)
                return
            one.ticket = object()
            one.empty()
            one.history.move(by)
            self._tell_clip(one)

    async def _ready(self, entry: Entry, stretch: float) -> Clip:
        source, sent = entry.source, entry.sent
        if source.stages:
            return await self._clips.blend(entry.stages(), stretch)
        if sent is None:
            return await self._clips.load(source.path, stretch, source.clip_id)
        return await self._clips.add(
            sent.samples.T,
            sent.rate,
            source.clip_id,
            source.path,
            stretch=stretch,
            loop=sent.loop,
            name=source.name,
        )

    async def _fit(self, pad: int) -> None:
        """Bring the pad's clip to the tempo, if it is not."""
        one = self._pads[pad]
        entry = one.history.now
        if entry is None or one.clip is None:
            return
        stretch = one.stretch(entry)
        if one.clip.stretch == stretch:
            return
        with self._working(one, raises=False):
            clip = await self._ready(entry, stretch)
            if one.history.now is entry:
                one.place(clip)
                self._tell_clip(one)

    def _hear_tempo(self, address: str, value: Value) -> None:
        if address == "clock/tempo":
            self.stretching.later(pad.number for pad in self._pads if pad.values["stretch"] and pad.clip)

    # what follows from changes

    @contextmanager
    def _working(self, one: Pad, *, raises: bool = True) -> Iterator[None]:
        one.loading += 1
        self._show(one)
        try:
            yield
        except FoleydError as error:
            if not isinstance(error, Cancelled):
                self.note(one.number, why=str(error))
            if raises:
                raise
        finally:
            one.loading -= 1
            self._show(one)

    def _set(self, pad: int, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            if name in _TO_DESK and self._pads[pad].values[name] != value:
                self._desk.set_pad(pad, **_TO_DESK[name](value))
            self.note(pad, **{name: value})
        if {"mute", "solo"} & values.keys():
            self._send_audible()

    def _send_audible(self) -> None:
        solo = any(pad.values["solo"] for pad in self._pads)
        for pad in self._pads:
            audible = not pad.values["mute"] and (not solo or bool(pad.values["solo"]))
            if audible != pad.audible:
                self._desk.set_pad(pad.number, audible=audible)
                pad.audible = audible

    def _tell_clip(self, one: Pad) -> None:
        source = one.source or ClipSource()
        self.note(
            one.number,
            clip=source.label,
            preset=source.preset,
            prompt=source.prompt,
            seconds=round(one.clip.seconds, 6) if one.clip else 0.0,
            stages=1 + len(one.clip.stages) if one.clip else 0,
        )
        self._show(one)

    def _show(self, one: Pad) -> None:
        self.note(one.number, state=one.state)
