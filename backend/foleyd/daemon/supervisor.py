"""The supervisor: one worker that is there when it is wanted, whatever becomes of its process.

It starts the worker with the first request, loads the model that a recipe asks for, loads it again after a
death, lets it go when nobody has wanted it for a while, and gives up after too many deaths in a row.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from foleyd.daemon import frames
from foleyd.daemon.preparation import Preparation
from foleyd.daemon.workers import NO_SOURCES, WorkerProcess
from foleyd.errors import Cancelled, FoleydError, RenderFailed, WorkerDied, WorkerDown
from foleyd.recipe import Recipe

MAX_DEATHS = 5
"""Deaths in a row after which the worker is not started again."""

STABLE_S = 10.0
"""Seconds of life with a model, after which a death is the first in a row again."""

Phase = Literal["stopped", "starting", "loading", "ready", "busy", "down"]


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """How the worker is.

    `phase`: "stopped" (it starts when it is wanted), "starting", "loading", "ready" (a model is loaded and
    nothing is asked of it), "busy" (it renders), "down" (it died too often and stays down); `model`,
    `revision`: what is loaded or being loaded, "" where nothing is; `device`: what it computes on, in words,
    "" before the first load; `pid`: None where there is no process; `deaths`: in a row; `restarts`: processes
    started in place of dead ones; `last_error`: the sentence of the last death or failed load, "" before one;
    `load_part`, `load_done`, `load_of`: the part being loaded and how many of how many are done, "" and zeros
    unless loading; `memory_bytes`: the process's resident memory, None where that is not known; `since`: when
    the phase began, in seconds of Unix time.
    """

    phase: Phase = "stopped"
    model: str = ""
    revision: str = ""
    device: str = ""
    pid: int | None = None
    deaths: int = 0
    restarts: int = 0
    last_error: str = ""
    load_part: str = ""
    load_done: int = 0
    load_of: int = 0
    memory_bytes: int | None = None
    since: float = 0.0


class _Model(msgspec.Struct, frozen=True):
    folder: Path
    id: str
    revision: str


def _unheard(what: object) -> None:
    """Nobody listens."""


class Supervisor:
    """Keeps one worker, for one event loop.

    `device`, `precision`, `runtime`, `threads`: as for :func:`foleyd.engines.base.load`. `idle_s`: seconds
    without work after which the model is let go (infinite: never). `command`: how a worker is started, the
    usual way unless given; `nice`: by how much its priority is lower (0…19). `on_state` is called with every
    change. `clock` tells seconds, to measure lives with.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
        threads: int | None = None,
        idle_s: float = 600.0,
        command: Sequence[str] | None = None,
        nice: int = 10,
        on_state: Callable[[WorkerState], None] = _unheard,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spare = False
        """Whether renders leave a CPU thread free, for whoever plays sounds on this machine."""
        self.together = 1
        """Clips of one shape that the worker makes faster as one batch, as the last load told."""
        self.took_s = 0.0
        """Wall clock of the last render, without waiting and loading, in seconds."""
        self._device = device
        self._precision = precision
        self._runtime = runtime
        self._asked_threads = threads
        self._idle_s = idle_s
        self._command = command
        self._nice = nice
        self._on_state = on_state
        self._clock = clock
        self._facts = WorkerState(since=time.time())
        self._turn = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._loaded: _Model | None = None
        self._wanted: _Model | None = None
        self._threads = threads or _cores()
        self._born: float | None = None
        self._loading: tuple[_Model, asyncio.Task[None]] | None = None
        self._unloading: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None
        self._preparation = Preparation(self._is_resting, self._renew)
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def state(self) -> WorkerState:
        """How the worker is now."""
        return msgspec.structs.replace(self._facts, memory_bytes=_resident(self._facts.pid))

    @property
    def ready(self) -> bool:
        """Whether a render would be taken: false once the worker stays down."""
        return self._facts.phase != "down" and not self._closed

    async def preload(self, folder: Path, model: str, revision: str) -> None:
        """Load a model ahead of the first render that wants it. Raises what loading raises, as
        :meth:`render`."""
        async with self._taking_turns() as stop:
            await self._have(_Model(folder, model, revision), stop)

    async def render(
        self,
        recipes: Sequence[Recipe],
        *,
        folder: Path,
        model: str,
        revision: str,
        check_silence: bool = True,
        sources: Mapping[str, Path] = NO_SOURCES,
        best_of: int = 1,
        on_progress: Callable[[frames.Progress], None] = _unheard,
        on_piece: Callable[[frames.Piece], None] | None = None,
    ) -> list[frames.Audio]:
        """Render resolved recipes as one batch with the model in `folder`, called `model` at `revision`: one
        Audio a recipe, in order. `sources`: the files of their sources by hash. `best_of`: as for
        `foleyd.engines.base.Engine.render`. `on_piece` is called with parts of the sounds before they are
        whole.

        One at a time: a second call waits for the first, and all wait for a load. Raises what the engine
        raised; ModelMissing, ModelBroken or BadRequest where the model cannot be loaded; WorkerDied where
        the process died of it, or while it loaded for it (the next call has a new one); Cancelled after
        :meth:`cancel`; and at once WorkerDown where the worker stays down. A call whose task is cancelled
        stops the render as :meth:`cancel` does, and leaves a load to whoever comes next.
        """
        async with self._taking_turns() as stop:
            process = await self._have(_Model(folder, model, revision), stop)
            self._tell(phase="busy")
            began = time.monotonic()
            try:
                audio = await process.render(
                    recipes,
                    check_silence=check_silence,
                    sources=sources,
                    best_of=best_of,
                    threads=max(1, self._threads - 1) if self.spare else None,
                    on_progress=on_progress,
                    on_piece=on_piece,
                )
                self.took_s = time.monotonic() - began
            finally:
                if self._process is process:
                    self._tell(phase="ready")
        if len(audio) != len(recipes):
            raise RenderFailed("The worker finished without a sound: try again.", "error")
        return audio

    def cancel(self) -> None:
        """Stop the render at hand: between two steps, or at once while it waits for a load, which goes on."""
        if self._stop is None:
            return
        self._stop.set()
        if self._facts.phase == "busy" and self._process is not None:
            self._process.cancel()

    def revive(self) -> None:
        """Start again after too many deaths: a worker that is down counts from zero and loads its last
        model."""
        if self._facts.phase != "down" or self._closed:
            return
        self._tell(phase="stopped", deaths=0)
        if self._wanted is not None:
            self._load_soon(self._wanted)

    async def close(self) -> None:
        """Let the worker go. Whoever waits for a render gets Cancelled; there are no more after this."""
        self._closed = True
        await self._preparation.close()
        if self._stop is not None:
            self._stop.set()
        tasks = [task for task in (self._loading and self._loading[1], self._unloading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._process is not None:
            await self._process.close()
        self._gone()
        self._tell(phase="stopped", **_NOTHING_LOADED)

    @contextlib.asynccontextmanager
    async def _taking_turns(self) -> AsyncIterator[asyncio.Event]:
        """Wait for the calls before this one; gives the event that :meth:`cancel` sets."""
        async with self._turn:
            stop = self._stop = asyncio.Event()
            try:
                yield stop
            finally:
                self._stop = None

    def _refuse(self) -> None:
        """Raise where nothing can be rendered."""
        if self._closed:
            raise Cancelled("Cancelled: the worker is being shut down.")
        if self._facts.phase == "down":
            raise WorkerDown(self._facts.last_error)

    async def _have(self, model: _Model, stop: asyncio.Event) -> WorkerProcess:
        """The process with `model` in it, once it is there."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while True:
                self._refuse()
                if self._loading is None:
                    if self._process is not None and self._loaded == model:
                        return self._process
                    self._load_soon(model)
                    continue
                which, loading = self._loading
                await asyncio.wait((loading, stopped), return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set():
                    raise Cancelled("Cancelled.")
                if which == model:
                    loading.result()
        finally:
            stopped.cancel()

    def _load_soon(self, model: _Model) -> None:
        task = asyncio.get_running_loop().create_task(self._load(model))
        self._loading = model, task
        task.add_done_callback(self._load_is_over)

    def _load_is_over(self, task: asyncio.Task[None]) -> None:
        if self._loading is not None and self._loading[1] is task:
            self._loading = None
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not tell of one that nobody waited for

    async def _load(self, model: _Model) -> None:
        self._wanted, self._loaded = model, None
        if self._process is None:
            self._process = WorkerProcess(command=self._command, nice=self._nice, on_exit=self._died)
        process = self._process
        phase = "starting" if process.pid is None else "loading"
        self._tell(phase=phase, pid=process.pid, model=model.id, revision=model.revision)
        try:
            await process.start()
            self._tell(phase="loading", pid=process.pid)
            loaded = await process.load(
                model.folder,
                revision=model.revision,
                device=self._device,
                precision=self._precision,
                runtime=self._runtime,
                threads=self._asked_threads,
                on_progress=self._load_progress,
            )
        except WorkerDied:
            raise  # counted already
        except FoleydError as error:
            await process.close()
            self._gone()
            self._tell(phase="stopped", last_error=str(error), **_NOTHING_LOADED)
            raise
        self._loaded, self._threads, self.together = model, loaded.threads, loaded.together
        if self._born is None:
            self._born = self._clock()
        self._tell(phase="ready", device=loaded.device, **_NO_PARTS)
        if loaded.unprepared:
            self._preparation.wish(model.folder)

    def _is_resting(self) -> bool:
        """Whether a preparation disturbs nobody: nothing is rendered, and nobody plays on this machine."""
        return self._facts.phase in ("ready", "stopped") and not self.spare

    async def _renew(self, folder: Path) -> None:
        """Load a model again that may run faster now, after the render at hand."""
        model = self._loaded
        if model is None or model.folder != folder or self._closed:
            return
        async with self._taking_turns() as stop:
            if self._loaded == model:
                self._loaded = None
                with contextlib.suppress(FoleydError):
                    await self._have(model, stop)

    def _load_progress(self, progress: frames.LoadProgress) -> None:
        self._tell(load_part=progress.part, load_done=progress.done, load_of=progress.of)

    def _died(self, error: WorkerDied) -> None:
        """The process ended without having been asked to."""
        if self._closed:
            return
        stable = self._born is not None and self._clock() - self._born >= STABLE_S
        deaths = 1 if stable else self._facts.deaths + 1
        self._gone()
        if deaths >= MAX_DEATHS:
            sentence = (
                f"The worker died {deaths} times in a row and stays down (the last time: {_clause(error)}): "
                "mend that, then restart foleyd."
            )
            self._tell(phase="down", deaths=deaths, last_error=sentence, **_NOTHING_LOADED)
        else:
            restarts = self._facts.restarts + 1
            self._tell(
                phase="starting", deaths=deaths, restarts=restarts, last_error=str(error), **_NOTHING_LOADED
            )
            assert self._wanted is not None, "a worker is started to load a model"
            self._load_soon(self._wanted)

    def _gone(self) -> None:
        self._process = self._loaded = self._born = None

    def _tell(self, **changes: Any) -> None:
        """Put down what changed, tell it, and see to it that a rest is not too long."""
        if changes.get("phase", self._facts.phase) != self._facts.phase:
            changes["since"] = time.time()
            self._watch_idle(resting=changes["phase"] == "ready")
        self._facts = msgspec.structs.replace(self._facts, **changes)
        self._on_state(self.state)

    def _watch_idle(self, *, resting: bool) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if resting and math.isfinite(self._idle_s):
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._unload_soon)

    def _unload_soon(self) -> None:
        self._idle = None
        self._unloading = asyncio.get_running_loop().create_task(self._unload())

    async def _unload(self) -> None:
        async with self._turn:
            # a render that came in between has begun a rest of its own
            rested = self._facts.phase == "ready" and self._idle is None
            if rested and self._process is not None:
                await self._process.close()
                self._gone()
                self._tell(phase="stopped", **_NOTHING_LOADED)


_NO_PARTS = {"load_part": "", "load_done": 0, "load_of": 0}
_NOTHING_LOADED = {"model": "", "revision": "", "pid": None, **_NO_PARTS}


def _clause(error: WorkerDied) -> str:
    """The sentence of an error, to stand inside another."""
    sentence = str(error).rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _resident(pid: int | None) -> int | None:
    """Bytes of memory that a process has resident (Linux; elsewhere None)."""
    if pid is None:
        return None
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
