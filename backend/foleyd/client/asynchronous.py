"""The asyncio client of the daemon, over ZeroMQ.

async with AsyncClient() as client:
    handle = await client.render(prompt="rain on a tin roof", seconds=3)
    result = await handle.result()
    print(result.clips[0].path, result.audio[0].samples.shape)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from foleyd import messages as m
from foleyd.client.events import Stream
from foleyd.client.link import Link, Role
from foleyd.client.material import Given
from foleyd.client.material import read as read_material
from foleyd.client.order import Order
from foleyd.client.result import Chunk, Result, of_chunk, of_reply
from foleyd.commands import Channel
from foleyd.errors import FoleydError, NoDaemon
from foleyd.messages import JobEvent, Message, RenderReply
from foleyd.wire import envelope
from foleyd.wire.connection import Connection

M = TypeVar("M", bound=Message)


class Handle:
    """A job that was admitted. ``async for event in handle`` gives its events until it has ended."""

    def __init__(self, client: AsyncClient, order: Order) -> None:
        assert order.reply is not None
        self._client, self._order = client, order
        self.reply: RenderReply = order.reply
        self.job_id: int = order.reply.job_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobEvent:
        return await self._order.events.get()

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The parts of sounds that were asked for `early`, as they come, until the job has ended.

        What a render that the daemon began anew sends again comes again, from sample 0 on. Raises FoleydError
        for one that was damaged on the way.
        """
        while True:
            try:
                told, buffers = await self._order.chunks.get()
            except StopAsyncIteration:
                return
            yield await asyncio.to_thread(of_chunk, told, buffers)

    async def result(self, timeout: float | None = None) -> Result:
        """Wait for the end; may be asked for again.

        Raises the error that the job failed with, Cancelled where it was cancelled or superseded, JobLost
        where the daemon was restarted and forgot it, NoDaemon where it went away for good, and TimeoutError
        after `timeout` seconds (the job goes on).
        """
        async with asyncio.timeout(timeout):
            outcome = await asyncio.shield(self._order.outcome)
        if isinstance(outcome, FoleydError):
            raise outcome
        return await asyncio.to_thread(of_reply, *outcome)

    async def cancel(self) -> bool:
        """Stop the job; whether it was still to be stopped."""
        return self.job_id in await self._client.cancel(jobs=(self.job_id,))


class AsyncClient:
    """A session with the daemon, which survives the daemon's restarts.

    `where`: a connection, the path of a connection file, or None for the usual place. `name` says who asks:
    clients of one name share their slots, and see and cancel each other's jobs; without one, each session is
    on its own. `role`, `lease_s`: see InfoRequest. `timeout_s`: how long an answer may take (not a job).
    `reconnect_s`: how long jobs wait for a daemon that went away.

    All methods raise NoDaemon where none answers, and the FoleydError that the daemon answers with.
    """

    def __init__(
        self,
        where: Connection | Path | None = None,
        *,
        name: str = "",
        role: Role = "",
        timeout_s: float = 10.0,
        lease_s: float = 30.0,
        reconnect_s: float = 60.0,
    ) -> None:
        self._options: dict[str, Any] = {
            "client": name,
            "role": role,
            "timeout_s": timeout_s,
            "lease_s": lease_s,
            "reconnect_s": reconnect_s,
        }
        self._where, self.name = where, name
        self._opened: Link | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> m.InfoReply:
        """Begin the session, as ``async with`` does."""
        link = Link(self._where, **self._options)
        info = await link.open()
        self._opened = link
        return info

    async def close(self) -> None:
        """End the session; jobs go on. May be called twice."""
        if self._opened is not None:
            await self._opened.close()

    async def info(self) -> m.InfoReply:
        """What the daemon is and can do."""
        return (await self._ask("info", self._link.here, m.InfoReply))[0]

    async def render(
        self,
        prompt: str | None = None,
        *,
        count: int = 1,
        slot: str = "",
        priority: m.Priority = "normal",
        within_s: float | None = None,
        draft: int | None = None,
        early: bool = False,
        deliver: m.Deliver = "clip",
        runtime: str = "",
        rank: bool = False,
        retries: int = 0,
        best_of: int | None = None,
        source: Given | Mapping[str, Given] = "",
        **recipe: Any,
    ) -> Handle:
        """Ask for sounds; returns as soon as the job is admitted, with its handle.

        `recipe` are the fields of a recipe (:data:`foleyd.fields.FIELDS`), the rest is explained at
        RenderRequest. `source` is what an operation starts from: a clip's id, the path of a sound file, or a
        sound file's bytes; or several by role. Raises BadRequest for a file that cannot be read, Busy (with
        ``retry_after_s``) where the queue is full and TooSlow where `within_s` cannot be kept.
        """
        if prompt is not None:
            recipe["prompt"] = prompt
        material = await asyncio.to_thread(read_material, source)
        request = m.RenderRequest(
            recipe=recipe,
            count=count,
            slot=slot,
            priority=priority,
            within_s=within_s,
            draft=draft,
            early=early,
            deliver=deliver,
            runtime=runtime,
            rank=rank,
            retries=retries,
            best_of=best_of,
            sources=material.clips,
            buffers=material.infos,
            client=self.name,
        )
        return Handle(self, await self._link.order(request, material.buffers))

    async def clip(self, clip_id: str, *, audio: bool = True) -> Result:
        """A clip of the library, with its samples unless `audio` is False."""
        return await self._fetch(m.ClipRequest(clip=clip_id, audio=audio, client=self.name))

    async def result(self, job_id: int, *, audio: bool = True) -> Result:
        """How a job ended, also after a reconnect; state 'queued' or 'running' while it works.

        Raises as :meth:`Handle.result` does.
        """
        return await self._fetch(m.ClipRequest(job_id=job_id, audio=audio, client=self.name))

    async def library(
        self, request: m.LibraryRequest, buffers: Sequence[bytes] = (), *, timeout_s: float | None = None
    ) -> m.LibraryReply:
        """Look into the library or change it. `buffers` are files to import; what `request` has to say of
        them is filled in where it says nothing."""
        if buffers and not request.buffers:
            described = await asyncio.to_thread(_describe, buffers)
            request = msgspec.structs.replace(request, buffers=described)
        request = msgspec.structs.replace(request, client=request.client or self.name)
        reply, _ = await self._ask("library", request, m.LibraryReply, buffers=buffers, timeout_s=timeout_s)
        return reply

    async def models(self, model: str = "") -> m.ModelsReply:
        """The models on the daemon's disk, or one of them."""
        return (await self._ask("models", m.ModelsRequest(model=model, client=self.name), m.ModelsReply))[0]

    async def status(self) -> m.StatusReply:
        """What the daemon is doing; never waits behind other work."""
        request = m.StatusRequest(client=self.name)
        return (await self._ask("status", request, m.StatusReply, channel="control"))[0]

    async def metrics(self) -> str:
        """Figures in Prometheus' text format."""
        request = m.MetricsRequest(client=self.name)
        return (await self._ask("metrics", request, m.MetricsReply, channel="control"))[0].text

    async def cancel(self, jobs: Sequence[int] = (), *, slot: str = "", all: bool = False) -> tuple[int, ...]:
        """Stop jobs by id, by slot, or all of this client's; the ids of those that were stopped."""
        request = m.CancelRequest(jobs=tuple(jobs), slot=slot, all=all, client=self.name)
        return (await self._ask("cancel", request, m.CancelReply, channel="control"))[0].cancelled

    async def shutdown(self) -> m.ShutdownReply:
        """End the daemon."""
        request = m.ShutdownRequest(client=self.name)
        return (await self._ask("shutdown", request, m.ShutdownReply, channel="control"))[0]

    def events(self, *topics: str) -> Stream:
        """Events of some topics (all where none is named), with a Gap where some are missing.

        ``async with client.events("job") as stream: async for event in stream: …``
        """
        return self._link.stream(topics)

    @property
    def _link(self) -> Link:
        if self._opened is None:
            raise NoDaemon("The client is not open: use it in 'async with', or call open().")
        return self._opened

    async def _fetch(self, request: m.ClipRequest) -> Result:
        return await asyncio.to_thread(of_reply, *await self._ask("clip", request, m.ClipReply))

    async def _ask(
        self,
        name: str,
        request: Message,
        kind: type[M],
        *,
        channel: Channel = "shell",
        buffers: Sequence[bytes] = (),
        timeout_s: float | None = None,
    ) -> tuple[M, tuple[bytes, ...]]:
        return await self._link.ask(
            name, request, kind, channel=channel, buffers=buffers, timeout_s=timeout_s
        )


def _describe(buffers: Sequence[bytes]) -> tuple[m.BufferInfo, ...]:
    return tuple(envelope.describe(buffer, "source", format="file") for buffer in buffers)
