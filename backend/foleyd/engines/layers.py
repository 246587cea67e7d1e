"""A sound in layers: attack, body and tail, each made from words of its own, mixed by envelopes.

Each part is a sound from words with the recipe's seed; by itself it is the take of that recipe, and kept as
such beside the whole. The envelopes keep the power: where one part goes, the next comes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foleyd import recipe as recipes
from foleyd.fields import BOUND_FIELDS
from foleyd.operation_checks import ATTACK_SHARE, TAIL_SHARE
from foleyd.recipe import Recipe


class Layer(NamedTuple):
    """One part: its recipe, and where in seconds it comes and goes; a fade has a beginning and an end."""

    recipe: Recipe
    comes: tuple[float, float] | None = None
    goes: tuple[float, float] | None = None


def layers(whole: Recipe) -> list[Layer]:
    """The parts of a recipe, the first to sound first."""
    attack, tail = _around(whole.attack_until, ATTACK_SHARE), _around(whole.tail_from, TAIL_SHARE)
    comes, goes = (attack if whole.attack else None), (tail if whole.tail else None)
    found = [Layer(_part(whole, whole.prompt), comes, goes)]
    if whole.attack:
        found.insert(0, Layer(_part(whole, whole.attack), goes=attack))
    if whole.tail:
        found.append(Layer(_part(whole, whole.tail), comes=tail))
    return found


def mixed(parts: list[tuple[Layer, NDArray[np.float32]]], rate: int) -> NDArray[np.float32]:
    """The samples `[n]` of parts `[n]` at `rate` Hz, each under its envelope."""
    seconds = np.arange(len(parts[0][1])) / rate
    whole = np.zeros(len(seconds))
    for layer, samples in parts:
        whole += samples * _rising(seconds, layer.comes) * _falling(seconds, layer.goes)
    return whole.astype(np.float32)


def _around(place: float | None, share: float) -> tuple[float, float]:
    middle = place or 0.0
    return middle * (1 - share), middle * (1 + share)


def _rising(seconds: NDArray[np.float64], fade: tuple[float, float] | None) -> NDArray[np.float64]:
    if fade is None:
        return np.ones(len(seconds))
    begin, end = fade
    turned: NDArray[np.float64] = np.sin(np.pi / 2 * np.clip((seconds - begin) / (end - begin), 0, 1))
    return turned


def _falling(seconds: NDArray[np.float64], fade: tuple[float, float] | None) -> NDArray[np.float64]:
    if fade is None:
        return np.ones(len(seconds))
    begin, end = fade
    turned: NDArray[np.float64] = np.cos(np.pi / 2 * np.clip((seconds - begin) / (end - begin), 0, 1))
    return turned


def _part(whole: Recipe, prompt: str) -> Recipe:
    own = dict.fromkeys(BOUND_FIELDS)
    return recipes.change(whole, operation="text", prompt=prompt, **own)
