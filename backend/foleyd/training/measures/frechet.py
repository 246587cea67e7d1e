"""The Fréchet distance between two sets of sounds, in an embedding that no model was trained with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]
DIMENSIONS = 32
"""Directions that are kept: a few hundred clips say nothing reliable of more."""


class Plane:
    """The `DIMENSIONS` directions in which real sounds vary most."""

    def __init__(self, features: Features, dimensions: int = DIMENSIONS) -> None:
        """`features` `[clips, d]` of real sounds."""
        self._mean = features.mean(0)
        _, _, axes = np.linalg.svd(features - self._mean, full_matrices=False)
        self._axes = axes[:dimensions]

    def __call__(self, features: Features) -> Features:
        """`features` `[clips, d]` in those directions."""
        found: Features = (features - self._mean) @ self._axes.T
        return found


def distance(one: Features, other: Features) -> float:
    """Between the Gaussians that fit two sets `[clips, d]`: squared distance of their means, and of the roots
    of their covariances (Dowson & Landau 1982; of sounds, Kilgour et al. 2019)."""
    means = float(((one.mean(0) - other.mean(0)) ** 2).sum())
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    # the root of their product has the trace of this symmetric one, which few clips leave well defined too
    values, axes = np.linalg.eigh(first)
    root = axes * np.sqrt(np.maximum(values, 0)) @ axes.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return max(0.0, means + float(np.trace(first) + np.trace(second) - 2 * shared))
