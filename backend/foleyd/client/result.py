"""What a client gets: clips, takes, and their samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from foleyd.errors import Cancelled, FoleydError, from_code, render_failed
from foleyd.messages import BufferInfo, ClipInfo, ClipReply, RenderChunk, RenderResult, State, TakeInfo
from foleyd.wire import envelope

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENDED: dict[str, str] = {
    "cancelled": "The job was cancelled.",
    "superseded": "The job was given up for a newer one on its slot.",
}


class Audio(msgspec.Struct, frozen=True):
    """The samples of one clip or take, `id`, at `rate` Hz."""

    id: str
    kind: Literal["clip", "take", "source", "chunk"]
    rate: int
    channels: int
    frames: int
    raw: bytes

    @property
    def samples(self) -> NDArray[np.float32]:
        """float32 [channels, frames], full scale ±1; not to be written to."""
        import numpy as np

        return (
            np.frombuffer(self.raw, "<f4").reshape(self.channels, self.frames).astype(np.float32, copy=False)
        )


class Chunk(msgspec.Struct, frozen=True):
    """A part of an unfinished sound, number `clip` of its job: from sample `start` on, of the `of` that all
    parts have. `audio` was multiplied with `gain`, since the level is known at the end only."""

    clip: int
    start: int
    of: int
    gain: float
    audio: Audio


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended, or a clip that was asked for. `audio` is in the order of `clips` (or `takes`)."""

    job_id: int | None = None
    state: State = "done"
    clips: tuple[ClipInfo, ...] = ()
    takes: tuple[TakeInfo, ...] = ()
    audio: tuple[Audio, ...] = ()
    set_id: str = ""
    similarity: tuple[float, ...] = ()
    kept: tuple[bool, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def of_job(told: RenderResult, buffers: Sequence[bytes], infos: Sequence[BufferInfo] | None = None) -> Result:
    """The result of a job. Raises the error that it failed with, Cancelled for one that was given up, and a
    FoleydError for samples that are not what was said of them."""
    if told.state == "failed":
        said = told.message or "The job failed: see the daemon's log."
        raise render_failed(said, told.reason) if told.reason else from_code(told.code, said)
    if told.state in _ENDED:
        raise Cancelled(told.message or _ENDED[told.state])
    return Result(
        job_id=told.job_id,
        state=told.state,
        clips=told.clips,
        takes=told.takes,
        audio=_audio(told.buffers if infos is None else infos, buffers),
        set_id=told.set_id,
        similarity=told.similarity,
        kept=told.kept,
        seconds=told.seconds,
        notes=told.notes,
    )


def of_chunk(told: RenderChunk, buffers: Sequence[bytes]) -> Chunk:
    """A part of a sound. Raises FoleydError for samples that are not what was said of them."""
    audio = _audio(told.buffers, buffers)
    if len(audio) != 1 or told.start + audio[0].frames > told.of:
        raise FoleydError(
            "A part of a sound is not what it says: use the same version of foleyd on both sides."
        )
    return Chunk(told.clip, told.start, told.of, told.gain, audio[0])


def of_reply(reply: ClipReply, buffers: Sequence[bytes]) -> Result:
    """What a clip_reply holds: a clip, or a job's result. Raises as :func:`of_job` does."""
    infos = reply.buffers or (reply.result.buffers if reply.result is not None else ())
    if reply.result is not None:
        return of_job(reply.result, buffers, infos)
    return Result(clips=(reply.clip,) if reply.clip else (), audio=_audio(infos, buffers))


def _audio(infos: Sequence[BufferInfo], buffers: Sequence[bytes]) -> tuple[Audio, ...]:
    try:
        envelope.check_buffers(infos, buffers)
    except FoleydError as error:
        raise FoleydError(
            f"The samples were damaged on the way ({str(error).partition(':')[0]}): ask again."
        ) from None
    return tuple(_one(info, raw) for info, raw in zip(infos, buffers, strict=True))


def _one(info: BufferInfo, raw: bytes) -> Audio:
    if info.format != "<f4" or info.rate <= 0 or info.channels * info.frames * 4 != info.length:
        raise FoleydError(
            f"The samples of {info.id or info.kind} are in a form that is not known here: use the same "
            "version of foleyd on both sides."
        )
    return Audio(info.id, info.kind, info.rate, info.channels, info.frames, raw)
