"""The worker: a process of its own that holds one model and renders what its parent asks for.

Started as ``python -P -m foleyd.daemon.worker`` with :mod:`~foleyd.daemon.frames` on its standard input and
output. It keeps nothing on disk and lives exactly as long as its standard input stays open, so a parent
that is killed takes its worker along, whatever the worker is computing. Ctrl-C is its parent's business: it
ignores SIGINT and is cancelled by a frame.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from foleyd import recipe
from foleyd.daemon import frames
from foleyd.daemon.lean import lean
from foleyd.errors import BadRequest, Cancelled, FoleydError, RenderFailed

if TYPE_CHECKING:
    from foleyd.engines.base import Engine, LoadStep, Piece, SourceSound, Step, Take

REST_S = 1.0
"""Seconds without work after which a length is made ready."""

Loader = Callable[[frames.Load, "Callable[[LoadStep], None]"], "Engine"]
"""Turns a load request into an engine and tells its progress; tests put engines with faults here."""

NICE = "FOLEYD_WORKER_NICE"
"""The variable that says by how much a worker lowers its priority, as `nice` counts (0…19)."""


def load_engine(request: frames.Load, progress: Callable[[LoadStep], None]) -> Engine:
    """Load the model with its family's engine. The heavy imports happen here and nowhere earlier."""
    with lean():
        from foleyd.engines.base import load

        return load(
            Path(request.folder),
            device=request.device,
            precision=request.precision,
            runtime=request.runtime,
            threads=request.threads,
            revision=request.revision,
            progress=progress,
        )


def serve(load: Loader = load_engine) -> None:
    """Answer requests until standard input closes; never returns."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    step = os.environ.get(NICE, "")
    if step.isdecimal() and hasattr(os, "nice"):
        os.nice(int(step))
    requests, replies = _claim_pipes()
    _Session(requests, replies, load).run()


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes away from everybody else.

    Libraries print to standard output, C code included; from here on that lands on standard error, and a
    library that reads standard input finds it empty.
    """
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _unheard(piece: Piece) -> None:
    """Nobody listens."""


class _Session:
    """One life of a worker: a thread that listens, and the main thread that works."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO, load: Loader) -> None:
        self._requests = requests
        self._replies = replies
        self._load = load
        self._work: queue.SimpleQueue[frames.Load | frames.Render] = queue.SimpleQueue()
        self._cancelled_up_to = -1  # job numbers only grow, so one number says which are cancelled
        self._engine: Engine | None = None
        self._cold = False  # whether the engine may have lengths to make ready
        self._warming: threading.Thread | None = None

    def run(self) -> None:
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        while True:
            request = self._next()
            try:
                if isinstance(request, frames.Load):
                    self._answer_load(request)
                else:
                    self._answer_render(request)
            except FoleydError as error:
                self._fail(request, error.code, str(error), getattr(error, "reason", ""))
            except MemoryError:
                self._fail(
                    request, RenderFailed.code, "There is not enough memory for this render.", "memory"
                )
            except Exception as error:
                text = " ".join(str(error).split())
                said = f"{type(error).__name__}: {text}" if text else type(error).__name__
                message = (
                    f"The worker failed with {said}: see 'foleyd doctor', or set FOLEYD_DEBUG=1 to see where."
                )
                self._fail(request, RenderFailed.code, message, "error", traceback.format_exc())

    def _next(self) -> frames.Load | frames.Render:
        """The next request. While none comes, lengths are made ready, one at a time and beside whatever comes
        meanwhile."""
        while True:
            try:
                return self._work.get(timeout=REST_S if self._cold else None)
            except queue.Empty:
                if self._warming is None or not self._warming.is_alive():
                    self._warming = threading.Thread(
                        target=self._warm_up, args=(self._engine,), name="warming", daemon=True
                    )
                    self._warming.start()

    def _warm_up(self, engine: Engine) -> None:
        try:
            more = engine.warm_up()
        except Exception as error:
            print(f"worker: nothing is made ready any more: {type(error).__name__}: {error}", file=sys.stderr)
            more = False
        if self._engine is engine:
            self._cold = more

    def _listen(self) -> None:
        try:
            while (request := frames.read_request(self._requests)) is not None:
                if isinstance(request, frames.Cancel):
                    self._cancelled_up_to = max(self._cancelled_up_to, request.job)
                else:
                    self._work.put(request)
        except (frames.FrameError, OSError) as error:
            print(f"worker: {error}", file=sys.stderr)
        # The parent is gone or done with us. The main thread may sit in a kernel for seconds, and nothing
        # of ours is on disk, so there is nothing to wait for.
        os._exit(0)

    def _send(self, reply: frames.Reply) -> None:
        try:
            frames.write(self._replies, reply)
        except OSError:
            os._exit(0)

    def _answer_load(self, request: frames.Load) -> None:
        began = time.monotonic()
        if self._engine is not None:
            self._engine.unload()
            self._engine, self._cold = None, False

        def progress(step: LoadStep) -> None:
            self._send(frames.LoadProgress(part=step.part, done=step.done, of=step.of))

        engine = self._engine = self._load(request, progress)
        self._cold = True
        self._send(
            frames.Loaded(
                seconds=time.monotonic() - began,
                pid=os.getpid(),
                device=engine.device,
                threads=engine.threads,
                unprepared=request.runtime == "auto" and engine.unprepared,
                together=engine.together,
            )
        )

    def _answer_render(self, request: frames.Render) -> None:
        if self._engine is None:
            raise RenderFailed("No model is loaded in this worker.", "error")
        began = time.monotonic()

        def progress(step: Step) -> None:
            self._send(frames.Progress(job=request.job, step=step.step, steps=step.steps))

        def heard(piece: Piece) -> None:
            self._send(
                frames.Piece(
                    job=request.job,
                    index=piece.clip,
                    start=piece.start,
                    of=piece.of,
                    rate=piece.rate,
                    samples=piece.samples.astype("<f4", copy=False).tobytes(),
                )
            )

        def cancelled() -> bool:
            return self._cancelled_up_to >= request.job

        if cancelled():
            raise Cancelled("The render was cancelled before it began.")
        takes = self._engine.render(
            [recipe.from_json(text) for text in request.recipes],
            progress=progress,
            heard=heard if request.pieces else _unheard,
            cancelled=cancelled,
            check_silence=request.check_silence,
            threads=request.threads,
            best_of=request.best_of,
            sources={sha256: _source(sha256, Path(path)) for sha256, path in request.sources.items()},
        )
        for index, take in enumerate(takes):
            self._send(_audio(request.job, index, take, len(takes)))
        self._send(frames.Done(job=request.job, seconds=time.monotonic() - began))

    def _fail(
        self, request: frames.Load | frames.Render, code: str, message: str, reason: str, trace: str = ""
    ) -> None:
        job = request.job if isinstance(request, frames.Render) else None
        self._send(frames.Failed(job=job, code=code, message=message, reason=reason, trace=trace))


def _audio(job: int, index: int, take: Take, batch: int) -> frames.Audio:
    return frames.Audio(
        job=job,
        index=index,
        samples=take.samples.astype("<f4", copy=False).tobytes(),
        rate=take.rate,
        seed=take.seed,
        take_id=take.take_id,
        bucket=take.bucket,
        runtime=take.runtime,
        precision=take.precision,
        threads=take.threads,
        batch=1 if take.parts else batch,  # what a sound is mixed from is made one after the other
        parts=tuple((recipe.to_json(one), _audio(job, index, part, 1)) for one, part in take.parts),
    )


def _source(sha256: str, path: Path) -> SourceSound:
    """A source from its file. Raises BadRequest where it is gone, or no longer the one that was meant."""
    from foleyd.audio.export import read_clip
    from foleyd.daemon.imports import content_hash
    from foleyd.engines.base import SourceSound

    samples, rate = read_clip(path)
    if content_hash(samples, rate) != sha256:
        raise BadRequest(
            f"the source {sha256[:12]}… was damaged on the disk: delete {path}, and give it again."
        )
    return SourceSound(samples, rate)


if __name__ == "__main__":
    serve()
