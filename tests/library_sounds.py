"""Sounds for the tests of the library: tones, as a job would hand them over, without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.daemon.job import Sound
from foleyd.daemon.models import Request
from foleyd.daemon.takes import Take, Takes, digest
from foleyd.engines.base import Capabilities
from foleyd.engines.catalog import Entry
from foleyd.messages import TakeInfo
from foleyd.recipe import Recipe

RATE = 16_000
MODEL = Entry(
    id="folder:tones",
    revision="abc",
    folder=Path("/nowhere"),
    source="folder",
    title="Tones",
    licence="CC0-1.0",
    sellable=True,
    bytes=0,
    files=(),
)
ABLE = Capabilities(
    family="tones",
    operations=("text",),
    rate=RATE,
    channels=1,
    seconds=(0.3, 30.0),
    auto_seconds=2.0,
    schedulers=("ddim",),
    licence="CC0-1.0",
    sellable=True,
    audio_tower=False,
    steps=5,
    guidance=2.0,
    scheduler="ddim",
)


def tone(seed: int, seconds: float) -> NDArray[np.float32]:
    """A decaying sine whose pitch is the seed's, float32 ``[frames]``."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.exp(-3 * time) * np.sin(2 * np.pi * (200 + seed % 100) * time)).astype(np.float32)


def wanted(seed: int = 1, prompt: str = "a bell", **fields: object) -> Recipe:
    """A recipe with nothing left open."""
    fields = {"seconds": 0.5, "steps": 5, "guidance": 2, "scheduler": "ddim", **fields}
    return recipe.make(prompt=prompt, seed=seed, model=MODEL.id, revision=MODEL.revision, **fields)


def sound(seed: int = 1, prompt: str = "a bell", takes: Takes | None = None, **fields: object) -> Sound:
    """A sound whose take is kept in `takes` where that is given."""
    made = wanted(seed, prompt, **fields)
    samples = tone(seed, 0.6 if made.seconds == "auto" else made.seconds + 0.1)
    how = {"runtime": "tones", "precision": "float32", "bucket": "t1"}
    identity = TakeInfo(
        take_id=recipe.take_id(made, **how),
        recipe=recipe.to_json(made),
        seed=seed,
        threads=1,
        rate=RATE,
        frames=len(samples),
        sha256=digest(samples),
        **how,
    )
    take = Take(identity=identity, samples=samples)
    if takes is not None:
        take = takes.keep(made, identity, samples)
    return Sound(Request(made, MODEL, ABLE), take, kept=False, seconds=0.1)
