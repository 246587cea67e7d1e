"""What the decoder makes of files: those that foleyd writes, those of others, and hostile ones."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import recordings
from foleyd import recipe
from foleyd.audio import riff
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import SUBTYPES, write_clip
from foleyd.errors import BadRequest
from foleyd_live import decoder
from foleyd_live.decoder import Found, Request

RATE = 48_000
FORMATS = [(suffix, kind) for suffix, kinds in SUBTYPES.items() for kind in kinds]


@pytest.fixture
def meta() -> ClipMeta:
    return ClipMeta(recipe=recipe.make(prompt="a door"), licence="CC0-1.0")


def read(path: Path | str) -> Found:
    return decoder.read_file(
        Request(name=Path(path).name, rate=RATE, path=os.fsencode(path)), lambda within_s: None
    )


def sound(frames: int = 9000, channels: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(-0.9, 0.9, (frames, channels)).astype(np.float32)


def smpl(*loops: tuple[int, int, int], count: int | None = None) -> bytes:
    """A ``smpl`` chunk of (type, first, last) loops."""
    head = struct.pack("<9I", 0, 0, 20_833, 60, 0, 0, 0, len(loops) if count is None else count, 0)
    return riff.chunk(b"smpl", head + b"".join(struct.pack("<6I", 0, *loop, 0, 0) for loop in loops))


def wav(*chunks: bytes, frames: int = 100) -> bytes:
    body = riff.chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16))
    body += riff.chunk(b"data", b"\1\2" * frames) + b"".join(chunks)
    return struct.pack("<4sI4s", b"RIFF", len(body) + 4, b"WAVE") + body


@pytest.mark.parametrize(("suffix", "kind"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_every_format_that_foleyd_writes(
    suffix: str, kind: str, channels: int, rate: int, meta: ClipMeta, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    # Vorbis is a tone's friend and not noise's
    tone = 0.5 * np.sin(np.arange(9000) / 20.0)
    planar = np.stack([tone, -tone])[:channels]
    write_clip(path, planar, rate, meta, kind)
    found = read(path)
    assert found.rate == rate
    assert found.loop is None
    assert found.samples.shape == (9000, 2)
    assert found.samples.dtype == np.float32
    steps = {"pcm16": 2.0**-14, "pcm24": 2.0**-22, "float32": 2.0**-24, "vorbis": 0.05}
    np.testing.assert_allclose(found.samples, planar.T[:, [0, channels - 1]], atol=steps[kind])


@pytest.mark.parametrize(("suffix", "kind"), FORMATS)
def test_the_loop_of_every_format(suffix: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    meta = ClipMeta(recipe=recipe.make(prompt="a fan"), licence="CC0-1.0", loops=((1000, 8999),))
    write_clip(path, 0.5 * sound(9000).T, RATE, meta, kind)
    assert read(path).loop == (1000, 9000)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_six_channels_are_mixed_down(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "surround.wav"
    soundfile.write(path, sound(5000, 6), RATE, subtype=subtype)
    found = read(path)
    assert found.samples.shape == (5000, 2)
    assert 0.1 < np.abs(found.samples).max() <= 1.0


@pytest.mark.parametrize("format", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "W64", "RF64", "CAF"])
def test_kinds_of_files_that_others_write(format: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.bin"
    path.write_bytes(recordings.encoded(0.5 * sound(), format=format))
    found = read(path)
    assert found.rate == recordings.RATE
    assert len(found.samples) >= 9000
    assert np.abs(found.samples).max() > 0.3


def test_a_file_of_more_than_one_block_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    samples = sound(200_001)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read(path).samples, samples)


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with Path(os.fsdecode(path)).open("wb") as file:
        file.write(wav())
    assert len(read(os.fsdecode(path)).samples) == 100


@pytest.mark.parametrize(
    ("chunk", "loop"),
    [
        (smpl(), None),
        (smpl((0, 10, 49)), (10, 50)),
        (smpl((1, 0, 20), (0, 10, 49), (0, 1, 2)), (10, 50)),
        (smpl((2, 0, 20)), None),
        (smpl((0, 10, 5000)), (10, 100)),
        (smpl((0, 50, 50)), None),
        (smpl((0, 60, 50)), None),
        (smpl((0, 200, 300)), None),
        (smpl((0, 10, 49), count=2**32 - 1), (10, 50)),
        (smpl((0, 10, 49), count=0), None),
        (riff.chunk(b"smpl", b"\0" * 20), None),
        (riff.chunk(b"smpl", b"\xff" * 47), None),
    ],
)
def test_loops_of_strangers_are_believed_as_far_as_they_fit(
    chunk: bytes, loop: tuple[int, int] | None, tmp_path: Path
) -> None:
    path = tmp_path / "loop.wav"
    path.write_bytes(wav(chunk))
    assert read(path).loop == loop


def cut(format: str, share: float) -> Callable[[], bytes]:
    def make() -> bytes:
        whole = recordings.encoded(0.5 * sound(60_000), format=format)
        return whole[: int(len(whole) * share)]

    return make


def floats(value: float) -> Callable[[], bytes]:
    def make() -> bytes:
        samples = sound(70_000)
        samples[69_000, 1] = value
        return recordings.encoded(samples, subtype="FLOAT")

    return make


def patched(place: int, words: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        content = bytearray(wav())
        content[place : place + len(words)] = words
        return bytes(content)

    return make


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (bytes, "cannot be read as sound"),
    "text": (lambda: b"Dear diary,\n" * 100, "cannot be read as sound"),
    "RIFF and no more": (lambda: b"RIFF", "cannot be read as sound"),
    "WAVE without chunks": (lambda: struct.pack("<4sI4s", b"RIFF", 4, b"WAVE"), "cannot be read as sound"),
    "RIFF of another kind": (lambda: struct.pack("<4sI4s", b"RIFF", 4, b"AVI "), "cannot be read as sound"),
    "WAV cut short": (cut("WAV", 0.7), "damaged: .*cut short"),
    "WAV cut in its head": (cut("WAV", 0.0002), "damaged: .*cut short"),
    "AIFF cut short": (cut("AIFF", 0.7), "cut short"),
    "FLAC cut short": (cut("FLAC", 0.7), "cut short|cannot be read"),
    "Ogg cut short": (cut("OGG", 0.7), "cut short|cannot be read"),
    "CAF cut short": (cut("CAF", 0.7), "cut short|cannot be read"),
    "NaN": (floats(float("nan")), "not sound"),
    "infinite": (floats(float("-inf")), "not sound"),
    "huge": (floats(3e38), "not sound"),
    "zero frames": (lambda: wav(frames=0), "holds no sound|cannot be read"),
    "two gigabytes claimed": (patched(40, struct.pack("<I", 2**31)), "damaged"),
    "four gigabytes of RIFF": (patched(4, b"\xff\xff\xff\xff"), "damaged"),
    "no channels": (patched(22, b"\0\0"), "channels|cannot be read"),
    "65535 channels": (patched(22, b"\xff\xff"), "channels|cannot be read"),
    "rate zero": (patched(24, b"\0\0\0\0"), "samples a second|cannot be read"),
    "rate of a billion": (patched(24, struct.pack("<I", 10**9)), "samples a second|cannot be read"),
    "unknown codec": (patched(20, b"\x99\x99"), "cannot be read"),
    "nine channels": (lambda: recordings.encoded(sound(100, 9)), "9 channels: mix it down"),
    "a slow rate": (lambda: recordings.encoded(sound(100), rate=1000), "1000 samples a second"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    make, words = HOSTILE[name]
    path = tmp_path / "their file.wav"
    path.write_bytes(make())
    with pytest.raises(BadRequest, match=words) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith("their file.wav ")
    assert message.endswith(".")
    assert str(tmp_path) not in message


@pytest.mark.parametrize("format", ["WAV", "AIFF", "FLAC", "OGG", "MP3"])
def test_damaged_files_are_a_sound_or_refused(format: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    whole = recordings.encoded(0.5 * sound(3000), format=format)
    random = np.random.default_rng(11)
    for _ in range(60):
        content = bytearray(whole)
        # most of the damage to the head, where it does most
        for place in random.integers(0, random.choice([64, len(whole)]), random.integers(1, 6)):
            content[place] = random.integers(256)
        path.write_bytes(content)
        # whatever else is raised fails the test
        with contextlib.suppress(BadRequest):
            found = read(path)
            assert np.isfinite(found.samples).all()
            assert len(found.samples)


def test_a_flac_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lies.flac"
    content = bytearray(recordings.encoded(0.5 * sound(60_000), format="FLAC"))
    # STREAMINFO's 36-bit count of frames ends at byte 26
    content[22:26] = (60_000 * 40).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=r"cut short|cannot be read"):
        read(path)


def test_longer_than_ten_minutes_is_refused_without_keeping_it(tmp_path: Path) -> None:
    path = tmp_path / "night.wav"
    with soundfile.SoundFile(path, "w", 4000, 1, subtype="PCM_U8") as file:
        silence = np.zeros(4000 * 100)
        for _ in range(6):
            file.write(silence)
    assert len(read(path).samples) == 4000 * 600
    with soundfile.SoundFile(path, "r+") as file:
        file.seek(0, soundfile.SEEK_END)
        file.write(np.zeros(1))
    with pytest.raises(BadRequest, match="longer than 10 minutes"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "secret.wav").write_bytes(wav())
    (tmp_path / "link.wav").symlink_to(tmp_path / "secret.wav")
    cases = {
        tmp_path: "no plain file",
        tmp_path / "pipe": "no plain file",
        Path("/dev/zero"): "no plain file",
        tmp_path / "loop": "cannot be opened",
        tmp_path / "missing.wav": r"cannot be opened \(No such file",
        tmp_path / "secret.wav" / "inside": "cannot be opened",
        tmp_path / ("n" * 300): "cannot be opened",
        Path("nul\0byte"): "cannot be opened",
    }
    for path, words in cases.items():
        with pytest.raises(BadRequest, match=words):
            read(path)
    assert len(read(tmp_path / "link.wav").samples) == 100


def test_an_import_of_the_decoder_loads_no_network() -> None:
    probe = "import sys, foleyd_live.decoder, foleyd_live.clips; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "soundfile" in loaded
    assert not {"torch", "diffusers", "transformers", "foleyd.daemon"} & loaded
