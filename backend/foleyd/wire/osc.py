"""Open Sound Control: datagrams from and to messages, and the shapes that arguments come in.

Reading goes through :mod:`foleyd.wire.gate` and then python-osc's parser, writing through its builder. A
message says what it wants by name–value pairs; hosts that know nothing but floats (Pure Data) send whole
numbers as such.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

import msgspec
from pythonosc import osc_bundle, osc_message
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.parsing import osc_types

from foleyd.errors import BadRequest
from foleyd.wire.gate import BUNDLE, BadPacket, check
from foleyd.wire.timetag import IMMEDIATELY

Argument = int | float | str | bool | bytes | None
"""What an argument of a message that came is: i and h, f and d, s, T and F, b, N."""


class Message(msgspec.Struct, frozen=True):
    """An address and its arguments."""

    address: str
    arguments: tuple[Argument, ...] = ()


class Timed(msgspec.Struct, frozen=True):
    """A message and the 64-bit NTP time of its bundle, None where it is meant for now."""

    time: int | None
    message: Message


def read(datagram: bytes) -> list[Timed]:
    """The messages of a datagram in the order in which they stand, bundles opened.

    A bundle inside another has its own time, though never an earlier one (OSC 1.0).
    Raises BadPacket.
    """
    check(datagram)
    try:
        if OscBundle.dgram_is_bundle(datagram):
            return list(_opened(OscBundle(datagram), IMMEDIATELY))
        return [Timed(None, _message(OscMessage(datagram)))]
    except (osc_bundle.ParseError, osc_message.ParseError, osc_types.ParseError) as error:
        raise BadPacket(f"the packet cannot be read ({error}): send OSC 1.0.", "parser") from None


def write(address: str, *arguments: int | float | str) -> bytes:
    """A message as a datagram.

    Whole numbers go as i, beyond 32 bits as h; yes and no as i 1 and 0, since not every host has T and F;
    other numbers as f, infinite where float32 ends; text as s, with a replacement for NUL and for bytes of a
    path that are no UTF-8.
    Raises ValueError for a whole number beyond 64 bits, TypeError for what is neither number nor text.
    """
    builder = OscMessageBuilder(address)
    for argument in arguments:
        tag, value = _tagged(argument)
        builder.add_arg(value, tag)
    return builder.build().dgram


def pairs(arguments: Sequence[Argument]) -> dict[str, Argument]:
    """Names and values in turn, as a dict; whole floats come as ints.

    Raises BadRequest for a name without a value, a name that is no text, a name given twice.
    """
    if len(arguments) % 2:
        raise BadRequest(
            f"the parameters come as names and values in turn, and there are {len(arguments)}: give each "
            "name one value."
        )
    found: dict[str, Argument] = {}
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        if not isinstance(name, str):
            raise BadRequest(f"{_shown(name)} stands where a parameter's name belongs: give a word.")
        if name in found:
            raise BadRequest(f"{_shown(name)} is given twice: give it once.")
        found[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    return found


def whole(value: object, name: str) -> int:
    """`value` as an int, which a whole float may stand for. Raises BadRequest that calls it `name`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadRequest(f"{name} is {_shown(value)}: give a whole number.")


_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)


def _opened(bundle: OscBundle, earliest: int) -> Iterator[Timed]:
    time = max(int.from_bytes(bundle.dgram[len(BUNDLE) : len(BUNDLE) + 8], "big"), earliest)
    for element in bundle:
        if isinstance(element, OscBundle):
            yield from _opened(element, time)
        else:
            yield Timed(time if time > IMMEDIATELY else None, _message(element))


def _message(parsed: OscMessage) -> Message:
    return Message(parsed.address, tuple(parsed.params))


def _tagged(argument: object) -> tuple[str, int | float | str]:
    if isinstance(argument, int):
        if argument not in _INT64:
            raise ValueError(f"{argument} does not fit 64 bits")
        return "i" if argument in _INT32 else "h", argument
    if isinstance(argument, float):
        return "f", _single(argument)
    if isinstance(argument, str):
        return "s", argument.replace("\0", "\ufffd").encode(errors="replace").decode()
    raise TypeError(f"OSC has no argument for {type(argument).__name__}")


def _single(value: float) -> float:
    try:
        struct.pack(">f", value)
    except OverflowError:
        return math.copysign(math.inf, value)
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
