"""The mixer in numpy: what :mod:`foleyd_live.kernel` computes, whole runs of samples at a time, into buffers
that exist beforehand. Where numba cannot be had, it plays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from foleyd_live import memory as m
from foleyd_live.events import drain, next_frame, pass_fader, ramp_pad, run_due
from foleyd_live.memory import State

Samples = npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]


class NumpyMixer:
    """`clips` are the arrays `[frames, 2]` of the clip table, by slot, one for each stage; the owner changes
    them in place."""

    name = "numpy"

    def __init__(self, state: State, clips: list[tuple[Samples, ...] | None]) -> None:
        self.state, self._clips = state, clips
        most = state.pad.shape[1]
        self._counted = np.arange(1, most + 1, dtype=np.float64)
        self._gain = np.empty(most)
        self._place = np.empty(most)
        self._part = np.empty((most, 1))
        self._sum = np.empty((most, 2))
        self._ramps = np.empty((3, most))

    def process(self, out: Samples, sound: Samples) -> None:
        """One block; `out` and `sound` are `[frames, channels]`."""
        state, frames = self.state, len(out)
        begin = int(state.s[m.S_FRAME])
        drain(state, begin)
        state.bus[:, :frames] = 0.0
        state.pi[:, m.P_TOUCHED] = 0
        at = 0
        while at < frames:
            run_due(state, begin + at)
            end = int(next_frame(state, begin + frames)) - begin
            self._segment(at, end - at, frames)
            at = end
        self._outputs(frames, out)
        self._taps(frames, sound)
        state.s[m.S_FRAME] = begin + frames
        state.s[m.S_BLOCKS] += 1

    def _segment(self, at: int, count: int, frames: int) -> None:
        state = self.state
        for slot in np.flatnonzero(state.vi[:, m.V_STATE]):
            pad = state.vi[slot, m.V_PAD]
            if not state.pi[pad, m.P_TOUCHED]:
                state.pi[pad, m.P_TOUCHED] = 1
                state.pad[pad, :frames] = 0.0
            self._voice(int(slot), at, count)
        for pad in np.flatnonzero(state.pi[:, m.P_TOUCHED]):
            self._pad(int(pad), at, count)
        for pad in np.flatnonzero(state.pi[:, m.P_FADING]):
            pass_fader(state, int(pad), count)

    def _voice(self, slot: int, at: int, count: int) -> None:
        vi, vf = self.state.vi[slot], self.state.vf[slot]
        level, step = float(vf[m.V_LEVEL]), float(vf[m.V_STEP])
        gain = np.multiply(self._counted[:count], step, out=self._gain[:count])
        gain += level
        heard = count
        if step > 0:
            np.minimum(gain, 1.0, out=gain)
        elif step < 0:
            over = gain <= 0.0
            if over.any():
                heard = int(over.argmax())
        gain *= vf[m.V_VELOCITY]
        done = 0
        while done < heard:
            run = self._run(vi, vf, at, done, gain[done:heard])
            if run == 0:
                heard = done
            done += run
        if heard < count:
            vi[m.V_STATE] = m.FREE
        vi[m.V_PLAYED] += count
        level += step * count
        if step > 0 and level >= 1.0:
            level, vf[m.V_STEP] = 1.0, 0.0
        vf[m.V_LEVEL] = level

    def _run(self, vi: npt.NDArray[np.int64], vf: Reals, at: int, done: int, gain: Reals) -> int:
        """Add up to the loop's or the clip's end, from sample `done` of the segment at `at` on; how many
        samples that were, 0 at the end of the clip."""
        position, rate = float(vf[m.V_POSITION]), float(vf[m.V_RATE])
        _, frames, start, end, stages = (int(value) for value in self.state.clips[vi[m.V_CLIP]])
        if vi[m.V_LOOP] and position >= end:
            if vi[m.V_NEXT] >= 0:
                position -= end
                vi[m.V_CLIP], vi[m.V_LOOP], vi[m.V_NEXT] = vi[m.V_NEXT], vi[m.V_NEXT_LOOP], -1
                _, frames, start, end, stages = (int(value) for value in self.state.clips[vi[m.V_CLIP]])
            else:
                position = start + (position - end) % (end - start)
        last = end if vi[m.V_LOOP] else frames
        if position >= last:
            return 0
        count = min(len(gain), math.ceil((last - position) / rate))
        clips = self._clips[int(vi[m.V_CLIP])]
        assert clips is not None
        into = self.state.pad[vi[m.V_PAD], at + done : at + done + count]
        if stages > 1:
            heard = self._blended(vi, clips, (start, end), position, rate, done, count)
            heard *= gain[:count, None]
        elif rate == 1.0 and position == math.floor(position):
            whole = int(position)
            heard = np.multiply(clips[0][whole : whole + count], gain[:count, None], out=self._sum[:count])
        else:
            heard = self._between(vi, clips[0], (start, end), position, rate, count)
            heard *= gain[:count, None]
        heard += into
        into[:] = heard
        vf[m.V_POSITION] = position + rate * count
        return count

    def _blended(
        self,
        vi: npt.NDArray[np.int64],
        clips: Sequence[Samples],
        loop: tuple[int, int],
        position: float,
        rate: float,
        done: int,
        count: int,
    ) -> Reals:
        """The samples `[count, 2]` that lie where the pad's fader is on the way through the clip's stages,
        from sample `done` of the segment on."""
        pad, last = int(vi[m.V_PAD]), len(clips) - 1
        frames = self._counted[done : done + count]
        pf, left = self.state.pf[pad], self.state.pi[pad, m.P_FADING]
        moving = pf[m.P_FADER] + pf[m.P_STEP_FADER] * frames
        place = np.where(frames >= left, pf[m.P_TO_FADER], moving) * last
        first = np.minimum(place.astype(np.int64), last - 1)
        share = place - first
        needed = range(int(first.min()), int(first.max()) + 2)
        ways = np.stack([self._between(vi, clips[stage], loop, position, rate, count) for stage in needed])
        near, here = first - needed.start, np.arange(count)
        blended: Reals = ways[near, here] * (1.0 - share)[:, None] + ways[near + 1, here] * share[:, None]
        alike = self.state.alike[vi[m.V_CLIP], first]
        blended /= np.sqrt(1.0 - 2.0 * share * (1.0 - share) * (1.0 - alike))[:, None]
        return blended

    def _between(
        self,
        vi: npt.NDArray[np.int64],
        clip: Samples,
        loop: tuple[int, int],
        position: float,
        rate: float,
        count: int,
    ) -> Reals:
        """Samples `[count, 2]` between those of the clip."""
        place = np.subtract(self._counted[:count], 1, out=self._place[:count])
        place *= rate
        place += position
        whole = np.floor(place)
        part = np.subtract(place, whole, out=self._part[:count, 0])[:, None]
        at = whole.astype(np.int64)
        bounds = loop if vi[m.V_LOOP] else None
        ahead = at - 1 if bounds is None else np.where(at == bounds[0], bounds[1], at) - 1
        before = _taken(clip, ahead, bounds)
        here, after, later = (_taken(clip, at + offset, bounds) for offset in (0, 1, 2))
        one = 0.5 * (after - before)
        two = before - 2.5 * here + 2.0 * after - 0.5 * later
        three = 0.5 * (later - before) + 1.5 * (here - after)
        heard: Reals = ((three * part + two) * part + one) * part + here
        return heard

    def _pad(self, pad: int, at: int, count: int) -> None:
        state = self.state
        pf, pi = state.pf[pad], state.pi[pad]
        done = 0
        peak = 0.0
        while done < count:
            part = min(count - done, int(pi[m.P_RAMP])) if pi[m.P_RAMP] else count - done
            peak = max(peak, self._routed(pad, at + done, part))
            done += part
            if pi[m.P_RAMP] == 0:
                continue
            pi[m.P_RAMP] -= part
            if pi[m.P_RAMP]:
                pf[: m.P_STEP_LEFT] += part * pf[m.P_STEP_LEFT : m.P_TO_LEFT]
                continue
            pf[m.P_SEND] = pf[m.P_TO_SEND]
            if pi[m.P_DIP]:
                pi[m.P_DIP], pi[m.P_PAIR] = 0, pi[m.P_WANTED]
                pf[m.P_LEFT] = pf[m.P_RIGHT] = 0.0
                ramp_pad(state, pad, pf[m.P_TO_LEFT], pf[m.P_TO_RIGHT])
            else:
                pf[m.P_LEFT], pf[m.P_RIGHT] = pf[m.P_TO_LEFT], pf[m.P_TO_RIGHT]
        state.meters[m.M_PADS + pad] = max(state.meters[m.M_PADS + pad], peak)

    def _routed(self, pad: int, at: int, count: int) -> float:
        """Put a run of a pad on its bus and on the cue bus; its peak."""
        state = self.state
        pf, pi = state.pf[pad], state.pi[pad]
        sound = state.pad[pad, at : at + count]
        levels = self._ramps[:, :count]
        ramp = int(pi[m.P_RAMP])
        if ramp:
            np.multiply(pf[m.P_STEP_LEFT : m.P_TO_LEFT, None], self._counted[None, :count], out=levels)
            levels += pf[: m.P_STEP_LEFT, None]
            if ramp == count:
                last = pf[m.P_TO_LEFT : m.P_TO_SEND + 1]
                levels[2, -1] = last[2]
                levels[:2, -1] = 0.0 if pi[m.P_DIP] else last[:2]
        else:
            levels[:] = pf[: m.P_STEP_LEFT, None]
        if ramp or pf[m.P_SEND]:
            cue = state.bus[-1, at : at + count]
            cue += (sound * levels[2, :, None]).astype(np.float64)
        sound *= levels[:2].T
        state.bus[pi[m.P_PAIR], at : at + count] += sound
        return float(np.abs(sound).max(initial=0.0))

    def _outputs(self, frames: int, out: Samples) -> None:
        state = self.state
        s = state.s
        cue = state.bus.shape[0] - 1
        self._faded(state.bus[0, :frames], m.S_RAMP_MAIN, m.F_MAIN)
        self._faded(state.bus[cue, :frames], m.S_RAMP_CUE, m.F_CUE)
        np.nan_to_num(state.bus[:, :frames], copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        for bus in range(cue + 1):
            block = state.bus[bus, :frames]
            delayed = self._delayed(bus, frames)
            if bus == 0:
                gain = self._limits(block)
                block[:] = delayed if gain is None else delayed * gain[:, None]
            else:
                np.clip(delayed, -1.0, 1.0, out=block)
            meter = m.M_CUE if bus == cue else m.M_PAIRS + bus
            state.meters[meter] = max(state.meters[meter], float(np.abs(block).max(initial=0.0)))
        s[m.S_DELAY_AT] = (s[m.S_DELAY_AT] + frames) % m.WINDOW
        for channel in range(int(s[m.S_OUTPUTS])):
            source = cue if channel // 2 == s[m.S_CUE_PAIR] else channel // 2
            out[:, channel] = state.bus[source, :frames, channel % 2]
        if s[m.S_OUTPUTS] == 1:
            np.multiply(state.bus[0, :frames].sum(1), 0.5, out=out[:, 0])
        _write(state.main_tap, int(s[m.S_MAIN_TAP]), state.bus[0, :frames])
        s[m.S_MAIN_TAP] += frames

    def _faded(self, block: Samples, ramp: int, level: int) -> None:
        s, f = self.state.s, self.state.f
        count = min(int(s[ramp]), len(block))
        if count:
            rising = np.multiply(self._counted[:count], f[level + 1], out=self._gain[:count])
            rising += f[level]
            s[ramp] -= count
            if s[ramp] == 0:
                rising[-1] = f[level + 2]
            f[level] = rising[-1]
            block[:count] *= rising[:, None]
        block[count:] *= f[level]

    def _delayed(self, bus: int, frames: int) -> Samples:
        """The block as it leaves the delay, and what follows into the delay."""
        ring, at = self.state.delay[bus], int(self.state.s[m.S_DELAY_AT])
        block = self.state.bus[bus, :frames]
        line = np.concatenate([np.roll(ring, -at, axis=0)[1:], block])
        delayed: Samples = line[:frames]
        _write(ring, at, block)
        return delayed

    def _limits(self, block: Samples) -> Reals | None:
        """The limiter's gain for each sample that leaves the delay; None while it has nothing to do."""
        state = self.state
        s, f, need = state.s, state.f, state.need
        peaks = np.abs(block).max(1).astype(np.float64)
        place = int(s[m.S_DELAY_AT])
        if not s[m.S_LIMITING] and not (peaks > f[m.F_CEILING]).any():
            _write(need[:, None], place, np.ones((len(block), 1)))
            return None
        gains = np.ones(len(block))
        for k, peak in enumerate(peaks):
            need[place] = f[m.F_CEILING] / peak if peak > f[m.F_CEILING] else 1.0
            if need[place] < 1.0:
                s[m.S_LIMITING] = 2 * m.WINDOW
            if s[m.S_LIMITING]:
                gains[k] = self._limited(place)
            place = (place + 1) % m.WINDOW
        return gains

    def _limited(self, place: int) -> float:
        state = self.state
        f = state.f
        lowest = float(state.need.min())
        released = float(f[m.F_RELEASED])
        released = min(lowest, released + (1.0 - released) * float(f[m.F_RELEASE_RATE]))
        if released > 0.9999 and lowest == 1.0:
            released = 1.0
        f[m.F_RELEASED] = released
        state.held[place] = released
        total = sum(state.held.tolist())
        if released < 1.0:
            state.s[m.S_LIMITING] = 2 * m.WINDOW
        elif total == m.WINDOW:
            state.s[m.S_LIMITING] = 0
        gain: float = total / m.WINDOW
        f[m.F_LOWEST] = min(float(f[m.F_LOWEST]), gain)
        return gain

    def _taps(self, frames: int, sound: Samples) -> None:
        state = self.state
        s = state.s
        if s[m.S_INPUTS]:
            taken = sound[:frames, : s[m.S_INPUTS]]
            _write(state.input_tap, int(s[m.S_INPUT_TAP]), taken)
            state.meters[m.M_INPUT] = max(state.meters[m.M_INPUT], float(np.abs(taken).max(initial=0.0)))
            s[m.S_INPUT_TAP] += frames
        if not s[m.S_STEMS]:
            return
        for pad in np.flatnonzero(state.stem_of >= 0):
            ring = self.stems[state.stem_of[pad]]
            heard = (
                state.pad[pad, :frames] if state.pi[pad, m.P_TOUCHED] else np.zeros((frames, 2), np.float32)
            )
            _write(ring, int(s[m.S_STEM_BEGIN]), heard)
        s[m.S_STEM_BEGIN] += frames

    stems: Samples = np.zeros((0, 1, 2), np.float32)
    """The rings of the stems `[STEMS, frames, 2]`, set by the owner when they are armed."""


def _taken(clip: Samples, at: npt.NDArray[np.int64], loop: tuple[int, int] | None) -> Reals:
    """Samples of a clip at places that may lie outside: around the loop, else silence."""
    if loop is not None:
        start, end = loop
        at = np.where(at >= end, start + (at - end) % (end - start), at)
    inside = (at >= 0) & (at < len(clip))
    found: Reals = np.where(inside[:, None], clip[np.where(inside, at, 0)], 0.0).astype(np.float64)
    return found


def _write(ring: npt.NDArray[np.floating], at: int, block: npt.NDArray[np.floating]) -> None:
    """Put `block` into a ring from its place `at` on; of a block longer than the ring, the end stays."""
    size = len(ring)
    block, at = block[-size:], at + max(0, len(block) - size)
    begin = at % size
    first = min(len(block), size - begin)
    ring[begin : begin + first] = block[:first]
    ring[: len(block) - first] = block[first:]
