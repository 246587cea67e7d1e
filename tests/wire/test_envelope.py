"""Jupyter's message format, with Jupyter's own session at the other end."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from jupyter_client.session import Session

from foleyd.errors import BadRequest, Busy, FoleydError, ModelMissing
from foleyd.messages import BufferInfo, CancelReply
from foleyd.wire import envelope
from foleyd.wire.envelope import Header, Malformed, Signer

KEY = "0123456789abcdef" * 4


def parts(**changes: bytes) -> list[bytes]:
    """The frames of a small message, well signed."""
    header = envelope.new_header("me", "info_request")
    frames = Signer(KEY).pack(header, b'{"a":1}', identity=(b"router",), buffers=(b"raw",))
    names = ["identity", "delimiter", "signature", "header", "parent", "metadata", "content", "buffer"]
    return [changes.get(name, frame) for name, frame in zip(names, frames, strict=True)]


def test_jupyter_reads_what_we_write() -> None:
    session = Session(key=KEY.encode())
    asked = envelope.new_header("them", "info_request")
    header = envelope.new_header("us", "info_reply")
    content = envelope.write_reply(CancelReply(cancelled=(1, 2)))
    frames = Signer(KEY).pack(header, content, parent=asked, identity=(b"id",), buffers=(b"\0\1", b""))
    identities, rest = session.feed_identities(frames)
    message = session.deserialize(rest)
    assert identities == [b"id"]
    assert message["content"] == {"status": "ok", "cancelled": [1, 2]}
    assert message["header"]["msg_type"] == "info_reply"
    assert message["header"]["session"] == "us"
    assert message["header"]["version"] == "5.4"
    assert message["header"]["date"].tzinfo is not None
    assert message["parent_header"]["msg_id"] == asked.msg_id
    assert [bytes(one) for one in message["buffers"]] == [b"\0\1", b""]


def test_we_read_what_jupyter_writes() -> None:
    session = Session(key=KEY.encode(), username="näme")
    message = session.msg("render_request", content={"recipe": {"prompt": "Regen ☔"}})
    parcel = envelope.split([b"a", b"b", *session.serialize(message), b"raw"])
    assert parcel.identity == (b"a", b"b")
    assert parcel.buffers == (b"raw",)
    assert Signer(KEY).good(parcel)
    header = envelope.read_header(parcel.header)
    assert (header.msg_id, header.session) == (message["header"]["msg_id"], session.session)
    assert (header.msg_type, header.username) == ("render_request", "näme")
    content = envelope.read_object(parcel.content, "content", most_bytes=1000)
    assert content == {"recipe": {"prompt": "Regen ☔"}}


def test_jupyter_refuses_what_another_key_signed() -> None:
    frames = Signer("another").pack(envelope.new_header("us", "info_reply"), b"{}")
    session = Session(key=KEY.encode())
    with pytest.raises(ValueError, match="Invalid Signature"):
        session.deserialize(session.feed_identities(frames)[1])


@pytest.mark.parametrize("part", ["signature", "header", "parent", "metadata", "content"])
def test_one_changed_byte_breaks_the_signature(part: str) -> None:
    good = parts()
    assert Signer(KEY).good(envelope.split(good))
    for place in (0, -1):
        changed = bytearray(getattr(envelope.split(good), part))
        changed[place] ^= 1
        frames = [bytes(changed) if frame == getattr(envelope.split(good), part) else frame for frame in good]
        assert not Signer(KEY).good(envelope.split(frames))


def test_the_signature_leaves_buffers_out() -> None:
    assert Signer(KEY).good(envelope.split([*parts()[:-1], b"something else", b"more"]))


@pytest.mark.parametrize("signature", [b"", b"\xff" * 64, b"0" * 64, b"x"])
def test_signatures_that_are_none_are_not_good(signature: bytes) -> None:
    frames = parts()
    frames[2] = signature
    assert not Signer(KEY).good(envelope.split(frames))


@pytest.mark.parametrize("key", ["", "  \n"])
def test_an_empty_key_is_refused(key: str) -> None:
    with pytest.raises(BadRequest, match="key of the connection is empty"):
        Signer(key)


@pytest.mark.parametrize(
    "frames", [[], [b""], [b"<IDS|MSG>"], [b"id", b"<IDS|MSG>", b"s", b"{}", b"{}", b"{}"], [b"x"] * 10]
)
def test_too_few_frames_are_malformed(frames: list[bytes]) -> None:
    with pytest.raises(Malformed):
        envelope.split(frames)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"msg_id":"a","session":"b"}',
        b'{"msg_id":"","session":"b","msg_type":"c"}',
        b'{"msg_id":1,"session":"b","msg_type":"c"}',
        b'{"msg_id":"' + b"a" * 300 + b'","session":"b","msg_type":"c"}',
        b'{"msg_id":"a\xff","session":"b","msg_type":"c"}',
        b'{"msg_id":"a","session":"b","msg_type":"c","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"msg_id":"a","session":"b","msg_type":"c","x":"' + b" " * 20_000 + b'"}',
    ],
)
def test_headers_that_name_nobody_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        envelope.read_header(raw)


def test_a_header_may_say_more() -> None:
    found = envelope.read_header(b'{"msg_id":"a","session":"b","msg_type":"c","subshell_id":null}')
    assert found == Header(msg_id="a", session="b", msg_type="c")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"{", "no JSON"),
        (b'{"a":NaN}', "no JSON"),
        (b'{"a":"\xff"}', "no JSON"),
        (b'{"a":1e999}', "no JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than 32"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "deeper than 32"),
        (b'{"a":' + b'{"b":' * 40 + b"1" + b"}" * 41, "deeper than 32"),
        (b'{"a":"' + b" " * 1_000_000 + b'"}', "send audio as buffers"),
    ],
)
def test_content_that_is_no_plain_object_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        envelope.read_object(raw, "content", most_bytes=500_000)


def test_content_may_be_wide_and_a_little_deep() -> None:
    wide = {"a": [[n] for n in range(1000)], "b": {"{[": "[[[["}}
    assert envelope.read_object(json.dumps(wide).encode(), "content", most_bytes=100_000) == wide
    deep = b'{"a":' + b"[" * 31 + b"]" * 31 + b"}"
    assert "a" in envelope.read_object(deep, "content", most_bytes=1000)


def test_an_error_goes_over_the_wire_with_its_code_and_sentence() -> None:
    raw = envelope.write_reply(Busy("The queue is full: wait.", 2.5))
    told = json.loads(raw)
    assert told == {
        "status": "error",
        "code": "busy",
        "message": "The queue is full: wait.",
        "retry_after_s": 2.5,
    }
    with pytest.raises(Busy, match=r"^The queue is full: wait\.$") as caught:
        envelope.read_reply(raw, CancelReply)
    assert caught.value.retry_after_s == 2.5
    with pytest.raises(ModelMissing):
        envelope.read_reply(envelope.write_reply(ModelMissing("Not here.")), CancelReply)


def test_an_error_of_a_newer_daemon_keeps_its_code() -> None:
    with pytest.raises(FoleydError, match="Full moon") as caught:
        envelope.read_reply(b'{"status":"error","code":"moon","message":"Full moon."}', CancelReply)
    assert caught.value.code == "moon"
    assert FoleydError.code == "error"


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"status":"ok"}', b'{"status":"error"}', b'{"cancelled":"x"}'])
def test_replies_that_are_none_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        envelope.read_reply(raw, CancelReply)


def test_a_reply_may_say_more() -> None:
    raw = b'{"status":"ok","cancelled":[3],"mood":"good"}'
    assert envelope.read_reply(raw, CancelReply).cancelled == (3,)


def test_buffers_are_held_to_what_is_said_of_them() -> None:
    one, two = envelope.describe(b"abc", "clip", id="c1", rate=8000), envelope.describe(b"", "take")
    assert (one.length, one.sha256, one.rate) == (3, hashlib.sha256(b"abc").hexdigest(), 8000)
    envelope.check_buffers([one, two], [b"abc", b""])
    envelope.check_buffers([], [])
    wrong: list[tuple[list[BufferInfo], list[bytes], str]] = [
        ([one], [b"abd"], "buffer 1 has another sha256"),
        ([one, two], [b"abc", b"x"], "buffer 2 has 1 bytes and content says 0"),
        ([one], [], "0 raw buffers came and content tells of 1"),
        ([], [b"abc"], "1 raw buffers came and content tells of 0"),
        ([BufferInfo(kind="clip", length=3, sha256="é")], [b"abc"], "another sha256"),
    ]
    for infos, buffers, said in wrong:
        with pytest.raises(BadRequest, match=said):
            envelope.check_buffers(infos, buffers)


def test_headers_are_all_different() -> None:
    made: list[Any] = [envelope.new_header("s", "t") for _ in range(100)]
    assert len({one.msg_id for one in made}) == 100
    assert envelope.new_header("s", "t", message_id="mine").msg_id == "mine"
