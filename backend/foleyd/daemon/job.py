"""From a recipe to a clip file: resolve it, use a kept take or ask the worker, keep the take, finish, write.

A :class:`Session` is one life of this: it starts its worker when the first take is missing and holds the
model until it is closed. The command line has one for the length of a command.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from foleyd import recipe
from foleyd.another import Flaw, Tries, another, flaw, notes
from foleyd.daemon import frames, haste
from foleyd.daemon.blocking_worker import Worker
from foleyd.daemon.ears import Ears
from foleyd.daemon.estimate import CostModel
from foleyd.daemon.haste import Deadline
from foleyd.daemon.models import Models, Request
from foleyd.daemon.similar import nearness_of
from foleyd.daemon.sources import Sources
from foleyd.daemon.takes import Take, Takes, digest
from foleyd.engines import adapters
from foleyd.errors import Cancelled, FoleydError, RenderFailed, TooSlow
from foleyd.messages import TakeInfo
from foleyd.recipe import Recipe


class Loading(msgspec.Struct, frozen=True):
    """The worker begins to load the model of this title."""

    title: str


class Stepped(msgspec.Struct, frozen=True):
    """`step` of `steps` sampling steps are done."""

    step: int
    steps: int


Event = Loading | Stepped


class Sound(msgspec.Struct, frozen=True):
    """A take for a request. `kept`: it was there already; `seconds`: wall clock that it took (0 where
    kept); `notes`: why it has another seed than was asked for, or what is wrong with it."""

    request: Request
    take: Take
    kept: bool
    seconds: float
    notes: tuple[str, ...] = ()


def _silent(event: Event) -> None:
    """Nobody listens."""


class Session:
    """Makes sounds, one after the other, with one worker.

    `takes`: where takes are found and kept, None to render everything anew and keep nothing; `sources`: where
    sources are. `device`,
    `precision`, `runtime`, `threads`: as for :func:`foleyd.engines.base.load`; a precision or runtime that
    is given pins it, so that takes made otherwise do not serve. `listen` is called with every
    :class:`Event`. `sellable` refuses models whose sounds may not be sold. `cost` learns from every render,
    and is written when the session is closed; deadlines need it.
    """

    def __init__(
        self,
        *,
        takes: Takes | None,
        device: str = "auto",
        precision: str | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        listen: Callable[[Event], None] = _silent,
        sellable: bool = False,
        sources: Sources | None = None,
        cost: CostModel | None = None,
    ) -> None:
        self._takes = takes
        self._cost = cost or CostModel()
        self._learned = False
        self.sources = sources or Sources()
        self._device = device
        self._precision = precision
        self._runtime = runtime
        self._threads = threads
        self._listen = listen
        self._worker = Worker()
        self._ears: Ears | None = None
        self._models = Models(sellable=sellable)
        self._loaded: Path | None = None
        self._interrupted = False
        self.device = ""
        """What the worker computes on, in words; "" until a model is loaded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._worker.pid

    def prepare(self, wanted: Recipe, model: str = "") -> Request:
        """As :meth:`foleyd.daemon.models.Models.prepare`, for the runtime that is insisted on."""
        adapters.check_runtime(wanted, self._runtime or "")
        return self._models.prepare(wanted, model)

    def sound(
        self,
        request: Request,
        *,
        check_silence: bool = True,
        retries: int = 0,
        deadline: Deadline | None = None,
    ) -> Sound:
        """The take of a request: a kept one where there is one, else rendered (batch of one) and kept. Where
        it is none or a poor one, so many other seeds are tried; the sound's request has the one that was
        taken, and as many steps as the `deadline` allows, and its notes say why.

        Raises RenderFailed, WorkerDied, Cancelled, DiskFull, TooSlow, and what loading the model raises.
        """
        self.check_interrupt()
        began, wanted = time.monotonic(), request.recipe
        tries: Tries[Sound] = Tries(retries, None if deadline is None else deadline.began + deadline.seconds)
        while True:
            try:
                sound = self._found(request, check_silence, began, deadline)
            except RenderFailed as error:
                if not retries:
                    raise
                tries.failed(error)
            else:
                found = self._flaw(sound) if retries else None
                if found is None:
                    best = tries.good(sound)
                    break
                tries.flawed(sound, found)
            if not tries.again():
                best = tries.best()
                break
            request = msgspec.structs.replace(request, recipe=another(request.recipe))
        said = tuple(notes(wanted, best.sound.request.recipe, best.why, best.flaw))
        return msgspec.structs.replace(best.sound, notes=said)

    def _found(self, request: Request, check_silence: bool, began: float, deadline: Deadline | None) -> Sound:
        """A kept take of the request, or a new one."""
        if self._takes is not None:
            if request.best_of == 1:
                take = self._takes.find(request.recipe, precision=self._precision, runtime=self._runtime)
                if take is not None:
                    return Sound(request, take, kept=True, seconds=0.0)
            self._takes.check_room(request.recipe)
        request, take = self._render(request, check_silence, deadline)
        return Sound(request, take, False, time.monotonic() - began)

    def _flaw(self, sound: Sound) -> Flaw | None:
        """What is wrong with a sound."""
        model, made, take = sound.request.model, sound.request.recipe, sound.take

        def near() -> float | None:
            with contextlib.suppress(FoleydError):
                self._ears = self._ears or Ears()
                name = f"{model.id} {model.revision}"
                return nearness_of(self._ears, name, made.prompt, take.samples, take.identity.rate)
            return None

        return flaw(made, take.samples, sound.request.capabilities.least_similarity, near)

    def _render(
        self, request: Request, check_silence: bool, deadline: Deadline | None
    ) -> tuple[Request, Take]:
        """A new take, kept, and what it is of."""
        sources = self.sources.of(request.recipe)
        if deadline is not None and not self._holds(request):
            haste.in_time(request, self._cost, deadline)  # what is late anyway loads no model
        self._load(request)
        self.check_interrupt()
        if deadline is not None:
            if not deadline.left:
                raise TooSlow(
                    f"The model was ready after {deadline.spent:.1f} s, with {deadline.seconds:.3g} s given: "
                    "give it more time, or start 'foleyd serve', which keeps the model in memory.",
                    deadline.spent,
                )
            request = haste.in_time(request, self._cost, deadline)
        began = time.monotonic()
        audio: frames.Audio | None = None
        rendering = self._worker.render(
            [request.recipe], check_silence=check_silence, sources=sources, best_of=request.best_of
        )
        for reply in rendering:
            if isinstance(reply, frames.Progress):
                self._listen(Stepped(reply.step, reply.steps))
            elif isinstance(reply, frames.Audio):
                audio = reply
        if audio is None:
            raise RenderFailed("The worker finished without a sound: try again.", "error")
        self._cost.observe(haste.work(request), time.monotonic() - began)
        self._learned = True
        request = request.took(audio.seed)
        parts(self._takes, request, audio)
        return request, keep(self._takes, request.recipe, audio)

    def _holds(self, request: Request) -> bool:
        """Whether the worker holds the model of a request."""
        return self._loaded == request.model.folder and self._worker.pid is not None

    def _load(self, request: Request) -> None:
        """See that the worker holds the model of a request."""
        folder = request.model.folder
        if self._holds(request):
            return
        self._loaded = None
        self._listen(Loading(request.model.title or request.model.id))
        loaded = self._worker.load(
            folder,
            revision=request.model.revision,
            device=self._device,
            precision=self._precision or "auto",
            runtime=self._runtime or "auto",
            threads=self._threads,
        )
        self._loaded = folder
        self.device = self._cost.device = loaded.device

    def interrupt(self) -> None:
        """Stop at the next chance: between two steps, or before the next sound. Safe in a signal handler."""
        self._interrupted = True
        self._worker.interrupt()

    def check_interrupt(self) -> None:
        """Raise Cancelled if :meth:`interrupt` was called."""
        if self._interrupted:
            raise Cancelled("Cancelled.")

    def kill(self) -> None:
        """End the worker at once. Safe in a signal handler."""
        self._worker.kill()

    def close(self) -> None:
        """Let the worker and the model go."""
        self._worker.close()
        if self._ears is not None:
            self._ears.close()
            self._ears = None
        self._loaded = None
        if self._learned:
            with contextlib.suppress(FoleydError):  # a guess that is lost costs no sound
                self._cost.save()


def parts(takes: Takes | None, request: Request, audio: frames.Audio) -> list[Sound]:
    """The sounds that what a worker sent was mixed from, kept as :func:`keep` does: each is its own recipe's,
    and serves whoever asks for that. None for a sound that is no mixture."""
    found = []
    for text, part in audio.parts:
        made = recipe.from_json(text)
        own = msgspec.structs.replace(request, recipe=made)
        found.append(Sound(own, keep(takes, made, part), kept=False, seconds=0.0))
    return found


def keep(takes: Takes | None, made: Recipe, audio: frames.Audio) -> Take:
    """What a worker sent, as a take; kept in `takes` where there is such a store. Raises DiskFull."""
    samples = np.frombuffer(audio.samples, dtype="<f4")
    identity = TakeInfo(
        take_id=audio.take_id,
        recipe=recipe.to_json(made),
        seed=audio.seed,
        bucket=audio.bucket,
        runtime=audio.runtime,
        precision=audio.precision,
        threads=audio.threads,
        rate=audio.rate,
        frames=len(samples),
        sha256=digest(samples),
        batch=audio.batch,
    )
    if takes is None:
        return Take(identity=identity, samples=samples)
    return takes.keep(made, identity, samples)
