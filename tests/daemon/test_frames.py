"""Frames: what goes in comes out, and nothing else gets through."""

from __future__ import annotations

import io
import struct

import pytest

from foleyd.daemon import frames

REQUESTS = [
    frames.Load(folder="/models/x", revision="abc", device="cpu", precision="bfloat16", threads=2),
    frames.Render(job=3, recipes=('{"prompt":"é"}', "{}"), check_silence=False, threads=4),
    frames.Cancel(job=3),
]
REPLIES = [
    frames.LoadProgress(part="unet", done=2, of=5),
    frames.Loaded(seconds=1.5, pid=77, device="CPU", threads=8),
    frames.Progress(job=1, step=2, steps=20),
    frames.Audio(
        job=1, index=0, samples=b"\0\1\2\3" * 9, rate=16000, seed=2**31 - 1, take_id="take-x", bucket="t64",
        runtime="torch", precision="float32", threads=1,
    ),
    frames.Done(job=1, seconds=0.25),
    frames.Failed(job=None, code="model_broken", message="no", reason="", trace="Traceback"),
]  # fmt: skip


def test_messages_come_back_as_they_went() -> None:
    pipe = io.BytesIO()
    for request in REQUESTS:
        frames.write(pipe, request)
    pipe.seek(0)
    assert [frames.read_request(pipe) for _ in REQUESTS] == REQUESTS
    assert frames.read_request(pipe) is None


def test_replies_come_back_as_they_went() -> None:
    pipe = io.BytesIO()
    for reply in REPLIES:
        frames.write(pipe, reply)
    pipe.seek(0)
    assert [frames.read_reply(pipe) for _ in REPLIES] == REPLIES
    assert frames.read_reply(pipe) is None


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 10_000])
def test_replies_come_out_of_pieces_of_any_size(size: int) -> None:
    stream = b"".join(frames.framed(reply) for reply in REPLIES)
    replies = frames.Replies()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [reply for piece in pieces for reply in replies.feed(piece)] == REPLIES


def test_what_is_no_frame_is_refused_after_the_replies_before_it() -> None:
    good = frames.Done(job=1, seconds=1.0)
    replies = frames.Replies().feed(frames.framed(good) + struct.pack(">I", frames.MAX_FRAME + 1))
    assert next(replies) == good
    with pytest.raises(frames.FrameError, match="announces"):
        next(replies)


@pytest.mark.parametrize("keep", [1, 3, 4, 10])
def test_a_frame_cut_short_is_an_error_and_no_end(keep: int) -> None:
    pipe = io.BytesIO()
    frames.write(pipe, frames.Done(job=1, seconds=1.0))
    with pytest.raises(frames.FrameError, match="inside a frame"):
        frames.read_reply(io.BytesIO(pipe.getvalue()[:keep]))


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(frames.FrameError, match="announces"):
        frames.read_reply(io.BytesIO(struct.pack(">I", frames.MAX_FRAME + 1)))


def test_text_in_the_pipe_is_no_frame() -> None:
    with pytest.raises(frames.FrameError):
        frames.read_reply(io.BytesIO(b"Loading checkpoint shards: 100%\n"))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"\x81\xa4type\xa4what", b"\x93\x01\x02\x03"])
def test_bytes_that_are_no_message_are_refused(body: bytes) -> None:
    framed = struct.pack(">I", len(body)) + body
    with pytest.raises(frames.FrameError, match="not a reply"):
        frames.read_reply(io.BytesIO(framed))
    with pytest.raises(frames.FrameError, match="not a request"):
        frames.read_request(io.BytesIO(framed))


def test_a_request_is_no_reply() -> None:
    pipe = io.BytesIO()
    frames.write(pipe, frames.Cancel(job=1))
    pipe.seek(0)
    with pytest.raises(frames.FrameError):
        frames.read_reply(pipe)


def test_nothing_too_long_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME", 100)
    pipe = io.BytesIO()
    with pytest.raises(frames.FrameError, match="above"):
        frames.write(pipe, frames.Failed(job=1, code="error", message="x" * 101))
    assert pipe.getvalue() == b""
