"""A part of a recording made anew: the model's samples in the range, the recording's own everywhere else."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

FADE_SECONDS = 0.010
"""Of each joint, inside the range."""
BESIDE_SECONDS = 0.5
"""How much on each side of the range says how loud the recording is there."""
_SILENT = 1e-4


def laid_out(source: NDArray[np.float32], lead: int, frames: int) -> NDArray[np.float32]:
    """`source` `[channels, n]` in a sound of `frames` frames, `lead` frames after its start; its mirror image
    goes on around it, for joints to fade from."""
    tail = max(0, frames - lead - source.shape[1])
    whole: NDArray[np.float32] = np.pad(source, ((0, 0), (lead, tail)), mode="reflect")
    return whole[:, :frames]


def resized(take: NDArray[np.float32], take_rate: int, rate: int, frames: int) -> NDArray[np.float64]:
    """`take` `[m]` at `take_rate` Hz as `frames` samples at `rate` Hz, with silence where it is too short."""
    new = take.astype(np.float64)
    if take_rate != rate:
        new = soxr.resample(new, take_rate, rate, "VHQ")
    return np.pad(new, (0, max(0, frames - len(new))))[:frames]


def patched(
    source: NDArray[np.float32],
    rate: int,
    take: NDArray[np.float32],
    take_rate: int,
    start: float,
    stop: float,
) -> NDArray[np.float32]:
    """`source` `[channels, n]` at `rate` Hz with seconds `start` to `stop` (infinite: its end) taken from
    `take` `[m]` at `take_rate` Hz, which has the same seconds. Outside the range the samples are the source's
    to the bit.

    The take, whose level is the model's, is made as loud as it has to be to match the source beside the
    range, and no louder than full scale: the whole would have to become quieter otherwise. Joints are
    crossfaded at equal power; the ends of the source have none.
    """
    frames = source.shape[1]
    first, end = (round(min(second * rate, frames)) for second in (start, stop))
    new = resized(take, take_rate, rate, frames)
    gain = _gain(source.mean(axis=0, dtype=np.float64), new, first, end, round(BESIDE_SECONDS * rate))
    new *= min(gain, 1 / max(float(np.abs(new[first:end]).max(initial=0.0)), _SILENT))
    fade = min(round(FADE_SECONDS * rate), (end - first) // 2)
    rise = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / max(fade, 1))
    weight, left = np.ones(end - first), np.zeros(end - first)
    if first > 0:
        weight[:fade], left[:fade] = rise, rise[::-1]
    if end < frames:
        weight[len(weight) - fade :], left[len(left) - fade :] = rise[::-1], rise
    made = source.copy()
    made[:, first:end] = np.clip(source[:, first:end] * left + new[first:end] * weight, -1, 1)
    return made


def _gain(source: NDArray[np.float64], new: NDArray[np.float64], first: int, end: int, beside: int) -> float:
    """What makes `new` as loud as `source` beside the range; where one of them is silent there, as high."""
    places = np.r_[max(0, first - beside) : first, end : min(len(source), end + beside)]
    sizes = [float(np.sqrt(np.mean(one[places] ** 2))) if len(places) else 0.0 for one in (source, new)]
    if min(sizes) < _SILENT:
        sizes = [float(np.abs(one).max(initial=0.0)) for one in (source, new)]
    return sizes[0] / sizes[1] if min(sizes) >= _SILENT else 1.0
