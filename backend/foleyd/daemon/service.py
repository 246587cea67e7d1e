"""The service: what every command does, whichever wire it came by.

:class:`Service` answers requests of :mod:`foleyd.messages` with replies of :mod:`foleyd.messages`; the faces
(:mod:`~foleyd.daemon.zmq_face`, :mod:`~foleyd.daemon.osc_face`) turn those into messages of their wire and
tell clients what becomes of their jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from foleyd import __version__, commands, recipe
from foleyd.choice import best_of
from foleyd.daemon import haste
from foleyd.daemon.by_sound import BySound
from foleyd.daemon.dispatch import Dispatcher, Finishes, Heard, Order, results
from foleyd.daemon.events import Events
from foleyd.daemon.intake import Intake
from foleyd.daemon.jobs import Job, Wanted
from foleyd.daemon.leases import Leases
from foleyd.daemon.library import Library
from foleyd.daemon.metrics import Metrics
from foleyd.daemon.models import Models
from foleyd.daemon.outcome import Outcomes
from foleyd.daemon.queue import Queue
from foleyd.daemon.report import Usage
from foleyd.daemon.show_log import ShowLog
from foleyd.daemon.sources import Kept, started
from foleyd.daemon.supervisor import Supervisor
from foleyd.daemon.together import alike
from foleyd.engines import adapters, checkpoint
from foleyd.errors import BadRequest, Cancelled, FoleydError, JobLost, TooSlow, WorkerDown
from foleyd.messages import (
    MOST_CLIPS,
    CancelReply,
    CancelRequest,
    InfoReply,
    InfoRequest,
    LibraryReply,
    LibraryRequest,
    ModelInfo,
    ModelsReply,
    ModelsRequest,
    RenderReply,
    RenderRequest,
    RenderResult,
)
from foleyd.recipe import Recipe
from foleyd.series import series

LOOKS = frozenset({"list", "search", "similar", "show", "sets", "holds", "usage"})
"""Library actions that change nothing."""


class Service:
    """The daemon's commands. Used from its event loop alone."""

    def __init__(
        self,
        *,
        model: str,
        models: Models,
        queue: Queue,
        supervisor: Supervisor,
        dispatcher: Dispatcher,
        library: Library,
        leases: Leases,
        events: Events,
        metrics: Metrics,
        log: ShowLog,
        usage: Usage,
        source_folder: Path | None = None,
    ) -> None:
        self.model = model
        self.queue = queue
        self.leases = leases
        self.events = events
        self.metrics = metrics
        self.library = library
        self.dispatcher = dispatcher
        self.supervisor = supervisor
        self.osc = ""
        """host:port of OSC, empty where it is off."""
        self.ending = False
        """Whether the daemon is about to end, and takes no more jobs."""
        self._models = models
        self._log = log
        self._usage = usage
        self._intake = Intake(library, dispatcher.call, source_folder)
        self._by_sound = BySound(library, dispatcher.call)
        dispatcher.near = self._by_sound.near
        self.outcomes = Outcomes(library, dispatcher.call, self._by_sound)

    def arrived(self, command: str, client: str, via: str, lease_s: float | None = None) -> None:
        """Count a request, and renew the lease of whoever sent it, as long as before unless `lease_s` is
        given."""
        self.metrics.requests.labels(command, via).inc()
        self.leases.renew(client, lease_s)

    def see_leases(self) -> None:
        """Leave a core to a live host where one holds a lease."""
        self.supervisor.spare = self.leases.live

    async def count(self) -> None:
        """Count anew what the library holds."""
        found = await self.dispatcher.call(self.library.answer, LibraryRequest(action="usage"), ())
        self._usage.set(found.total, found.bytes)

    def info(self, request: InfoRequest, client: str) -> InfoReply:
        """Who this is; the client's lease and role are as it says."""
        lease = self.leases.renew(client, request.lease_s, request.role or None)
        self.see_leases()
        limits = self.queue.limits
        return InfoReply(
            protocol=commands.PROTOCOL,
            version=__version__,
            pid=self.events.pid,
            library=str(self.library.root),
            osc=self.osc,
            model=self.model,
            operations=tuple(recipe.OPERATIONS),
            schedulers=recipe.SCHEDULERS,
            limits={
                "jobs": limits.jobs,
                "per_client": limits.per_client,
                "background": limits.background,
            },
            clips_a_job=MOST_CLIPS,
            lease_s=lease,
        )

    async def render(
        self,
        request: RenderRequest,
        client: str,
        via: str,
        watch: Callable[[Job], None],
        job_id: int | None = None,
        heard: Heard | None = None,
        *,
        buffers: Sequence[bytes] = (),
        paths: bool = False,
    ) -> tuple[Job, RenderReply]:
        """Admit a job. `watch` is called, after the admission was returned, whenever the job changes; `heard`
        with parts of its sounds (of their drafts, where there are any) before they are whole.

        `job_id`: the client's own name for it, None to have one chosen. `buffers`, `paths`: as in
        :meth:`foleyd.daemon.intake.Intake.given`. Raises BadRequest, Busy, TooSlow,
        ModelMissing, WorkerDown; Cancelled where the daemon is about to end.
        """
        began = time.perf_counter()
        try:
            given = await self._intake.given(request, buffers, paths=paths)
            orders, job = await self._admit(request, given, client, job_id, heard)
        except FoleydError as error:
            self.metrics.refusals.labels(error.code).inc()
            self._log.write(
                "refused",
                command="render",
                client=client,
                via=via,
                content=msgspec.to_builtins(request),
                code=error.code,
                message=str(error),
            )
            raise
        self.metrics.admission.observe(time.perf_counter() - began)
        recipes = tuple(_plain(order.request.recipe) for order in orders if not order.draft)
        chosen = orders[-1].request.best_of
        self._log.write(
            "request",
            command="render",
            client=client,
            via=via,
            content=msgspec.to_builtins(msgspec.structs.replace(request, best_of=chosen)),
            recipes=recipes,
            job_id=job.id,
        )
        self.events.watch(job, self._see_end)
        self.events.watch(job, watch)
        self.dispatcher.wake()
        reply = RenderReply(
            job_id=job.id,
            state=job.state,
            position=self.queue.position(job),
            eta_s=_rounded(self.queue.eta_s(job)),
            recipes=recipes,
            best_of=chosen,
        )
        return job, reply

    async def _admit(
        self,
        request: RenderRequest,
        given: Mapping[str, Kept],
        client: str,
        job_id: int | None,
        heard: Heard | None,
    ) -> tuple[list[Order], Job]:
        """The job, with as many steps as its time allows where the request leaves them open."""
        orders = await self._orders(request, given, heard)
        tries = [orders]
        if request.within_s is not None and request.draft is None and "steps" not in request.recipe:
            fewer = haste.fewer(orders[0].request.recipe)
            tries += [[_in_steps(order, steps) for order in orders] for steps in fewer]
        *more, fewest = tries
        for tried in more:
            with contextlib.suppress(TooSlow):
                return tried, await self._enter(tried, request, client, job_id)
        return fewest, await self._enter(fewest, request, client, job_id)

    async def _enter(
        self, orders: Sequence[Order], request: RenderRequest, client: str, job_id: int | None
    ) -> Job:
        drafted = orders[0].draft
        wanted = [await self._wanted(order, may_wait=drafted and not order.draft) for order in orders]
        if not self.supervisor.ready and any(one.result is None for one in wanted):
            raise WorkerDown(self.supervisor.state.last_error)
        if self.ending:
            raise Cancelled("The daemon is about to end: ask again when it runs.")
        return self.queue.admit(
            client=client,
            wanted=wanted,
            slot=request.slot,
            priority=request.priority,
            job_id=job_id,
            within_s=request.within_s,
        )

    async def _orders(
        self, request: RenderRequest, given: Mapping[str, Kept], heard: Heard | None
    ) -> list[Order]:
        """A prepared request for each clip, seeds counting up from the recipe's own or a drawn one; all their
        drafts come first."""
        fields = {"model": self.model, **request.recipe}
        base = recipe.from_json(msgspec.json.encode(started(fields, given)))
        adapters.check_runtime(base, request.runtime)
        first, *_ = series(base, request.count)
        # the first look at a model reads its files: not in the loop
        prepared = await asyncio.to_thread(self._models.prepare, first)
        hurried = request.early or (request.draft, request.within_s) != (None, None)
        chosen = best_of(request.best_of, base, prepared.capabilities, hurried=hurried)
        requests = [
            msgspec.structs.replace(prepared, recipe=one, best_of=chosen)
            for one in series(prepared.recipe, request.count)
        ]
        orders = [
            Order(
                one,
                request.runtime,
                request.deliver,
                rank=request.rank,
                retries=request.retries,
                until=None if request.within_s is None else time.monotonic() + request.within_s,
            )
            for one in requests
        ]
        first_heard = [msgspec.structs.replace(one, heard=heard) for one in orders]
        if request.draft is None:
            return first_heard
        drafts = [
            msgspec.structs.replace(one, request=haste.draft(one.request, request.draft), draft=True)
            for one in first_heard
        ]
        return [*drafts, *orders]

    async def _wanted(self, order: Order, *, may_wait: bool) -> Wanted:
        made = order.request.recipe
        kept: Finishes | None = None
        if self.library.takes.has(made):
            kept = await self.dispatcher.find(order)
            if kept is not None:
                self.metrics.renders.labels("kept").inc()
        return Wanted(
            key=f"{recipe.sound_id(made)} {order.runtime} {order.request.best_of}",
            payload=order,
            work=haste.work(order.request),
            result=kept,
            may_wait=may_wait,
            alike="" if order.retries else alike(order.request, order.runtime),
        )

    def cancel(self, request: CancelRequest, client: str, via: str) -> CancelReply:
        """Stop jobs of the client. Raises BadRequest for a request that names none."""
        if not (request.jobs or request.slot or request.all):
            raise BadRequest("cancel names nothing: give jobs, a slot, or all.")
        stopped = (
            self.queue.cancel(client=client)
            if request.all
            else self.queue.cancel(client=client, job_ids=request.jobs, slot=request.slot or None)
        )
        self._log.write(
            "request", command="cancel", client=client, via=via, content=msgspec.to_builtins(request)
        )
        self.dispatcher.wake()
        return CancelReply(cancelled=tuple(job.id for job in stopped))

    def job(self, job_id: int, client: str) -> Job:
        """A client's job. Raises JobLost."""
        job = self.queue.job(job_id, client=client)
        if job is None:
            raise JobLost(f"job {job_id} is not known here: ask for the sound again; a kept take serves.")
        return job

    async def shelf(
        self, request: LibraryRequest, buffers: Sequence[bytes], client: str, via: str
    ) -> LibraryReply:
        """Look into the library, or change it. Raises BadRequest, DiskFull, WorkerDied."""
        if request.action == "similar":
            return await self._by_sound.search(request, buffers)
        reply = await self.dispatcher.call(self.library.answer, request, buffers)
        if request.action not in LOOKS:
            self._log.write(
                "request",
                command="library",
                client=client,
                via=via,
                content=msgspec.to_builtins(request),
                clips=tuple(clip.clip_id for clip in reply.clips),
            )
        return reply

    async def close(self) -> None:
        """End what only this service uses."""
        await self._by_sound.close()

    async def models(self, request: ModelsRequest) -> ModelsReply:
        """The models on this disk. Raises ModelMissing, ModelBroken."""
        return await asyncio.to_thread(self._list_models, request)

    def _list_models(self, request: ModelsRequest) -> ModelsReply:
        listed = self._models.entries(request.model)
        loaded = self.supervisor.state.model
        found = []
        for entry in listed:
            try:
                able = checkpoint.read(entry.folder, entry.revision).capabilities
            except FoleydError:
                if request.model:
                    raise
                continue  # one that is broken must not hide the others; 'foleyd models list' says what it is
            found.append(
                ModelInfo(
                    id=entry.id,
                    revision=entry.revision,
                    title=entry.title,
                    licence=entry.licence,
                    sellable=entry.sellable,
                    capabilities=msgspec.to_builtins(able),
                    loaded=entry.id == loaded,
                )
            )
        return ModelsReply(models=tuple(found))

    def _see_end(self, job: Job) -> None:
        """Write down how a job ended, behind its request."""
        if job.active:
            return
        self.metrics.jobs.labels(job.state).inc()
        self._log.write(
            "result",
            job_id=job.id,
            client=job.client,
            state=job.state,
            clips=tuple(made.clip.clip_id for made in results(job)),
            code=job.code,
            message=job.message,
        )

    async def result(self, job: Job) -> RenderResult:
        """How a job ended, or how far it is; a Set is made of its clips on the way."""
        told, _ = await self.outcomes.of(job)
        return told


def _in_steps(order: Order, steps: int) -> Order:
    return msgspec.structs.replace(order, request=haste.in_steps(order.request, steps))


def _plain(made: Recipe) -> dict[str, object]:
    """The fields of a recipe, fit to be sent back."""
    found: dict[str, object] = msgspec.json.decode(recipe.to_json(made))
    del found["format"]
    return found


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
