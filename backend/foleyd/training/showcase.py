"""Sixty-four sounds of a model to look at and to listen to: one seed for all, nothing chosen by ear."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from foleyd.audio.card import ClipMeta
from foleyd.audio.export import write_clip
from foleyd.audio.finish import finish
from foleyd.engines.catalog import Entry
from foleyd.engines.front_end import HOP, RATE
from foleyd.engines.mel import LogMel
from foleyd.errors import RenderFailed
from foleyd.recipe import make, resolve
from foleyd.training.sheet import Tile, contact

COLUMNS = 8
SECONDS = 2.56
SEED = 0
PICTURE = "pictures/sounds.png"
SOUNDS = "sounds"
PROMPTS: tuple[str, ...] = (
    *("deep kick drum", "snare drum hit", "closed hi-hat", "open hi-hat"),
    *("crash cymbal", "low floor tom", "deep conga drum", "metal cowbell"),
    *("ride cymbal", "tambourine", "hollow wood block hit", "hand clap"),
    *("maraca shake", "ringing triangle", "timbale hit", "huge war drum"),
    *("music box", "marimba", "glockenspiel", "jazz vibraphone"),
    *("kalimba", "caribbean steel pan", "tubular bells", "tolling church bell"),
    *("heavy metal guitar", "banjo", "concert harp", "pizzicato strings"),
    *("indian sitar", "harpsichord", "funk slap bass", "analog synth bass"),
    *("church organ", "scottish bagpipes", "flute", "trumpet"),
    *("choir singing aah", "string section", "sawtooth synth lead", "chiptune square lead"),
    *("heavy rain on a tin roof", "gusty wind", "ocean waves on a beach", "distant rolling thunder"),
    *("crackling campfire", "babbling brook", "crickets at night", "bubbling water"),
    *("laser shot", "arcade coin sound", "video game power-up", "robot talking in beeps"),
    *("huge explosion", "fast whoosh", "tension riser", "digital glitch"),
    *("wailing police siren", "ringing telephone", "helicopter rotor", "crowd applause"),
    *("revving motorcycle engine", "shattering glass", "footsteps on gravel", "dark ambient drone"),
)
"""What is asked for, in the order of the sheet."""


def show(
    engine: Any,
    entry: Entry,
    folder: Path,
    log: Callable[[str], None],
    seed: int = SEED,
    prompts: Sequence[str] = PROMPTS,
) -> list[Path]:
    """Renders `prompts` with the engine of `entry` at its defaults, each with `seed`, into OGG files in
    `folder`/sounds, and draws them all into `folder`/pictures/sounds.png; a silent clip is an empty tile
    without a file. Returns the files. Raises what rendering and writing raise.
    """
    sounds, picture = folder / SOUNDS, folder / PICTURE
    sounds.mkdir(parents=True, exist_ok=True)
    picture.parent.mkdir(parents=True, exist_ok=True)
    front = LogMel()
    files: list[Path] = []
    tiles: list[Tile] = []
    for number, prompt in enumerate(prompts, 1):
        wish = resolve(
            make(prompt=prompt, seed=seed, seconds=SECONDS, rate=RATE, width="mono"), engine.capabilities
        )
        [take] = engine.render([wish], check_silence=False)
        try:
            finished = finish(take.samples, take.rate, wish)
        except RenderFailed as error:
            log(f"{prompt}: {error}")
            tiles.append((f"{prompt}: {error.reason}", np.full((4, 64), -11.5)))
            continue
        meta = ClipMeta(recipe=wish, licence=entry.licence, sellable=entry.sellable)
        file = sounds / f"{number:02}-{_plain(prompt)}.ogg"
        write_clip(file, finished.samples, finished.rate, meta)
        files.append(file)
        mono = torch.from_numpy(np.atleast_2d(finished.samples).mean(0, dtype=np.float32))
        tiles.append((prompt, front(mono[None, : len(mono) // HOP * HOP])[0].numpy()))
        log(f"{number}/{len(prompts)} {prompt}")
    contact(picture, tiles, COLUMNS)
    return [*files, picture]


def _plain(prompt: str) -> str:
    """A prompt as a part of a file's name."""
    return re.sub("[^a-z0-9]+", "-", prompt.lower()).strip("-")
