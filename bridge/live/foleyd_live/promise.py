"""By the next bar: when a clip that is being rendered can be launched, and what is played until it is."""

from __future__ import annotations

import math
import re
from collections import Counter

from foleyd.client import AsyncClient
from foleyd.messages import ClipInfo, LibraryRequest
from foleyd_live.tempo import Tempo

MARGIN_S = 0.2
"""From the render's end until the clip is in the mixer."""
LEAD_S = 0.02
"""A bar that begins sooner than this is missed."""
MOST_WORDS = 8
"""Words of a prompt that are looked for one by one."""
LOOKED_AT = 50
"""Clips that are looked at for each."""

_WORD = re.compile(r"\w{3,}")


class Promise:
    """A clip by the next bar, with `eta_s` as the daemon's word (None: it does not know).

    `kind` is one of ``properties.PROMISES``: later holds to the bar that the estimate allows, nearest and
    wait take the first one after the clip is there. `now` is the frame that is mixed next.
    """

    def __init__(self, tempo: Tempo, kind: str, eta_s: float | None, now: int) -> None:
        self._tempo = tempo
        needed = None if eta_s is None else eta_s + MARGIN_S
        self.met = needed is not None and needed <= tempo.seconds_to("bar", now)
        """Whether the very next bar can be kept."""
        at = None
        if self.met:
            at = tempo.next("bar", now)
        elif kind == "later" and needed is not None:
            at = tempo.next("bar", now + math.ceil(needed * tempo.rate))
        # in beats: the tempo may change until then
        self._beat = None if at is None else tempo.beat(at)
        self._limit = 0 if at is None else at + tempo.frames_of_bars(1)

    def frame(self, now: int) -> int:
        """Where the clip is launched, if it is ready `now`: the bar that was promised, or else the next."""
        soon = now + round(LEAD_S * self._tempo.rate)
        promised = -1 if self._beat is None else self._tempo.frame_of(self._beat)
        if soon <= promised <= self._limit:
            # the bar may have got other beats since
            return self._tempo.next("bar", promised)
        return self._tempo.next("bar", soon)


async def nearest(client: AsyncClient, prompt: str) -> ClipInfo | None:
    """The clip of the library whose words have most in common with `prompt`; None where none has any."""
    found = await client.library(LibraryRequest(action="search", text=prompt, limit=1))
    if found.clips:
        return found.clips[0]
    shared: Counter[str] = Counter()
    clips: dict[str, ClipInfo] = {}
    for word in list(dict.fromkeys(_WORD.findall(prompt.casefold())))[:MOST_WORDS]:
        found = await client.library(LibraryRequest(action="search", text=word, limit=LOOKED_AT))
        for clip in found.clips:
            clips.setdefault(clip.clip_id, clip)
            # a long word says more than a short one
            shared[clip.clip_id] += len(word)
    best = shared.most_common(1)
    return clips[best[0][0]] if best else None
