"""A sound fitted to the device: stereo, at its rate, as long as the tempo asks, with its loop.

Samples are float32 [frames, 2], full scale 1.0. A loop is (start, end) in frames, the end not included, so
``samples[start:end]`` repeats. Both survive every step: a loop without a seam has none afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from foleyd.errors import BadRequest, FoleydError

Samples = NDArray[np.float32]
Loop = tuple[int, int]

MOST_CHANNELS = 8
OVERVIEW_PAIRS = 400
STRETCHES = (0.25, 4.0)
"""The least and the most that time may be stretched by."""

_MIRROR_S = 0.02
_CONTEXT_FRAMES = 2048
_PHASES = 640
_SEAM_S = 0.03
_STRETCH_SEED = 17131
_AROUND_BLOCKS = 2

_HALF = math.sqrt(0.5)
_LEFT, _RIGHT, _BOTH, _NONE = (1.0, 0.0), (0.0, 1.0), (_HALF, _HALF), (0.0, 0.0)
_BACK_LEFT, _BACK_RIGHT = (_HALF, 0.0), (0.0, _HALF)
# the speakers of WAVE files by their number; weights as in ITU-R BS.775, the subwoofer left out
_SPEAKERS: Mapping[int, tuple[tuple[float, float], ...]] = {
    1: ((1.0, 1.0),),
    2: (_LEFT, _RIGHT),
    3: (_LEFT, _RIGHT, _BOTH),
    4: (_LEFT, _RIGHT, _BACK_LEFT, _BACK_RIGHT),
    5: (_LEFT, _RIGHT, _BOTH, _BACK_LEFT, _BACK_RIGHT),
    6: (_LEFT, _RIGHT, _BOTH, _NONE, _BACK_LEFT, _BACK_RIGHT),
    7: (_LEFT, _RIGHT, _BOTH, _NONE, _BOTH, _BACK_LEFT, _BACK_RIGHT),
    8: (_LEFT, _RIGHT, _BOTH, _NONE, _BACK_LEFT, _BACK_RIGHT, _BACK_LEFT, _BACK_RIGHT),
}


def stereo(sound: Samples) -> Samples:
    """[frames, 1…8] as [frames, 2]: mono on both sides, stereo as it is, more channels mixed down so that
    channels at full scale stay within it."""
    channels = sound.shape[1]
    if channels == 2:
        return np.ascontiguousarray(sound)
    if channels == 1:
        return np.repeat(sound, 2, axis=1)
    mix = np.asarray(_SPEAKERS[channels], dtype=np.float32)
    return np.ascontiguousarray(sound @ (mix / mix.sum(axis=0)), dtype=np.float32)


def fitted_frames(frames: int, rate_in: int, rate: int, stretch: float) -> int:
    """How many frames a sound has once it is fitted."""
    return max(1, round(frames * rate * stretch / rate_in))


def fitted(
    sound: Samples, rate_in: int, rate: int, stretch: float = 1.0, loop: Loop | None = None
) -> tuple[Samples, Loop | None]:
    """`sound` at `rate` Hz and `stretch` times as long at the same pitch: exactly :func:`fitted_frames`.

    Raises FoleydError without python-stretch, where it is needed.
    """
    frames = fitted_frames(len(sound), rate_in, rate, stretch)
    between = fitted_frames(len(sound), rate_in, rate, 1.0)
    if rate != rate_in:
        sound, loop = resampled(sound, rate_in, rate, between, loop)
    if stretch != 1.0:
        sound, loop = stretched(sound, rate, frames, loop)
    return sound, loop


def resampled(
    sound: Samples, rate_in: int, rate: int, frames: int, loop: Loop | None = None
) -> tuple[Samples, Loop | None]:
    """`sound` brought from `rate_in` to `rate` Hz, cut or filled to `frames`.

    The loop's length is rounded to whole frames and its content resampled around the seam.
    """
    import soxr

    # The filter would answer the step from nothing into a sound that begins in mid-wave with a swing; a
    # mirror image before the start and after the end is no step. Its length is whole at both rates.
    unit = rate_in // math.gcd(rate_in, rate)
    before = -(-math.ceil(_MIRROR_S * rate_in) // unit) * unit
    mirrored = np.pad(sound, ((before, before), (0, 0)), mode="reflect" if len(sound) > 1 else "edge")
    first = before * rate // rate_in
    whole = exactly(soxr.resample(mirrored, rate_in, rate, "VHQ")[first : first + frames], frames)
    if loop is None:
        return whole, None
    length = min(max(1, round((loop[1] - loop[0]) * rate / rate_in)), frames)
    start = min(round(loop[0] * rate / rate_in), frames - length)
    phase = start - loop[0] * rate / rate_in
    whole[start : start + length] = _around(sound[loop[0] : loop[1]], length, phase)
    return whole, (start, start + length)


def _around(turn: Samples, length: int, phase: float) -> Samples:
    """One turn of a periodic sound as `length` frames, `phase` frames (of the new ones) late: its ends are
    neighbours."""
    import soxr

    ratio = length / len(turn)
    # of the lead-ins that are long enough, one whose last frame falls on a new frame
    leads = range(_CONTEXT_FRAMES, _CONTEXT_FRAMES + _PHASES)
    lead = min(leads, key=lambda frames: abs((frames * ratio + phase + 0.5) % 1.0 - 0.5))
    places = np.arange(-lead, len(turn) + _CONTEXT_FRAMES) % len(turn)
    first = round(lead * ratio + phase)
    turned = soxr.resample(turn[places], len(turn), length, "VHQ")
    return exactly(turned[first : first + length], length)


def stretched(
    sound: Samples, rate: int, frames: int, loop: Loop | None = None
) -> tuple[Samples, Loop | None]:
    """`sound` made `frames` long at the same pitch; `rate` only sets the sizes of the analysis.

    The end of a loop is faded into what comes before its start, since a phase vocoder does not end a turn
    in the phase in which it began it. Raises FoleydError without python-stretch.
    """
    try:
        from python_stretch.Signalsmith import Stretch
    except ImportError as error:
        raise FoleydError(
            "Sounds cannot be stretched without python-stretch: install it with pip install 'foleyd[live]'."
        ) from error
    engine = Stretch(_STRETCH_SEED)
    engine.preset(2, float(rate))
    ratio = frames / len(sound)
    # silence on both sides, so that the first attack is heard as whole as those in the middle
    lead = _AROUND_BLOCKS * engine.blockSamples()
    ahead, behind = np.zeros((lead, 2), np.float32), np.zeros((lead, 2), np.float32)
    if loop is not None:
        turn = sound[loop[0] : loop[1]]
        if loop[0] == 0:
            ahead = turn[np.arange(-lead, 0) % len(turn)]
        if loop[1] == len(sound):
            behind = turn[np.arange(lead) % len(turn)]
    material = np.ascontiguousarray(np.concatenate([ahead, sound, behind]).T)
    engine.setTimeFactor(material.shape[1] / round(material.shape[1] * ratio))
    result = np.ascontiguousarray(np.asarray(engine.process(material)).T)
    first = round(lead * ratio)
    if loop is None:
        return exactly(result[first : first + frames], frames), None
    length = min(max(1, round((loop[1] - loop[0]) * ratio)), frames)
    start = min(round(loop[0] * ratio), frames - length)
    room = first if loop[0] == 0 else start
    _join(result, first + start, first + start + length, min(round(_SEAM_S * rate), length // 2, room))
    return exactly(result[first : first + frames], frames), (start, start + length)


def _join(sound: Samples, start: int, end: int, fade: int) -> None:
    """Fade the last frames before `end` into those before `start`, and those after it back, in place."""
    rise = ((np.arange(fade) + 0.5) / max(fade, 1)).astype(np.float32)[:, np.newaxis]
    after = rise[: max(0, min(fade, len(sound) - end, end - start))]
    entry = sound[start : start + len(after)].copy()
    sound[end - fade : end] = _crossed(sound[end - fade : end], sound[start - fade : start], rise)
    sound[end : end + len(after)] = _crossed(entry, sound[end : end + len(after)], after)


def _crossed(old: Samples, new: Samples, rise: Samples) -> Samples:
    """`old` faded into `new` at equal power, whatever the phase between the two."""
    power = math.sqrt(float(np.sum(old * old, dtype=np.float64) * np.sum(new * new, dtype=np.float64)))
    alike = max(0.0, float(np.sum(old * new, dtype=np.float64)) / power) if power > 0 else 1.0
    fall = np.float32(1.0) - rise
    loss = np.sqrt(rise * rise + fall * fall + 2 * np.float32(alike) * rise * fall)
    return np.asarray((old * fall + new * rise) / loss, dtype=np.float32)


def exactly(sound: Samples, frames: int) -> Samples:
    """Cut to `frames`, or filled by holding the last frame: a resampler may round its length down by one."""
    kept = sound[:frames]
    missing = frames - len(kept)
    if missing:
        kept = np.pad(kept, ((0, missing), (0, 0)), mode="edge")
    return np.ascontiguousarray(kept, dtype=np.float32)


def overview(sound: Samples, pairs: int = OVERVIEW_PAIRS) -> tuple[tuple[float, float], ...]:
    """The least and greatest sample of both channels in each of `pairs` equal parts (one a frame, if there
    are fewer frames), to three places: enough to draw a waveform."""
    edges = np.linspace(0, len(sound), min(pairs, len(sound)) + 1).astype(np.intp)[:-1]
    least = np.minimum.reduceat(sound.min(axis=1), edges)
    greatest = np.maximum.reduceat(sound.max(axis=1), edges)
    return tuple(
        (round(float(low), 3), round(float(high), 3)) for low, high in zip(least, greatest, strict=True)
    )


def check_stretch(stretch: float) -> None:
    """Raise BadRequest for a stretch out of range."""
    if not STRETCHES[0] <= stretch <= STRETCHES[1]:
        raise BadRequest(
            f"a sound cannot be made {stretch:g} times as long: stretch it by {STRETCHES[0]:g} to "
            f"{STRETCHES[1]:g}, or choose another tempo or length."
        )
