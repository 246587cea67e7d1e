"""The parent's handle on a worker: start it, load a model, render, cancel, notice its death.

It is asyncio's; :mod:`foleyd.daemon.blocking_worker` is the same for callers that block.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, cast

from foleyd import errors, recipe
from foleyd.daemon import frames
from foleyd.daemon.life import RESTING, End, Life
from foleyd.errors import Cancelled, FailureReason, FoleydError, RenderFailed, WorkerDied
from foleyd.recipe import Recipe

Result = TypeVar("Result")
Rendering = frames.Progress | frames.Piece | frames.Audio | frames.Done
"""What a render says before it is over."""

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "foleyd.daemon.worker")
"""How a worker is started. ``-P``: a file called torch.py in the current folder must not be imported."""


NO_SOURCES: Mapping[str, Path] = MappingProxyType({})
"""For recipes that start from words alone."""


def _unheard(what: object) -> None:
    """Nobody listens."""


class WorkerProcess:
    """One worker process, used from one event loop, one request at a time: a second one waits.

    `command`: how it is started, :data:`COMMAND` unless given. `nice`: by how much its priority is lower
    than ours (0…19). `on_exit` is called when it ends without having been asked to, also while nothing is
    asked of it, and before a request that waits for it is told.
    """

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        nice: int = 0,
        on_exit: Callable[[WorkerDied], None] = _unheard,
    ) -> None:
        self._command = tuple(command or COMMAND)
        self._nice = nice
        self._on_exit = on_exit
        self._turn = asyncio.Lock()
        self._life: Life | None = None
        self._busy = False
        self._cancelled = False
        self._rendering: int | None = None
        self._jobs = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id; None before it is started, and once its end was told or asked for."""
        life = self._life
        return life.pid if life is not None and not life.meant else None

    @property
    def busy(self) -> bool:
        """Whether a request is at hand."""
        return self._busy

    async def start(self) -> None:
        """Start the process if there is none. Raises WorkerDied where that cannot be done."""
        if self._life is not None and self._life.meant:
            await self._life.gone.wait()
            self._life = None
        if self._life is None:
            self._life = await Life.begin(self._command, self._nice, self._on_exit)

    async def load(
        self,
        folder: Path,
        *,
        revision: str = "",
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
        threads: int | None = None,
        on_progress: Callable[[frames.LoadProgress], None] = _unheard,
    ) -> frames.Loaded:
        """Start the process if there is none, load the model in `folder` and wait for it.

        The arguments are those of :func:`foleyd.engines.base.load`; `on_progress` is called with every part.
        Raises what the engine raised (ModelBroken, BadRequest…), WorkerDied, or Cancelled after
        :meth:`cancel`. Loading cannot be stopped halfway, so the process is ended where it is cancelled or
        the waiting task is.
        """
        request = frames.Load(
            folder=str(folder.resolve()),
            revision=revision,
            device=device,
            precision=precision,
            runtime=runtime,
            threads=threads,
        )
        async with self._turn:
            with self._at_hand():
                await self.start()
                life = self._life
                if self._cancelled or life is None:
                    raise Cancelled("Cancelled.")
                answered = False
                try:
                    self._ask(life, request, "while it loaded the model")
                    while True:
                        reply = await self._next(life)
                        if isinstance(reply, frames.LoadProgress):
                            on_progress(reply)
                        elif isinstance(reply, frames.Loaded):
                            answered = True
                            return reply
                        elif isinstance(reply, frames.Failed) and reply.job is None:
                            answered = True
                            raise _as_error(reply)
                finally:
                    if not answered:
                        life.discard()

    async def render(
        self,
        recipes: Sequence[Recipe],
        *,
        check_silence: bool = True,
        threads: int | None = None,
        sources: Mapping[str, Path] = NO_SOURCES,
        best_of: int = 1,
        on_progress: Callable[[frames.Progress], None] = _unheard,
        on_piece: Callable[[frames.Piece], None] | None = None,
    ) -> list[frames.Audio]:
        """Render resolved `recipes` as one batch: one Audio a recipe, in order.

        `on_piece` is called with parts of each sound before it is whole. `threads`: CPU threads for this
        render, None for as many as the model was loaded with. `sources`: the files of their sources by hash
        (:meth:`foleyd.daemon.sources.Sources.of`). `best_of`: as for `foleyd.engines.base.Engine.render`.
        Raises what the engine raised, WorkerDied, or Cancelled after :meth:`cancel`. The worker stays usable
        after every error but WorkerDied, and where the waiting task is cancelled, which cancels the job.
        """
        audio: list[frames.Audio] = []

        def hear(reply: Rendering) -> None:
            if isinstance(reply, frames.Progress):
                on_progress(reply)
            elif isinstance(reply, frames.Piece) and on_piece is not None:
                on_piece(reply)
            elif isinstance(reply, frames.Audio):
                audio.append(reply)

        await self._render(
            recipes, hear, check_silence, threads, sources, best_of=best_of, pieces=on_piece is not None
        )
        return audio

    def cancel(self) -> None:
        """Stop the request at hand: a render between two steps, a load by ending the process."""
        if not self._busy:
            return
        self._cancelled = True
        if self._life is not None:
            if self._rendering is None:
                self._life.discard()
            else:
                self._life.send(frames.Cancel(job=self._rendering))

    async def exited(self) -> WorkerDied | None:
        """Wait until the process that there is now ends. How it died, or None where it was asked to end (or
        there is none)."""
        life = self._life
        if life is None:
            return None
        await life.gone.wait()
        return life.death

    def kill(self) -> None:
        """End the process at once; whoever waits for it gets an error. Safe in a signal handler and from any
        thread."""
        life = self._life
        if life is not None:
            life.kill()

    async def close(self) -> None:
        """Let the process go, by force if it does not go by itself. A request at hand is cancelled. May be
        called twice."""
        life = self._life
        if life is not None:
            await life.leave()
            if self._life is life:
                self._life = None

    async def _render(
        self,
        recipes: Sequence[Recipe],
        hear: Callable[[Rendering], None],
        check_silence: bool,
        threads: int | None,
        sources: Mapping[str, Path],
        *,
        best_of: int = 1,
        pieces: bool = False,
    ) -> None:
        async with self._turn:
            with self._at_hand():
                life = self._life
                if life is None or life.meant:
                    raise RenderFailed("A model has to be loaded before a render.", "error")
                self._jobs += 1
                job = self._rendering = self._jobs
                request = frames.Render(
                    job=job,
                    recipes=tuple(recipe.to_json(one) for one in recipes),
                    check_silence=check_silence,
                    pieces=pieces,
                    threads=threads,
                    best_of=best_of,
                    sources={sha256: str(path.resolve()) for sha256, path in sources.items()},
                )
                self._ask(life, request, "during a render")
                over = False
                try:
                    while not over:
                        reply = await self._next(life)
                        if isinstance(reply, frames.LoadProgress | frames.Loaded) or reply.job != job:
                            continue  # an answer to a job that was left early
                        over = isinstance(reply, frames.Failed | frames.Done)
                        if isinstance(reply, frames.Failed):
                            raise _as_error(reply)
                        hear(reply)
                finally:
                    if not over:
                        life.send(frames.Cancel(job=job))

    @contextlib.contextmanager
    def _at_hand(self) -> Iterator[None]:
        self._busy, self._cancelled = True, False
        try:
            yield
        finally:
            self._busy, self._rendering = False, None
            if self._life is not None:
                self._life.doing(RESTING)

    @staticmethod
    def _ask(life: Life, request: frames.Request, doing: str) -> None:
        if not life.gone.is_set():
            life.doing(doing)
        life.send(request)

    async def _next(self, life: Life) -> frames.Reply:
        item = await life.inbox.get()
        if not isinstance(item, End):
            return item
        if self._life is life:
            self._life = None
        if self._cancelled or item.death is None:
            raise Cancelled("Cancelled.")
        raise item.death


def _as_error(reply: frames.Failed) -> FoleydError:
    error: FoleydError
    if reply.code == RenderFailed.code:
        try:
            error = RenderFailed(reply.message, cast(FailureReason, reply.reason))
        except ValueError:
            error = RenderFailed(reply.message, "error")
    else:
        error = errors.from_code(reply.code, reply.message)
    if reply.trace:
        error.add_note(reply.trace)
    return error
