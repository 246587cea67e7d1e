"""Sheets of spectrograms that a person can read at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foleyd.engines.front_end import HOP, RATE
from foleyd.engines.mel import FLOOR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
"""Pairs in a row."""
_COLOURS = 64

Tile = tuple[str, npt.NDArray[np.floating]]
"""(title, log-mel `[frames, bands]`)."""
Pair = tuple[str, npt.NDArray[np.floating], npt.NDArray[np.floating] | None]
"""(title, generated log-mel `[frames, bands]`, a real one of the same shape or None)."""


def draw(path: Path, pairs: Sequence[Pair]) -> None:
    """Writes a PNG: for each pair the generated log-mel and, where there is one, a real one on its right."""
    figure, grid = _page(len(pairs), COLUMNS, 2 * COLUMNS, 16, 1.7)
    for place, (title, made, real) in enumerate(pairs):
        row, column = divmod(place, COLUMNS)
        _show(grid[row, 2 * column], made, title, "black")
        if real is not None:
            _show(grid[row, 2 * column + 1], real, "real", "grey")
    _save(figure, path)


def contact(path: Path, tiles: Sequence[Tile], columns: int, inches: float = 16) -> None:
    """Writes a PNG of `tiles`, `columns` in a row and `inches` wide at 100 pixels an inch; each is as wide as
    the next, however long it lasts."""
    figure, grid = _page(len(tiles), columns, columns, inches, 0.8 * inches / columns)
    for place, (title, mel) in enumerate(tiles):
        _show(grid[divmod(place, columns)], mel, title, "black")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a page in few colours: a third of the file, and the same to look at."""
    from PIL import Image

    figure.canvas.draw()
    page = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])  # type: ignore[attr-defined]
    page.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def _page(count: int, a_row: int, columns: int, inches: float, high: float) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-count // a_row)
    figure = Figure(figsize=(inches, high * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axis in grid.flat:
        axis.set_axis_off()
    return figure, grid


def _show(axis: Any, mel: npt.NDArray[np.floating], title: str, colour: str) -> None:
    axis.imshow(
        mel.T.astype(np.float32),
        origin="lower",
        aspect="auto",
        vmin=FLOOR + 2,
        vmax=1,
        extent=(0, mel.shape[0] * HOP / RATE, 0, 64),
    )
    axis.set_title(title, fontsize=8, color=colour, parse_math=False)
