"""Files from strangers: whatever they hold, only BadRequest comes out, and little memory is touched."""

import io
import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from foleyd.audio import riff
from foleyd.audio.card import LONGEST_CARD, ClipMeta
from foleyd.audio.wav import read_wav_card, wav_bytes
from foleyd.errors import BadRequest


def wave(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(content)) + content


@pytest.fixture
def clip(meta: ClipMeta) -> bytes:
    return wav_bytes(np.linspace(-0.5, 0.5, 5000), 44_100, "pcm24", meta)


class Counting(io.BytesIO):
    """Counts what is asked for, so that a size field cannot ask for the moon unseen."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        self.largest = max(self.largest, size)
        return super().read(size)


def test_thousands_of_damaged_clips(clip: bytes) -> None:
    dice = random.Random(20)
    places = [chunk.start - 8 for chunk in riff.chunks(io.BytesIO(clip))]
    extremes = [0, 1, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF8]
    outcomes = {"read": 0, "refused": 0}
    tracemalloc.start()
    try:
        for _ in range(2000):
            damaged = bytearray(clip)
            for _ in range(dice.choice([1, 1, 3, 20])):
                kind = dice.randrange(4)
                if kind == 0:
                    damaged[dice.randrange(min(len(damaged), 5000))] = dice.randrange(256)
                elif kind == 1:
                    struct.pack_into("<I", damaged, dice.choice(places) + 4, dice.choice(extremes))
                elif kind == 2:
                    cut = dice.randrange(len(damaged))
                    damaged[cut : cut + dice.randrange(64)] = dice.randbytes(dice.randrange(64))
                    damaged += clip[len(damaged) :]
                else:
                    struct.pack_into("<I", damaged, dice.randrange(len(clip) - 4), dice.choice(extremes))
            if dice.random() < 0.2:
                del damaged[dice.randrange(len(damaged)) :]
            file = Counting(bytes(damaged))
            try:
                read_wav_card(file)
                outcomes["read"] += 1
            except BadRequest:
                outcomes["refused"] += 1
            assert file.largest <= 4 * LONGEST_CARD
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * 2**20
    # a test that only ever sees one outcome damages too much or too little
    assert min(outcomes.values()) > 150


@pytest.mark.parametrize("length", [0, 3, 4, 11, 12, 13, 19, 20, 700])
def test_a_clip_cut_short_is_refused(clip: bytes, length: int) -> None:
    with pytest.raises(BadRequest):
        read_wav_card(io.BytesIO(clip[:length]))


def test_a_size_beyond_the_file_is_refused_unread(clip: bytes) -> None:
    huge = wave(struct.pack("<4sI", b"foly", 0xFFFFFFF0) + b"{}")
    file = Counting(huge)
    with pytest.raises(BadRequest, match="broken"):
        read_wav_card(file)
    assert file.largest <= 12


def test_a_card_of_megabytes_is_refused_unread() -> None:
    file = Counting(wave(riff.chunk(b"foly", b" " * (LONGEST_CARD + 1))))
    with pytest.raises(BadRequest, match="at most"):
        read_wav_card(file)
    assert file.largest <= 12


def test_a_file_of_nothing_but_chunks_is_given_up() -> None:
    file = io.BytesIO(wave(*[riff.chunk(b"none", b"")] * (riff.MOST_CHUNKS + 1)))
    with pytest.raises(BadRequest, match="more than"):
        read_wav_card(file)
    assert file.tell() <= 12 + 8 * (riff.MOST_CHUNKS + 1)


OWN = "<BWFXML><FOLEYD><CARD>{}</CARD></FOLEYD></BWFXML>"
BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'
PEEK = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
CARD = '{"card":1,"recipe":{"prompt":"rain"}}'


@pytest.mark.parametrize(
    "document",
    [
        (BOMB + OWN.format("&c;")).encode(),
        (PEEK + OWN.format("&x;")).encode(),
        (BOMB + OWN.format(CARD)).encode(),
        ('<?xml version="1.0" encoding="utf-16"?>' + BOMB + OWN.format(CARD)).encode("utf-16"),
        OWN.format("{").encode(),
        b"<BWFXML>" + b"<a>" * 50_000,
        b"\xff" + OWN.format(CARD).encode(),
        b"\0" * 100,
        b"",
    ],
    ids=range(9),
)
def test_hostile_ixml_is_refused(document: bytes) -> None:
    with pytest.raises(BadRequest):
        read_wav_card(io.BytesIO(wave(riff.chunk(b"iXML", document))))


def test_plain_ixml_is_read() -> None:
    document = b"<?xml version='1.0' encoding='utf-99'?>" + OWN.format(CARD).encode() + b"\0\0"
    read = read_wav_card(io.BytesIO(wave(riff.chunk(b"iXML", document))))
    assert read.recipe.prompt == "rain"


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "nul"])
def test_what_is_no_file_or_no_wav_is_refused_by_its_name(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / kind)
    if kind == "folder":
        Path(path).mkdir()
    elif kind == "nul":
        path += "\0"
    elif kind != "missing":
        Path(path).write_text("RIFF of a song" if kind == "text" else "")
    with pytest.raises(BadRequest):
        read_wav_card(path)


def test_odd_chunks_are_padded_and_read_back() -> None:
    content = wave(riff.chunk(b"aaaa", b"abc"), riff.text(b"bbbb", "é\0x"), riff.chunk(b"cccc", b""))
    file = io.BytesIO(content)
    found = {chunk.ident: riff.body(file, chunk, 10) for chunk in riff.chunks(file)}
    assert found == {b"aaaa": b"abc", b"bbbb": "é x".encode() + b"\0", b"cccc": b""}
