"""The parent's handle on the decoder process: files and samples go out, fitted sounds come back.

What goes wrong in the process, up to its death, costs the one file that it had at hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd import errors
from foleyd.errors import BadRequest, FoleydError
from foleyd_live import decoder, fitting
from foleyd_live.decoder import Answer, Pcm, Request
from foleyd_live.fitting import Loop, Samples

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "foleyd_live.decoder")
"""How a decoder is started. ``-P``: a file called numpy.py in the current folder must not be imported."""

DEADLINE_S = 30.0
"""How long the decoder may be silent, unless it says that a step takes longer."""

_LONGEST_STEP_S = 900.0
_GOODBYE_S = 5.0
_LEAVE = "convert it with another program, or leave it out"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Sound(msgspec.Struct, frozen=True):
    """A sound fitted to the device: float32 [frames, 2] at `rate` Hz, `seconds` long as it is now.

    `loop`: (start, end) in frames, the end not included; `overview`: the least and greatest sample of each
    of at most 400 equal parts.
    """

    name: str
    samples: Samples
    rate: int
    loop: Loop | None
    overview: tuple[tuple[float, float], ...]

    @property
    def frames(self) -> int:
        """Length in frames."""
        return len(self.samples)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


class Decoder:
    """One decoder process, started on first use and again after it ended; used from one event loop, one
    request at a time, the others wait in order.

    `command`: how it is started, :data:`COMMAND` unless given; `deadline_s`: see :data:`DEADLINE_S`.
    """

    def __init__(self, *, command: Sequence[str] | None = None, deadline_s: float = DEADLINE_S) -> None:
        self._command = tuple(command or COMMAND)
        self._deadline_s = deadline_s
        self._turn = asyncio.Lock()
        self._child: _Child | None = None
        self._starting: asyncio.Future[_Child] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id; None while there is no process."""
        child = self._child
        return child.process.pid if child is not None and not child.ended else None

    async def decode(self, path: str | os.PathLike[str], rate: int, stretch: float = 1.0) -> Sound:
        """The sound in a file, for `rate` Hz and `stretch` times as long at the same pitch (0.25…4).

        Raises BadRequest with a sentence for files that are refused (see
        :func:`foleyd_live.decoder.read_file`) or end or hang the decoder; FoleydError where it cannot be
        started. A caller that is cancelled ends the process if it was at the caller's file.
        """
        name = _name(path)
        return await self._ask(Request(name=name, rate=rate, stretch=stretch, path=os.fsencode(path)), None)

    async def fit(
        self,
        samples: NDArray[np.float32],
        rate_in: int,
        rate: int,
        stretch: float = 1.0,
        loop: Loop | None = None,
        name: str = "the sound",
    ) -> Sound:
        """Samples [frames, channels] at `rate_in` Hz, checked and fitted as a file's are. Raises the same."""
        if samples.ndim != 2 or not len(samples) or not 1 <= samples.shape[1] <= fitting.MOST_CHANNELS:
            raise BadRequest(
                f"{name} is no sound of one to {fitting.MOST_CHANNELS} channels: render it again."
            )
        if samples.nbytes > decoder.MOST_BYTES:
            raise BadRequest(f"{name} is larger than {decoder.MOST_BYTES >> 20} MiB: cut it.")
        decoder.check_rate(name, rate_in)
        if loop is not None and not 0 <= loop[0] < loop[1] <= len(samples):
            raise BadRequest(f"{name} has a loop outside its {len(samples)} frames: move it inside.")
        pcm = Pcm(len(samples), samples.shape[1], rate_in, loop)
        return await self._ask(Request(name=name, rate=rate, stretch=stretch, pcm=pcm), samples)

    async def close(self) -> None:
        """End the process and wait for its end; what waits for a sound is told."""
        self._closed = True
        await asyncio.shield(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        child, self._child = self._child, None
        starting, self._starting = self._starting, None
        if starting is not None and not isinstance(
            started := (await asyncio.gather(starting, return_exceptions=True))[0], BaseException
        ):
            child = started
        if child is not None:
            await asyncio.to_thread(child.end, at_once=self._turn.locked())

    async def _ask(self, request: Request, samples: NDArray[np.float32] | None) -> Sound:
        fitting.check_stretch(request.stretch)
        decoder.check_rate("the device", request.rate)
        async with self._turn:
            answer, made = await self._answered(request, samples)
        if made is None:
            raise errors.from_code(answer.code, answer.error)
        return Sound(request.name, made, request.rate, answer.loop, answer.overview)

    async def _answered(
        self, request: Request, samples: NDArray[np.float32] | None
    ) -> tuple[Answer, Samples | None]:
        while True:
            fresh = self._child is None or self._child.ended
            child = await self._living()
            try:
                return await self._watched(child, request, samples)
            except _Ended as ended:
                self._check_open()
                # it may have been dead before the request came, which is not the file's fault
                if fresh or ended.heard:
                    raise BadRequest(f"{request.name} {ended}") from None

    async def _living(self) -> _Child:
        self._check_open()
        child = self._child
        if child is not None and not child.ended:
            return child
        # outlives a caller that is cancelled: the next one, or the end, finds the process
        if self._starting is None:
            self._starting = asyncio.ensure_future(asyncio.to_thread(_Child, self._command))
        starting = self._starting
        await asyncio.wait({starting})
        self._check_open()
        self._starting = None
        self._child = starting.result()
        return self._child

    def _check_open(self) -> None:
        if self._closed:
            raise FoleydError("The decoder is closed, since the live host ends: start it again.")

    async def _watched(
        self, child: _Child, request: Request, samples: NDArray[np.float32] | None
    ) -> tuple[Answer, Samples | None]:
        child.due = time.monotonic() + self._deadline_s
        work = asyncio.ensure_future(asyncio.to_thread(child.ask, request, samples, self._deadline_s))
        try:
            while (left := child.due - time.monotonic()) > 0:
                if (await asyncio.wait({work}, timeout=left))[0]:
                    return work.result()
            raise _Ended(f"made the decoder hang: {_LEAVE}.", heard=True)
        finally:
            if not work.done():
                work.add_done_callback(lambda done: done.exception())
                self._child = None
                child.process.kill()
                await asyncio.shield(asyncio.to_thread(child.end, at_once=True))


class _Ended(Exception):
    """The process ended over a request; the rest of a sentence that begins with the file's name. `heard`:
    whether it is known to have worked on it."""

    def __init__(self, words: str, *, heard: bool) -> None:
        super().__init__(words)
        self.heard = heard


class _Child:
    """One decoder process and the pipes to it. `ask` blocks and belongs in a thread."""

    def __init__(self, command: Sequence[str]) -> None:
        quiet = not os.environ.get("FOLEYD_DEBUG")
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if quiet else None,
                env={**os.environ, **_ONE_THREAD},
            )
        except OSError as error:
            raise FoleydError(
                f"The decoder of sound files cannot be started ({error.strerror}): run 'foleyd doctor'."
            ) from error
        self._requests = cast("BinaryIO", self.process.stdin)
        self._answers = cast("io.BufferedReader", self.process.stdout)
        self._ending = threading.Lock()
        self.due = 0.0
        self.ended = False

    def ask(
        self, request: Request, samples: NDArray[np.float32] | None, deadline_s: float
    ) -> tuple[Answer, Samples | None]:
        """What the process answers, with the samples if there are any. Raises _Ended, with the process
        reaped."""
        heard = False
        try:
            self._requests.write(msgspec.json.encode(request) + b"\n")
            if samples is not None:
                self._requests.write(np.ascontiguousarray(samples, np.float32).data.cast("B"))
            self._requests.flush()
            while (answer := self._answer()).within_s > 0:
                heard = True
                self.due = time.monotonic() + min(max(answer.within_s, deadline_s), _LONGEST_STEP_S)
            return answer, None if answer.error else self._samples(answer)
        except (OSError, ValueError, EOFError, msgspec.MsgspecError) as error:
            self.end(at_once=True)
            garbled = isinstance(error, msgspec.MsgspecError)
            raise _Ended(_end(self.process.returncode, garbled), heard=heard or garbled) from error

    def end(self, *, at_once: bool) -> None:
        """Close the pipes and wait for the process; one that does not go by itself is killed."""
        with self._ending:
            if self.ended:
                return
            self.ended = True
            if at_once:
                self.process.kill()
            with contextlib.suppress(OSError):
                self._requests.close()
            try:
                self.process.wait(_GOODBYE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._answers.close()

    def _answer(self) -> Answer:
        (length,) = decoder.HEAD.unpack(self._exactly(decoder.HEAD.size))
        if length > decoder.LONGEST_HEAD:
            raise msgspec.DecodeError("an answer that is too long")
        return msgspec.json.decode(self._exactly(length), type=Answer)

    def _samples(self, answer: Answer) -> Samples:
        if not 0 < answer.frames * 8 <= decoder.MOST_BYTES or not _holds(answer.loop, answer.frames):
            raise msgspec.ValidationError("an answer that cannot be")
        samples = np.empty((answer.frames, 2), np.float32)
        place, left = 0, samples.data.cast("B")
        while place < len(left):
            # straight into place, without Python's lock while it waits
            got = self._answers.readinto(left[place:])
            if not got:
                raise EOFError
            place += got
        return samples

    def _exactly(self, size: int) -> bytes:
        data = self._answers.read(size)
        if len(data) < size:
            raise EOFError
        return data


def _holds(loop: Loop | None, frames: int) -> bool:
    return loop is None or 0 <= loop[0] < loop[1] <= frames


def _end(status: int, garbled: bool) -> str:
    if garbled:
        return f"made the decoder answer nonsense: {_LEAVE}."
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"ended the decoder ({signal.Signals(-status).name}): {_LEAVE}."
    return f"was not decoded, since the decoder ended (status {status}): {_LEAVE}, or run 'foleyd doctor'."


def _name(path: str | os.PathLike[str]) -> str:
    """A file's name as one printable line."""
    name = Path(path).name or str(path)
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:200] or "the file"
