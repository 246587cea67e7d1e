"""How a job ended, as clients are told: its clips in order, their Set, and why there are no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from foleyd.daemon.by_sound import BySound
from foleyd.daemon.dispatch import Made, Order, results
from foleyd.daemon.jobs import Job
from foleyd.daemon.library import Library
from foleyd.daemon.preference import order
from foleyd.errors import FoleydError, RenderFailed
from foleyd.messages import RenderResult


class _Ranked(NamedTuple):
    made: list[Made]
    nearness: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


class Outcomes:
    """Tells how jobs ended. `call` runs a function in the library's thread."""

    def __init__(self, library: Library, call: Callable[..., Awaitable[Any]], by_sound: BySound) -> None:
        self._library, self._call, self._by_sound = library, call, by_sound

    async def of(self, job: Job) -> tuple[RenderResult, list[Made]]:
        """How a job ended, or how far it is, and what it got, in the same order; a Set is made of its clips
        on the way."""
        made = results(job)
        orders: list[Order] = [one.payload for one in job.wanted if not one.payload.draft]
        ranked = _Ranked(made)
        if made and not job.active and orders[0].rank:
            ranked = await self._ranked(made)
        told = RenderResult(
            job_id=job.id,
            state=job.state,
            clips=tuple(one.clip for one in ranked.made),
            takes=tuple(one.take for one in ranked.made),
            set_id=await self._set(job, orders, ranked.made),
            similarity=ranked.nearness,
            kept=tuple(one.kept for one in ranked.made),
            seconds=round((job.ended or job.admitted) - job.admitted, 3),
            code=job.code,
            message=job.message,
            reason=job.error.reason if isinstance(job.error, RenderFailed) else "",
            notes=(*ranked.notes, *dict.fromkeys(said for one in made for said in one.notes)),
        )
        return told, ranked.made

    async def _ranked(self, made: list[Made]) -> _Ranked:
        """The sound nearest to its words first, of those as near the best liked; as they were, with a note,
        where nobody can hear."""
        try:
            near = await self._by_sound.rank([one.clip for one in made])
        except FoleydError as error:
            return _Ranked(made, notes=(f"The sounds are not ranked: {error}",))
        places = order(near, [one.clip for one in made])
        return _Ranked([made[place] for place in places], tuple(near[place] for place in places))

    async def _set(self, job: Job, orders: Sequence[Order], made: Sequence[Made]) -> str:
        if len(orders) < 2 or not made or job.active:
            return ""
        clips = [one.clip.clip_id for one in made]
        # the id follows from the clips, so asking twice makes one Set
        info = await self._call(self._library.add_set, orders[0].request.recipe.prompt, clips)
        return str(info.set_id)
