"""From a take to a clip: trim, rate, highs, length, width, fades, level. Deterministic; the model that made
the take is not involved.

The order is fixed: the resampler sees the whole take, so that no cut rings, and so does what adds highs; the
cut is then exact at the target rate; the fade-in comes before widening, which would otherwise echo a hard
start, and the fade-out after it, so that its echoes end too; the level comes last, so that its ceiling holds
for what is written.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from foleyd.audio import measure
from foleyd.audio.spectrum import edge
from foleyd.audio.width import widened
from foleyd.errors import BadRequest, RenderFailed
from foleyd.recipe import Recipe, frames_at, length

Signal = NDArray[np.float64]

PREROLL_SECONDS = 0.002
"""What trimming leaves before the first audible millisecond."""
TAIL_SECONDS = 0.010
"""What trimming to ``auto`` leaves after the last audible millisecond."""
SHORTEST_SECONDS = 0.1
"""A clip of length ``auto`` is never shorter; silence fills it."""
DECLICK_MS = 5.0
"""A fade-in up to this long is there against clicks: it gives way to an attack. A longer one is an effect
and is kept.
"""

_ATTACK_LOSS_DB = 0.25
_ATTACK_SECONDS = 0.020
_MIRROR_SECONDS = 0.020
_OWN_HIGHS = 1.15
_ROOM = 1.1
_NOTHING = 1e-9
_FLAWS = {"nan": "a value that is no number (NaN)", "inf": "an infinite value"}


@dataclass(frozen=True)
class Finished:
    """A finished sound and what was done to it."""

    samples: NDArray[np.float32]
    """``[channels, n]``, full scale 1.0, never NaN or Inf."""
    rate: int
    """Hz."""
    gain_db: float
    """What the level stage multiplied by."""
    true_peak_dbtp: float
    """-inf for digital silence."""
    loudness_lufs: float | None
    """Measured only when the recipe levels by loudness; None under 0.4 s, or below the measurement's gate."""
    started_frame: int
    """The frame of the take that the clip begins with, at the take's rate."""
    notes: tuple[str, ...] = ()
    """One sentence for each wish that could not be met to the letter."""
    loops: tuple[tuple[int, int], ...] = ()
    """Loop points at ``rate``, the last frame included."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.rate)


def finish(
    samples: NDArray[np.floating[Any]],
    rate_in: int,
    recipe: Recipe,
    *,
    loop: tuple[int, int] | None = None,
    check_silence: bool = True,
) -> Finished:
    """Finish a take as the recipe asks.

    ``samples`` is ``[n]``, ``[1, n]`` or ``[2, n]`` at ``rate_in`` Hz, as long as the recipe's seconds or
    longer. With seconds in the recipe the result has exactly ``round(seconds * rate)`` frames (silence
    fills what trimming takes away); with ``auto`` it ends with the sound. ``loop`` names the first and last
    frame of a loop in the take, both included: the clip ends with the loop and is neither trimmed nor
    faded, and a loop from frame 0 is resampled and widened around its seam. A take of the operation "loop"
    is such a loop from its first frame to its last.

    Raises RenderFailed with reason "nan", "inf" or (unless ``check_silence`` is off) "silence" for a take
    that is none, BadRequest for loop points that cannot be.
    """
    with np.errstate(over="ignore"):
        take = measure.planar(np.asarray(samples, dtype=np.float32))
    if take.shape[0] > 2:
        raise ValueError("a take has one or two channels")
    if reason := measure.flaw(take):
        raise RenderFailed(
            f"the model gave {_FLAWS[reason]}: render again with another seed, or with precision float32.",
            reason=reason,
        )
    if check_silence and measure.is_silent(take):
        raise RenderFailed(
            "the model gave silence: render again with another seed or other words.", reason="silence"
        )
    if loop is None and recipe.operation == "loop":
        loop = (0, take.shape[1] - 1)
    if loop is not None:
        return _finish_loop(take, rate_in, recipe, loop)

    rate = recipe.rate
    start, end = _span(take, rate_in, recipe)
    whole, notes = _brightened(_resampled(take, rate_in, rate), take, rate_in, recipe)
    first = round(start * rate / rate_in)
    wanted = frames_at(recipe, rate) or max(
        round(end * rate / rate_in) - first, round(SHORTEST_SECONDS * rate)
    )
    cut = whole[:, first : first + wanted]
    if check_silence and measure.is_silent(cut):
        raise RenderFailed(
            "the sound begins after the seconds asked for: ask for more seconds, leave trim on, or try "
            "another seed.",
            reason="silence",
        )
    fade_in, fade_out = _fades(cut, rate, recipe)
    cut = np.concatenate([cut[:, :fade_in] * _rise(fade_in), cut[:, fade_in:]], axis=1)
    wide = _laid_out(cut, rate, recipe.width)
    kept = wide.shape[1] - fade_out
    ended = np.concatenate([wide[:, :kept], wide[:, kept:] * _rise(fade_out)[::-1]], axis=1)
    filled = np.pad(ended, ((0, 0), (0, wanted - ended.shape[1])))
    return _levelled(filled, recipe, started_frame=start, notes=notes)


def _finish_loop(take: Signal, rate_in: int, recipe: Recipe, loop: tuple[int, int]) -> Finished:
    start, last = loop
    if not 0 <= start < last < take.shape[1]:
        raise BadRequest(
            f"loop points {start} to {last} lie outside the sound's frames 0 to {take.shape[1] - 1}: give "
            "a start before the end."
        )
    material = take[:, : last + 1]
    frames_in = material.shape[1]
    frames = frames_at(recipe, recipe.rate) or round(frames_in * recipe.rate / rate_in)
    asked = length(recipe)
    if asked is not None and abs(frames_in / rate_in - asked) > 1.0 / rate_in:
        raise BadRequest(
            f"the loop lasts {frames_in / rate_in:.4f} s but the recipe asks for {float(asked):g} s: "
            "ask for the loop's length or auto."
        )
    if start == 0:
        ready = _resampled_around(material, frames)
    else:
        resampled = _resampled(material, rate_in, recipe.rate)[:, :frames]
        ready = np.pad(resampled, ((0, 0), (0, frames - resampled.shape[1])), mode="edge")
    bright, notes = _brightened(ready, material, rate_in, recipe, around=start == 0)
    laid_out = _laid_out(bright, recipe.rate, recipe.width, around=start == 0)
    loops = ((round(start * recipe.rate / rate_in), frames - 1),)
    return _levelled(laid_out, recipe, started_frame=0, loops=loops, notes=notes)


def _span(take: Signal, rate: int, recipe: Recipe) -> tuple[int, int]:
    if not recipe.trim:
        return 0, take.shape[1]
    start = max(0, measure.onset_frame(take, rate) - round(PREROLL_SECONDS * rate))
    end = min(take.shape[1], measure.end_frame(take, rate) + round(TAIL_SECONDS * rate))
    return start, max(end, start + 1)


def _resampled(sound: Signal, rate_in: int, rate: int) -> Signal:
    if rate_in == rate:
        return sound
    # The filter would answer the step from nothing into a sound that begins in mid-wave with a swing above
    # it; a mirror image before the start and after the end is no step. Its length is whole at both rates.
    unit = rate_in // math.gcd(rate_in, rate)
    units = -(-math.ceil(_MIRROR_SECONDS * rate_in) // unit)
    mirrored = np.pad(sound, ((0, 0), (units * unit,) * 2), mode="reflect")
    first, frames = units * unit * rate // rate_in, math.ceil(sound.shape[1] * rate / rate_in)
    whole = [soxr.resample(channel, rate_in, rate, "VHQ") for channel in mirrored]
    return np.stack(whole)[:, first : first + frames]


def _resampled_around(sound: Signal, frames: int) -> Signal:
    """A periodic sound brought to ``frames`` frames: exact, and without a seam, because the ends are
    neighbours.
    """
    if frames == sound.shape[1]:
        return sound
    # Imported on use: scipy.signal takes most of a second, and only loops need it.
    from scipy.signal import resample

    return np.asarray(resample(sound, frames, axis=1), dtype=np.float64)


def _brightened(
    sound: Signal, take: Signal, rate_in: int, recipe: Recipe, *, around: bool = False
) -> tuple[Signal, tuple[str, ...]]:
    """``sound``, which is ``take`` at the recipe's rate, with the highs that the recipe asks for; and why it
    has none."""
    if recipe.highs != "extended":
        return sound, ()
    # Imported on use: its weights are read with it.
    from foleyd.audio import highs

    if recipe.rate < 2 * _ROOM * highs.BOTTOM:
        return sound, (f"at {recipe.rate} Hz there is no room for more highs: ask for a higher rate.",)
    if (ends := edge(take.astype(np.float32), rate_in)) > _OWN_HIGHS * highs.BOTTOM:
        return sound, (f"it sounds up to {ends / 1000:.1f} kHz by itself, so no highs were added.",)
    at_theirs = (
        _resampled_around(take, round(take.shape[1] * highs.RATE / rate_in))
        if around
        else _resampled(take, rate_in, highs.RATE)
    )
    made = np.stack([highs.extended(channel, around=around) for channel in at_theirs])
    if around:
        return sound + _resampled_around(made, sound.shape[1]), ()
    added = _resampled(made, highs.RATE, recipe.rate)[:, : sound.shape[1]]
    return sound + np.pad(added, ((0, 0), (0, sound.shape[1] - added.shape[1]))), ()


def _laid_out(sound: Signal, rate: int, width: str, *, around: bool = False) -> Signal:
    if width == "stereo" and sound.shape[0] == 2:
        return sound
    mono = sound.mean(axis=0)
    if width == "stereo":
        return widened(mono, rate, around=around)
    return np.stack([mono] * (2 if width == "dual" else 1))


def _fades(sound: Signal, rate: int, recipe: Recipe) -> tuple[int, int]:
    """The lengths of both fades in frames; together they fit into the sound."""
    frames = sound.shape[1]
    fade_in, fade_out = round(recipe.fade_in * rate / 1000), round(recipe.fade_out * rate / 1000)
    if fade_in + fade_out > frames:
        share = frames / (fade_in + fade_out)
        fade_in, fade_out = int(fade_in * share), int(fade_out * share)
    return (_spared(sound, rate, fade_in) if recipe.fade_in <= DECLICK_MS else fade_in), fade_out


def _rise(frames: int) -> Signal:
    """Half a cosine from exactly 0 to just under 1."""
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / frames)


def _spared(sound: Signal, rate: int, fade_in: int) -> int:
    """The longest fade-in (``fade_in``, or halved, halved again, ... 0) that costs the first 20 ms no peak
    worth hearing.

    A drum hit on the first frame keeps its attack; a tone cut in mid-wave peaks again later and gets the
    whole fade.
    """
    head = np.abs(sound[:, : round(_ATTACK_SECONDS * rate)]).max(axis=0)
    kept = head.max() * measure.amplitude(-_ATTACK_LOSS_DB)
    while fade_in and (head * np.append(_rise(fade_in), np.ones(len(head)))[: len(head)]).max() < kept:
        fade_in //= 2
    return fade_in


def _levelled(
    sound: Signal,
    recipe: Recipe,
    *,
    started_frame: int,
    loops: tuple[tuple[int, int], ...] = (),
    notes: tuple[str, ...] = (),
) -> Finished:
    rate = recipe.rate
    peak = measure.true_peak(sound, rate)
    loudness = measure.lufs(sound, rate) if recipe.level == "lufs" else None
    gain, told = 1.0, list(notes)
    ceiling = measure.amplitude(recipe.ceiling) / peak if peak > _NOTHING else 1.0
    if recipe.level == "lufs" and loudness is not None:
        gain = measure.amplitude(recipe.loudness - loudness)
        if gain > ceiling:
            reached = loudness + measure.decibels(ceiling)
            told.append(
                f"the true-peak ceiling of {recipe.ceiling:g} dB held the loudness at {reached:.1f} LUFS "
                f"instead of {recipe.loudness:g}."
            )
            gain = ceiling
    elif recipe.level == "lufs":
        told.append(
            "too short or too quiet for a loudness, so its true peak was brought to the ceiling instead."
        )
        gain = ceiling
    elif recipe.level == "peak":
        gain = ceiling
    elif measure.peak(sound) > 1.0:
        told.append(f"it would have clipped, so its true peak was brought down to {recipe.ceiling:g} dB.")
        gain = ceiling
    finished = (sound * gain).astype(np.float32)
    gain_db = measure.decibels(gain)
    return Finished(
        samples=finished,
        rate=rate,
        gain_db=gain_db,
        true_peak_dbtp=measure.decibels(peak * gain),
        loudness_lufs=None if loudness is None else loudness + gain_db,
        started_frame=started_frame,
        notes=tuple(told),
        loops=loops,
    )
