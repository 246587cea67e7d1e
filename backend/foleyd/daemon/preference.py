"""What people like goes first where sounds are as good as equally near."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

NEAR_TIE = 0.02
"""Similarities that differ by no more than this from the nearest of their group are a tie: an audio tower
does not tell them apart, and people do."""


class Liked(Protocol):
    """What is known of how a clip is liked: as a favourite, and by a rating of 0 (none) to 5."""

    @property
    def favourite(self) -> bool: ...

    @property
    def rating(self) -> int: ...


def order(near: Sequence[float], clips: Sequence[Liked]) -> list[int]:
    """The places of `clips` in the order in which they are told, `near` being the similarity of each.

    The nearest comes first, with all that are within :data:`NEAR_TIE` of it; then the nearest of the rest,
    and so on. Among those of one group favourites come first, then higher ratings, then the nearer.
    """
    places = sorted(range(len(near)), key=lambda place: -near[place])
    groups: list[list[int]] = []
    for place in places:
        if not groups or near[groups[-1][0]] - near[place] > NEAR_TIE:
            groups.append([])
        groups[-1].append(place)
    return [
        place
        for group in groups
        for place in sorted(group, key=lambda one: (not clips[one].favourite, -clips[one].rating))
    ]
