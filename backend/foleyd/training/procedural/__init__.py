"""Sounds made by rule, with captions that follow from their parameters: weather, machines, impacts, game
effects.

Each generator draws its parameters, renders float32 samples at `RATE` and says in words what it drew. The
methods (filtered noise, modal resonators, frequency modulation, grains) follow A. Farnell, *Designing Sound*
(2010) and P. Cook, *Real Sound Synthesis for Interactive Applications* (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from foleyd.training.clips import Source, TrainingClip
from foleyd.training.procedural import game, more, nature, things
from foleyd.training.procedural.synthesis import Drawn, Random

GENERATORS: dict[str, Callable[[Random], Drawn]] = {
    "wind": nature.wind,
    "rain": nature.rain,
    "fire": nature.fire,
    "thunder": nature.thunder,
    "water": nature.water,
    "laser": game.laser,
    "explosion": game.explosion,
    "siren": things.siren,
    "whoosh": things.whoosh,
    "riser": things.riser,
    "ui blip": game.blip,
    "coin": game.coin,
    "power-up": game.powerup,
    "footsteps": things.footsteps,
    "impact": things.impact,
    "glass break": things.glass_break,
    "engine": things.engine,
    "drone": things.drone,
    "glitch": game.glitch,
    "robot": game.robot,
    "insects": nature.insects,
    "energy hum": game.beam,
    "door creak": things.creak,
    "bubbles": more.bubbles,
    "bird": more.bird,
    "door slam": more.door,
    "alarm": more.alarm,
    "drop": more.drop,
    "pad": more.pad,
}
"""Class name → generator."""


def clips(rng: Random, each: int, captions_each: int) -> Iterator[TrainingClip]:
    """`each` clips of every generator, each with `captions_each` captions (its phrases, plain or framed)."""
    frames = ("{}", "{}", "{}", "the sound of {}", "{} sound effect", "sound of {}")
    for name, generator in GENERATORS.items():
        for number in range(each):
            drawn = generator(rng)
            weights = np.array([2.0] + [1.0] * (len(drawn.phrases) - 1))
            phrases = rng.choice(drawn.phrases, captions_each, p=weights / weights.sum())
            captions = [" ".join(str(rng.choice(frames)).format(p).split()) for p in phrases]
            yield TrainingClip(drawn.samples, captions, Source("procedural", f"{name} {number}", name))
