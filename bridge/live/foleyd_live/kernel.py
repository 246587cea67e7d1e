"""The mixer's inner loops, sample by sample, for the compiler; :mod:`foleyd_live.reference` says the same in
numpy.

Sources: four-point, third-order Hermite interpolation (Catmull and Rom 1974); a look-ahead limiter whose gain
is the moving mean of a sliding minimum, so that it has reached what a peak needs when the peak comes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from foleyd_live import memory as m
from foleyd_live.compiler import njit
from foleyd_live.events import drain, fader_at, next_frame, pass_fader, ramp_pad, run_due
from foleyd_live.memory import State

Samples = npt.NDArray[np.float32]


@intrinsic
def pointer(context, address):  # type: ignore[no-untyped-def]
    """An integer as the pointer that it is."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), code


@njit
def _place(at: int, frames: int, loop: int, start: int, end: int) -> int:
    """Where a clip's sample lies: around its loop, or nowhere (-1)."""
    if loop == 1 and at >= end:
        at = start + (at - end) % (end - start)
    return at if 0 <= at < frames else -1


@njit
def _places(whole: int, frames: int, loop: int, start: int, end: int) -> tuple[int, int, int, int]:
    """The samples around a place."""
    if whole > 0 and whole + 2 < (end if loop == 1 else frames) and (loop == 0 or whole != start):
        return whole - 1, whole, whole + 1, whole + 2
    return (
        end - 1 if loop == 1 and whole == start else _place(whole - 1, frames, loop, start, end),
        _place(whole, frames, loop, start, end),
        _place(whole + 1, frames, loop, start, end),
        _place(whole + 2, frames, loop, start, end),
    )


@njit
def _weights(part: float) -> tuple[float, float, float, float]:
    """What each of the samples around a place counts, `part` after the second."""
    square, cube = part * part, part * part * part
    return (
        square - 0.5 * part - 0.5 * cube,
        1.0 - 2.5 * square + 1.5 * cube,
        0.5 * part + 2.0 * square - 1.5 * cube,
        0.5 * (cube - square),
    )


@njit
def _sample(clip: Samples, at: int, side: int) -> float:
    return float(clip[at, side]) if at >= 0 else 0.0


@njit
def _between(
    clip: Samples, at: tuple[int, int, int, int], counts: tuple[float, float, float, float], side: int
) -> float:
    return (
        counts[0] * _sample(clip, at[0], side)
        + counts[1] * _sample(clip, at[1], side)
        + counts[2] * _sample(clip, at[2], side)
        + counts[3] * _sample(clip, at[3], side)
    )


@njit
def _clip(state: State, address: int, row: int) -> Samples:
    clip: Samples = carray(pointer(address), (state.clips[row, m.C_FRAMES], 2), np.float32)
    return clip


@njit
def _gain(level: float, step: float, frames: int) -> float:
    gain = level + step * frames
    return min(1.0, gain) if step > 0.0 else gain


@njit
def _add_plain(
    into: Samples, clip: Samples, floats: npt.NDArray[np.float64], loop: int, start: int, end: int, done: int
) -> None:
    """Add samples of a voice of these `floats` whose clip is one sound; `into` begins at sample `done` of the
    segment. Without the state: to hand that on takes longer than to add a few samples."""
    position, rate, velocity = floats[m.V_POSITION], floats[m.V_RATE], floats[m.V_VELOCITY]
    level, step, frames = floats[m.V_LEVEL], floats[m.V_STEP], clip.shape[0]
    if rate == 1.0 and position == math.floor(position):
        first = int(position)
        if step == 0.0:
            gain = level * velocity
            for k in range(into.shape[0]):
                into[k, 0] += clip[first + k, 0] * gain
                into[k, 1] += clip[first + k, 1] * gain
            return
        for k in range(into.shape[0]):
            gain = _gain(level, step, done + k + 1) * velocity
            into[k, 0] += clip[first + k, 0] * gain
            into[k, 1] += clip[first + k, 1] * gain
        return
    for k in range(into.shape[0]):
        gain = _gain(level, step, done + k + 1) * velocity
        whole = int(position)
        places, counts = _places(whole, frames, loop, start, end), _weights(position - whole)
        into[k, 0] += _between(clip, places, counts, 0) * gain
        into[k, 1] += _between(clip, places, counts, 1) * gain
        position += rate


@njit
def _add_stages(state: State, slot: int, at: int, done: int, run: int) -> None:
    """Add samples that lie where the pad's fader is on the way through the stages of a voice's clip."""
    vi, vf = state.vi, state.vf
    row, loop, pad = vi[slot, m.V_CLIP], vi[slot, m.V_LOOP], vi[slot, m.V_PAD]
    frames, start, end = (
        state.clips[row, m.C_FRAMES],
        state.clips[row, m.C_LOOP_START],
        state.clips[row, m.C_LOOP_END],
    )
    position, rate, velocity = vf[slot, m.V_POSITION], vf[slot, m.V_RATE], vf[slot, m.V_VELOCITY]
    level, step = vf[slot, m.V_LEVEL], vf[slot, m.V_STEP]
    into, last = state.pad[pad], state.clips[row, m.C_STAGES] - 1
    exact = rate == 1.0 and position == math.floor(position)
    moving = state.pi[pad, m.P_FADING] > done
    first, share, even = 0, 0.0, 1.0
    near = far = _clip(state, state.stages[row, 0], row)
    for k in range(done, done + run):
        if moving or k == done:
            place = fader_at(state, pad, k + 1) * last
            first = min(int(place), last - 1)
            share = place - first
            near = _clip(state, state.stages[row, first], row)
            far = _clip(state, state.stages[row, first + 1], row)
            # as loud on the way as at its ends, whatever the two have in common
            even = 1.0 / math.sqrt(1.0 - 2.0 * share * (1.0 - share) * (1.0 - state.alike[row, first]))
        gain = _gain(level, step, k + 1) * velocity
        whole = int(position)
        if exact:
            for side in range(2):
                left, right = float(near[whole, side]), float(far[whole, side])
                into[at + k, side] += (left * (1.0 - share) + right * share) * even * gain
        else:
            places, counts = _places(whole, frames, loop, start, end), _weights(position - whole)
            for side in range(2):
                left, right = _between(near, places, counts, side), _between(far, places, counts, side)
                into[at + k, side] += (left * (1.0 - share) + right * share) * even * gain
        position += rate


@njit
def _voice(state: State, slot: int, at: int, count: int) -> None:
    vi, vf = state.vi, state.vf
    rate, level, step = vf[slot, m.V_RATE], vf[slot, m.V_LEVEL], vf[slot, m.V_STEP]
    heard = count
    if step < 0.0:
        for k in range(count):
            if level + step * (k + 1) <= 0.0:
                heard = k
                break
    done = 0
    while done < heard:
        row = vi[slot, m.V_CLIP]
        position, end = vf[slot, m.V_POSITION], state.clips[row, m.C_LOOP_END]
        if vi[slot, m.V_LOOP] == 1 and position >= end:
            if vi[slot, m.V_NEXT] >= 0:
                position -= end
                row = vi[slot, m.V_NEXT]
                end = state.clips[row, m.C_LOOP_END]
                vi[slot, m.V_CLIP], vi[slot, m.V_LOOP], vi[slot, m.V_NEXT] = row, vi[slot, m.V_NEXT_LOOP], -1
            else:
                start = state.clips[row, m.C_LOOP_START]
                position = start + (position - end) % (end - start)
            vf[slot, m.V_POSITION] = position
        last = end if vi[slot, m.V_LOOP] == 1 else state.clips[row, m.C_FRAMES]
        if position >= last:
            heard = done
            break
        run = min(heard - done, math.ceil((last - position) / rate))
        if state.clips[row, m.C_STAGES] > 1:
            _add_stages(state, slot, at, done, run)
        else:
            into = state.pad[vi[slot, m.V_PAD], at + done : at + done + run]
            clip = _clip(state, state.clips[row, m.C_ADDRESS], row)
            loop, start = vi[slot, m.V_LOOP], state.clips[row, m.C_LOOP_START]
            _add_plain(into, clip, vf[slot], loop, start, end, done)
        vf[slot, m.V_POSITION] = position + rate * run
        done += run
    if heard < count:
        vi[slot, m.V_STATE] = m.FREE
    vi[slot, m.V_PLAYED] += count
    level += step * count
    if step > 0.0 and level >= 1.0:
        level, vf[slot, m.V_STEP] = 1.0, 0.0
    vf[slot, m.V_LEVEL] = level


@njit
def _pad(state: State, pad: int, at: int, count: int) -> None:
    pf, pi = state.pf, state.pi
    sound = state.pad[pad]
    cue = state.bus.shape[0] - 1
    left, right, send = pf[pad, m.P_LEFT], pf[pad, m.P_RIGHT], pf[pad, m.P_SEND]
    peak = 0.0
    for k in range(at, at + count):
        if pi[pad, m.P_RAMP] > 0:
            pi[pad, m.P_RAMP] -= 1
            left += pf[pad, m.P_STEP_LEFT]
            right += pf[pad, m.P_STEP_RIGHT]
            send += pf[pad, m.P_STEP_SEND]
            if pi[pad, m.P_RAMP] == 0:
                send = pf[pad, m.P_TO_SEND]
                if pi[pad, m.P_DIP] == 1:  # silent: now the other outputs, and up again
                    pi[pad, m.P_DIP] = 0
                    pi[pad, m.P_PAIR] = pi[pad, m.P_WANTED]
                    left = right = 0.0
                    pf[pad, m.P_LEFT], pf[pad, m.P_RIGHT], pf[pad, m.P_SEND] = 0.0, 0.0, send
                    ramp_pad(state, pad, pf[pad, m.P_TO_LEFT], pf[pad, m.P_TO_RIGHT])
                else:
                    left, right = pf[pad, m.P_TO_LEFT], pf[pad, m.P_TO_RIGHT]
        pair = pi[pad, m.P_PAIR]
        dry_left, dry_right = sound[k, 0], sound[k, 1]
        if send != 0.0:
            state.bus[cue, k, 0] += dry_left * send
            state.bus[cue, k, 1] += dry_right * send
        wet_left, wet_right = np.float32(dry_left * left), np.float32(dry_right * right)
        sound[k, 0], sound[k, 1] = wet_left, wet_right
        state.bus[pair, k, 0] += wet_left
        state.bus[pair, k, 1] += wet_right
        peak = max(peak, float(abs(wet_left)), float(abs(wet_right)))
    pf[pad, m.P_LEFT], pf[pad, m.P_RIGHT], pf[pad, m.P_SEND] = left, right, send
    state.meters[m.M_PADS + pad] = max(state.meters[m.M_PADS + pad], peak)


@njit
def _segment(state: State, at: int, count: int, frames: int) -> None:
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_STATE] == m.FREE:
            continue
        pad = state.vi[slot, m.V_PAD]
        if state.pi[pad, m.P_TOUCHED] == 0:
            state.pi[pad, m.P_TOUCHED] = 1
            state.pad[pad, :frames] = 0.0
        _voice(state, slot, at, count)
    for pad in range(m.PADS):
        if state.pi[pad, m.P_TOUCHED] == 1:
            _pad(state, pad, at, count)
        if state.pi[pad, m.P_FADING] > 0:
            pass_fader(state, pad, count)


@njit
def _limited(state: State, left: float, right: float) -> float:
    """The gain for the sample that leaves the delay as this one enters it."""
    f, need, held = state.f, state.need, state.held
    place = state.s[m.S_DELAY_AT]
    peak = max(abs(left), abs(right))
    need[place] = f[m.F_CEILING] / peak if peak > f[m.F_CEILING] else 1.0
    if need[place] < 1.0:
        state.s[m.S_LIMITING] = 2 * m.WINDOW
    elif state.s[m.S_LIMITING] == 0:
        return 1.0
    lowest = 1.0
    for k in range(m.WINDOW):
        lowest = min(lowest, need[k])
    released = f[m.F_RELEASED]
    released = min(lowest, released + (1.0 - released) * f[m.F_RELEASE_RATE])
    if released > 0.9999 and lowest == 1.0:
        released = 1.0
    f[m.F_RELEASED] = released
    held[place] = released
    total = 0.0
    for k in range(m.WINDOW):
        total += held[k]
    if released < 1.0:
        state.s[m.S_LIMITING] = 2 * m.WINDOW
    elif total == m.WINDOW:
        state.s[m.S_LIMITING] = 0
    gain = total / m.WINDOW
    f[m.F_LOWEST] = min(f[m.F_LOWEST], gain)
    return gain


@njit
def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


@njit
def _outputs(state: State, frames: int, out: Samples) -> None:
    s, f = state.s, state.f
    pairs = state.bus.shape[0] - 1
    outputs, cue_pair = s[m.S_OUTPUTS], s[m.S_CUE_PAIR]
    tap = state.main_tap
    for k in range(frames):
        if s[m.S_RAMP_MAIN] > 0:
            s[m.S_RAMP_MAIN] -= 1
            f[m.F_MAIN] = f[m.F_MAIN_TO] if s[m.S_RAMP_MAIN] == 0 else f[m.F_MAIN] + f[m.F_MAIN_STEP]
        if s[m.S_RAMP_CUE] > 0:
            s[m.S_RAMP_CUE] -= 1
            f[m.F_CUE] = f[m.F_CUE_TO] if s[m.S_RAMP_CUE] == 0 else f[m.F_CUE] + f[m.F_CUE_STEP]
        place = s[m.S_DELAY_AT]
        oldest = place + 1 if place + 1 < m.WINDOW else 0
        for pair in range(pairs + 1):
            gain = f[m.F_MAIN] if pair == 0 else (f[m.F_CUE] if pair == pairs else 1.0)
            left = np.float32(_finite(state.bus[pair, k, 0] * gain))
            right = np.float32(_finite(state.bus[pair, k, 1] * gain))
            state.delay[pair, place, 0], state.delay[pair, place, 1] = left, right
            limit = _limited(state, float(left), float(right)) if pair == 0 else 1.0
            left = np.float32(state.delay[pair, oldest, 0] * limit)
            right = np.float32(state.delay[pair, oldest, 1] * limit)
            if pair != 0:
                left, right = (
                    min(np.float32(1.0), max(np.float32(-1.0), left)),
                    min(np.float32(1.0), max(np.float32(-1.0), right)),
                )
            state.bus[pair, k, 0], state.bus[pair, k, 1] = left, right
            meter = m.M_CUE if pair == pairs else m.M_PAIRS + pair
            state.meters[meter] = max(state.meters[meter], abs(left), abs(right))
        s[m.S_DELAY_AT] = oldest
        for channel in range(outputs):
            pair = channel // 2
            source = pairs if pair == cue_pair else pair
            out[k, channel] = state.bus[source, k, channel % 2]
        if outputs == 1:
            out[k, 0] = 0.5 * (state.bus[0, k, 0] + state.bus[0, k, 1])
        written = (s[m.S_MAIN_TAP] + k) % tap.shape[0]
        tap[written, 0], tap[written, 1] = state.bus[0, k, 0], state.bus[0, k, 1]
    s[m.S_MAIN_TAP] += frames


@njit
def _taps(state: State, frames: int, sound: Samples) -> None:
    s = state.s
    channels = s[m.S_INPUTS]
    if channels > 0:
        tap = state.input_tap
        peak = 0.0
        for k in range(frames):
            written = (s[m.S_INPUT_TAP] + k) % tap.shape[0]
            for channel in range(channels):
                value = sound[k, channel]
                tap[written, channel] = value
                peak = max(peak, abs(value))
        state.meters[m.M_INPUT] = max(state.meters[m.M_INPUT], peak)
        s[m.S_INPUT_TAP] += frames
    if s[m.S_STEMS] == 0:
        return
    stems = carray(pointer(s[m.S_STEM_ADDRESS]), (m.STEMS, s[m.S_STEM_FRAMES], 2), np.float32)
    for pad in range(m.AUDITION):
        stem = state.stem_of[pad]
        if stem < 0:
            continue
        touched = state.pi[pad, m.P_TOUCHED] == 1
        for k in range(frames):
            written = (s[m.S_STEM_BEGIN] + k) % s[m.S_STEM_FRAMES]
            stems[stem, written, 0] = state.pad[pad, k, 0] if touched else 0.0
            stems[stem, written, 1] = state.pad[pad, k, 1] if touched else 0.0
    s[m.S_STEM_BEGIN] += frames


@njit
def mix(state: State, frames: int, out: Samples, sound: Samples) -> None:
    """One block: events, voices, pads, buses, taps. `out` and `sound` are `[frames, channels]`."""
    s = state.s
    begin = s[m.S_FRAME]
    drain(state, begin)
    state.bus[:, :frames] = 0.0
    state.pi[:, m.P_TOUCHED] = 0
    at = 0
    while at < frames:
        run_due(state, begin + at)
        end = next_frame(state, begin + frames) - begin
        _segment(state, at, end - at, frames)
        at = end
    _outputs(state, frames, out)
    _taps(state, frames, sound)
    s[m.S_FRAME] = begin + frames
    s[m.S_BLOCKS] += 1
