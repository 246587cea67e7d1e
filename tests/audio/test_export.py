from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from foleyd.audio import measure
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import SUBTYPES, read_clip, read_meta, read_recipe, write_clip
from foleyd.errors import BadRequest, RenderFailed

RATE = 48_000


@pytest.fixture
def sound() -> NDArray[np.float32]:
    random = np.random.default_rng(7)
    return (0.5 * np.sin(np.arange(RATE) / 9.0) + 0.1 * random.standard_normal((2, RATE))).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [(s, t) for s, kinds in SUBTYPES.items() for t in (*kinds, None)]
)
def test_every_kind_is_written_and_read(
    sound: NDArray[np.float32],
    meta: ClipMeta,
    suffix: str,
    subtype: str | None,
    tmp_path: Path,
    sox: Callable[..., str],
) -> None:
    path = tmp_path / f"clip{suffix.upper()}"
    write_clip(path, sound, RATE, meta, subtype)
    assert list(tmp_path.iterdir()) == [path]
    assert read_meta(path) == meta
    assert read_recipe(path) == meta.recipe
    samples, rate = read_clip(path)
    assert rate == RATE
    assert samples.shape == sound.shape
    if suffix == ".ogg":
        assert measure.correlation(np.stack([samples[0], sound[0]])) > 0.99
    else:
        np.testing.assert_allclose(samples, sound, atol=2.0 * 2.0**-15)
    described = sox("--i", path)
    assert "Sample Rate    : 48000" in described
    assert "= 48000 samples" in described


def test_flac_holds_the_wav_files_samples(sound: NDArray[np.float32], meta: ClipMeta, tmp_path: Path) -> None:
    for subtype in ("pcm16", "pcm24"):
        for suffix in (".wav", ".flac"):
            write_clip(tmp_path / f"clip{suffix}", sound, RATE, meta, subtype)
        wav, flac = (soundfile.read(tmp_path / f"clip{s}", dtype="int32")[0] for s in (".wav", ".flac"))
        np.testing.assert_array_equal(wav, flac)


def test_flac_is_the_same_bytes_again(sound: NDArray[np.float32], meta: ClipMeta, tmp_path: Path) -> None:
    for name in ("a.flac", "b.flac"):
        write_clip(tmp_path / name, sound, RATE, meta)
    assert (tmp_path / "a.flac").read_bytes() == (tmp_path / "b.flac").read_bytes()


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_rates_at_the_edges(meta: ClipMeta, rate: int, suffix: str, tmp_path: Path) -> None:
    sound = 0.5 * np.sin(np.arange(rate) / 20.0)
    write_clip(tmp_path / f"clip{suffix}", sound, rate, meta)
    samples, read_rate = read_clip(tmp_path / f"clip{suffix}")
    assert (samples.shape, read_rate) == ((1, rate), rate)


def test_half_a_minute_of_vorbis_is_survived(meta: ClipMeta, tmp_path: Path) -> None:
    long = 0.5 * np.sin(np.arange(30 * RATE) / 9.0)
    write_clip(tmp_path / "long.ogg", np.stack([long, long]), RATE, meta)
    assert soundfile.info(tmp_path / "long.ogg").frames == 30 * RATE


def test_the_content_tells_the_kind_not_the_name(
    sound: NDArray[np.float32], meta: ClipMeta, tmp_path: Path
) -> None:
    write_clip(tmp_path / "clip.flac", sound, RATE, meta)
    (tmp_path / "clip.flac").rename(tmp_path / "clip.wav")
    assert read_recipe(tmp_path / "clip.wav") == meta.recipe


@pytest.mark.parametrize(
    ("name", "subtype", "word"),
    [
        ("clip.mp3", None, "end the name"),
        ("clip", None, "end the name"),
        ("clip.flac", "float32", "pcm24 or pcm16"),
        ("clip.ogg", "pcm16", "vorbis"),
        ("none/clip.flac", None, "folder"),
        ("none/clip.wav", None, "folder"),
    ],
)
def test_what_cannot_be_written_is_refused(
    sound: NDArray[np.float32], meta: ClipMeta, name: str, subtype: str | None, word: str, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match=word):
        write_clip(tmp_path / name, sound, RATE, meta, subtype)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["clip.flac", "clip.ogg"])
def test_what_should_not_be_written_is_refused(
    sound: NDArray[np.float32], meta: ClipMeta, name: str, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="full scale"):
        write_clip(tmp_path / name, 3.0 * sound, RATE, meta)
    with pytest.raises(RenderFailed):
        write_clip(tmp_path / name, np.nan * sound, RATE, meta)
    with pytest.raises(BadRequest, match="loop"):
        write_clip(tmp_path / name, sound[:, :100], RATE, meta)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"fLaC", b"fLaC" + b"\xff" * 900, b"OggS" + b"\0" * 900, b"MThd" * 9]
)
def test_what_is_no_clip_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(content)
    with pytest.raises(BadRequest):
        read_recipe(tmp_path / "clip")
    with pytest.raises(BadRequest):
        read_clip(tmp_path / "clip")


def test_a_strangers_flac_carries_no_recipe(sound: NDArray[np.float32], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.flac", sound.T, RATE)
    with pytest.raises(BadRequest, match="no recipe"):
        read_recipe(tmp_path / "song.flac")
    with pytest.raises(BadRequest):
        read_recipe(tmp_path / "missing.flac")


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".wav"])
def test_a_clip_without_a_licence_is_written_too(
    sound: NDArray[np.float32], meta: ClipMeta, suffix: str, tmp_path: Path
) -> None:
    bare = msgspec.structs.replace(meta, licence="")
    write_clip(tmp_path / f"clip{suffix}", sound, 16_000, bare)
    assert read_meta(tmp_path / f"clip{suffix}") == bare
