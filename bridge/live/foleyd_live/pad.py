"""One pad: its values, the clips that it plays and had, and what it says to the mixer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec

from foleyd_live import properties
from foleyd_live.clips import Clip, ClipStore
from foleyd_live.desk import FADE_S, NOW, Desk, Play
from foleyd_live.history import ClipSource, Entry, History
from foleyd_live.properties import PROPERTIES, QUANTA, Property, Value
from foleyd_live.stretching import stretch_of
from foleyd_live.tempo import Tempo

LEAD_S = 0.02
"""A quantum that begins sooner than this is missed: the next one counts."""
ROWS: Mapping[str, Property] = {row.name: row for row in PROPERTIES.values() if row.scope == "pad"}
"""A pad's properties by their names."""

Launch = Callable[[], int]
"""Gives the frame at which a clip is launched; asked when the clip is ready."""

_LOOPING = frozenset({"loop", "toggle"})


class PadState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pad as a show keeps it: the values that are not at their default, and its clip."""

    values: dict[str, Value] = {}
    clip: ClipSource | None = None


class Pad:
    """A pad of `desk`, whose clips are in `clips`. It waits for nothing; :class:`foleyd_live.pads.Pads` does.

    `values` are those of all its properties.
    """

    def __init__(self, number: int, desk: Desk, clips: ClipStore, tempo: Tempo) -> None:
        self.number = number
        self._desk, self._clips, self._tempo = desk, clips, tempo
        self.values: dict[str, Value] = {name: row.default for name, row in ROWS.items()}
        self.history = History()
        self.candidates: tuple[Entry, ...] = ()
        self.ticket: object = None
        """The last request for a clip: an older one is given up."""
        self.loading = 0
        self.ordered = ""
        self.audible = True
        self.turn = asyncio.Lock()
        """Undo and redo, one at a time."""
        # what it plays from which frame on, the first now; each is kept in the store
        self._line: list[tuple[int, Clip]] = []

    @property
    def clip(self) -> Clip | None:
        """The clip that it plays, or will in a moment."""
        return self._line[-1][1] if self._line else None

    @property
    def source(self) -> ClipSource | None:
        """Where that comes from."""
        entry = self.history.now
        return entry.source if entry else None

    @property
    def state(self) -> str:
        """The property `state`."""
        rest = "ready" if self._line else "failed" if self.values["why"] else "empty"
        return self.ordered or ("loading" if self.loading else rest)

    def kept(self) -> PadState:
        """The pad as a show keeps it."""
        values = {
            name: self.values[name]
            for name, row in ROWS.items()
            if not row.read_only and self.values[name] != row.default
        }
        return PadState(values=values, clip=self.source)

    @property
    def needs_whole(self) -> bool:
        """Whether only a whole clip can be played here: one that comes round, or is brought to the tempo."""
        return self.values["mode"] in _LOOPING or bool(self.values["stretch"])

    def clip_at(self, frame: int = NOW) -> Clip | None:
        """The clip that a press at `frame` plays."""
        self._settle()
        frame = self._desk.frame if frame == NOW else frame
        due = [clip for at, clip in self._line if at <= frame]
        return due[-1] if due else (self._line[0][1] if self._line else None)

    def press(self, clip: Clip, velocity: float = 1.0, tune: float | None = None) -> Play:
        """What a press says to the mixer; `tune` in semitones, the pad's own where None."""
        values, rate = self.values, self._desk.rate
        semitones = float(values["tune"]) if tune is None else tune
        mode = values["mode"]
        return Play(
            pad=self.number,
            clip=clip.slot,
            velocity=velocity,
            rate=2 ** (semitones / 12),
            loop=self._loops(clip),
            attack=round(float(values["attack"]) * rate / 1000),
            release=max(1, round(float(values["release"]) * rate / 1000)),
            choke=int(values["choke"]),
            voices=1 if mode in _LOOPING else int(values["voices"]),
            toggle=mode == "toggle",
            gate=mode == "gate",
        )

    def place(self, clip: Clip, how: str | None = None, launch: Launch | None = None) -> None:
        """Let `clip` take over: now, at the loop's end or at the next quantum (`how`, the pad's `swap` where
        None), or by starting it at `launch`.

        What was to take over later does not: its events are in the mixer's line already, so that this clip
        follows each of them at the same frame. Raises FoleydError where the mixer takes no more events.
        """
        self._settle()
        now, how = self._desk.frame, how or str(self.values["swap"])
        frame = launch() if launch else self._quantum() if how == "quantum" else now
        later = [at for at, _ in self._line if at > (frame if launch else now)]
        self._clips.keep(clip)
        try:
            frame = self._say(clip, how, frame, later, launched=launch is not None)
        except BaseException:
            self._clips.drop(clip)
            raise
        self._let_go(item for item in self._line if item[0] >= frame)
        self._line = [*(item for item in self._line if item[0] < frame), (frame, clip)]
        self._settle()

    def empty(self) -> None:
        """Let its clips go, and what sounds of them fade."""
        self._settle()
        for frame in (NOW, *(at for at, _ in self._line if at > self._desk.frame)):
            self._desk.stop(self.number, frame)
        self.let_go()

    def let_go(self) -> None:
        """Let its clips go; what sounds of them plays on."""
        self._let_go(self._line)
        self._line = []

    def stretch(self, entry: Entry, values: Mapping[str, Value] | None = None) -> float:
        """How many times as long a clip has to be, with these values, or its own."""
        values = values or self.values
        bpm = float(values["bpm"]) if entry.source.bpm is None else entry.source.bpm
        return stretch_of(bool(values["stretch"]), bpm, self._tempo.bpm)

    def learn_bpm(self) -> None:
        """The clip's tempo is the pad's bpm, also when undo comes back to it."""
        entry, bpm = self.history.now, float(self.values["bpm"])
        if entry is not None and entry.source.bpm != bpm:
            source = msgspec.structs.replace(entry.source, bpm=bpm)
            self.history.amend(msgspec.structs.replace(entry, source=source))

    def _say(self, clip: Clip, how: str, frame: int, later: list[int], *, launched: bool) -> int:
        """Tell the mixer; the frame from which on the clip is the pad's."""
        desk, pad, loop = self._desk, self.number, self._loops(clip)
        if launched:
            desk.stop(pad, frame, max(1, round(FADE_S * desk.rate)))
            desk.play(msgspec.structs.replace(self.press(clip), toggle=False), frame)
        elif later:
            frame = later[0]
        elif how == "quantum":
            desk.swap(pad, clip.slot, "frame", frame, loop)
        else:
            desk.swap(pad, clip.slot, "loop" if how == "loop" else "now", loop=loop)
        for at in later:
            desk.swap(pad, clip.slot, "frame", at, loop)
        return frame

    def _quantum(self) -> int:
        quantum = str(self.values["quantise"])
        soon = self._desk.frame + round(LEAD_S * self._desk.rate)
        return self._tempo.next("bar" if quantum == QUANTA[0] else quantum, soon)

    def _loops(self, clip: Clip) -> bool:
        mode = self.values["mode"]
        return mode in _LOOPING or (mode == "gate" and clip.loop is not None)

    def _settle(self) -> None:
        """Let go of clips whose time is over."""
        while len(self._line) > 1 and self._line[1][0] <= self._desk.frame:
            self._let_go([self._line.pop(0)])

    def _let_go(self, line: Iterable[tuple[int, Clip]]) -> None:
        for _, clip in line:
            if not clip.gone:
                self._clips.drop(clip)


def row(name: str) -> Property:
    """The pad's property of that name. Raises BadRequest."""
    return properties.find(f"pad/{name}")
