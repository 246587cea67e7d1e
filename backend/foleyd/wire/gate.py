"""The gate in front of the OSC parser: a datagram that is not whole and plain is refused before it is parsed.

python-osc's parser can be held up by one packet: an element of negative size makes it loop for ever, deep
nesting recurses, unknown type tags shift the arguments behind them and fill the log. What :func:`check` lets
through, the parser reads to its end (Open Sound Control 1.0, section "OSC Packets").
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from foleyd.errors import FoleydError

MOST_BYTES = 65_507
"""Bytes of a datagram: what UDP over IPv4 can carry."""
DEEPEST = 8
"""Bundles in bundles, the outermost counted."""
MOST_ELEMENTS = 256
"""Elements (messages and bundles) of all bundles of a datagram together."""
LONGEST_ADDRESS = 255
"""Characters of an address."""
MOST_ARGUMENTS = 512
"""Arguments of one message."""
BUNDLE = b"#bundle\0"
"""How a bundle begins."""

Kind = Literal[
    "size",
    "depth",
    "element",
    "count",
    "address",
    "wildcard",
    "types",
    "arguments",
    "padding",
    "utf8",
    "parser",
]
"""Why a datagram was refused, as a word to count by; ``parser``: python-osc refused what had passed."""


class BadPacket(FoleydError):
    """The datagram is no OSC that foleyd takes; ``kind`` says in a word why."""

    code = "bad_packet"
    kind: Kind

    def __init__(self, message: str, kind: Kind) -> None:
        # both go to Exception, so that an instance survives a copy or a pickle with its kind
        super().__init__(message, kind)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[0])


def check(datagram: bytes) -> None:
    """Pass a datagram that is one whole OSC message or bundle; raise BadPacket for anything else.

    Taken: up to 65 507 bytes, a multiple of four; bundles up to 8 deep with 256 elements in all, each of a
    positive size that is a multiple of four and inside its bundle; addresses of up to 255 printable ASCII
    characters without ``* ? [ ] { } , #`` or space; up to 512 arguments of the types ``i f s h d b T F N``,
    filling their message exactly; strings in UTF-8; padding of NUL. An address alone, without type tags, is a
    message without arguments, as older senders write it.
    """
    if not datagram or len(datagram) > MOST_BYTES or len(datagram) % 4:
        raise BadPacket(
            f"the packet has {len(datagram)} bytes: send a multiple of 4, at most {MOST_BYTES}.", "size"
        )
    elements = 0
    waiting = [(0, len(datagram), 1)]
    while waiting:
        start, end, depth = waiting.pop()
        if not datagram.startswith(BUNDLE, start, end):
            _check_message(datagram, start, end)
            continue
        if depth > DEEPEST:
            raise BadPacket(f"the packet nests more than {DEEPEST} bundles: send flat ones.", "depth")
        for place in _elements(datagram, start, end):
            elements += 1
            if elements > MOST_ELEMENTS:
                raise BadPacket(
                    f"the packet has more than {MOST_ELEMENTS} elements: send several packets.", "count"
                )
            waiting.append((*place, depth + 1))


_INT = struct.Struct(">i")
_BUNDLE_HEAD = len(BUNDLE) + 8
_WILDCARD = re.compile(rb"[*?\[\]{}]")
_ADDRESS = re.compile(rb"/[!-~]*")
_RESERVED = re.compile(rb"[#,]")


def _elements(datagram: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the elements of the bundle at `start` begin and end."""
    if end - start < _BUNDLE_HEAD:
        raise BadPacket("a bundle ends before its timetag does: send it whole.", "element")
    place = start + _BUNDLE_HEAD
    while place < end:
        (size,) = _INT.unpack_from(datagram, place)
        place += _INT.size
        if size <= 0 or size % 4 or size > end - place:
            raise BadPacket(
                f"an element of a bundle says that it has {size} bytes, with {end - place} left: send its "
                "true size, a multiple of 4.",
                "element",
            )
        yield place, place + size
        place += size


def _check_message(datagram: bytes, start: int, end: int) -> None:
    place = _check_address(datagram, start, end)
    if place == end:
        return
    tags, place = _text(datagram, place, end, "types")
    if not tags.startswith(b","):
        raise BadPacket("the type tags do not begin with a comma: send OSC 1.0.", "types")
    if len(tags) - 1 > MOST_ARGUMENTS:
        raise BadPacket(f"a message has more than {MOST_ARGUMENTS} arguments: send fewer.", "count")
    for tag in tags[1:]:
        skip = _SKIPS.get(tag)
        if skip is None:
            raise BadPacket(
                f"an argument has the type {chr(tag)!a}: send {' '.join(map(chr, _SKIPS))}.", "types"
            )
        place = skip(datagram, place, end)
        if place > end:
            raise BadPacket("a message ends before its arguments do: send it whole.", "arguments")
    if place != end:
        raise BadPacket(
            f"a message has {end - place} bytes behind its last argument: send none.", "arguments"
        )


def _check_address(datagram: bytes, start: int, end: int) -> int:
    """Where the message goes on behind its address."""
    if not datagram.startswith(b"/", start, end):
        raise BadPacket("a message's address does not begin with a slash: send OSC.", "address")
    address, place = _text(datagram, start, end, "address")
    shown = ascii(address[:40].decode("latin-1")) + "..." * (len(address) > 40)
    if len(address) > LONGEST_ADDRESS:
        raise BadPacket(
            f"the address {shown} has {len(address)} characters: send at most {LONGEST_ADDRESS}.", "address"
        )
    if _WILDCARD.search(address):
        raise BadPacket(f"the address {shown} is a pattern: send it in full.", "wildcard")
    if not _ADDRESS.fullmatch(address) or _RESERVED.search(address):
        raise BadPacket(
            f"the address {shown} holds a character that addresses may not have: send printable ASCII "
            "without space, comma or #.",
            "address",
        )
    return place


def _text(datagram: bytes, start: int, end: int, kind: Kind) -> tuple[bytes, int]:
    """The bytes of the string at `start`, and where its padding ends."""
    stop = datagram.find(0, start, end)
    if stop < 0:
        raise BadPacket("a string has no end: send a NUL behind it.", kind)
    # places are multiples of 4 in the datagram, since every element's size is one
    place = stop - stop % 4 + 4
    _check_padding(datagram, stop, place)
    return datagram[start:stop], place


def _check_padding(datagram: bytes, start: int, end: int) -> None:
    if any(datagram[start:end]):
        raise BadPacket("a string or blob is padded with something else than NUL: send NUL.", "padding")


def _skip_string(datagram: bytes, start: int, end: int) -> int:
    text, place = _text(datagram, start, end, "arguments")
    try:
        text.decode()
    except UnicodeDecodeError:
        raise BadPacket("a string is no UTF-8: send text in UTF-8.", "utf8") from None
    return place


def _skip_blob(datagram: bytes, start: int, end: int) -> int:
    if end - start < _INT.size:
        raise BadPacket("a message ends before its arguments do: send it whole.", "arguments")
    size: int = _INT.unpack_from(datagram, start)[0]
    stop = start + _INT.size + size
    if size < 0 or stop > end:
        raise BadPacket(
            f"a blob says that it has {size} bytes, with {end - start - _INT.size} left: send its true size.",
            "arguments",
        )
    place = stop + -stop % 4
    _check_padding(datagram, stop, place)
    return place


def _skip(size: int) -> Callable[[bytes, int, int], int]:
    def skip(datagram: bytes, start: int, end: int) -> int:
        return start + size

    return skip


_SKIPS: Mapping[int, Callable[[bytes, int, int], int]] = {
    ord("i"): _skip(4),
    ord("f"): _skip(4),
    ord("s"): _skip_string,
    ord("h"): _skip(8),
    ord("d"): _skip(8),
    ord("b"): _skip_blob,
    ord("T"): _skip(0),
    ord("F"): _skip(0),
    ord("N"): _skip(0),
}
"""The types that are taken, each with what finds the end of its argument. Not the optional rest of OSC:
python-osc leaves an ``I`` out and so moves what follows it, and no command has a use for times or arrays."""
