"""The dispatcher: takes renders from the queue, one after the other, and sees to it that each becomes a clip.

`render → kept take? → room on the disk? → worker → take kept → finished as each requester wants → library`.
It owns nothing that a client sees: it tells the queue how each render ended, and the queue tells everybody
else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.another import Best, Flaw, Tries, another, flaw, notes
from foleyd.daemon import frames
from foleyd.daemon.estimate import CostModel
from foleyd.daemon.job import Sound, keep, parts
from foleyd.daemon.jobs import Job, Render
from foleyd.daemon.library import Library
from foleyd.daemon.metrics import Metrics
from foleyd.daemon.models import Request
from foleyd.daemon.queue import Queue
from foleyd.daemon.supervisor import Supervisor
from foleyd.daemon.together import WINDOW_S
from foleyd.errors import Cancelled, FoleydError, RenderFailed, WorkerDied
from foleyd.messages import ClipInfo, Deliver, TakeInfo
from foleyd.recipe import Recipe

log = logging.getLogger(__name__)
Result = TypeVar("Result")


Heard = Callable[[Job, int, frames.Piece], None]
"""Gets a part of a sound before it is whole: the job, which of its sounds, and the part."""


Near = Callable[[str, str, NDArray[np.float32], int], float | None]
"""How near samples `[n]` at a rate are to words, by the ears of a model (its id and revision); None where
nobody can say."""


class Order(msgspec.Struct, frozen=True):
    """What a render is for: a prepared request, the runtime it insists on ("" for any), what is to be
    delivered, whether it is a draft of another one, whether its job's sounds are ranked, how many
    other seeds are tried for one that is none or a poor one, until when (monotonic clock, None: as long as it
    takes), and who hears parts of it before it is whole."""

    request: Request
    runtime: str = ""
    deliver: Deliver = "clip"
    draft: bool = False
    rank: bool = False
    retries: int = 0
    until: float | None = None
    heard: Heard | None = None


class Made(msgspec.Struct, frozen=True):
    """A clip that a job got: its description, its take, whether the take was there already, and notes on the
    finishing."""

    clip: ClipInfo
    take: TakeInfo
    kept: bool
    notes: tuple[str, ...]


Finishes = Mapping[Recipe, Made]
"""The result of a render: one take, finished as each recipe wants it that shares it."""


class Dispatcher:
    """Works the queue off. One coroutine, :meth:`run`; :meth:`wake` after anything that changed the queue.

    `cost` learns from every render.
    """

    def __init__(
        self,
        queue: Queue,
        supervisor: Supervisor,
        library: Library,
        cost: CostModel,
        metrics: Metrics,
    ) -> None:
        self._queue = queue
        self._supervisor = supervisor
        self._library = library
        self._cost = cost
        self._metrics = metrics
        self._wakeup = asyncio.Event()
        self.near: Near = _unheard
        """Who listens to how near sounds are to their words."""
        # SQLite and the finishing of clips have one thread, so that the loop answers meanwhile
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="library")

    async def call(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run `work` in the library's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def wake(self) -> None:
        """Look at the queue again: there is more to do, or what is being done is no longer wanted."""
        self._wakeup.set()
        if self._queue.must_stop():
            self._supervisor.cancel()

    async def run(self) -> None:
        """Render for ever."""
        while True:
            render = self._queue.take_next()
            if render is None:
                await self._wakeup.wait()
                self._wakeup.clear()
                continue
            try:
                await self._work(await self._company(render))
            except FoleydError as error:
                self._fail(error)
            except Exception as error:
                log.exception("a render failed inside the daemon")
                said = f"{type(error).__name__}: {' '.join(str(error).split())}"
                self._fail(RenderFailed(f"The daemon failed with {said}: see its log, and try again."))

    def _fail(self, error: FoleydError) -> None:
        for render in self._queue.batch:
            self._queue.failed(render, error)

    async def _company(self, first: Render) -> list[Render]:
        """The render with those that are made as one batch with it, where the worker gains by that: they come
        right behind it, or before it has waited for `WINDOW_S`. None at all where live work comes meanwhile,
        which is done before."""
        batch, most = [first], self._supervisor.together
        if most == 1 or not first.alike or first.priority == "live":
            return batch
        until = min(job.admitted for job in first.jobs) + WINDOW_S
        while len(batch) < most:
            more = self._queue.take_along()
            if more is not None:
                batch.append(more)
                continue
            left = until - time.monotonic()
            if left <= 0 or self._queue.next_priority() is not None:
                break
            self._wakeup.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wakeup.wait(), left)
        if self._queue.next_priority() != "live":
            return batch
        self._leave(batch)
        return []

    def _leave(self, batch: Iterable[Render], *, apart: bool = False) -> None:
        for render in batch:
            self._queue.stopped(render, apart=apart)

    async def _work(self, batch: Sequence[Render]) -> None:
        if len(batch) == 1:
            try:
                best = await self._tried(batch[0], batch[0].payload)
            except Cancelled:
                # whoever wanted it stopped may have gone, or somebody else want it now: the queue knows
                self._leave(batch)
            else:
                await self._deliver(batch[0], best)
            return
        lacking: list[Render] = []
        for render in batch:
            sound = await self.call(self._kept, render.payload)
            if sound is not None:
                await self._deliver(render, Best(sound))
            else:
                await self.call(self._library.takes.check_room, render.payload.request.recipe)
                lacking.append(render)
        if not lacking:
            return
        try:
            sounds = await self._render(lacking, [render.payload for render in lacking])
        except Cancelled:
            self._leave(lacking)
            return
        except (RenderFailed, WorkerDied):
            self._leave(lacking, apart=True)  # each alone, whose fault it is fails
            return
        for render, sound in zip(lacking, sounds, strict=True):
            await self._deliver(render, Best(sound))

    async def _deliver(self, render: Render, best: Best[Sound]) -> None:
        """Finish a sound for all that wait for it; where that fails, it alone fails."""
        self._metrics.renders.labels("kept" if best.sound.kept else "rendered").inc()
        made: dict[Recipe, Made] = {}
        try:
            # who shares the take may want it finished otherwise, and may come while the first is being
            # finished
            while waiting := [one for one in _recipes(render) if one not in made]:
                for wanted in waiting:
                    made[wanted] = await self._finish(best, wanted)
        except FoleydError as error:
            self._queue.failed(render, error)
        else:
            self._queue.finished(render, made)

    async def _tried(self, render: Render, order: Order) -> Best[Sound]:
        """The sound, with another seed where the first give none or a poor one and the order allows it."""
        tries: Tries[Sound] = Tries(order.retries, order.until)
        while True:
            said = ""
            try:
                sound = await self.call(self._kept, order)
                if sound is None:
                    await self.call(self._library.takes.check_room, order.request.recipe)
                    sound = (await self._render([render], [order]))[0]
            except RenderFailed as error:
                tries.failed(error)
                said = str(error)
            else:
                found = await self._flaw(order, sound)
                if found is None:
                    return tries.good(sound)
                tries.flawed(sound, found)
                said = found.said
            if not tries.again():
                return tries.best()
            self._queue.remarked(render, f"Another seed is tried, for {said[:1].lower()}{said[1:]}")
            request = msgspec.structs.replace(order.request, recipe=another(order.request.recipe))
            order = msgspec.structs.replace(order, request=request)

    async def _flaw(self, order: Order, sound: Sound) -> Flaw | None:
        """What is wrong with a sound, where the order would have another one then."""
        if not order.retries:
            return None
        made, samples = sound.request.recipe, sound.take.samples

        def near() -> float | None:
            model = sound.request.model
            return self.near(f"{model.id} {model.revision}", made.prompt, samples, sound.take.identity.rate)

        return await asyncio.to_thread(flaw, made, samples, sound.request.capabilities.least_similarity, near)

    async def _render(self, renders: Sequence[Render], orders: Sequence[Order]) -> list[Sound]:
        """New takes, kept, made as one batch with one model."""
        requests = [order.request for order in orders]
        model = requests[0].model
        if self._queue.must_stop():  # it came while the disk was looked at
            raise Cancelled("Cancelled before it began.")

        def progress(step: frames.Progress) -> None:
            for render in renders:
                self._queue.progressed(render, step.step, step.steps)
            if self._queue.must_stop():
                self._supervisor.cancel()

        def heard(piece: frames.Piece) -> None:
            for job, index in renders[piece.index].requesters:
                wanted: Order = job.wanted[index].payload
                if wanted.heard is not None:
                    wanted.heard(job, index, piece)

        early = any(
            job.wanted[index].payload.heard is not None
            for render in renders
            for job, index in render.requesters
        )
        sources: dict[str, Path] = {}
        for request in requests:
            sources |= await self.call(self._library.sources.of, request.recipe)
        audios = await self._supervisor.render(
            [request.recipe for request in requests],
            sources=sources,
            best_of=requests[0].best_of,
            folder=model.folder,
            model=model.id,
            revision=model.revision,
            on_progress=progress,
            on_piece=heard if early else None,
        )
        took = self._supervisor.took_s
        self._metrics.rendering.observe(took)
        self._cost.observe(msgspec.structs.replace(renders[0].work, batch=len(renders)), took)
        sounds = []
        for asked, audio in zip(requests, audios, strict=True):
            request = asked.took(audio.seed)
            for part in await self.call(parts, self._library.takes, request, audio):
                await self.call(self._library.add, part)
            take = await self.call(keep, self._library.takes, request.recipe, audio)
            sounds.append(Sound(request, take, kept=False, seconds=took))
        return sounds

    async def find(self, order: Order) -> Finishes | None:
        """The clip of an order whose take is kept already, else None."""
        sound = await self.call(self._kept, order)
        if sound is None or await self._flaw(order, sound) is not None:
            return None
        wanted = order.request.recipe
        return {wanted: await self._finish(Best(sound), wanted)}

    def _kept(self, order: Order) -> Sound | None:
        if order.request.best_of > 1:  # which take it is, is not known yet
            return None
        take = self._library.takes.find(order.request.recipe, runtime=order.runtime or None)
        return None if take is None else Sound(order.request, take, kept=True, seconds=0.0)

    async def _finish(self, best: Best[Sound], wanted: Recipe) -> Made:
        """The clip that a requester wants, with notes where it has another seed or a flaw."""
        sound = best.sound
        said = notes(wanted, sound.request.recipe, best.why, best.flaw)
        wanted = recipe.change(wanted, seed=sound.request.recipe.seed)
        request = msgspec.structs.replace(sound.request, recipe=wanted)
        added = await self.call(self._library.add, msgspec.structs.replace(sound, request=request))
        return Made(added.clip, sound.take.identity, sound.kept, (*said, *added.notes))

    def close(self) -> None:
        """Wait for the library's thread."""
        self._thread.shutdown(wait=True)


def _unheard(model: str, words: str, samples: NDArray[np.float32], rate: int) -> float | None:
    """Nobody listens."""
    return None


def results(job: Job, *, drafts: bool = False) -> list[Made]:
    """The clips that a job has, in order: those that were asked for, or their drafts."""
    orders: Iterator[Order] = (one.payload for one in job.wanted)
    return [
        finishes[order.request.recipe]
        for order, finishes in zip(orders, job.results, strict=True)
        if finishes is not None and order.draft == drafts
    ]


def _recipes(render: Render) -> list[Recipe]:
    return [job.wanted[index].payload.request.recipe for job, index in render.requesters]
