"""The daemon as ZeroMQ shows it: requests to the service, results to whoever asked, events to all."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from foleyd import recipe
from foleyd.anew import OWN_SAMPLES
from foleyd.commands import Command
from foleyd.daemon import frames
from foleyd.daemon.dispatch import Made, Order
from foleyd.daemon.errands import Errands
from foleyd.daemon.jobs import Job
from foleyd.daemon.report import Report
from foleyd.daemon.service import Service
from foleyd.errors import BadRequest
from foleyd.messages import (
    BufferInfo,
    CancelRequest,
    ClipInfo,
    ClipReply,
    ClipRequest,
    Deliver,
    InfoRequest,
    LibraryRequest,
    Message,
    MetricsRequest,
    ModelsRequest,
    RenderChunk,
    RenderRequest,
    RenderResult,
    ShutdownReply,
    ShutdownRequest,
    StatusRequest,
)
from foleyd.recipe import Recipe
from foleyd.wire.zmq import Answer, Endpoint, Peer

log = logging.getLogger(__name__)
RESULT = "render_result"
CHUNK = "render_chunk"
PROVISIONAL_GAIN = 0.5
"""What parts of an unfinished sound are multiplied with: models rarely pass full scale by more."""


class ZmqFace:
    """Answers ZeroMQ's requests by way of the service: :meth:`handle` is for the endpoint, which is set with
    :meth:`attach`. `stop` ends the daemon."""

    def __init__(self, service: Service, report: Report, stop: Callable[[], None]) -> None:
        self._service = service
        self._report = report
        self._stop = stop
        self._endpoint: Endpoint | None = None
        self.errands = Errands()
        """Results that are on their way."""
        self._handlers: dict[type[Message], Callable[..., Awaitable[Answer]]] = {
            InfoRequest: self._info,
            RenderRequest: self._render,
            ClipRequest: self._clip,
            LibraryRequest: self._library,
            ModelsRequest: self._models,
            StatusRequest: self._status,
            MetricsRequest: self._metrics,
            CancelRequest: self._cancel,
            ShutdownRequest: self._shutdown,
        }

    def attach(self, endpoint: Endpoint) -> None:
        """The endpoint that results and events go through."""
        self._endpoint = endpoint
        self._service.events.listen(endpoint.publish)

    async def handle(
        self, command: Command, request: Message, peer: Peer, buffers: tuple[bytes, ...]
    ) -> Answer:
        """The answer to a request. Raises FoleydError, which the endpoint turns into an error reply."""
        client = getattr(request, "client", "") or peer.session
        self._service.arrived(command.name, client, "zmq")
        return await self._handlers[type(request)](request, client, peer, buffers)

    async def _info(self, request: InfoRequest, client: str, peer: Peer, _: Sequence[bytes]) -> Answer:
        return self._service.info(request, client), ()

    async def _render(
        self, request: RenderRequest, client: str, peer: Peer, buffers: Sequence[bytes]
    ) -> Answer:
        def watch(job: Job) -> None:
            if not job.active:
                self.errands.begin(self._tell(job, request.deliver, peer))

        def heard(job: Job, index: int, piece: frames.Piece) -> None:
            made, data = _chunk(job, index % request.count, job.wanted[index].payload.request.recipe, piece)
            if data and self._endpoint is not None:
                self._endpoint.tell(peer, CHUNK, made, buffers=[data])

        # parts are the model's own sound: of what is a recording but for a range they would tell a lie
        early = request.early and request.recipe.get("operation") not in OWN_SAMPLES
        _job, reply = await self._service.render(
            request, client, "zmq", watch, heard=heard if early else None, buffers=buffers
        )
        return reply, ()

    async def _tell(self, job: Job, deliver: Deliver, peer: Peer) -> None:
        """Send a job's result; the endpoint sees to it that its admission goes first."""
        try:
            result, buffers = await self._result(job, deliver)
        except Exception as error:
            log.exception("the result of job %d cannot be sent", job.id)
            said = f"The result cannot be read ({error}): ask for it with clip_request."
            result, buffers = RenderResult(job_id=job.id, state="failed", code="error", message=said), []
        if self._endpoint is not None:
            self._endpoint.tell(peer, RESULT, result, buffers=buffers)

    async def _result(self, job: Job, deliver: Deliver) -> tuple[RenderResult, list[bytes]]:
        result, made = await self._service.outcomes.of(job)
        if deliver == "none" or job.active:
            return result, []
        read = self._samples_of if deliver == "clip" else self._take_of
        parts = [await self._service.dispatcher.call(read, one) for one in made]
        return msgspec.structs.replace(result, buffers=tuple(info for info, _ in parts)), [
            data for _, data in parts
        ]

    def _samples_of(self, made: Made) -> tuple[BufferInfo, bytes]:
        return self._samples(made.clip)

    def _samples(self, clip: ClipInfo) -> tuple[BufferInfo, bytes]:
        samples, rate = self._service.library.samples(clip.clip_id)
        data = np.ascontiguousarray(samples, dtype="<f4").tobytes()
        return _described("clip", clip.clip_id, data, samples.shape, rate), data

    def _take_of(self, made: Made) -> tuple[BufferInfo, bytes]:
        about = made.take
        kept = recipe.from_json(about.recipe)
        take = self._service.library.takes.find(kept, precision=about.precision, runtime=about.runtime)
        if take is None:
            raise BadRequest(f"{about.take_id} is no longer kept: ask for the sound again.")
        data = np.ascontiguousarray(take.samples, dtype="<f4").tobytes()
        return _described("take", made.take.take_id, data, (1, len(take.samples)), made.take.rate), data

    async def _clip(self, request: ClipRequest, client: str, peer: Peer, _: Sequence[bytes]) -> Answer:
        if bool(request.clip) == (request.job_id is not None):
            raise BadRequest("clip_request needs a clip or a job_id: give one of them.")
        if request.job_id is not None:
            job = self._service.job(request.job_id, client)
            asked: Order = job.wanted[0].payload
            deliver: Deliver = "take" if asked.deliver == "take" else "clip"
            result, buffers = await self._result(job, deliver if request.audio else "none")
            return ClipReply(result=result, buffers=result.buffers), buffers
        found = await self._service.shelf(
            LibraryRequest(action="show", clips=(request.clip,)), (), client, "zmq"
        )
        clip = found.clips[0]
        if not request.audio:
            return ClipReply(clip=clip), ()
        info, data = await self._service.dispatcher.call(self._samples, clip)
        return ClipReply(clip=clip, buffers=(info,)), (data,)

    async def _library(
        self, request: LibraryRequest, client: str, peer: Peer, buffers: Sequence[bytes]
    ) -> Answer:
        return await self._service.shelf(request, buffers, client, "zmq"), ()

    async def _models(self, request: ModelsRequest, client: str, peer: Peer, _: Sequence[bytes]) -> Answer:
        return await self._service.models(request), ()

    async def _status(self, request: StatusRequest, client: str, peer: Peer, _: Sequence[bytes]) -> Answer:
        return self._report.status(), ()

    async def _metrics(self, request: MetricsRequest, client: str, peer: Peer, _: Sequence[bytes]) -> Answer:
        return self._report.metrics(), ()

    async def _cancel(self, request: CancelRequest, client: str, peer: Peer, _: Sequence[bytes]) -> Answer:
        return self._service.cancel(request, client, "zmq"), ()

    async def _shutdown(
        self, request: ShutdownRequest, client: str, peer: Peer, _: Sequence[bytes]
    ) -> Answer:
        # the answer goes out first
        asyncio.get_running_loop().call_later(0.05, self._stop)
        return ShutdownReply(pid=self._service.events.pid), ()


def _chunk(job: Job, clip: int, wanted: Recipe, piece: frames.Piece) -> tuple[RenderChunk, bytes]:
    """A part of a sound as it is told, and its samples: none where it lies behind the sound's end."""
    of = min(piece.of, recipe.frames_at(wanted, piece.rate) or piece.of)
    samples = PROVISIONAL_GAIN * np.frombuffer(piece.samples, "<f4")[: max(0, of - piece.start)]
    data = samples.astype("<f4").tobytes()
    info = _described("chunk", "", data, (1, len(samples)), piece.rate)
    told = RenderChunk(
        job_id=job.id, clip=clip, start=piece.start, of=of, gain=PROVISIONAL_GAIN, buffers=(info,)
    )
    return told, data


def _described(
    kind: Literal["clip", "take", "chunk"], name: str, data: bytes, shape: tuple[int, ...], rate: int
) -> BufferInfo:
    return BufferInfo(
        kind=kind,
        length=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        id=name,
        channels=shape[0],
        frames=shape[1],
        rate=rate,
    )
