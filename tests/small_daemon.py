"""A small daemon for tests of clients: real sockets, jobs that end when the test says so, and a line to it
that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from foleyd import messages as m
from foleyd.errors import FoleydError, JobLost
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from foleyd.wire.connection import Connection
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer, Endpoint
from zmq_peers import DEADLINE, Desk, free

RATE = 16_000
PATIENT: dict[str, Any] = {"timeout_s": DEADLINE, "reconnect_s": DEADLINE}
"""For clients: nothing is given up before the test itself is."""


def clip_of(job: int, recipe: dict[str, Any]) -> m.ClipInfo:
    return m.ClipInfo(
        clip_id=f"c{job}",
        take_id=f"t{job}",
        name=recipe["prompt"],
        prompt=recipe["prompt"],
        operation="text",
        seed=recipe["seed"],
        seconds=0.5,
        rate=RATE,
        channels=2,
        frames=3,
        size=100,
        path=f"/library/c{job}.wav",
        created=0.0,
        model="starter",
        revision="1",
        licence="CC0-1.0",
        sellable=True,
        recipe=recipe,
    )


class Daemon:
    """Admits every job and ends it when the test calls :meth:`end`. `jobs` may come from the life before."""

    def __init__(self, first_job: int = 1) -> None:
        self.next_job, self.number = first_job, 0
        self.jobs: dict[int, tuple[m.RenderRequest, Peer]] = {}
        self.ended: dict[int, m.RenderResult] = {}
        self.samples = struct.pack("<6f", 0.0, 0.25, -0.5, 1.0, -1.0, 0.125)
        self.desk = Desk(
            render=self.render, clip=self.clip, cancel=self.cancel, library=self.library, status=self.status,
            metrics=self.metrics, models=self.models, shutdown=self.shutdown,
        )  # fmt: skip
        self.endpoint: Endpoint
        self.silent = False
        self.refusal: FoleydError | None = None

    @asynccontextmanager
    async def serve(
        self, path: Path | None = None, connection: Connection | None = None
    ) -> AsyncIterator[Endpoint]:
        """Run it, with its connection file where one is asked for."""
        self.number = 0
        async with Endpoint(connection or free(), self.desk.handle) as self.endpoint:
            if path is not None:
                connections.write(self.endpoint.connection, path)
            yield self.endpoint

    async def render(self, request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        if self.refusal is not None:
            raise self.refusal
        job = self.next_job
        self.next_job += 1
        self.jobs[job] = request, peer
        self.tell_event(job, "queued")
        recipes = ({"seed": 11, **request.recipe},)
        return m.RenderReply(job_id=job, state="queued", position=0, eta_s=None, recipes=recipes), ()

    def tell_event(self, job: int, state: m.State, step: int = 0) -> None:
        self.number += 1
        event = m.JobEvent(
            number=self.number, at=0.0, job_id=job, client="", slot="", state=state, position=0, eta_s=None,
            step=step, steps=3,
        )  # fmt: skip
        self.endpoint.publish("job", event)

    def infos(self) -> tuple[m.BufferInfo, ...]:
        return (envelope.describe(self.samples, "clip", id="c", rate=RATE, channels=2, frames=3),)

    def end(self, job: int, state: m.State = "done", code: str = "", message: str = "") -> None:
        """End a job and tell whoever asked, unless the daemon is silent."""
        request, peer = self.jobs[job]
        done = state == "done"
        result = m.RenderResult(
            job_id=job,
            state=state,
            clips=(clip_of(job, {"seed": 11, **request.recipe}),) if done else (),
            kept=(False,) if done else (),
            seconds=1.5,
            code=code,
            message=message,
            buffers=self.infos() if done else (),
        )
        self.ended[job] = result
        self.tell_event(job, state, 3)
        if not self.silent:
            self.endpoint.tell(peer, "render_result", result, None, (self.samples,) if done else ())

    async def clip(self, request: m.ClipRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        if request.job_id is None:
            info = clip_of(5, {"prompt": "kept", "seed": 3})
            return m.ClipReply(clip=info, buffers=self.infos() if request.audio else ()), (
                (self.samples,) if request.audio else ()
            )
        if request.job_id in self.ended:
            result = self.ended[request.job_id]
            if not request.audio:
                return m.ClipReply(result=msgspec.structs.replace(result, buffers=())), ()
            return m.ClipReply(result=result, buffers=result.buffers), (self.samples,) if result.clips else ()
        if request.job_id in self.jobs:
            return m.ClipReply(result=m.RenderResult(job_id=request.job_id, state="running")), ()
        raise JobLost(f"job {request.job_id} is not known here: ask for the sound again.")

    async def cancel(self, request: m.CancelRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        stopped = [job for job in request.jobs if job in self.jobs and job not in self.ended]
        for job in stopped:
            self.end(job, "cancelled")
        return m.CancelReply(cancelled=tuple(stopped)), ()

    async def library(self, request: m.LibraryRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        return m.LibraryReply(changed=len(buffers), notes=(request.client,)), ()

    async def status(self, request: m.StatusRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        return STATUS, ()

    async def metrics(self, request: m.MetricsRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        return m.MetricsReply(text="foleyd_up 1\n"), ()

    async def models(self, request: m.ModelsRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        return m.ModelsReply(models=()), ()

    async def shutdown(self, request: m.ShutdownRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        return m.ShutdownReply(pid=os.getpid()), ()


WORKER = m.WorkerInfo(
    phase="ready", ready=True, model="starter", device="cpu", pid=None, deaths=0, restarts=0, last_error="",
    loading="", memory_bytes=None,
)  # fmt: skip
STATUS = m.StatusReply(
    version="0", pid=1, up_s=1.0, ready=True, worker=WORKER, queue={}, jobs=(), failures=(), clients={},
    library={}, osc={}, events=0, memory_bytes=1,
)  # fmt: skip


class Line:
    """A TCP proxy before the shell, control and events of `connection`, whose own :attr:`connection` clients
    use; :meth:`cut` ends all that goes through it. A context manager."""

    def __init__(self, behind: Connection) -> None:
        self._behind = behind
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        ports = {}
        for field in ("shell_port", "control_port", "iopub_port"):
            server = await asyncio.start_server(self._joiner(getattr(self._behind, field)), "127.0.0.1", 0)
            self._servers.append(server)
            ports[field] = server.sockets[0].getsockname()[1]
        self.connection = msgspec.structs.replace(self._behind, **ports)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def _joiner(self, port: int) -> Any:
        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            for source, sink in ((reader, back), (there, writer)):
                self._writers.add(sink)
                task = asyncio.create_task(self._pump(source, sink))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        return join

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
        self._writers.discard(sink)
