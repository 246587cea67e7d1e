"""Jupyter's message format: signing, packing and reading, without a socket.

``[ident…] <IDS|MSG> signature header parent_header metadata content [buffer…]``, four JSON objects between
the signature and the raw buffers; see "Messaging in Jupyter" (jupyter_client, docs/messaging.rst), version
5.4. The signature is HMAC-SHA256 in hex over the four as they are on the wire. It leaves the buffers out, so
content tells the length and the SHA-256 of each (:class:`foleyd.messages.BufferInfo`), and
:func:`check_buffers` holds them to it.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from foleyd.errors import BadRequest, FoleydError, from_code
from foleyd.messages import BufferInfo, Failure, Message

DELIMITER = b"<IDS|MSG>"
VERSION = "5.4"
"""Version of Jupyter's protocol that headers name."""

MOST_FRAMES = 64
"""Frames of one message, identities and buffers among them."""

MOST_FRAME_BYTES = 64 * 1024 * 1024
"""Bytes of one frame."""

MOST_DEPTH = 32
"""Objects and lists inside one another in a request."""

_MOST_HEADER_BYTES = 16 * 1024
_EMPTY = b"{}"
M = TypeVar("M", bound=Message)
_Word = Annotated[str, Meta(min_length=1, max_length=200)]


class Malformed(ValueError):
    """Nothing that can be answered: no message of Jupyter's, or one whose header cannot be read."""


class Header(msgspec.Struct, frozen=True):
    """Who sends what: `session` is the sender's, `msg_id` the message's own, `date` ISO 8601."""

    msg_id: _Word
    session: _Word
    msg_type: _Word
    username: Annotated[str, Meta(max_length=200)] = ""
    date: Annotated[str, Meta(max_length=100)] = ""
    version: Annotated[str, Meta(max_length=40)] = VERSION


class Parcel(msgspec.Struct, frozen=True):
    """The frames of one message, named; nothing is read or checked yet."""

    identity: tuple[bytes, ...]
    signature: bytes
    header: bytes
    parent: bytes
    metadata: bytes
    content: bytes
    buffers: tuple[bytes, ...] = ()

    @property
    def signed(self) -> tuple[bytes, bytes, bytes, bytes]:
        """The frames that the signature covers."""
        return self.header, self.parent, self.metadata, self.content


class _Outcome(msgspec.Struct, frozen=True):
    """The part of a reply that says whether it is an error."""

    status: str = "ok"


class Signer:
    """Signs and checks with one key. Raises BadRequest for an empty key, which would sign nothing."""

    def __init__(self, key: str) -> None:
        if not key.strip():
            raise BadRequest("the key of the connection is empty: start the daemon anew, which draws one.")
        # Jupyter takes the text of the key, not the bytes that its hex digits mean
        self._start = hmac.new(key.encode(), digestmod="sha256")

    def sign(self, frames: Sequence[bytes]) -> bytes:
        """The signature over `frames`, as lower-case hex."""
        running = self._start.copy()
        for frame in frames:
            running.update(frame)
        return running.hexdigest().encode()

    def good(self, parcel: Parcel) -> bool:
        """Whether the parcel's signature is the one that this key gives. Takes the same time either way."""
        return hmac.compare_digest(self.sign(parcel.signed), parcel.signature)

    def pack(
        self,
        header: Header,
        content: bytes,
        *,
        parent: Header | None = None,
        identity: Sequence[bytes] = (),
        buffers: Sequence[bytes] = (),
    ) -> list[bytes]:
        """The frames of a message whose content is already JSON."""
        signed = (
            msgspec.json.encode(header),
            msgspec.json.encode(parent) if parent is not None else _EMPTY,
            _EMPTY,
            content,
        )
        return [*identity, DELIMITER, self.sign(signed), *signed, *buffers]


def new_header(session: str, message_type: str, *, message_id: str = "") -> Header:
    """A header of now; its id is drawn unless given."""
    return Header(
        msg_id=message_id or uuid.uuid4().hex,
        session=session,
        msg_type=message_type,
        username="foleyd",
        date=datetime.now(UTC).isoformat(),
    )


def split(frames: Sequence[bytes]) -> Parcel:
    """The frames by name. Raises Malformed where they are no message of Jupyter's."""
    try:
        at = frames.index(DELIMITER)
        signature, header, parent, metadata, content = frames[at + 1 : at + 6]
    except ValueError:
        raise Malformed("no delimiter, or too few frames behind it") from None
    return Parcel(tuple(frames[:at]), signature, header, parent, metadata, content, tuple(frames[at + 6 :]))


def read_header(raw: bytes) -> Header:
    """The header that `raw` holds. Raises Malformed."""
    if len(raw) > _MOST_HEADER_BYTES:
        raise Malformed("the header is too long")
    try:
        return msgspec.json.decode(raw, type=Header)
    except (ValueError, RecursionError) as error:  # msgspec's errors and bad UTF-8 are ValueErrors
        raise Malformed(f"the header cannot be read ({error})") from None


def read_object(raw: bytes, what: str, *, most_bytes: int, most_depth: int = MOST_DEPTH) -> dict[str, Any]:
    """The JSON object that `raw` holds; `what` names it in errors. Raises BadRequest."""
    if len(raw) > most_bytes:
        raise BadRequest(f"the {what} has {len(raw)} bytes, {most_bytes} at most: send audio as buffers.")
    try:
        found = msgspec.json.decode(raw)
    except RecursionError:
        raise _too_deep(what, most_depth) from None
    except ValueError as error:
        raise BadRequest(f"the {what} is no JSON ({error}): send one object in UTF-8.") from None
    if not isinstance(found, dict):
        raise BadRequest(f"the {what} is no JSON object: send the fields in braces.")
    # counting brackets is quick and never says too few, so that most messages are not walked through
    if raw.count(b"{") + raw.count(b"[") > most_depth and _deeper(found, most_depth):
        raise _too_deep(what, most_depth)
    return found


def write_reply(content: Message | FoleydError) -> bytes:
    """The content of a reply as JSON: the struct's fields beside ``status: ok``, or what the error says."""
    if isinstance(content, FoleydError):
        failure = Failure(
            code=content.code,
            message=str(content),
            retry_after_s=content.retry_after_s,
            eta_s=content.eta_s,
        )
        told = {name: value for name, value in msgspec.to_builtins(failure).items() if value is not None}
        return msgspec.json.encode({"status": "error", **told})
    return msgspec.json.encode({"status": "ok", **msgspec.to_builtins(content)})


def read_reply(raw: bytes, kind: type[M]) -> M:
    """The reply that `raw` holds. Raises the error that an error reply stands for, Malformed for nonsense."""
    try:
        if msgspec.json.decode(raw, type=_Outcome).status == "error":
            failure = msgspec.json.decode(raw, type=Failure)
        else:
            return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the content is no {kind.__name__} ({error})") from None
    raise from_code(failure.code, failure.message, retry_after_s=failure.retry_after_s, eta_s=failure.eta_s)


def describe(buffer: bytes, kind: Any, **fields: Any) -> BufferInfo:
    """What content has to say of `buffer`; `kind` and `fields` are those of BufferInfo."""
    return BufferInfo(kind=kind, length=len(buffer), sha256=hashlib.sha256(buffer).hexdigest(), **fields)


def check_buffers(infos: Sequence[BufferInfo], buffers: Sequence[bytes]) -> None:
    """Hold raw buffers to what content says of them. Raises BadRequest."""
    if len(infos) != len(buffers):
        raise BadRequest(
            f"{len(buffers)} raw buffers came and content tells of {len(infos)}: send each with its entry in "
            "'buffers'."
        )
    for place, (info, buffer) in enumerate(zip(infos, buffers, strict=True), 1):
        if info.length != len(buffer):
            raise BadRequest(
                f"buffer {place} has {len(buffer)} bytes and content says {info.length}: send it again."
            )
        if hashlib.sha256(buffer).hexdigest() != info.sha256:
            raise BadRequest(f"buffer {place} has another sha256 than content says: send it again.")


def _too_deep(what: str, most: int) -> BadRequest:
    return BadRequest(f"the {what} is nested deeper than {most} levels: send plain fields.")


def _deeper(value: object, most: int) -> bool:
    """Whether lists and objects lie more than `most` deep inside one another."""
    level: list[object] = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
