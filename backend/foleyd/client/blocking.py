"""The blocking client: an asyncio client on a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from foleyd import messages as m
from foleyd.client.asynchronous import AsyncClient, Handle
from foleyd.client.events import Gap, Stream
from foleyd.client.link import Role
from foleyd.client.material import Given
from foleyd.client.result import Chunk, Result
from foleyd.errors import NoDaemon
from foleyd.messages import JobEvent, RenderReply
from foleyd.wire import connection as connections
from foleyd.wire.connection import Connection

T = TypeVar("T")


def _unheard(item: object) -> None:
    """Nobody listens."""


class BlockingHandle:
    """A job that was admitted; :class:`foleyd.client.Handle` for those who can wait."""

    def __init__(self, client: Client, handle: Handle) -> None:
        self._client, self._handle = client, handle
        self.reply: RenderReply = handle.reply
        self.job_id: int = handle.job_id

    def result(
        self,
        timeout: float | None = None,
        *,
        progress: Callable[[JobEvent], object] = _unheard,
        chunk: Callable[[Chunk], object] = _unheard,
    ) -> Result:
        """Wait for the end; raises as :meth:`Handle.result` does.

        `progress` is called in this thread with each event of the job, `chunk` with each part of a sound that
        was asked for `early`; what they raise ends the waiting.
        """
        said: queue.SimpleQueue[JobEvent | Chunk | None] = queue.SimpleQueue()
        waiting = self._client.begin(self._listen(said, timeout))
        try:
            while (item := said.get()) is not None:
                if isinstance(item, Chunk):
                    chunk(item)
                else:
                    progress(item)
            return waiting.result()
        finally:
            waiting.cancel()

    def cancel(self) -> bool:
        """Stop the job; whether it was still to be stopped."""
        return self._client.wait(self._handle.cancel())

    async def _listen(
        self, said: queue.SimpleQueue[JobEvent | Chunk | None], timeout: float | None
    ) -> Result:
        async def pass_on(items: AsyncIterator[JobEvent | Chunk]) -> None:
            async for item in items:
                said.put(item)

        passing = [asyncio.create_task(pass_on(one)) for one in (self._handle, self._handle.chunks())]
        try:
            result = await self._handle.result(timeout)
            await asyncio.gather(*passing)
            return result
        finally:
            for one in passing:
                one.cancel()
            said.put(None)


class BlockingStream(Iterator[m.Event | Gap]):
    """Events, one at a time; it hears all that happens from its creation on."""

    def __init__(self, client: Client, stream: Stream) -> None:
        self._client, self._stream = client, stream

    def __next__(self) -> m.Event | Gap:
        item = self._client.wait(self._next())
        if item is None:
            raise StopIteration
        return item

    async def _next(self) -> m.Event | Gap | None:
        return await anext(self._stream, None)

    def close(self) -> None:
        """End it."""
        self._client.call(self._stream.box.close)


class Client:
    """A session with the daemon for programs without asyncio; made open, and closed by ``with`` or
    :meth:`close`. May be used from several threads.

    Arguments, methods and errors are those of :class:`AsyncClient`.
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
        self._client = AsyncClient(
            where, name=name, role=role, timeout_s=timeout_s, lease_s=lease_s, reconnect_s=reconnect_s
        )
        self._closed = False
        self._closing = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="foleyd client", daemon=True)
        self._thread.start()
        try:
            self.wait(self._client.open())
        except BaseException:
            self.close()
            raise

    @classmethod
    def connect_running(cls, path: Path | None = None, **options: Any) -> Self | None:
        """The daemon that runs on this machine, or None where none does, at once in most cases.

        `path` is its connection file, None for the usual place; `options` are those of the class. Raises
        BadRequest for a file that is broken or that others may read.
        """
        try:
            if connections.is_stale(connections.read(path)):
                return None
            return cls(path, **options)
        except NoDaemon:
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; jobs go on. May be called twice."""
        with self._closing:
            if self._closed:
                return
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._closed = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def info(self) -> m.InfoReply:
        """What the daemon is and can do."""
        return self.wait(self._client.info())

    def render(
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
    ) -> BlockingHandle:
        """Ask for sounds; returns as soon as the job is admitted. See :meth:`AsyncClient.render`."""
        made = self._client.render(
            prompt,
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
            source=source,
            **recipe,
        )
        return BlockingHandle(self, self.wait(made))

    def clip(self, clip_id: str, *, audio: bool = True) -> Result:
        """A clip of the library, with its samples unless `audio` is False."""
        return self.wait(self._client.clip(clip_id, audio=audio))

    def result(self, job_id: int, *, audio: bool = True) -> Result:
        """How a job ended; state 'queued' or 'running' while it works."""
        return self.wait(self._client.result(job_id, audio=audio))

    def library(
        self, request: m.LibraryRequest, buffers: Sequence[bytes] = (), *, timeout_s: float | None = None
    ) -> m.LibraryReply:
        """Look into the library or change it."""
        return self.wait(self._client.library(request, buffers, timeout_s=timeout_s))

    def models(self, model: str = "") -> m.ModelsReply:
        """The models on the daemon's disk, or one of them."""
        return self.wait(self._client.models(model))

    def status(self) -> m.StatusReply:
        """What the daemon is doing."""
        return self.wait(self._client.status())

    def metrics(self) -> str:
        """Figures in Prometheus' text format."""
        return self.wait(self._client.metrics())

    def cancel(self, jobs: Sequence[int] = (), *, slot: str = "", all: bool = False) -> tuple[int, ...]:
        """Stop jobs by id, by slot, or all of this client's; the ids of those that were stopped."""
        return self.wait(self._client.cancel(jobs, slot=slot, all=all))

    def shutdown(self) -> m.ShutdownReply:
        """End the daemon."""
        return self.wait(self._client.shutdown())

    def events(self, *topics: str) -> BlockingStream:
        """Events of some topics (all where none is named), with a Gap where some are missing."""

        async def begin() -> Stream:
            return await self._client.events(*topics).__aenter__()

        return BlockingStream(self, self.wait(begin()))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` in the client's own loop and wait for it; giving up (Ctrl-C) cancels it."""
        running = self.begin(work)
        try:
            return running.result()
        finally:
            running.cancel()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Do `work` in the client's own loop. Raises NoDaemon when the client is closed."""
        with self._closing:
            if self._closed:
                work.close()
                raise NoDaemon("The client is closed: open another one.")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` in the client's own loop, unless that has ended."""
        with self._closing:
            if not self._closed:
                self._loop.call_soon_threadsafe(function)

    async def _end(self) -> None:
        await self._client.close()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        if waiting:
            # the closed client has told them; what waits for something else is cancelled
            await asyncio.wait(waiting, timeout=1.0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await self._loop.shutdown_default_executor()
