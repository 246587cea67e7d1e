"""What a model makes of presets: every seed rendered, measured, and heard by the model's own audio tower.

A preset promises one sound. Whether it keeps that is looked at on sheets of spectrograms, and in figures: a
clip that is silent, begins late or lies nearer to the words of other presets than to its own stands out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.audio import measure as sounds
from foleyd.audio.finish import finish
from foleyd.bench import ready
from foleyd.engines.base import SourceSound
from foleyd.engines.front_end import HOP, RATE
from foleyd.engines.mel import LogMel
from foleyd.engines.towers import Towers, Vector
from foleyd.errors import RenderFailed
from foleyd.recipe import Recipe
from foleyd.training.sheet import Tile, contact

COLUMNS = 4
"""Tiles in a row of a sheet."""
_SHORTEST = 640
"""Samples that a spectrogram needs."""


class Wanted(NamedTuple):
    """A preset: its bank and name, its recipe's fields without the seed, and the seeds to render."""

    bank: str
    name: str
    fields: Mapping[str, Any]
    seeds: tuple[int, ...]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One seed of a preset.

    `peak`: of what the model gave, dBFS, None for nothing at all; `onset`: seconds until it begins there;
    `seconds`: from then until it has faded; `centroid` Hz; `cosine` of the finished clip to the preset's
    words; `place` of those words among the words of all presets that were measured, 1 the nearest; `flaw`:
    why there is no clip, empty where there is one.
    """

    bank: str
    preset: str
    seed: int
    peak: float | None
    onset: float
    seconds: float
    centroid: float
    cosine: float
    place: int
    flaw: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement of `presets` presets; `passed_over`: those whose recipe names another model."""

    model: str
    revision: str
    presets: int
    passed_over: tuple[str, ...]
    clips: tuple[Heard, ...]


class _Clip(NamedTuple):
    wanted: Wanted
    seed: int
    take: NDArray[np.float32]
    samples: NDArray[np.float32]
    flaw: str


def measure(
    model: str,
    wanted: Sequence[Wanted],
    sheets: Path | None = None,
    *,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
) -> Figures:
    """Render every seed of `wanted` with a model that hears; `sheets` gets a PNG for each bank and turn.

    Presets whose recipe names another model are passed over. Raises BadRequest, and what loading raises.
    """
    entry = ready.entry(model)
    towers = Towers(entry.folder, threads or 1)
    ready.get_ready(entry, device, runtime)
    engine = ready.load(entry, device=device, runtime=runtime, threads=threads)
    mine = [one for one in wanted if one.fields.get("model", entry.id) == entry.id]
    try:
        clips = [clip for one in mine for clip in _rendered(engine, one)]
    finally:
        engine.unload()
    words = list(dict.fromkeys(one.fields["prompt"] for one in mine))
    said = np.stack(towers.say(words)) if words else np.zeros((0, 0), np.float32)
    if sheets is not None:
        draw(sheets, clips)
    return Figures(
        model=entry.id,
        revision=entry.revision,
        presets=len(mine),
        passed_over=tuple(f"{one.bank}/{one.name}" for one in wanted if one not in mine),
        clips=tuple(_heard(clip, towers, words, said) for clip in clips),
    )


def _rendered(engine: Any, one: Wanted) -> Iterator[_Clip]:
    wishes = [
        recipe.resolve(recipe.make(**{**one.fields, "seed": seed, "rate": RATE}), engine.capabilities)
        for seed in one.seeds
    ]
    for wish, take in zip(wishes, engine.render(wishes, check_silence=False), strict=True):
        finished, flaw = _finished(take.samples, take.rate, wish)
        yield _Clip(one, int(wish.seed or 0), take.samples, finished, flaw)


def _finished(take: NDArray[np.float32], rate: int, wish: Recipe) -> tuple[NDArray[np.float32], str]:
    try:
        return np.asarray(finish(take, rate, wish).samples, np.float32), ""
    except RenderFailed as error:
        return np.zeros((1, _SHORTEST), np.float32), error.reason


def _heard(clip: _Clip, towers: Towers, words: Sequence[str], said: NDArray[np.float32]) -> Heard:
    vector = None if clip.flaw else towers.hear(SourceSound(np.atleast_2d(clip.samples), RATE))
    cosine, place = nearness(vector, said, words.index(clip.wanted.fields["prompt"]))
    onset, end = sounds.onset_frame(clip.take, RATE), sounds.end_frame(clip.take, RATE)
    peak = sounds.decibels(sounds.peak(clip.take))
    return Heard(
        bank=clip.wanted.bank,
        preset=clip.wanted.name,
        seed=clip.seed,
        peak=peak if np.isfinite(peak) else None,
        onset=onset / RATE,
        seconds=(end - onset) / RATE,
        centroid=sounds.centroid(clip.samples, RATE),
        cosine=cosine,
        place=place,
        flaw=clip.flaw,
    )


def nearness(vector: Vector | None, said: NDArray[np.float32], own: int) -> tuple[float, int]:
    """The cosine of a sound's unit vector to row `own` of `said` `[words, d]`, and at which place that row
    lies among all, 1 the nearest; what is no sound comes last."""
    if vector is None:
        return 0.0, len(said)
    cosines = said @ vector
    return float(cosines[own]), int((cosines > cosines[own]).sum()) + 1


def best(clips: Sequence[Heard]) -> dict[tuple[str, str], int]:
    """The seed of each preset, by bank and name, whose clip has the best place, then the highest cosine;
    presets of which no seed gave a sound are left out."""
    found: dict[tuple[str, str], Heard] = {}
    for one in clips:
        key = (one.bank, one.preset)
        if not one.flaw and (key not in found or _merit(one) > _merit(found[key])):
            found[key] = one
    return {key: one.seed for key, one in found.items()}


def _merit(one: Heard) -> tuple[int, float]:
    return -one.place, one.cosine


def draw(folder: Path, clips: Sequence[_Clip]) -> None:
    """Writes `BANK-TURN.png` into `folder`: the spectrograms of a bank, all first seeds, all second ones."""
    folder.mkdir(parents=True, exist_ok=True)
    sheets: dict[tuple[str, int], list[Tile]] = {}
    front = LogMel()
    for clip in clips:
        turn = clip.wanted.seeds.index(clip.seed) + 1
        mono = torch.from_numpy(np.atleast_2d(clip.samples).mean(0))
        mono = torch.nn.functional.pad(mono, (0, max(0, _SHORTEST - len(mono))))
        mel = front(mono[None, : len(mono) // HOP * HOP])[0].numpy()
        title = f"{clip.wanted.name} ({clip.seed}{': ' + clip.flaw if clip.flaw else ''})"
        sheets.setdefault((clip.wanted.bank, turn), []).append((title, mel))
    for (bank, turn), tiles in sheets.items():
        contact(folder / f"{re.sub(r'[^a-z0-9_-]', '_', bank)}-{turn}.png", tiles, COLUMNS)


def table(figures: Figures) -> list[str]:
    """The figures as lines of text."""
    lines = [
        f"{figures.model} {figures.revision[:12]}: {figures.presets} presets, {len(figures.clips)} clips",
        "",
        f"{'preset':<30}{'seed':>6}{'dBFS':>8}{'begins':>8}{'lasts':>8}{'Hz':>7}{'cosine':>8}{'place':>7}",
    ]
    for one in figures.clips:
        peak = "-" if one.peak is None else f"{one.peak:.1f}"
        lines.append(
            f"{f'{one.bank}/{one.preset}':<30.30}{one.seed:>6}{peak:>8}{one.onset:>8.2f}{one.seconds:>8.2f}"
            f"{one.centroid:>7.0f}{one.cosine:>8.2f}{one.place:>7}  {one.flaw}".rstrip()
        )
    if figures.passed_over:
        lines.append(f"for another model: {', '.join(figures.passed_over)}")
    return lines
