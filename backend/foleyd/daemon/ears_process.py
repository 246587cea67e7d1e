"""The process behind :class:`foleyd.daemon.ears.Ears`: frames with texts and files in, vectors out.

Started as ``python -P -m foleyd.daemon.ears_process FOLDER``. It lives exactly as long as its standard input
stays open, takes one thread and a low priority, and keeps nothing on disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from foleyd.daemon import frames
from foleyd.daemon.lean import lean
from foleyd.errors import FoleydError

if TYPE_CHECKING:
    from foleyd.engines.towers import Towers

NICE = 10
"""By how much its priority is lower than its parent's: nobody plays what it makes."""


class Question(msgspec.Struct, frozen=True):
    """What is asked: where these texts lie, and the sounds in these files (foleyd's own WAVs)."""

    texts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """Vectors as little-endian float32, in the order of the question; b"" for a sound that is silent or
    cannot be read. Or the sentence that says why there are none."""

    texts: tuple[bytes, ...] = ()
    files: tuple[bytes, ...] = ()
    refused: str = ""


def serve(folder: Path) -> None:
    """Answer questions until standard input closes; never returns. The towers are loaded for the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the frames
    towers: Towers | None = None
    while (body := frames.read_body(questions)) is not None:
        try:
            if towers is None:
                with lean():
                    from foleyd.engines.towers import Towers

                    towers = Towers(folder)
            answer = _answer(towers, msgspec.msgpack.decode(body, type=Question))
        except FoleydError as error:
            answer = Answer(refused=str(error))
        _send(answers, answer)
    answers.close()
    # nothing is left to be written, and taking the libraries down takes a second
    os._exit(0)


def _send(pipe: BinaryIO, answer: Answer) -> None:
    pipe.write(frames.packed(msgspec.msgpack.encode(answer)))
    pipe.flush()


def _answer(towers: Towers, question: Question) -> Answer:
    said = tuple(vector.astype("<f4").tobytes() for vector in towers.say(question.texts))
    return Answer(said, tuple(_heard(towers, Path(file)) for file in question.files))


def _heard(towers: Towers, file: Path) -> bytes:
    from foleyd.audio.export import read_clip
    from foleyd.engines.base import SourceSound

    with contextlib.suppress(FoleydError, OSError):
        vector = towers.hear(SourceSound(*read_clip(file)))
        if vector is not None:
            return vector.astype("<f4").tobytes()
    return b""


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
