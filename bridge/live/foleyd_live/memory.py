"""Everything that the audio callback touches, laid out once in plain arrays that both mixers share.

Nothing here is allocated while sound plays. The control side writes events into a ring and reads meters,
voices and counters; the callback alone writes the rest. Each array has one writer, and a count is written
after what it counts, so neither side ever waits for the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

PADS = 65
"""The 64 pads and the audition pad, which is heard on the cue bus alone."""
AUDITION = 64
VOICES = 64
"""Voices that sound; as many more may be fading out."""
SLOTS = 2 * VOICES
CLIPS = 512
EVENTS = 4096
"""Events that may wait; a power of two."""
PAIRS = 16
MOST_BLOCK = 8192
"""Frames of the longest block."""
WINDOW = 33
"""Points of the limiter's window: its look-ahead, and the delay of all outputs, is one frame less."""
DELAY = WINDOW - 1
RAMP = 128
"""Frames that a change of a level takes."""
STAGES = 16
"""Sounds that one clip may be a way through."""
FADER_RAMP = 1024
"""Frames that a move of a pad's fader takes: faders send tens of places a second."""
MAIN_TAP_S = 40.0
INPUT_TAP_S = 40.0
DURATIONS = 16_384
"""Callbacks whose beginning and duration are kept; a power of two."""
STEMS = 16
"""Pads that may be recorded apart at once."""

# kinds of events
PLAY, STOP, RELEASE, SWAP, PAD, MAIN, CUE, PANIC, FADER = range(1, 10)

# columns of an event: whole numbers, then real ones
E_KIND, E_FRAME, E_PAD, E_CLIP, E_LOOP, E_GATE, E_TOGGLE, E_CHOKE, E_LIMIT, E_RELEASE, E_ATTACK, E_START = (
    range(12)
)
E_INTS = 12
E_HOW = E_START
"""Of a swap: 0 now, 1 at the loop point."""
E_VELOCITY, E_RATE, E_LEFT, E_RIGHT, E_SEND = range(5)
E_FLOATS = 5

# a voice
V_STATE, V_PAD, V_CLIP, V_LOOP, V_GATE, V_ORDER, V_RELEASE, V_NEXT, V_NEXT_LOOP, V_PLAYED = range(10)
V_INTS = 10
FREE, SOUNDING, RELEASING = range(3)
V_POSITION, V_RATE, V_VELOCITY, V_LEVEL, V_STEP = range(5)
V_FLOATS = 5

# a clip of the table; one of several stages has the others beside it, and is its first
C_ADDRESS, C_FRAMES, C_LOOP_START, C_LOOP_END, C_STAGES = range(5)
C_INTS = 5

# a pad: levels now, their change a frame, where they go, and where they go after a dip
P_LEFT, P_RIGHT, P_SEND, P_STEP_LEFT, P_STEP_RIGHT, P_STEP_SEND = range(6)
P_TO_LEFT, P_TO_RIGHT, P_TO_SEND = range(6, 9)
P_FADER, P_STEP_FADER, P_TO_FADER = range(9, 12)
P_FLOATS = 12
P_RAMP, P_PAIR, P_WANTED, P_DIP, P_TOUCHED, P_CHOKE, P_FADING = range(7)
P_INTS = 7

# scalars, whole
(
    S_FRAME,
    S_WRITTEN,
    S_READ,
    S_PENDING,
    S_ORDER,
    S_OUTPUTS,
    S_INPUTS,
    S_CUE_PAIR,
    S_LATE,
    S_DROPPED,
    S_STOLEN,
    S_BLOCKS,
    S_UNDERRUNS,
    S_OVERRUNS,
    S_SEQUENCE,
    S_CLOCK_FRAME,
    S_CLOCK_NS,
    S_MAIN_TAP,
    S_INPUT_TAP,
    S_STEMS,
    S_STEM_ADDRESS,
    S_STEM_FRAMES,
    S_STEM_BEGIN,
    S_DURATIONS,
    S_DELAY_AT,
    S_LIMITING,
    S_RAMP_MAIN,
    S_RAMP_CUE,
    S_FADE,
    S_EVENTS_DONE,
) = range(30)
SCALARS = 30

# scalars, real
(
    F_MAIN,
    F_MAIN_STEP,
    F_MAIN_TO,
    F_CUE,
    F_CUE_STEP,
    F_CUE_TO,
    F_RELEASED,
    F_RELEASE_RATE,
    F_CEILING,
    F_SUM,
    F_LATENCY,
    F_LOWEST,
) = range(12)
FLOATS = 12
CEILING = 10 ** (-1 / 20)
LIMITER_RELEASE_S = 0.08

M_PAIRS, M_CUE, M_INPUT, M_PADS = 0, PAIRS, PAIRS + 1, PAIRS + 2
METERS = M_PADS + PADS


class State(NamedTuple):
    """The arrays, as the mixers get them. Shapes stand in :func:`new_state`."""

    s: npt.NDArray[np.int64]
    f: npt.NDArray[np.float64]
    ring_i: npt.NDArray[np.int64]
    ring_f: npt.NDArray[np.float64]
    pend_i: npt.NDArray[np.int64]
    pend_f: npt.NDArray[np.float64]
    order: npt.NDArray[np.int64]
    free: npt.NDArray[np.int64]
    vi: npt.NDArray[np.int64]
    vf: npt.NDArray[np.float64]
    clips: npt.NDArray[np.int64]
    pi: npt.NDArray[np.int64]
    pf: npt.NDArray[np.float64]
    pad: npt.NDArray[np.float32]
    bus: npt.NDArray[np.float32]
    delay: npt.NDArray[np.float32]
    need: npt.NDArray[np.float64]
    held: npt.NDArray[np.float64]
    meters: npt.NDArray[np.float64]
    main_tap: npt.NDArray[np.float32]
    input_tap: npt.NDArray[np.float32]
    stem_of: npt.NDArray[np.int64]
    durations: npt.NDArray[np.float32]
    begins: npt.NDArray[np.int64]
    stamp: npt.NDArray[np.int64]
    stages: npt.NDArray[np.int64]
    alike: npt.NDArray[np.float64]


def new_state(rate: int, outputs: int, inputs: int, cue_pair: int, most_block: int = MOST_BLOCK) -> State:
    """Arrays for a device of `rate` Hz with so many channels; `cue_pair` counts from 0, -1 for none.

    Buses are one for each pair of outputs and, last, the cue bus; `pad` and `bus` are `[…, frames, 2]`.
    `stages` are the addresses of a clip's stages, `alike` how much each is correlated with the next.
    """
    pairs = max(1, (outputs + 1) // 2)
    whole: Any = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
    real: Any = lambda *shape: np.zeros(shape, np.float64)  # noqa: E731
    sound: Any = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    state = State(
        s=whole(SCALARS),
        f=real(FLOATS),
        ring_i=whole(EVENTS, E_INTS),
        ring_f=real(EVENTS, E_FLOATS),
        pend_i=whole(EVENTS, E_INTS),
        pend_f=real(EVENTS, E_FLOATS),
        order=whole(EVENTS),
        free=np.arange(EVENTS, dtype=np.int64),
        vi=whole(SLOTS, V_INTS),
        vf=real(SLOTS, V_FLOATS),
        clips=whole(CLIPS, C_INTS),
        pi=whole(PADS, P_INTS),
        pf=real(PADS, P_FLOATS),
        pad=sound(PADS, most_block, 2),
        bus=sound(pairs + 1, most_block, 2),
        delay=sound(pairs + 1, WINDOW, 2),
        need=np.ones(WINDOW),
        held=np.ones(WINDOW),
        meters=real(METERS),
        main_tap=sound(int(MAIN_TAP_S * rate), 2),
        input_tap=sound(int(INPUT_TAP_S * rate) if inputs else 1, max(1, inputs)),
        stem_of=np.full(PADS, -1, np.int64),
        durations=sound(DURATIONS),
        begins=whole(DURATIONS),
        stamp=whole(4),
        stages=whole(CLIPS, STAGES),
        alike=real(CLIPS, STAGES),
    )
    state.vi[:, V_NEXT] = -1
    state.pf[:, [P_LEFT, P_RIGHT, P_TO_LEFT, P_TO_RIGHT]] = 1.0
    state.pf[AUDITION, [P_LEFT, P_RIGHT, P_TO_LEFT, P_TO_RIGHT]] = 0.0
    state.pf[AUDITION, [P_SEND, P_TO_SEND]] = 1.0
    state.s[S_OUTPUTS], state.s[S_INPUTS], state.s[S_CUE_PAIR] = outputs, inputs, cue_pair
    state.s[S_FADE] = max(1, round(0.005 * rate))
    state.f[[F_MAIN, F_MAIN_TO, F_CUE, F_CUE_TO, F_RELEASED, F_LOWEST]] = 1.0
    state.f[F_CEILING] = CEILING
    state.f[F_RELEASE_RATE] = 1 - np.exp(-1 / (LIMITER_RELEASE_S * rate))
    state.f[F_SUM] = WINDOW
    return state
