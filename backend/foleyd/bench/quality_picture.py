"""Time against quality, drawn."""

from __future__ import annotations

from pathlib import Path

from foleyd.audio.atomic import replacing
from foleyd.bench.quality import Figures

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#7f7f7f")


def draw(figures: Figures, path: Path) -> None:
    """Write a PNG: seconds of a clip to the right, distance upwards, a colour a scheduler; full marks for the
    precision that is usual here, hollow ones for float32, triangles where only the middle is guided; the
    numbers are steps, the line is the front. Raises BadRequest where nothing can be written there."""
    # imported on use: drawing is rare and matplotlib slow to load
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    names = sorted({one.scheduler for one in figures.results})
    for one in figures.results:
        colour = COLOURS[names.index(one.scheduler) % len(COLOURS)]
        axis.plot(
            one.seconds,
            one.log_mel_l1,
            "^" if one.interval == "middle" else "o",
            color=colour,
            markerfacecolor="none" if one.precision == "float32" else colour,
            markersize=5,
        )
    front = [one for one in figures.results if one.front]
    axis.plot([one.seconds for one in front], [one.log_mel_l1 for one in front], color="black", linewidth=0.8)
    for one in front:
        axis.annotate(
            f"{one.steps}", (one.seconds, one.log_mel_l1), xytext=(3, 4), textcoords="offset points", size=8
        )
    for name in names:
        axis.plot([], [], "o", color=COLOURS[names.index(name) % len(COLOURS)], label=name)
    axis.plot([], [], "^", color="grey", label="guided in the middle")
    axis.plot([], [], "o", color="grey", markerfacecolor="none", label="float32")
    axis.plot([], [], color="black", linewidth=0.8, label="nothing is faster and nearer")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(f"seconds for {figures.audio_seconds:g} s of sound")
    axis.set_ylabel(f"nats to {figures.reference[1]} steps of {figures.reference[0]}")
    axis.set_title(f"{figures.model}, {figures.runtime}, {figures.device}", fontsize=10)
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=8)
    with replacing(path) as beside:
        figure.savefig(beside, format="png")
