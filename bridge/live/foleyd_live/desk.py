"""The control side's one door to the mixer: it writes events, keeps clips alive, and reads what sounds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from foleyd.errors import BadRequest, FoleydError
from foleyd_live import memory as m
from foleyd_live.memory import AUDITION
from foleyd_live.readings import ClockRecord, Counters, Meters, VoiceState

__all__ = ["AUDITION", "FADE_S", "NOW", "Desk", "Play"]

NOW = -1
"""As a frame: the first of the next block."""
FADE_S = 0.005
"""Length of every fade that nobody has chosen: steal, choke, swap, panic."""
MOST_EVENTS = m.EVENTS - 16
"""Events that may wait; there is always room for a panic."""
How = Literal["now", "loop", "frame"]
Samples = npt.NDArray[np.float32]


class TooManyEvents(FoleydError):
    """The mixer has as many events before it as it can hold."""

    code = "busy"


class Play(msgspec.Struct, frozen=True):
    """A press. `clip` is a slot of the clip table; times are in frames, `release` None for the desk's fade;
    `velocity` is a factor; `voices` how many of the pad may sound at once."""

    pad: int
    clip: int
    velocity: float = 1.0
    rate: float = 1.0
    loop: bool = False
    start: int = 0
    attack: int = 0
    release: int | None = None
    choke: int = 0
    voices: int = 4
    toggle: bool = False
    gate: bool = False


class Mixer(Protocol):
    """Both mixers."""

    name: str

    def process(self, out: Samples, sound: Samples) -> None:
        """Mix one block of `len(out)` frames."""


class _Pad(msgspec.Struct):
    gain: float = 1.0
    pan: float = 0.0
    audible: bool = True
    pair: int = 0
    cue: bool = False
    fader: float = 0.0


class Desk:
    """A mixer for a device of `rate` Hz with so many channels.

    `cue_pair` is the pair of outputs of the cue bus, None for none; `mixer` is "numba", "numpy" or "auto"
    (numba where it is). Used from one thread, the callback's aside.
    """

    def __init__(
        self,
        rate: int,
        outputs: int,
        inputs: int = 0,
        *,
        cue_pair: int | None = None,
        most_block: int = m.MOST_BLOCK,
        mixer: str = "auto",
    ) -> None:
        if mixer not in ("auto", "numba", "numpy"):
            raise BadRequest(f"there is no mixer {mixer!r}: choose auto, numba or numpy.")
        self._wanted, self._most = mixer, most_block
        self._pads = [_Pad() for _ in range(m.PADS)]
        self._clips: list[tuple[Samples, ...] | None] = [None] * m.CLIPS
        self._leaving: dict[int, int] = {}
        self._main = self._cue = 1.0
        self._build(rate, outputs, inputs, cue_pair, 0)

    def _build(self, rate: int, outputs: int, inputs: int, cue_pair: int | None, frame: int) -> None:
        self.rate, self.outputs, self.inputs, self.cue_pair = rate, outputs, inputs, cue_pair
        cue = -1 if cue_pair is None else cue_pair
        self.memory = m.new_state(rate, outputs, inputs, cue, self._most)
        self.memory.s[m.S_FRAME] = frame
        self._silence = np.zeros((self._most, max(1, inputs)), np.float32)
        self.mixer = self._make_mixer()

    def _make_mixer(self) -> Mixer:
        if self._wanted != "numpy":
            try:
                from foleyd_live.compiled import CompiledMixer

                return CompiledMixer(self.memory)
            except ImportError as error:
                if self._wanted == "numba":
                    raise BadRequest(f"the compiled mixer needs numba ({error}): choose numpy.") from error
        from foleyd_live.reference import NumpyMixer

        return NumpyMixer(self.memory, self._clips)

    def reset(self, rate: int, outputs: int, inputs: int = 0, *, cue_pair: int | None = None) -> None:
        """Other channels or another rate, while no stream runs: voices end, pads keep their settings, frames
        go on counting. Clips stay in the table; who owns them gives each its new samples."""
        frame = self.frame
        self._build(rate, outputs, inputs, cue_pair, frame)
        for slot, stages in enumerate(self._clips):
            if stages is not None:
                self._point(slot, stages, None)
        for pad in range(m.AUDITION):
            self._send_pad(pad, NOW)
            self._send_fader(pad, NOW)
        self.set_main(self._main)
        self.set_cue(self._cue)

    # events

    def play(self, play: Play, frame: int = NOW) -> None:
        """Start a voice at `frame`."""
        release = -1 if play.release is None else play.release
        self._event(
            m.PLAY,
            frame,
            play.pad,
            play.clip,
            int(play.loop),
            int(play.gate),
            int(play.toggle),
            play.choke,
            play.voices,
            release,
            play.attack,
            play.start,
            reals=(play.velocity, play.rate),
        )

    def stop(self, pad: int, frame: int = NOW, fade: int | None = None) -> None:
        """Let all voices of a pad go over `fade` frames, their own release where None."""
        self._event(m.STOP, frame, pad, release=-1 if fade is None else fade)

    def release(self, pad: int, frame: int = NOW) -> None:
        """Let the gated voices of a pad go."""
        self._event(m.RELEASE, frame, pad)

    def swap(self, pad: int, clip: int, how: How, frame: int = NOW, loop: bool = False) -> None:
        """Go on with another clip: at once or at a frame (a crossfade, from its beginning), or where each
        looping voice comes to its loop's end. Voices that do not loop play out in that case."""
        self._event(m.SWAP, frame, pad, clip, int(loop), start=int(how == "loop"))

    def panic(self) -> None:
        """Fade all voices, and forget all events that wait."""
        self._event(m.PANIC, NOW, 0)

    def set_pad(
        self,
        pad: int,
        *,
        gain: float | None = None,
        pan: float | None = None,
        audible: bool | None = None,
        pair: int | None = None,
        cue: bool | None = None,
        fader: float | None = None,
        frame: int = NOW,
    ) -> None:
        """Set what is given: `gain` a factor, `pan` -1 to 1 (0 leaves both sides as they are), `pair` from 0,
        `fader` 0 to 1 between the stages of clips that have some. Outputs that the device lacks are the main
        ones."""
        now = self._pads[pad]
        if fader is not None:
            now.fader = fader
            self._send_fader(pad, frame)
        wanted = {"gain": gain, "pan": pan, "audible": audible, "pair": pair, "cue": cue}
        for name, value in wanted.items():
            if value is not None:
                setattr(now, name, value)
        if any(value is not None for value in wanted.values()):
            self._send_pad(pad, frame)

    def set_main(self, gain: float) -> None:
        """The main bus's level, a factor."""
        self._main = gain
        self._event(m.MAIN, NOW, 0, reals=(0.0, 0.0, gain))

    def set_cue(self, gain: float) -> None:
        """The cue bus's level, a factor."""
        self._cue = gain
        self._event(m.CUE, NOW, 0, reals=(0.0, 0.0, gain))

    def _send_pad(self, pad: int, frame: int) -> None:
        now = self._pads[pad]
        level = now.gain if now.audible else 0.0
        pair = now.pair if now.pair < len(self.memory.bus) - 1 else 0
        sides = (level * min(1.0, 1.0 - now.pan), level * min(1.0, 1.0 + now.pan))
        self._event(m.PAD, frame, pad, pair, reals=(0.0, 0.0, *sides, float(now.cue)))

    def _send_fader(self, pad: int, frame: int) -> None:
        self._event(m.FADER, frame, pad, reals=(0.0, 0.0, self._pads[pad].fader))

    def _event(
        self,
        kind: int,
        frame: int,
        pad: int,
        clip: int = 0,
        loop: int = 0,
        gate: int = 0,
        toggle: int = 0,
        choke: int = 0,
        limit: int = 0,
        release: int = -1,
        attack: int = 0,
        start: int = 0,
        *,
        reals: tuple[float, ...] = (),
    ) -> None:
        state = self.memory
        written = int(state.s[m.S_WRITTEN])
        room = m.EVENTS if kind == m.PANIC else MOST_EVENTS
        if written - int(state.s[m.S_EVENTS_DONE]) >= room:
            raise TooManyEvents(f"{MOST_EVENTS} events wait for their time already: send this one later.")
        row = written % m.EVENTS
        state.ring_i[row] = (
            kind, frame, pad, clip, loop, gate, toggle, choke, limit, release, attack, start,
        )  # fmt: skip
        state.ring_f[row, : len(reals)] = reals
        state.s[m.S_WRITTEN] = written + 1

    # clips

    def add_clip(
        self, samples: Samples, loop: tuple[int, int] | None = None, stages: Sequence[Samples] = ()
    ) -> int:
        """Take a clip `[frames, 2]` into the table; its slot. `loop` is its first frame and the one after its
        last; the whole clip where None. `stages` follow it on the way of a pad's fader, each as long as it.
        Raises BadRequest where the table is full."""
        self.collect()
        for slot, known in enumerate(self._clips):
            if known is None:
                self._point(slot, (samples, *stages), loop)
                return slot
        raise BadRequest(f"{m.CLIPS} clips are in memory already: clear pads that are not needed.")

    def _point(self, slot: int, stages: Sequence[Samples], loop: tuple[int, int] | None) -> None:
        held = tuple(np.ascontiguousarray(samples, np.float32) for samples in stages)
        first, state = held[0], self.memory
        if first.ndim != 2 or first.shape[1] != 2 or not len(first):
            raise BadRequest(
                f"a clip of shape {first.shape} cannot be played: it needs frames and two sides."
            )
        if len(held) > m.STAGES or any(stage.shape != first.shape for stage in held):
            raise BadRequest(f"a clip has at most {m.STAGES} stages, each as long as the first.")
        start, end = loop or (0, len(first))
        if not 0 <= start < end <= len(first):
            start, end = 0, len(first)
        self._clips[slot] = held
        state.stages[slot, : len(held)] = [stage.ctypes.data for stage in held]
        state.alike[slot, : len(held) - 1] = [alike(*pair) for pair in itertools.pairwise(held)]
        state.clips[slot] = (first.ctypes.data, len(first), start, end, len(held))

    def drop_clip(self, slot: int) -> None:
        """No more will be asked of this clip; its memory goes when nothing that sounds or waits can need
        it."""
        if self._clips[slot] is not None and slot not in self._leaving:
            self._leaving[slot] = int(self.memory.s[m.S_WRITTEN])
            self.collect()

    def collect(self) -> int:
        """Give back the memory of dropped clips that nothing needs any more; how many they were."""
        state = self.memory
        gone = 0
        for slot, written in list(self._leaving.items()):
            if state.s[m.S_READ] < written or self._is_needed(slot):
                continue
            state.clips[slot] = 0
            self._clips[slot] = None
            del self._leaving[slot]
            gone += 1
        return gone

    def _is_needed(self, slot: int) -> bool:
        # in the order in which a clip moves on: from an event to a voice's next clip, to what it plays
        state = self.memory
        waiting = state.pend_i[state.order[: int(state.s[m.S_PENDING])]]
        uses = np.isin(waiting[:, m.E_KIND], (m.PLAY, m.SWAP)) & (waiting[:, m.E_CLIP] == slot)
        if uses.any():
            return True
        for column in (m.V_NEXT, m.V_CLIP):
            if ((state.vi[:, m.V_STATE] != m.FREE) & (state.vi[:, column] == slot)).any():
                return True
        return False

    # stems

    def arm_stems(self, pads: Collection[int], seconds: float) -> None:
        """Write these pads (at most 16) to rings of their own, so many seconds long, from the next block
        on."""
        if len(pads) > m.STEMS:
            raise BadRequest(f"{len(pads)} stems are asked for: choose at most {m.STEMS} pads.")
        self.disarm_stems()
        frames = int(seconds * self.rate)
        state = self.memory
        self.stems = np.zeros((m.STEMS, frames, 2), np.float32)
        for stem, pad in enumerate(sorted(pads)):
            state.stem_of[pad] = stem
        if hasattr(self.mixer, "stems"):
            self.mixer.stems = self.stems
        state.s[m.S_STEM_ADDRESS], state.s[m.S_STEM_FRAMES] = self.stems.ctypes.data, frames
        state.s[m.S_STEM_BEGIN] = 0
        state.s[m.S_STEMS] = 1

    def disarm_stems(self) -> None:
        """End that; the rings stay readable until they are armed anew."""
        self.memory.s[m.S_STEMS] = 0
        self.memory.stem_of[:] = -1

    # looking

    @property
    def frame(self) -> int:
        """The first frame that is not mixed yet."""
        return int(self.memory.s[m.S_FRAME])

    @property
    def waiting(self) -> int:
        """Events whose time has not come."""
        return int(self.memory.s[m.S_WRITTEN] - self.memory.s[m.S_EVENTS_DONE])

    def clock(self) -> ClockRecord:
        """The last callback's clocks, all of one callback."""
        s, f = self.memory.s, self.memory.f
        while True:
            before = int(s[m.S_SEQUENCE])
            record = ClockRecord(int(s[m.S_CLOCK_FRAME]), int(s[m.S_CLOCK_NS]), float(f[m.F_LATENCY]))
            if before % 2 == 0 and before == int(s[m.S_SEQUENCE]):
                return record

    def voices(self) -> list[VoiceState]:
        """The voices that are heard."""
        vi, vf = self.memory.vi, self.memory.vf
        return [
            VoiceState(
                int(vi[slot, m.V_PAD]),
                int(vi[slot, m.V_CLIP]),
                float(vf[slot, m.V_POSITION]),
                bool(vi[slot, m.V_LOOP]),
                vi[slot, m.V_STATE] == m.RELEASING,
                float(vf[slot, m.V_LEVEL]),
            )
            for slot in np.flatnonzero(vi[:, m.V_STATE])
        ]

    def meters(self) -> Meters:
        """Peaks since the last call."""
        peaks = self.memory.meters.tolist()
        self.memory.meters[:] = 0.0
        limiter = float(self.memory.f[m.F_LOWEST])
        self.memory.f[m.F_LOWEST] = 1.0
        pairs = len(self.memory.bus) - 1
        return Meters(
            peaks[:pairs], peaks[m.M_CUE], peaks[m.M_INPUT], peaks[m.M_PADS : m.M_PADS + m.AUDITION], limiter
        )

    def counters(self) -> Counters:
        """Everything counted so far."""
        s = self.memory.s
        count = int(s[m.S_DURATIONS])
        kept = np.arange(max(0, count - m.DURATIONS), count) % m.DURATIONS
        return Counters(
            blocks=int(s[m.S_BLOCKS]),
            late=int(s[m.S_LATE]),
            dropped=int(s[m.S_DROPPED]),
            stolen=int(s[m.S_STOLEN]),
            underruns=int(s[m.S_UNDERRUNS]),
            overruns=int(s[m.S_OVERRUNS]),
            begins_ns=self.memory.begins[kept],
            durations_us=self.memory.durations[kept],
        )

    def process(self, out: Samples, sound: Samples | None = None) -> None:
        """Mix `len(out)` frames outside a stream, as the callback does; `out` is `[frames, channels]`."""
        for at in range(0, len(out), self._most):
            part = out[at : at + self._most]
            heard = self._silence[: len(part)] if sound is None else sound[at : at + self._most]
            self.mixer.process(part, heard)


def alike(one: Samples, other: Samples) -> float:
    """How much two sounds of one shape are correlated: 1 for the same, 0 for strangers, never below."""
    product = float(np.vdot(one, other))
    power = math.sqrt(float(np.vdot(one, one)) * float(np.vdot(other, other)))
    return max(0.0, min(1.0, product / power)) if power else 1.0


def factor(decibels: float) -> float:
    """The factor of a level in dB; -60 dB and below is silence."""
    return 0.0 if decibels <= -60 else math.pow(10.0, decibels / 20)
