"""The parent's handle on a worker: start it, load a model, render, cancel, notice its death."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from foleyd import recipe
from foleyd.daemon import frames
from foleyd.errors import Cancelled, FailureReason, FoleydError, RenderFailed, WorkerDied
from foleyd.recipe import Recipe

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "foleyd.daemon.worker")
"""How a worker is started. ``-P``: a file called torch.py in the current folder must not be imported."""

_SURROUNDINGS = {
    # a render never fetches anything: what is not on disk is an error, said by the catalog in one sentence
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
_TAIL_LINES = 40
_GRACE = 5.0
"""Seconds that a worker gets to go by itself once its standard input is closed."""


class _Closed:
    """The worker's standard output ended; `error` says why where it did not just end."""

    def __init__(self, error: str = "") -> None:
        self.error = error


class _Interrupt:
    """Somebody called :meth:`Worker.interrupt`."""


class Worker:
    """One worker process, used from one thread (only :meth:`interrupt` and :meth:`kill` may come from
    others).

    The process starts with :meth:`load` and ends with :meth:`close`; the object is a context manager that
    closes. Of what libraries print in it only the last lines are kept, for the note on an error.
    """

    def __init__(self, *, command: Sequence[str] | None = None) -> None:
        self._command = tuple(command or COMMAND)
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox: queue.SimpleQueue[frames.Reply | _Closed | _Interrupt] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._threads: list[threading.Thread] = []
        self._job = 0
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The worker's process id, None before it is started and after it is closed."""
        return self._process.pid if self._process is not None else None

    def load(
        self,
        folder: Path,
        *,
        revision: str = "",
        device: str = "auto",
        precision: str = "float32",
        runtime: str = "torch",
        threads: int | None = None,
    ) -> frames.Loaded:
        """Start the process if there is none, load the model in `folder` and wait for it.

        The arguments are those of :func:`foleyd.engines.base.load`.
        Raises what the engine raised (ModelBroken, BadRequest…), WorkerDied, or Cancelled after
        :meth:`interrupt`; loading cannot be stopped halfway, so the process is ended then.
        """
        process = self._process or self._start()
        self._send(
            process,
            frames.Load(
                folder=str(folder.resolve()),
                revision=revision,
                device=device,
                precision=precision,
                runtime=runtime,
                threads=threads,
            ),
        )
        while True:
            reply = self._next("while it loaded the model")
            if isinstance(reply, frames.Loaded):
                return reply
            if isinstance(reply, frames.Failed) and reply.job is None:
                raise _as_error(reply)
            if isinstance(reply, _Interrupt):
                self.kill()

    def render(
        self, recipes: Sequence[Recipe], *, check_silence: bool = True
    ) -> Iterator[frames.Progress | frames.Audio | frames.Done]:
        """Render resolved `recipes` as one batch: progress, then one Audio a recipe in order, then Done.

        Raises what the engine raised, WorkerDied, or Cancelled after :meth:`interrupt`. The worker stays
        usable after every error but WorkerDied. Leaving the iterator early cancels the job.
        """
        if self._process is None:
            raise RenderFailed("A model has to be loaded before a render.", "error")
        process = self._process
        self._job += 1
        job = self._job
        request = frames.Render(
            job=job, recipes=tuple(recipe.to_json(one) for one in recipes), check_silence=check_silence
        )
        self._send(process, request)
        over = False
        try:
            while not over:
                reply = self._next("during a render")
                if isinstance(reply, _Interrupt):
                    self._send(process, frames.Cancel(job=job))
                elif isinstance(reply, frames.Loaded) or reply.job != job:
                    continue  # an answer to a job that was left early
                elif isinstance(reply, frames.Failed):
                    over = True
                    raise _as_error(reply)
                else:
                    over = isinstance(reply, frames.Done)
                    yield reply
        finally:
            if not over and self._process is not None:
                with contextlib.suppress(WorkerDied):
                    self._send(process, frames.Cancel(job=job))

    def interrupt(self) -> None:
        """Ask for the work at hand to be cancelled. Safe in a signal handler and from any thread."""
        self._interrupted = True
        self._inbox.put(_Interrupt())

    def kill(self) -> None:
        """End the process at once. Safe in a signal handler; whoever waits for the worker gets an error."""
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    def close(self) -> None:
        """Let the process go, by force if it does not go by itself. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join(_GRACE)
        self._threads.clear()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # a group of its own: Ctrl-C in a terminal goes to us alone, and we say what it means for the worker
        group = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if os.name == "nt"
            else {"process_group": 0}
        )
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **_SURROUNDINGS},
                **group,
            )
        except OSError as error:
            raise WorkerDied(f"The worker process could not be started: {error}.") from error
        self._process = process
        self._inbox = queue.SimpleQueue()
        if self._interrupted:
            self._inbox.put(_Interrupt())
        self._tail.clear()
        self._threads = [
            threading.Thread(target=self._receive, args=(process.stdout, self._inbox), daemon=True),
            threading.Thread(target=self._keep_tail, args=(process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return process

    @staticmethod
    def _receive(pipe: BinaryIO, inbox: queue.SimpleQueue[frames.Reply | _Closed | _Interrupt]) -> None:
        try:
            while (reply := frames.read_reply(pipe)) is not None:
                inbox.put(reply)
        except (frames.FrameError, OSError, ValueError) as error:
            inbox.put(_Closed(str(error)))
        else:
            inbox.put(_Closed())

    def _keep_tail(self, pipe: BinaryIO) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in pipe:
                self._tail.append(line.decode("utf-8", "replace").rstrip())

    def _send(self, process: subprocess.Popen[bytes], request: frames.Request) -> None:
        try:
            frames.write(cast(BinaryIO, process.stdin), request)
        except (OSError, ValueError):
            raise self._death("before it could be asked") from None

    def _next(self, when: str) -> frames.Reply | _Interrupt:
        item = self._inbox.get()
        if isinstance(item, _Closed):
            raise self._death(when, item.error)
        return item

    def _death(self, when: str, what: str = "") -> FoleydError:
        """The error that says how the worker ended; reaps it."""
        process = self._process
        assert process is not None
        self.close()
        tail = [line for line in self._tail if line.strip()]
        error: FoleydError
        if self._interrupted:
            error = Cancelled("Cancelled.")
        else:
            error = WorkerDied(_obituary(process.returncode, when, what, tail))
        if tail:
            error.add_note("The worker's last words:\n" + "\n".join(tail))
        return error


def _obituary(status: int, when: str, what: str, tail: list[str]) -> str:
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        hint = _SIGNAL_HINTS.get(name, "try again, and see 'foleyd doctor' if it happens twice")
        return f"The worker was ended by {name} {when}: {hint}."
    said = what or (tail[-1] if tail else "it said nothing")
    return (
        f"The worker ended with status {status} {when} ({said}): run 'foleyd doctor' to see what is missing."
    )


_SIGNAL_HINTS = {
    "SIGKILL": "most often the system ran out of memory, so close other programs or ask for fewer seconds",
    "SIGILL": "a package was built for another processor, so install packages made for this one",
    "SIGBUS": "a model file could not be read to its end, so check it with 'foleyd doctor'",
}


def _as_error(reply: frames.Failed) -> FoleydError:
    error: FoleydError
    if reply.code == RenderFailed.code:
        try:
            error = RenderFailed(reply.message, cast(FailureReason, reply.reason))
        except ValueError:
            error = RenderFailed(reply.message, "error")
    else:
        error = _BY_CODE.get(reply.code, FoleydError)(reply.message)
    if reply.trace:
        error.add_note(reply.trace)
    return error


_BY_CODE = {kind.code: kind for kind in FoleydError.__subclasses__() if kind is not RenderFailed}
