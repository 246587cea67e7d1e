"""What events do: from the ring into the line of those that wait, and from there to voices and pads.

Both mixers run these functions, one as plain Python and one compiled, so that they cannot differ in what
happens and when; they differ in how samples are added up.
"""

from __future__ import annotations

from foleyd_live import memory as m
from foleyd_live.compiler import register_jitable
from foleyd_live.memory import State

__all__ = ["drain", "end_voice", "fader_at", "next_frame", "pass_fader", "run_due"]


@register_jitable
def drain(state: State, begin: int) -> None:
    """Take what the control side has written into the line, sorted by frame and then by order of coming.

    An event for a frame before `begin` is late: it happens at `begin`, and is counted. NOW is not late.
    """
    s = state.s
    while s[m.S_READ] < s[m.S_WRITTEN]:
        source = s[m.S_READ] % m.EVENTS
        count = s[m.S_PENDING]
        row = state.free[m.EVENTS - 1 - count]
        for column in range(m.E_INTS):
            state.pend_i[row, column] = state.ring_i[source, column]
        for column in range(m.E_FLOATS):
            state.pend_f[row, column] = state.ring_f[source, column]
        frame = state.pend_i[row, m.E_FRAME]
        if frame < begin:
            if frame >= 0:
                s[m.S_LATE] += 1
            frame = begin
            state.pend_i[row, m.E_FRAME] = frame
        place = count
        while place > 0 and state.pend_i[state.order[place - 1], m.E_FRAME] > frame:
            state.order[place] = state.order[place - 1]
            place -= 1
        state.order[place] = row
        s[m.S_PENDING] = count + 1
        s[m.S_READ] += 1


@register_jitable
def next_frame(state: State, end: int) -> int:
    """The frame of the first event before `end`, or `end`."""
    if state.s[m.S_PENDING] == 0:
        return end
    frame = state.pend_i[state.order[0], m.E_FRAME]
    return frame if frame < end else end


@register_jitable
def run_due(state: State, frame: int) -> None:
    """Run every event at `frame` or before, in order."""
    s = state.s
    done = 0
    while done < s[m.S_PENDING]:
        row = state.order[done]
        if state.pend_i[row, m.E_FRAME] > frame:
            break
        _apply(state, row)
        done += 1
        if state.pend_i[row, m.E_KIND] == m.PANIC:
            done = s[m.S_PENDING]
    if done == 0:
        return
    left = s[m.S_PENDING] - done
    for place in range(done):
        state.free[m.EVENTS - s[m.S_PENDING] + place] = state.order[place]
    for place in range(left):
        state.order[place] = state.order[place + done]
    s[m.S_PENDING] = left
    s[m.S_EVENTS_DONE] += done


@register_jitable
def end_voice(state: State, slot: int) -> None:
    """The voice is over; its slot is free."""
    state.vi[slot, m.V_STATE] = m.FREE


@register_jitable
def _apply(state: State, row: int) -> None:
    kind = state.pend_i[row, m.E_KIND]
    pad = state.pend_i[row, m.E_PAD]
    if kind == m.PLAY:
        if state.pend_i[row, m.E_TOGGLE] == 1 and _sounds(state, pad):
            _fade_pad(state, pad, state.pend_i[row, m.E_RELEASE], False)
        else:
            _play(state, row)
    elif kind == m.STOP:
        _fade_pad(state, pad, state.pend_i[row, m.E_RELEASE], False)
    elif kind == m.RELEASE:
        _fade_pad(state, pad, -1, True)
    elif kind == m.SWAP:
        _swap(state, row)
    elif kind == m.PAD:
        _set_pad(state, row)
    elif kind == m.MAIN:
        _set_main(state, state.pend_f[row, m.E_LEFT])
    elif kind == m.CUE:
        _set_cue(state, state.pend_f[row, m.E_LEFT])
    elif kind == m.FADER:
        _set_fader(state, pad, state.pend_f[row, m.E_LEFT])
    elif kind == m.PANIC:
        for slot in range(m.SLOTS):
            _fade(state, slot, state.s[m.S_FADE])


@register_jitable
def _sounds(state: State, pad: int) -> bool:
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_STATE] == m.SOUNDING and state.vi[slot, m.V_PAD] == pad:
            return True
    return False


@register_jitable
def _fade(state: State, slot: int, frames: int) -> None:
    """Let a sounding voice go over `frames`, its own release where that is negative; one that has not
    sounded yet ends at once."""
    vi = state.vi
    if vi[slot, m.V_STATE] == m.FREE:
        return
    if vi[slot, m.V_PLAYED] == 0:
        vi[slot, m.V_STATE] = m.FREE
        return
    if frames < 0:
        frames = vi[slot, m.V_RELEASE]
    step = -1.0 / max(1, frames)
    if vi[slot, m.V_STATE] == m.RELEASING and state.vf[slot, m.V_STEP] <= step:
        return
    vi[slot, m.V_STATE] = m.RELEASING
    state.vf[slot, m.V_STEP] = step


@register_jitable
def _fade_pad(state: State, pad: int, frames: int, gated: bool) -> None:
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_PAD] != pad or state.vi[slot, m.V_STATE] == m.FREE:
            continue
        if not gated or state.vi[slot, m.V_GATE] == 1:
            _fade(state, slot, frames)


@register_jitable
def _oldest(state: State, pad: int) -> int:
    """The slot of the oldest sounding voice of `pad`, of any pad where that is negative; -1 for none."""
    found = -1
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_STATE] != m.SOUNDING or (pad >= 0 and state.vi[slot, m.V_PAD] != pad):
            continue
        if found < 0 or state.vi[slot, m.V_ORDER] < state.vi[found, m.V_ORDER]:
            found = slot
    return found


@register_jitable
def _count(state: State, pad: int) -> int:
    count = 0
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_STATE] == m.SOUNDING and (pad < 0 or state.vi[slot, m.V_PAD] == pad):
            count += 1
    return count


@register_jitable
def _play(state: State, row: int) -> None:
    pad = state.pend_i[row, m.E_PAD]
    clip = state.pend_i[row, m.E_CLIP]
    group = state.pend_i[row, m.E_CHOKE]
    fade = state.s[m.S_FADE]
    if state.clips[clip, m.C_FRAMES] == 0:
        return
    state.pi[pad, m.P_CHOKE] = group
    if group != 0:
        for slot in range(m.SLOTS):
            other = state.vi[slot, m.V_PAD]
            if other != pad and state.pi[other, m.P_CHOKE] == group:
                _fade(state, slot, fade)
    while _count(state, pad) >= max(1, state.pend_i[row, m.E_LIMIT]):
        _fade(state, _oldest(state, pad), fade)
        state.s[m.S_STOLEN] += 1
    while _count(state, -1) >= m.VOICES:
        _fade(state, _oldest(state, -1), fade)
        state.s[m.S_STOLEN] += 1
    slot = 0
    while slot < m.SLOTS and state.vi[slot, m.V_STATE] != m.FREE:
        slot += 1
    if slot == m.SLOTS:
        state.s[m.S_DROPPED] += 1
        return
    attack = state.pend_i[row, m.E_ATTACK]
    release = state.pend_i[row, m.E_RELEASE]
    _begin(
        state,
        slot,
        pad,
        clip,
        state.pend_i[row, m.E_LOOP],
        state.pend_i[row, m.E_START],
        state.pend_f[row, m.E_VELOCITY],
        state.pend_f[row, m.E_RATE],
        attack,
    )
    state.vi[slot, m.V_GATE] = state.pend_i[row, m.E_GATE]
    state.vi[slot, m.V_RELEASE] = release if release >= 0 else fade


@register_jitable
def _begin(
    state: State,
    slot: int,
    pad: int,
    clip: int,
    loop: int,
    start: int,
    velocity: float,
    rate: float,
    attack: int,
) -> None:
    vi, vf = state.vi, state.vf
    vi[slot, m.V_STATE] = m.SOUNDING
    vi[slot, m.V_PAD] = pad
    vi[slot, m.V_CLIP] = clip
    vi[slot, m.V_LOOP] = loop
    vi[slot, m.V_GATE] = 0
    vi[slot, m.V_ORDER] = state.s[m.S_ORDER]
    state.s[m.S_ORDER] += 1
    vi[slot, m.V_RELEASE] = state.s[m.S_FADE]
    vi[slot, m.V_NEXT] = -1
    vi[slot, m.V_PLAYED] = 0
    vf[slot, m.V_POSITION] = start
    vf[slot, m.V_RATE] = rate
    vf[slot, m.V_VELOCITY] = velocity
    vf[slot, m.V_LEVEL] = 1.0 if attack <= 0 else 0.0
    vf[slot, m.V_STEP] = 0.0 if attack <= 0 else 1.0 / attack


@register_jitable
def _swap(state: State, row: int) -> None:
    """At the loop point: every looping voice of the pad goes on with the new clip. Now: they fade, and one
    new voice with the newest's level begins."""
    pad = state.pend_i[row, m.E_PAD]
    clip = state.pend_i[row, m.E_CLIP]
    loop = state.pend_i[row, m.E_LOOP]
    newest = -1
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_STATE] != m.SOUNDING or state.vi[slot, m.V_PAD] != pad:
            continue
        if state.pend_i[row, m.E_HOW] == 1:
            if state.vi[slot, m.V_LOOP] == 1:
                state.vi[slot, m.V_NEXT] = clip
                state.vi[slot, m.V_NEXT_LOOP] = loop
            continue
        if newest < 0 or state.vi[slot, m.V_ORDER] > state.vi[newest, m.V_ORDER]:
            newest = slot
    if newest < 0:
        return
    velocity = state.vf[newest, m.V_VELOCITY]
    rate = state.vf[newest, m.V_RATE]
    gate = state.vi[newest, m.V_GATE]
    release = state.vi[newest, m.V_RELEASE]
    fade = state.s[m.S_FADE]
    _fade_pad(state, pad, fade, False)
    slot = 0
    while slot < m.SLOTS and state.vi[slot, m.V_STATE] != m.FREE:
        slot += 1
    if slot == m.SLOTS or state.clips[clip, m.C_FRAMES] == 0:
        state.s[m.S_DROPPED] += 1
        return
    _begin(state, slot, pad, clip, loop, 0, velocity, rate, fade)
    state.vi[slot, m.V_GATE] = gate
    state.vi[slot, m.V_RELEASE] = release


@register_jitable
def _set_pad(state: State, row: int) -> None:
    pad = state.pend_i[row, m.E_PAD]
    pi, pf = state.pi, state.pf
    pf[pad, m.P_TO_LEFT] = state.pend_f[row, m.E_LEFT]
    pf[pad, m.P_TO_RIGHT] = state.pend_f[row, m.E_RIGHT]
    pf[pad, m.P_TO_SEND] = state.pend_f[row, m.E_SEND]
    pi[pad, m.P_WANTED] = state.pend_i[row, m.E_CLIP]
    if pi[pad, m.P_WANTED] != pi[pad, m.P_PAIR] and _heard(state, pad):
        pi[pad, m.P_DIP] = 1
        ramp_pad(state, pad, 0.0, 0.0)
        return
    pi[pad, m.P_PAIR] = pi[pad, m.P_WANTED]
    pi[pad, m.P_DIP] = 0
    if _heard(state, pad):
        ramp_pad(state, pad, pf[pad, m.P_TO_LEFT], pf[pad, m.P_TO_RIGHT])
    else:  # nothing sounds that a step could be heard in
        pf[pad, m.P_LEFT] = pf[pad, m.P_TO_LEFT]
        pf[pad, m.P_RIGHT] = pf[pad, m.P_TO_RIGHT]
        pf[pad, m.P_SEND] = pf[pad, m.P_TO_SEND]
        pi[pad, m.P_RAMP] = 0


@register_jitable
def ramp_pad(state: State, pad: int, left: float, right: float) -> None:
    """Bring a pad's levels to `left` and `right`, and its cue send to where it goes."""
    pf = state.pf
    pf[pad, m.P_STEP_LEFT] = (left - pf[pad, m.P_LEFT]) / m.RAMP
    pf[pad, m.P_STEP_RIGHT] = (right - pf[pad, m.P_RIGHT]) / m.RAMP
    pf[pad, m.P_STEP_SEND] = (pf[pad, m.P_TO_SEND] - pf[pad, m.P_SEND]) / m.RAMP
    state.pi[pad, m.P_RAMP] = m.RAMP


@register_jitable
def _set_fader(state: State, pad: int, place: float) -> None:
    state.pf[pad, m.P_TO_FADER] = place
    if _heard(state, pad):
        state.pf[pad, m.P_STEP_FADER] = (place - state.pf[pad, m.P_FADER]) / m.FADER_RAMP
        state.pi[pad, m.P_FADING] = m.FADER_RAMP
    else:
        state.pf[pad, m.P_FADER] = place
        state.pi[pad, m.P_FADING] = 0


@register_jitable
def fader_at(state: State, pad: int, frames: int) -> float:
    """Where a pad's fader is, 0 to 1, so many frames on."""
    place: float = state.pf[pad, m.P_TO_FADER]
    if frames < state.pi[pad, m.P_FADING]:
        place = state.pf[pad, m.P_FADER] + state.pf[pad, m.P_STEP_FADER] * frames
    return place


@register_jitable
def pass_fader(state: State, pad: int, frames: int) -> None:
    """So many frames of a pad are over."""
    left = state.pi[pad, m.P_FADING]
    if left > 0:
        state.pf[pad, m.P_FADER] = fader_at(state, pad, frames)
        state.pi[pad, m.P_FADING] = max(0, left - frames)


@register_jitable
def _heard(state: State, pad: int) -> bool:
    for slot in range(m.SLOTS):
        if state.vi[slot, m.V_STATE] != m.FREE and state.vi[slot, m.V_PAD] == pad:
            return True
    return False


@register_jitable
def _set_main(state: State, gain: float) -> None:
    state.f[m.F_MAIN_TO] = gain
    state.f[m.F_MAIN_STEP] = (gain - state.f[m.F_MAIN]) / m.RAMP
    state.s[m.S_RAMP_MAIN] = m.RAMP


@register_jitable
def _set_cue(state: State, gain: float) -> None:
    state.f[m.F_CUE_TO] = gain
    state.f[m.F_CUE_STEP] = (gain - state.f[m.F_CUE]) / m.RAMP
    state.s[m.S_RAMP_CUE] = m.RAMP
