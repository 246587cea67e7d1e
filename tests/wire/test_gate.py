"""The gate: plain OSC passes, up to each limit and no further, and what passes can be parsed to its end."""

from __future__ import annotations

import logging
import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage

from foleyd.errors import FoleydError
from foleyd.wire import gate
from foleyd.wire.gate import BadPacket, check
from osc_packets import HOSTILE, bundle, element, message, nested, text

PLAIN = {
    "no arguments": message("/foleyd/status"),
    "no type tags, as older senders": text("/foleyd/status"),
    "an address that fills its words": message("/abcdef"),
    "every type": message(
        "/a",
        "ifshdbTFN",
        struct.pack(">if", -1, 0.5),
        text("Glöckchen"),
        struct.pack(">qd", 2**40, 0.1),
        struct.pack(">i", 5) + b"blob\xff\0\0\0",
    ),
    "an empty string and an empty blob": message("/a", "sb", text(""), struct.pack(">i", 0)),
    "an empty bundle": bundle(),
    "a bundle": bundle(message("/a"), message("/b", "i", bytes(4))),
    "a bundle in a bundle": bundle(message("/a"), bundle(message("/b")), message("/c")),
    "eight bundles deep": nested(8),
    "256 elements": bundle(*[message("/a")] * 256),
    "256 elements in two bundles": bundle(*[bundle(*[message("/a")] * 127)] * 2),
    "an address of 255": message("/" + "a" * 254),
    "512 arguments": message("/a", "T" * 512),
    "as much as UDP carries": message("/a", "b", struct.pack(">i", 65_492), bytes(65_492)),
    "every character of an address": message("/!\"$%&'()+-./09:;<=>@AZ\\^_`az|~"),
}


@pytest.mark.parametrize("packet", PLAIN.values(), ids=PLAIN)
def test_plain_packets_pass(packet: bytes) -> None:
    check(packet)
    assert OscBundle.dgram_is_bundle(packet) or OscMessage(packet).address


@pytest.mark.parametrize(("packet", "kind"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_packets_are_refused(packet: bytes, kind: str) -> None:
    with pytest.raises(BadPacket) as refusal:
        check(packet)
    assert refusal.value.kind == kind
    said = str(refusal.value)
    assert said.isascii()
    assert said.isprintable()
    assert said.endswith(".")
    assert ": send " in said


@pytest.mark.parametrize(("packet", "kind"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_packets_are_refused_inside_a_bundle_too(packet: bytes, kind: str) -> None:
    with pytest.raises(BadPacket):
        check(bundle(message("/a"), packet, message("/b")))


def test_the_bundle_that_holds_up_the_parser_is_refused() -> None:
    with pytest.raises(BadPacket, match="says that it has -4 bytes, with 0 left"):
        check(b"#bundle\0" + struct.pack(">Qi", 1, -4))


@pytest.mark.parametrize(("characters", "kind"), [("*?[]{}", "wildcard"), (" #,", "address")])
def test_each_character_that_osc_keeps_for_itself_is_refused(characters: str, kind: str) -> None:
    for character in characters:
        with pytest.raises(BadPacket) as refusal:
            check(message(f"/foleyd{character}"))
        assert refusal.value.kind == kind


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (message("/a", "ii", bytes(4)), "a message ends before its arguments do"),
        (message("/a", "b", struct.pack(">i", 8), bytes(4)), "says that it has 8 bytes, with 4 left"),
        (message("/a", "b", struct.pack(">i", -8), bytes(4)), "says that it has -8 bytes, with 4 left"),
        (message("/a", "i", bytes(8)), "has 4 bytes behind its last argument"),
        (message("/" + "a" * 300), r"the address '/a{39}'\.\.\. has 301 characters"),
        (message("/\x1b"), r"the address '/\\x1b' holds a character"),
        (message("/a", "\x1b"), r"the type '\\x1b': send i f s h d b T F N\."),
    ],
)
def test_the_sentence_says_what_is_wrong(packet: bytes, said: str) -> None:
    with pytest.raises(BadPacket, match=said):
        check(packet)


def test_every_prefix_of_a_packet_is_refused_or_whole() -> None:
    whole = {text("/foleyd/render")}
    packet = message("/foleyd/render", "isb", bytes(4), text("a bell"), struct.pack(">i", 3) + b"abc\0")
    passed = set()
    for length in range(len(packet)):
        try:
            check(packet[:length])
            passed.add(packet[:length])
        except BadPacket:
            continue
    assert passed == whole


def test_the_refusal_survives_a_copy() -> None:
    error = pickle.loads(pickle.dumps(BadPacket("no.", "utf8")))
    assert (str(error), error.kind, error.code) == ("no.", "utf8", "bad_packet")
    assert isinstance(error, FoleydError)


def test_limits_are_what_the_protocol_says() -> None:
    limits = gate.MOST_BYTES, gate.DEEPEST, gate.MOST_ELEMENTS, gate.LONGEST_ADDRESS, gate.MOST_ARGUMENTS
    assert limits == (65_507, 8, 256, 255, 512)


SIZES = st.one_of(st.none(), st.integers(-8, 40), st.sampled_from([2**31 - 1, -(2**31)]))
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"#bundle\0", text("/a"), text(",i"), text(",sb"), text(","), bytes(4), bytes(8)]),
    st.builds(message, st.sampled_from(["/a", "/b c", "/*"]), st.text("ifshdbTFNIt[]x", max_size=4)),
)
ELEMENTS = st.builds(element, PIECES, SIZES)
PACKETS = st.one_of(
    st.binary(max_size=64),
    st.lists(PIECES, max_size=6).map(b"".join),
    st.lists(ELEMENTS, max_size=6).map(lambda parts: bundle() + b"".join(parts)),
    st.builds(message, st.just("/a"), st.text("ifshdbTFN", max_size=4), st.binary(max_size=40)),
)


@given(PACKETS)
def test_what_passes_is_parsed_without_a_murmur(packet: bytes) -> None:
    try:
        check(packet)
    except BadPacket:
        return
    murmurs: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = murmurs.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        parsed = OscBundle(packet) if OscBundle.dgram_is_bundle(packet) else OscMessage(packet)
    finally:
        logging.getLogger().removeHandler(handler)
    assert parsed.size == len(packet)
    assert murmurs == []
