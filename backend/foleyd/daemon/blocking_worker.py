"""A worker for callers that block: an event loop in a thread of its own attends to the process."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from foleyd.daemon import frames
from foleyd.daemon.workers import NO_SOURCES, Rendering, WorkerProcess
from foleyd.errors import Cancelled, RenderFailed
from foleyd.recipe import Recipe

Result = TypeVar("Result")


class Worker:
    """:class:`~foleyd.daemon.workers.WorkerProcess` for callers that block, used from one thread (only
    :meth:`interrupt` and :meth:`kill` may come from others).

    The process starts with :meth:`load` and ends with :meth:`close`; the object is a context manager that
    closes. In between an event loop in a thread of its own attends to the process.
    """

    def __init__(self, *, command: Sequence[str] | None = None) -> None:
        self._command = command
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process: WorkerProcess | None = None
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The worker's process id; None before it is started, and once its end was told or it is closed."""
        return self._process.pid if self._process is not None else None

    def load(
        self,
        folder: Path,
        *,
        revision: str = "",
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
        threads: int | None = None,
    ) -> frames.Loaded:
        """Start the process if there is none, load the model in `folder` and wait for it.

        As :meth:`WorkerProcess.load`; Cancelled comes after :meth:`interrupt`.
        """
        process = self._process or self._open()

        def loading() -> Coroutine[Any, Any, frames.Loaded]:
            return process.load(
                folder,
                revision=revision,
                device=device,
                precision=precision,
                runtime=runtime,
                threads=threads,
            )

        with self._closing_after_death():
            return self._submit(loading).result()

    def render(
        self,
        recipes: Sequence[Recipe],
        *,
        check_silence: bool = True,
        sources: Mapping[str, Path] = NO_SOURCES,
        best_of: int = 1,
    ) -> Iterator[Rendering]:
        """Render resolved `recipes` as one batch: progress, then one Audio a recipe in order, then Done.

        Raises what the engine raised, WorkerDied, or Cancelled after :meth:`interrupt`. The worker stays
        usable after every error but WorkerDied. Leaving the iterator early cancels the job.
        """
        process = self._process
        if process is None:
            raise RenderFailed("A model has to be loaded before a render.", "error")
        said: queue.SimpleQueue[Rendering | None] = queue.SimpleQueue()
        job = self._submit(
            lambda: process._render(recipes, said.put, check_silence, None, sources, best_of=best_of)
        )
        job.add_done_callback(lambda _: said.put(None))
        try:
            while (reply := said.get()) is not None:
                yield reply
            with self._closing_after_death():
                job.result()
        finally:
            job.cancel()

    def interrupt(self) -> None:
        """Ask for the work at hand, or else the next, to be cancelled. Safe in a signal handler and from any
        thread."""
        self._interrupted = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(self._heed)

    def kill(self) -> None:
        """End the process at once. Safe in a signal handler; whoever waits for the worker gets an error."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Let the process go, by force if it does not go by itself. May be called twice."""
        process, loop, thread = self._process, self._loop, self._thread
        if process is None or loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(process.close(), loop).result()
        self._process = self._loop = self._thread = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _open(self) -> WorkerProcess:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker", daemon=True)
        self._thread.start()
        self._process = WorkerProcess(command=self._command)
        return self._process

    def _submit(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Future[Result]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._unless_interrupted(work), self._loop)

    async def _unless_interrupted(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        if self._interrupted:
            self._interrupted = False
            raise Cancelled("Cancelled.")
        return await work()

    def _heed(self) -> None:
        if self._interrupted and self._process is not None and self._process.busy:
            self._interrupted = False
            self._process.cancel()

    @contextlib.contextmanager
    def _closing_after_death(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._process is not None and self._process.pid is None:
                self.close()
