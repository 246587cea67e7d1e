"""Imports: recorded audio comes in as it was, once; what lies about itself does not come in."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from foleyd.daemon import imports
from foleyd.daemon.library import Library
from foleyd.errors import BadRequest, DiskFull
from foleyd.library_access import described
from foleyd.messages import LibraryReply, LibraryRequest
from library_sounds import sound
from recordings import RATE, encoded, noise, wav


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path) as one:
        yield one


def send(library: Library, *files: tuple[str, bytes]) -> LibraryReply:
    about = tuple(described(data, name) for name, data in files)
    return library.answer(LibraryRequest(action="import", buffers=about), [data for _, data in files])


def raw(samples: np.ndarray) -> np.ndarray:
    return np.round(samples * 2**31).astype(np.int64).clip(-(2**31), 2**31 - 1).astype(np.int32)


@pytest.mark.parametrize(
    ("format", "subtype", "kept"),
    [
        ("WAV", "PCM_16", "PCM_16"),
        ("WAV", "PCM_24", "PCM_24"),
        ("WAV", "PCM_32", "PCM_32"),
        ("WAV", "PCM_U8", "PCM_16"),
        ("WAV", "ULAW", "PCM_16"),
        ("WAV", "FLOAT", "FLOAT"),
        ("AIFF", "PCM_24", "PCM_24"),
        ("FLAC", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_24", "PCM_24"),
        ("CAF", "PCM_16", "PCM_16"),
        ("W64", "PCM_24", "PCM_24"),
    ],
)
@pytest.mark.parametrize(("channels", "frames"), [(1, 4411), (2, 4410)])
def test_samples_come_in_bit_by_bit(
    library: Library, format: str, subtype: str, kept: str, channels: int, frames: int
) -> None:
    data = encoded(raw(noise(frames, channels)), format=format, subtype=subtype)
    clip = library.take_in(data, "door.wav").clip
    about = soundfile.info(clip.path)
    assert (about.subtype, about.samplerate, about.channels, about.frames) == (kept, RATE, channels, frames)
    assert (clip.rate, clip.channels, clip.frames) == (RATE, channels, frames)
    kind = "float32" if kept == "FLOAT" else "int32"
    np.testing.assert_array_equal(
        soundfile.read(clip.path, dtype=kind)[0], soundfile.read(io.BytesIO(data), dtype=kind)[0]
    )


@pytest.mark.parametrize(("format", "subtype"), [("OGG", "VORBIS"), ("MP3", None), ("WAV", "DOUBLE")])
def test_other_kinds_come_in_as_float(library: Library, format: str, subtype: str | None) -> None:
    data = encoded(noise(20_000), format=format, subtype=subtype)
    clip = library.take_in(data, "door").clip
    assert soundfile.info(clip.path).subtype == "FLOAT"
    np.testing.assert_array_equal(
        soundfile.read(clip.path, dtype="float32")[0], soundfile.read(io.BytesIO(data), dtype="float32")[0]
    )


def test_what_is_known_of_a_recording(library: Library) -> None:
    samples = noise(4410, 2)
    data = encoded(samples, subtype="FLOAT")
    added = library.take_in(data, "C:\\Field\\../Über  die\nTür.wav")
    clip = added.clip
    assert added.new
    assert (clip.name, clip.prompt, clip.operation) == ("Über die Tür.wav", "Über die Tür.wav", "file")
    assert (clip.recipe, clip.model, clip.licence, clip.sellable, clip.seed) == ({}, "", "", False, 0)
    content = hashlib.sha256(b"foleyd audio 1 2 44100\n" + samples.astype("<f4").tobytes())
    assert clip.sha256 == content.hexdigest()
    assert clip.take_id.startswith("take-")
    assert len(clip.take_id) == len(clip.clip_id) == 29
    assert library.source(clip.sha256) == clip
    assert library.source("") is None
    found, _ = library.search("tur")
    assert found == [clip]
    read, rate = library.samples(clip.clip_id)
    assert rate == RATE
    np.testing.assert_array_equal(read, samples.T.astype(np.float32))


def test_the_same_audio_is_kept_once_whatever_it_came_in(library: Library) -> None:
    samples = (noise(4410) * 32_767).astype(np.int16)
    first = library.take_in(encoded(samples, subtype="PCM_16"), "first.wav")
    for other in (encoded(samples, format="FLAC"), encoded(samples, subtype="PCM_24"), encoded(samples)):
        again = library.take_in(other, "again.flac")
        assert (again.new, again.clip) == (False, first.clip)
    assert library.take_in(encoded(samples, subtype="PCM_16", rate=48_000), "other rate").new
    assert library.search()[1] == 2


def test_one_file_that_is_no_audio_does_not_keep_the_others_out(library: Library) -> None:
    reply = send(library, ("a.wav", wav(seed=1)), ("b.wav", b"no audio"), ("c.wav", wav(seed=2)))
    assert [clip.name for clip in reply.clips] == ["a.wav", "c.wav"]
    assert (reply.changed, reply.total) == (2, 2)
    [note] = reply.notes
    assert note.startswith("b.wav cannot be read as audio")
    with pytest.raises(BadRequest, match=r"b\.wav"):
        send(library, ("b.wav", b"no audio"))


def test_a_request_has_to_describe_its_buffers(library: Library) -> None:
    about = described(wav(), "a.wav")
    for infos, buffers in [((), [wav()]), ((about,), []), ((about, about), [wav()])]:
        with pytest.raises(BadRequest, match="one buffer a file"):
            library.answer(LibraryRequest(action="import", buffers=infos), buffers)
    floats = msgspec.structs.replace(about, format="<f4")
    with pytest.raises(BadRequest, match="send a file"):
        library.answer(LibraryRequest(action="import", buffers=(floats,)), [wav()])


def patched(data: bytes, at: int, with_: bytes) -> bytes:
    return data[:at] + with_ + data[at + len(with_) :]


HUGE = struct.pack("<I", 0xFFFFFFF0)
HOSTILE = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 50,
    "text": b"RIFF once upon a time",
    "head only": wav()[:44],
    "no samples": encoded(np.zeros((0, 1))),
    "zero channels": patched(wav(), 22, b"\0\0"),
    "too many channels": patched(wav(), 22, b"\xff\xff"),
    "three channels": encoded(noise(100, 3)),
    "rate of nothing": patched(wav(), 24, b"\0\0\0\0"),
    "rate of billions": patched(wav(), 24, HUGE),
    "slow rate": encoded(noise(100), rate=1000),
    "nan": encoded(np.array([0.1, np.nan, 0.2]), subtype="FLOAT"),
    "inf": encoded(np.array([0.1, 0.2, np.inf]), subtype="FLOAT"),
    "inf as double": encoded(np.array([0.1, 1e300]), subtype="DOUBLE"),
    "cut flac": encoded(noise(44_100), format="FLAC")[:60],
    "flac magic": b"fLaC" + b"\0" * 100,
    "ogg magic": b"OggS" + b"\xff" * 200,
    "mp3 magic": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 100,
    "aiff magic": b"FORM\xff\xff\xff\xffAIFFCOMM\xff\xff\xff\xff",
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_what_lies_is_refused_in_a_sentence(library: Library, tmp_path: Path, name: str) -> None:
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(BadRequest, match=r"^evil.* (cannot be read|has|holds) .*: \w+"):
        send(library, ("evil.wav", HOSTILE[name]))
    assert library.search()[1] == 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_header_that_promises_more_than_there_is_gets_what_there_is(library: Library) -> None:
    data = patched(patched(wav(1000), 40, HUGE), 4, HUGE)
    clip = library.take_in(data, "long.wav").clip
    assert clip.frames == 1000


def test_what_is_too_long_is_refused_before_it_is_all_decoded(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = encoded(np.zeros(8000 * 601, np.int16), format="FLAC", rate=8000)
    assert len(quiet) < 100_000
    with pytest.raises(BadRequest, match="longer than 10 minutes"):
        library.take_in(quiet, "long.flac")
    monkeypatch.setattr(imports, "MOST_BYTES", 500_000)
    reads = []
    real = imports._packed
    monkeypatch.setattr(imports, "_packed", lambda *block: reads.append(block) or real(*block))
    with pytest.raises(BadRequest, match="longer than"):
        library.take_in(quiet, "long.flac")
    assert len(reads) * imports._BLOCK_FRAMES * 2 < 500_000 + 2 * imports._BLOCK_FRAMES
    with pytest.raises(BadRequest, match="larger than 0 MiB"):
        library.take_in(b"x" * 500_001, "big.wav")


def test_ten_minutes_are_not_too_long(library: Library) -> None:
    quiet = encoded(np.zeros(4000 * 600, np.int16), format="FLAC", rate=4000)
    assert library.take_in(quiet, "long.flac").clip.seconds == 600


def test_a_clip_of_foleyds_comes_in_as_a_recording_of_it(library: Library) -> None:
    """What a file says of itself must not put strange audio under the id of a clip."""
    rendered = library.add(sound(1)).clip
    data = bytearray(Path(rendered.path).read_bytes())
    data[-30] ^= 0x40
    forged = library.take_in(bytes(data), "a bell.wav").clip
    assert forged.clip_id != rendered.clip_id
    assert (forged.operation, forged.recipe) == ("file", {})
    assert library.clip(rendered.clip_id) == rendered


def test_a_full_disk_keeps_recordings_out(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 200_000_000}))
    with pytest.raises(DiskFull, match="prune"):
        library.take_in(wav(), "a.wav")
    assert library.search()[1] == 0
