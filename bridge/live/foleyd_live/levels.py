"""Peaks for many readers. The desk forgets its peaks when they are read; here each reader gets those since
its own last look."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from foleyd_live.readings import Meters


class Levels:
    """Shares what `read` gives, which is :meth:`foleyd_live.desk.Desk.meters`."""

    def __init__(self, read: Callable[[], Meters]) -> None:
        self._read = read
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()

    def reader(self) -> Callable[[], Meters]:
        """A new reader: each call gives the peaks since its last. It is forgotten with its last holder."""
        made = _Reader(self)
        self._readers.add(made)
        return made

    def _look(self) -> None:
        fresh = self._read()
        for one in self._readers:
            one.seen = fresh if one.seen is None else _louder(one.seen, fresh)


class _Reader:
    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self.seen: Meters | None = None

    def __call__(self) -> Meters:
        self._levels._look()
        seen, self.seen = self.seen, None
        assert seen is not None
        return seen


def _louder(a: Meters, b: Meters) -> Meters:
    # the device may have come back with other channels in between: the newer look says how many there are
    return Meters(
        pairs=[*map(max, a.pairs, b.pairs), *b.pairs[len(a.pairs) :]],
        cue=max(a.cue, b.cue),
        input=max(a.input, b.input),
        pads=list(map(max, a.pads, b.pads)),
        limiter=min(a.limiter, b.limiter),
    )
