"""Texts and sounds as vectors of one space, computed in a process of its own.

A CLAP pair says how near a sound is to words, or to another sound. Loading it takes seconds and torch, so a
process does that (:mod:`foleyd.daemon.ears_process`) when something is asked first; a render is never delayed
by it, and after a rest it goes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd.daemon import frames
from foleyd.daemon.ears_process import Answer, Question
from foleyd.engines import catalog
from foleyd.errors import BadRequest, WorkerDied

Vector = NDArray[np.float32]
COMMAND = (sys.executable, "-P", "-m", "foleyd.daemon.ears_process")
AT_ONCE = 32
"""Files of one question, so that none takes long."""
MOST_S = 120.0
"""Seconds that one question may take, a load of the towers among them."""
REST_S = 300.0
"""Seconds without a question after which the process goes."""


class Heard(NamedTuple):
    """Where things lie: a unit vector `[d]` for each text, and for each file; None for a file that is silent
    or cannot be read."""

    texts: list[Vector]
    files: list[Vector | None]


class Ears:
    """The towers of a model, asked by any thread, one question at a time."""

    def __init__(self, model: str = "starter", *, command: Sequence[str] = COMMAND) -> None:
        """Raises what resolving the model does. `command`: how the process is started."""
        entry = catalog.resolve(model)
        self.name = f"{entry.id} {entry.revision}"
        """Whose vectors these are: only those of one name can be compared."""
        self._command = (*command, str(entry.folder))
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._rest: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def of(self, texts: Sequence[str] = (), files: Sequence[Path] = ()) -> Heard:
        """Where `texts` and the sounds in `files` lie. Raises BadRequest for a model that cannot hear,
        WorkerDied."""
        with self._lock:
            self._stay()
            try:
                said = self._ask(Question(texts=tuple(texts))) if texts else Answer()
                heard: list[bytes] = []
                for start in range(0, len(files), AT_ONCE):
                    part = tuple(str(file) for file in files[start : start + AT_ONCE])
                    heard += self._ask(Question(files=part)).files
            finally:
                self._leave_later()
        return Heard(
            [np.frombuffer(one, "<f4") for one in said.texts],
            [np.frombuffer(one, "<f4") if one else None for one in heard],
        )

    def close(self) -> None:
        """Let the process go, and wait for its end."""
        with self._lock:
            self._stay()
            self._end()

    def _ask(self, question: Question) -> Answer:
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(MOST_S, process.kill)
        late.start()
        try:
            process.stdin.write(frames.packed(msgspec.msgpack.encode(question)))
            process.stdin.flush()
            body = frames.read_body(cast(BinaryIO, process.stdout))
            if body is None:
                raise EOFError
            answer = msgspec.msgpack.decode(body, type=Answer)
        except (OSError, EOFError, frames.FrameError, msgspec.DecodeError) as error:
            self._end()
            raise WorkerDied(
                "The process that listens to sounds ended before it answered: try again, or see "
                "'foleyd doctor'."
            ) from error
        finally:
            late.cancel()
        if answer.refused:
            raise BadRequest(answer.refused)
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl-C in a terminal is its parent's business
                process_group=0 if os.name != "nt" else None,
            )
        except OSError as error:
            raise WorkerDied(f"The process that listens to sounds could not be started: {error}.") from error

    def _stay(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _leave_later(self) -> None:
        if self._process is not None:
            self._rest = threading.Timer(REST_S, self.close)
            self._rest.daemon = True
            self._rest.start()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
