"""A render that a pad orders: what is asked of the daemon, and when it is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from foleyd import choice
from foleyd import recipe as recipes
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError, JobLost, NoDaemon, WorkerDied
from foleyd.fields import FIELDS
from foleyd.messages import MOST_CLIPS, RenderReply
from foleyd.values import check
from foleyd_live.clips import Clip
from foleyd_live.history import ClipSource
from foleyd_live.promise import Promise
from foleyd_live.properties import Value, whole
from foleyd_live.tempo import Tempo

MOST_DEATHS = 2
"""Deaths of a worker after which a render is asked for again: it may be what kills them."""
OWN_PAIRS = ("count", "bars", "by", "best_of", "draft", "within_s", "early", "source")
"""Names beside those of a recipe's fields."""

Progress = Callable[[float, float], object]
"""Gets the share that is done, 0 … 1, and the seconds until the clip is expected."""


def _silent(share: float, eta: float) -> None:
    """Nobody listens."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the daemon, and what is done with it. `bars` is None for a length in seconds; `draft`:
    steps of a first version, `within_s`: seconds until that, or the sound, has to be there; `early`: whether
    it is heard while it is made; `best_of`: seeds that it is chosen from, None for as many as the daemon
    chooses from by itself; `source`: the clip that its operation starts from."""

    fields: dict[str, Any]
    count: int = 1
    best_of: int | None = None
    draft: int | None = None
    within_s: float | None = None
    early: bool = False
    bars: float | None = None
    by_bar: bool = False
    source: str = ""
    preset: str = ""

    @property
    def haste(self) -> dict[str, Any]:
        """What is asked so that something is there soon."""
        asked = {"draft": self.draft, "within_s": self.within_s, "early": self.early or None}
        return {name: value for name, value in asked.items() if value is not None}

    @classmethod
    def read(cls, prompt: str, pairs: Mapping[str, Value], preset: str = "") -> Wish:
        """A prompt and its pairs. Raises BadRequest naming the pair that is wrong."""
        fields: dict[str, Any] = {name: value for name, value in pairs.items() if name not in OWN_PAIRS}
        if fields.pop("prompt", prompt) != prompt:
            raise BadRequest("prompt is given twice: leave it out of the pairs.")
        source = pairs.get("source", "")
        if not isinstance(source, str):
            raise BadRequest(f"source is {source!r:.40}: give the id of a clip of the library.")
        if source and fields.keys() <= FIELDS.keys():
            # what else the operation needs follows from its source, which the daemon has
            fields = {name: check(FIELDS[name], value) for name, value in fields.items()}
        else:
            recipes.make(prompt=prompt, **fields)
        count = whole(pairs.get("count", 1))
        if count is None or not 1 <= count <= MOST_CLIPS:
            raise BadRequest(f"count is {pairs['count']!r:.40}: give 1 to {MOST_CLIPS}.")
        best_of = whole(pairs["best_of"]) if "best_of" in pairs else None
        if "best_of" in pairs and (best_of is None or not 1 <= best_of <= choice.MOST):
            raise BadRequest(f"best_of is {pairs['best_of']!r:.40}: give 1 to {choice.MOST}.")
        draft, within_s = whole(pairs["draft"]) if "draft" in pairs else None, pairs.get("within_s")
        if "draft" in pairs and (draft is None or not 1 <= draft <= 200):
            raise BadRequest(f"draft is {pairs['draft']!r:.40}: give 1 to 200 steps.")
        if within_s is not None and (isinstance(within_s, str) or not 0 < within_s <= 86_400):
            raise BadRequest(f"within_s is {within_s!r:.40}: give seconds, more than 0, at most 86400.")
        early = whole(pairs.get("early", 0))
        if early not in (0, 1):
            raise BadRequest(f"early is {pairs['early']!r:.40}: give 1 or 0.")
        bars = pairs.get("bars")
        if bars is not None:
            bars = float(cast(float, check(FIELDS["bars"], bars)))
        if bars is not None and "seconds" in fields:
            raise BadRequest("both seconds and bars are given: give one of them.")
        if pairs.get("by", "bar") != "bar":
            raise BadRequest(f"by is {pairs['by']!r:.40}: give bar, or leave it out.")
        fields = {"prompt": prompt, **fields}
        return cls(
            fields=fields,
            count=count,
            best_of=best_of,
            draft=draft,
            within_s=within_s,
            early=bool(early),
            bars=bars,
            by_bar="by" in pairs,
            preset=preset,
            source=source,
        )


class Order:
    """A render of a pad. `request` is what the daemon is asked, with nothing left open once it has admitted
    it; `bpm` the tempo that its length was made for."""

    def __init__(self, pad: int, wish: Wish, progress: Progress, tempo: Tempo) -> None:
        self.pad, self.wish, self.progress = pad, wish, progress
        self.prompt = str(wish.fields["prompt"])
        self.bpm = None if wish.bars is None else tempo.bpm
        bars = {} if wish.bars is None else {"bars": wish.bars, "bpm": tempo.bpm, "beats": tempo.beats}
        from_clip = {"source": wish.source} if wish.source else {}
        self.request: dict[str, Any] = {
            **wish.fields,
            **bars,
            **from_clip,
            "count": wish.count,
            "best_of": wish.best_of,
            **wish.haste,
        }
        self.promise: Promise | None = None
        self.admitted = False
        self.superseded = False
        """Whether the daemon gave it up for another one on its slot."""
        self.state, self.eta = "queued", 0.0
        self.drafting: asyncio.Task[None] | None = None
        """Puts the draft on the pad."""
        self.draft: ClipSource | None = None
        """The draft, once it is there."""
        self.sketch: Clip | None = None
        """What the pad plays while the sound is being made."""
        self.end: Cancelled | None = None
        """Why it was given up here."""
        self.task: asyncio.Task[str] | None = None
        self.meanwhile: asyncio.Task[None] | None = None
        self._deaths = 0
        self._cancelled = 0

    def admit(self, reply: RenderReply) -> None:
        """From now on this very sound is meant, whatever daemon is asked."""
        self.request = {**reply.recipes[0], "count": len(reply.recipes), "best_of": reply.best_of}
        self.admitted = True

    def refused(self, error: FoleydError) -> bool:
        """Whether to ask again after the daemon did not admit it."""
        if isinstance(error, Cancelled):  # it is about to end, and that is why it had cancelled the job
            self._cancelled = 0
        return self.admitted and isinstance(error, Cancelled | NoDaemon | Busy)

    def failed(self, error: FoleydError) -> bool:
        """Whether to ask again after the job came to nothing.

        A daemon that ends cancels its jobs in the same words as somebody who wants them cancelled: the first
        time it is taken for the former.
        """
        if isinstance(error, WorkerDied):
            self._deaths += 1
            return self._deaths <= MOST_DEATHS
        if isinstance(error, Cancelled):
            self._cancelled += 1
            return not self.superseded and self._cancelled == 1
        return isinstance(error, JobLost | NoDaemon)
