"""The decoder: a process of its own that opens sound files, which may come from strangers.

Started as ``python -P -m foleyd_live.decoder [MEMORY_MIB]``. It reads one :class:`Request` a line from
standard input, as JSON, with the samples behind it if there are any (:attr:`Request.pcm`), and answers with
frames: a length in four bytes (big-endian), that many bytes of JSON (an :class:`Answer`), then the samples,
if the answer has any, as raw float32 [frames, 2] in the machine's byte order. An answer that only says how
long the next step may take (``within_s``) comes before long steps and is followed by another.

It writes nothing to disk, lives as long as its standard input stays open, and has bounds on memory and
processor time where the system knows such. Headers are believed in nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd.audio import riff
from foleyd.audio.card import read_card
from foleyd.errors import BadRequest, FoleydError
from foleyd_live import fitting
from foleyd_live.fitting import Loop, Samples

LONGEST_S = 600
MOST_BYTES = 512 * 1024 * 1024
"""Of a sound's samples as stereo float32, before and after it is fitted."""
RATES = (4_000, 384_000)
LOUDEST = 1000.0
"""Full scale times a thousand (+60 dB): what is louder is no sound but damage."""
MEMORY_MIB = 3072
"""How much address space the process may have."""
HEAD = struct.Struct(">I")
LONGEST_HEAD = 1 << 20

# a pipe that nobody writes to would keep a plain open() waiting for ever
_OPEN = os.O_RDONLY | sum(
    getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)
_BLOCK_FRAMES = 65_536
_SIGN_EVERY_BLOCKS = 16
_CPU_S = 240
_FITTING_S = (20.0, 1.0)
_FRAME_BYTES = 8
_SMPL_HEAD, _SMPL_LOOP, _MOST_LOOPS = 36, 24, 64
_OGG_TAIL = 65_307 + 27
_OGG_LAST = 4
_KINDS = "WAV, AIFF, FLAC, Ogg, Opus or MP3"


class Pcm(msgspec.Struct, frozen=True):
    """Samples that follow a request's line: float32 [frames, channels]."""

    frames: int
    channels: int
    rate: int
    loop: Loop | None = None


class Request(msgspec.Struct, frozen=True):
    """What to decode: the file at `path` (as the system writes it), or `pcm`; for `rate` Hz and `stretch`
    times as long. `name` is what errors call it."""

    name: str
    rate: int
    stretch: float = 1.0
    path: bytes = b""
    pcm: Pcm | None = None


class Answer(msgspec.Struct, frozen=True):
    """A sound of `frames` frames, or why there is none (`error`, with the error's `code`), or a sign of life
    (`within_s`)."""

    frames: int = 0
    loop: Loop | None = None
    overview: tuple[tuple[float, float], ...] = ()
    error: str = ""
    code: str = ""
    within_s: float = 0.0


class Found(NamedTuple):
    """What a file held: float32 [frames, 2], Hz, and its loop."""

    samples: Samples
    rate: int
    loop: Loop | None


Sign = Callable[[float], None]
"""Tells the parent how many seconds the next step may take."""
Reader = Callable[[Request, Sign], Found]
"""Turns a request's path into samples; tests put readers with faults here."""


def serve(read: Reader | None = None, memory_mib: int = MEMORY_MIB) -> None:
    """Answer requests until standard input closes."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    requests, answers = _claim_pipes()
    _limit(memory_mib)
    decoder = msgspec.json.Decoder(Request)
    # the parent may end at any moment, and nobody is left to be told
    with contextlib.suppress(BrokenPipeError):
        while line := requests.readline():
            request = decoder.decode(line)
            _allow_cpu()
            found = _received(requests, request.pcm) if request.pcm else None
            _answer(answers, request, found, read or read_file)


def _answer(answers: BinaryIO, request: Request, found: Found | None, read: Reader) -> None:
    def sign(within_s: float) -> None:
        _send(answers, Answer(within_s=within_s))

    try:
        samples, loop = _made(request, found or read(request, sign), sign)
        told = Answer(frames=len(samples), loop=loop, overview=fitting.overview(samples))
    except FoleydError as error:
        _send(answers, Answer(error=str(error), code=error.code))
    except MemoryError:
        _send(
            answers,
            Answer(error=f"{request.name} needs more memory than a clip may: cut it.", code="bad_request"),
        )
    else:
        _send(answers, told, samples)


def _made(request: Request, found: Found, sign: Sign) -> tuple[Samples, Loop | None]:
    fitting.check_stretch(request.stretch)
    frames = fitting.fitted_frames(len(found.samples), found.rate, request.rate, request.stretch)
    _check_length(request.name, frames, request.rate)
    least, a_second = _FITTING_S
    sign(least + a_second * max(frames / request.rate, len(found.samples) / found.rate))
    made = fitting.fitted(found.samples, found.rate, request.rate, request.stretch, found.loop)
    _check_samples(request.name, made[0])
    return made


def _send(answers: BinaryIO, answer: Answer, samples: Samples | None = None) -> None:
    head = msgspec.json.encode(answer)
    answers.write(HEAD.pack(len(head)) + head)
    if samples is not None:
        answers.write(samples.data.cast("B"))
    answers.flush()


def _received(requests: BinaryIO, pcm: Pcm) -> Found:
    data = requests.read(pcm.frames * pcm.channels * 4)
    samples = np.frombuffer(data, np.float32).reshape(pcm.frames, pcm.channels)
    return Found(fitting.stereo(samples), pcm.rate, pcm.loop)


def read_file(request: Request, sign: Sign) -> Found:
    """The sound in a file, in stereo, at its own rate.

    Raises BadRequest for what is no plain file, no sound, cut short, longer than :data:`LONGEST_S` or
    :data:`MOST_BYTES`, wider than eight channels, or holds values that are not finite.
    """
    name = request.name
    with _opened(request) as opened:
        loop = _check_whole(opened, name)
        # libsndfile reads the descriptor itself, from where it stands
        os.lseek(opened.fileno(), 0, os.SEEK_SET)
        try:
            with soundfile.SoundFile(opened.fileno(), closefd=False) as sound:
                return _decoded(sound, name, loop, sign)
        # libsndfile's own errors, and what its binding trips over in headers that lie
        except (RuntimeError, ValueError, TypeError, OverflowError, OSError) as error:
            said = " ".join(str(error).split())[-200:]
            raise BadRequest(f"{name} cannot be read as sound ({said}): give {_KINDS}.") from error


def _opened(request: Request) -> BinaryIO:
    try:
        file = os.open(os.fsdecode(request.path), _OPEN)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadRequest(f"{request.name} cannot be opened ({reason}): choose another file.") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise BadRequest(f"{request.name} is no plain file: choose a sound file.")
    return os.fdopen(file, "rb")


def _decoded(sound: soundfile.SoundFile, name: str, loop: Loop | None, sign: Sign) -> Found:
    rate, channels, claimed = int(sound.samplerate), int(sound.channels), int(sound.frames)
    if not 1 <= channels <= fitting.MOST_CHANNELS:
        raise BadRequest(f"{name} has {channels} channels: mix it down to {fitting.MOST_CHANNELS} or fewer.")
    check_rate(name, rate)
    blocks, frames = [], 0
    for number, block in enumerate(_blocks(sound)):
        if number % _SIGN_EVERY_BLOCKS == 0:
            sign(_FITTING_S[0])
        frames += len(block)
        _check_length(name, frames, rate)
        _check_samples(name, block)
        blocks.append(fitting.stereo(block))
    if not frames:
        raise BadRequest(f"{name} holds no sound: export it again.")
    # how long an MP3 is can only be guessed before it is decoded
    if frames < claimed and sound.format != "MP3":
        raise BadRequest(f"{name} is cut short ({frames} of {claimed} frames): copy it again.")
    samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    if loop is None and sound.comment:
        loop = _loop_of_card(sound.comment)
    return Found(samples, rate, _inside(loop, frames))


def _blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    while len(block := sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
        yield block


def check_rate(name: str, rate: int) -> None:
    """Raise BadRequest for a rate in Hz that no sound has."""
    if not RATES[0] <= rate <= RATES[1]:
        raise BadRequest(f"{name} has {rate} samples a second: convert it to {RATES[0]} to {RATES[1]} Hz.")


def _check_length(name: str, frames: int, rate: int) -> None:
    if frames > LONGEST_S * rate or frames * _FRAME_BYTES > MOST_BYTES:
        raise BadRequest(
            f"{name} is longer than {LONGEST_S // 60} minutes or {MOST_BYTES >> 20} MiB: cut it into "
            "shorter files."
        )


def _check_samples(name: str, samples: Samples) -> None:
    # NaN is greater than nothing, so it is the comparison's failing that counts
    if not np.abs(samples).max(initial=0.0) <= LOUDEST:
        raise BadRequest(f"{name} holds values that are not sound (NaN, infinite or huge): export it again.")


def _check_whole(file: BinaryIO, name: str) -> Loop | None:
    """The loop of a WAV file's ``smpl`` chunk. Raises BadRequest for a WAV, AIFF or Ogg file without its
    end: libsndfile takes those for shorter ones."""
    head = file.read(12)
    size = os.fstat(file.fileno()).st_size
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        try:
            return _loop_of_smpl(file)
        except BadRequest as error:
            raise BadRequest(f"{name} is damaged: {error}") from error
    cut = {
        b"FORM": lambda: 8 + int.from_bytes(head[4:8], "big") > size,
        b"OggS": lambda: _ogg_is_cut(file, size),
    }.get(head[:4])
    if cut is not None and cut():
        raise BadRequest(f"{name} is cut short: copy it again.")
    return None


def _loop_of_smpl(file: BinaryIO) -> Loop | None:
    loop = None
    for found in riff.chunks(file):
        if found.ident != b"smpl" or loop is not None:
            continue
        file.seek(found.start)
        body = file.read(min(found.size, _SMPL_HEAD + _MOST_LOOPS * _SMPL_LOOP))
        count = int.from_bytes(body[28:32], "little")
        for place in range(_SMPL_HEAD, len(body) - _SMPL_LOOP + 1, _SMPL_LOOP)[:count]:
            kind, first, last = struct.unpack_from("<4x3I", body, place)
            # 1 and 2 run backwards, which pads do not
            if kind == 0 and loop is None:
                loop = (first, last + 1)
    return loop


def _loop_of_card(comment: str) -> Loop | None:
    with contextlib.suppress(BadRequest):
        for first, last in read_card(comment).loops:
            return first, last + 1
    return None


def _inside(loop: Loop | None, frames: int) -> Loop | None:
    """The loop, its end moved inside; none where that leaves less than two frames."""
    if loop is None:
        return None
    start, end = loop[0], min(loop[1], frames)
    return (start, end) if end - start >= 2 else None


def _ogg_is_cut(file: BinaryIO, size: int) -> bool:
    """Whether the last page is not the one that ends its stream (RFC 3533, section 6), or not whole."""
    start = file.seek(max(0, size - _OGG_TAIL))
    tail = file.read(_OGG_TAIL)
    place = tail.rfind(b"OggS")
    if place < 0 or place + 27 > len(tail):
        return True
    lacing = tail[place + 27 : place + 27 + tail[place + 26]]
    end = start + place + 27 + tail[place + 26] + sum(lacing)
    return not tail[place + 5] & _OGG_LAST or end > size


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes away from everybody else: what a library prints lands on standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _limit(memory_mib: int) -> None:
    if sys.platform == "win32":
        return  # Windows has no such limits; the parent's deadline holds there too
    import resource

    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, memory_mib << 20),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # macOS refuses bounds on address space
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, hard))


def _allow_cpu() -> None:
    """Processor time for one more request."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(used.ru_utime + used.ru_stime) + _CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard < 0 else min(wanted, hard), hard))


if __name__ == "__main__":
    serve(memory_mib=int(sys.argv[1]) if len(sys.argv) > 1 else MEMORY_MIB)
