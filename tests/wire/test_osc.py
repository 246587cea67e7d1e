"""OSC messages: held to python-osc's own builders, and the shapes that hosts send arguments in."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder, build_msg

from foleyd.errors import BadRequest
from foleyd.wire.gate import BadPacket, check
from foleyd.wire.osc import Message, Timed, pairs, read, whole, write
from foleyd.wire.timetag import to_unix
from osc_packets import bundle, message, ntp, text

ADDRESSES = st.text("abcXYZ019._-/~", max_size=40).map(lambda rest: "/" + rest)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
WHOLES = st.integers(-(2**63), 2**63 - 1)
SINGLES = st.floats(width=32, allow_nan=False)
MESSAGES = st.builds(Message, ADDRESSES, st.lists(st.one_of(TEXTS, WHOLES, SINGLES), max_size=12).map(tuple))


def only(datagram: bytes) -> Message:
    (timed,) = read(datagram)
    assert timed.time is None
    return timed.message


@given(MESSAGES)
def test_messages_come_back_as_they_went(said: Message) -> None:
    datagram = write(said.address, *said.arguments)  # type: ignore[arg-type]
    assert only(datagram) == said
    assert [type(argument) for argument in only(datagram).arguments] == [type(a) for a in said.arguments]


@given(MESSAGES)
def test_messages_are_those_that_python_osc_builds(said: Message) -> None:
    assert write(said.address, *said.arguments) == build_msg(said.address, said.arguments or "").dgram  # type: ignore[arg-type]


def test_every_type_that_python_osc_builds_is_read() -> None:
    builder = OscMessageBuilder("/all")
    sent = [("i", -7), ("h", 2**40), ("f", 0.5), ("d", 0.1), ("s", "é"), ("b", b"\0\1"), ("T", True)]
    for tag, value in [*sent, ("F", False), ("N", None)]:
        builder.add_arg(value, tag)
    assert only(builder.build().dgram) == Message("/all", (*(value for _, value in sent), False, None))


def test_the_bytes_are_those_of_the_specification() -> None:
    # the examples of the OSC 1.0 specification's last page
    first = b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0"
    second = b"/foo\0\0\0\0,iisff\0\0\0\0\x03\xe8\xff\xff\xff\xffhello\0\0\0\x3f\x9d\xf3\xb6\x40\xb5\xb2\x2d"
    assert only(first) == Message("/oscillator/4/frequency", (440.0,))
    assert write("/oscillator/4/frequency", 440.0) == first
    parts = only(second).arguments
    assert parts == (1000, -1, "hello", pytest.approx(1.234), pytest.approx(5.678))
    assert write("/foo", 1000, -1, "hello", 1.234, 5.678) == second


def test_an_address_without_type_tags_has_no_arguments() -> None:
    assert only(text("/foleyd/status")) == Message("/foleyd/status")


def test_numbers_at_the_borders_take_the_type_that_holds_them() -> None:
    datagram = write("/n", 2**31 - 1, 2**31, -(2**31), -(2**31) - 1)
    assert datagram[4:12] == b",ihih\0\0\0"
    assert only(datagram).arguments == (2**31 - 1, 2**31, -(2**31), -(2**31) - 1)


def test_yes_and_no_go_as_whole_numbers() -> None:
    datagram = write("/b", True, False)
    assert datagram == message("/b", "ii", struct.pack(">ii", 1, 0))


def test_floats_beyond_single_precision_are_infinite() -> None:
    assert only(write("/f", 1e39, -1e300, math.inf)).arguments == (math.inf, -math.inf, math.inf)
    assert math.isnan(only(write("/f", math.nan)).arguments[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "sent"), [("a\0b", "a\ufffdb"), ("/home/\udcff.wav", "/home/?.wav"), ("", ""), ("🔔", "🔔")]
)
def test_text_that_osc_cannot_carry_is_replaced(given: str, sent: str) -> None:
    datagram = write("/t", given, 5)
    check(datagram)
    assert only(datagram).arguments == (sent, 5)


def test_what_osc_cannot_say_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        write("/n", 2**63)
    with pytest.raises(TypeError, match="NoneType"):
        write("/n", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes"):
        write("/n", b"audio")  # type: ignore[arg-type]


def test_bundles_of_python_osc_are_read_in_order_with_their_time() -> None:
    outer = OscBundleBuilder(IMMEDIATELY)
    inner = OscBundleBuilder(1_800_000_000.5)  # type: ignore[arg-type]
    inner.add_content(build_msg("/timed", [1]))
    outer.add_content(build_msg("/first", [0]))
    outer.add_content(inner.build())
    outer.add_content(build_msg("/last", [2]))
    first, timed, last = read(outer.build().dgram)
    assert (first, last) == (Timed(None, Message("/first", (0,))), Timed(None, Message("/last", (2,))))
    assert timed.message == Message("/timed", (1,))
    assert timed.time is not None
    assert to_unix(timed.time) == 1_800_000_000.5


def test_an_inner_bundle_is_never_earlier_than_the_one_around_it() -> None:
    early, late = ntp(1_800_000_000), ntp(1_800_000_001)
    packet = bundle(bundle(message("/a"), time=early), bundle(message("/b")), message("/c"), time=late)
    assert [timed.time for timed in read(packet)] == [late, late, late]
    packet = bundle(bundle(message("/a"), time=late), message("/b"), time=early)
    assert [(timed.time, timed.message.address) for timed in read(packet)] == [(late, "/a"), (early, "/b")]


@pytest.mark.parametrize("now", [0, 1])
def test_no_time_is_now(now: int) -> None:
    assert read(bundle(message("/a"), bundle(message("/b"), time=now), time=now)) == [
        Timed(None, Message("/a")),
        Timed(None, Message("/b")),
    ]


def test_an_empty_bundle_holds_nothing() -> None:
    assert read(bundle()) == []


def test_reading_goes_through_the_gate() -> None:
    with pytest.raises(BadPacket) as refusal:
        read(b"#bundle\0" + struct.pack(">Qi", 1, -4))
    assert refusal.value.kind == "element"


def test_a_host_with_floats_alone_asks_for_the_same() -> None:
    values = [("steps", 20), ("seed", 12), ("seconds", 2.5), ("count", 2)]
    typed = message(
        "/foleyd/render",
        "is" + "".join("sf" if isinstance(value, float) else "si" for _, value in values),
        struct.pack(">i", -1),
        text("glass bell"),
        *(
            text(name) + struct.pack(">f" if isinstance(value, float) else ">i", value)
            for name, value in values
        ),
    )
    floats = message(
        "/foleyd/render",
        "fs" + "sf" * len(values),
        struct.pack(">f", -1),
        text("glass bell"),
        *(text(name) + struct.pack(">f", value) for name, value in values),
    )
    assert typed != floats
    asked = []
    for datagram in (typed, floats):
        number, prompt, *rest = only(datagram).arguments
        asked.append((whole(number, "id"), prompt, pairs(rest)))
    assert asked[0] == asked[1] == (-1, "glass bell", dict(values))
    assert [type(value) for value in asked[1][2].values()] == [int, int, float, int]


def test_pairs_keep_what_is_no_whole_float() -> None:
    given = ("a", 0.5, "b", math.inf, "c", True, "d", None, "e", b"\0", "f", "2.0", "g", -3.0)
    found = pairs(given)
    assert found == {"a": 0.5, "b": math.inf, "c": True, "d": None, "e": b"\0", "f": "2.0", "g": -3}
    assert found["c"] is True
    assert isinstance(found["g"], int)
    assert pairs(()) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("steps",), "there are 1: give each name one value"),
        (("steps", 20, "seed"), "there are 3"),
        ((20, "steps"), "20 stands where a parameter's name belongs"),
        ((None, 1), "None stands where"),
        (("steps", 20, "steps", 20), "'steps' is given twice: give it once"),
        (("x" * 500, 1, "x" * 500, 2), r"xxx\.\.\. is given twice"),
    ],
)
def test_pairs_that_are_none_are_refused_in_a_sentence(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refusal:
        pairs(arguments)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 150


@pytest.mark.parametrize(("value", "number"), [(3, 3), (3.0, 3), (-1.0, -1), (2**40, 2**40), (-0.0, 0)])
def test_whole_numbers(value: float, number: int) -> None:
    found = whole(value, "id")
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf, "3", True, False, None, b"\3", (3,)])
def test_what_is_no_whole_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadRequest, match=r"^id is .*: give a whole number\.$"):
        whole(value, "id")
