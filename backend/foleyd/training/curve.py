"""The loss of a training run as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foleyd.audio.atomic import replacing

PICTURE = "loss.png"
"""Its name beside what was trained."""
_INCHES = (8.0, 4.5)
_DPI = 100


def draw(path: Path, curves: Mapping[str, Sequence[tuple[int, float]]], title: str) -> None:
    """A PNG of curves, each points `(step, mean loss since the point before)`, by name, and a line through
    each; one panel a curve, since their losses are of different kinds. Raises BadRequest, DiskFull."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = _INCHES[0], _INCHES[1] * (1 + len(curves)) / 2
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    panels: Any = figure.subplots(len(curves), squeeze=False)
    for panel, (name, points) in zip(panels[:, 0], curves.items(), strict=True):
        steps, losses = zip(*points, strict=True) if points else ((), ())
        panel.plot(steps, losses, color="#9db8cc", linewidth=1)
        panel.plot(steps, _smooth(losses), color="#1f5a85", linewidth=1.8)
        panel.set_title(name, loc="left", fontsize="medium")
        panel.set_xlabel("step")
        panel.set_ylabel("loss")
        panel.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        figure.savefig(beside, metadata={"Software": None})


def _smooth(losses: Sequence[float]) -> list[float]:
    """Each point's mean with its neighbours, as far as a tenth of the curve on both sides, less at its
    ends."""
    reach, count = len(losses) // 10, len(losses)
    found = []
    for place in range(count):
        near = min(reach, place, count - 1 - place)
        window = losses[place - near : place + near + 1]
        found.append(sum(window) / len(window))
    return found
