"""A clip as a picture: its waveform over its log-mel spectrogram, with seconds, hertz and decibels to read
off.

The same clip and title give the same PNG bytes with the same matplotlib. Nothing here touches pyplot or its
global state, so pictures may be drawn in any thread.
"""

import math
import os
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foleyd.audio import measure, spectrum
from foleyd.audio.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (12.0, 6.75)
_DPI = 100
_COLUMNS = 1100
_BANDS = 160
_FREQUENCIES = (100, 250, 500, 1000, 2000, 3000, 4000, 6000, 8000, 12_000, 16_000, 20_000)
_CEILINGS = (8000.0, 16_000.0, 24_000.0)
_WAVE = "#1f5a85"
_LONGEST_TITLE = 200


def draw(path: str | os.PathLike[str], samples: NDArray[np.floating[Any]], rate: int, title: str) -> None:
    """Draw ``[n]`` or ``[channels, n]`` samples at ``rate`` Hz into a PNG of 1200 by 675 pixels.

    Every channel has its waveform; the spectrogram shows their mean, 0 dB being its loudest cell. The title
    is most often the prompt; long ones are wrapped, then shortened. The file appears whole or not at all;
    raises BadRequest or DiskFull.
    """
    # Imported on use: drawing is rare and matplotlib slow to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sound = measure.planar(samples)
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    rows = sound.shape[0]
    axes = figure.subplots(rows + 1, 1, sharex=True, height_ratios=[1.0 / rows] * rows + [1.9])
    for channel, axis in enumerate(axes[:-1]):
        _draw_wave(axis, sound[channel], rate)
        if rows > 1:
            axis.set_ylabel(("left", "right")[channel] if rows == 2 else f"ch. {channel + 1}")
        else:
            axis.set_ylabel("amplitude")
    _draw_spectrogram(axes[-1], sound.mean(axis=0), rate)
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0.0, sound.shape[1] / rate)
    figure.suptitle(_wrapped(title), fontsize=13, parse_math=False)
    axes[0].set_title(_figures(sound, rate), fontsize=9, color="#555555", loc="right")
    with replacing(path) as beside, beside.open("wb") as file, warnings.catch_warnings():
        # A prompt in a script that the bundled font lacks shows boxes; that is no reason to warn
        # in a terminal.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(file, format="png", metadata={"Software": None})


def _draw_wave(axis: "Axes", channel: NDArray[np.float64], rate: int) -> None:
    frames = len(channel)
    if frames <= 2 * _COLUMNS:
        axis.plot(np.arange(frames) / rate, channel, color=_WAVE, linewidth=0.9)
    else:
        edges = np.linspace(0, frames, _COLUMNS + 1).astype(np.intp)
        seconds = (edges[:-1] + edges[1:]) / 2.0 / rate
        low, high = np.minimum.reduceat(channel, edges[:-1]), np.maximum.reduceat(channel, edges[:-1])
        axis.fill_between(seconds, low, high, color=_WAVE, linewidth=0.6, step="mid")
    limit = max(1.0, float(np.abs(channel).max()))
    axis.set_ylim(-limit, limit)
    axis.set_yticks([-1.0, 0.0, 1.0])
    axis.axhline(0.0, color="#999999", linewidth=0.5)
    axis.grid(axis="x", color="#dddddd", linewidth=0.5)


def _draw_spectrogram(axis: "Axes", mono: NDArray[np.float64], rate: int) -> None:
    ceiling = _ceiling(mono, rate)
    levels = spectrum.log_mel(mono, rate, bands=_BANDS, columns=_COLUMNS, high=ceiling)
    top = float(spectrum.hz_to_mel(ceiling))
    image = axis.imshow(
        levels.T,
        origin="lower",
        aspect="auto",
        extent=(0.0, len(mono) / rate, 0.0, top),
        cmap="magma",
        vmin=-80.0,
        vmax=0.0,
        interpolation="nearest",
    )
    shown = [hertz for hertz in _FREQUENCIES if hertz <= ceiling]
    axis.set_yticks(
        spectrum.hz_to_mel(shown), [f"{hertz // 1000}k" if hertz >= 1000 else str(hertz) for hertz in shown]
    )
    axis.set_ylabel("Hz (mel scale)")
    axis.figure.colorbar(image, ax=axis, label="dB", pad=0.01, aspect=18)


def _ceiling(mono: NDArray[np.float64], rate: int) -> float:
    """The lowest of a few frequencies with under a millionth of the energy above it: few, so that pictures
    of different clips compare.
    """
    window = spectrum.window_frames(rate)
    energy = np.cumsum((spectrum.magnitudes(mono, window, window // 2) ** 2).sum(axis=0))
    highest = rate / window * float(np.searchsorted(energy, energy[-1] * (1.0 - 1e-6)))
    return min(rate / 2.0, next((step for step in _CEILINGS if step >= highest), rate / 2.0))


def _wrapped(title: str) -> str:
    plain = "".join(sign if sign.isprintable() else " " for sign in title)
    return textwrap.fill(textwrap.shorten(plain, _LONGEST_TITLE, placeholder=" …"), 100)


def _figures(sound: NDArray[np.float64], rate: int) -> str:
    level = measure.true_peak_dbtp(sound, rate)
    loudness = measure.lufs(sound, rate)
    kinds = {1: "mono", 2: "stereo"}
    parts = [
        f"{sound.shape[1] / rate:.3f} s",
        f"{rate} Hz {kinds.get(sound.shape[0], f'{sound.shape[0]} channels')}",
        f"peak {level:.1f} dBTP" if math.isfinite(level) else "silent",
    ]
    return "  ·  ".join(parts if loudness is None else [*parts, f"{loudness:.1f} LUFS"])
