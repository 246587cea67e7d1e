"""A sheet of spectrograms, generated beside real, that a person can compare at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foleyd.engines.front_end import HOP, RATE
from foleyd.engines.mel import FLOOR

COLUMNS = 4
"""Pairs in a row."""

Pair = tuple[str, npt.NDArray[np.floating], npt.NDArray[np.floating] | None]
"""(title, generated log-mel `[frames, bands]`, a real one of the same shape or None)."""


def draw(path: Path, pairs: Sequence[Pair]) -> None:
    """Writes a PNG: for each pair the generated log-mel and, where there is one, a real one on its right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(pairs) // COLUMNS)
    figure = Figure(figsize=(16, 1.7 * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, COLUMNS * 2, squeeze=False)
    for axis in grid.flat:
        axis.set_axis_off()
    for place, (title, made, real) in enumerate(pairs):
        row, column = divmod(place, COLUMNS)
        for offset, mel, name in ((0, made, title), (1, real, "real")):
            if mel is None:
                continue
            axis = grid[row, 2 * column + offset]
            seconds = mel.shape[0] * HOP / RATE
            axis.imshow(
                mel.T.astype(np.float32),
                origin="lower",
                aspect="auto",
                vmin=FLOOR + 2,
                vmax=1,
                extent=(0, seconds, 0, 64),
            )
            axis.set_title(name, fontsize=8, color="black" if offset == 0 else "grey")
    figure.savefig(path)
