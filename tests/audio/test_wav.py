import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import wavinfo
from msgspec.structs import replace
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.audio import measure, riff
from foleyd.audio.card import ClipMeta
from foleyd.audio.wav import BITS, quantised, read_wav_card, wav_bytes, write_wav
from foleyd.errors import BadRequest, RenderFailed

RATE = 44_100
ENCODINGS = {"pcm16": "Signed Integer PCM", "pcm24": "Signed Integer PCM", "float32": "Floating Point PCM"}
LIBSNDFILE = {"pcm16": "PCM_16", "pcm24": "PCM_24", "float32": "FLOAT"}


@pytest.fixture(params=[1, 2], ids=["mono", "stereo"])
def sound(request: pytest.FixtureRequest) -> NDArray[np.float32]:
    """4001 frames: an odd number, so that 24-bit mono needs a padding byte."""
    noise = np.random.default_rng(5).uniform(-0.9, 0.9, (request.param, 4001))
    return np.round(noise * 2**15).astype(np.float32) / np.float32(2**15)


@pytest.mark.parametrize("subtype", BITS)
def test_three_programs_read_the_same_samples(
    sound: NDArray[np.float32], meta: ClipMeta, subtype: str, tmp_path: Path, sox: Callable[..., str]
) -> None:
    path = tmp_path / "clip.wav"
    write_wav(path, sound, RATE, subtype, meta)

    read, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    assert soundfile.info(path).subtype == LIBSNDFILE[subtype]
    tolerance = 2.0 * 2.0**-15 if subtype == "pcm16" else 0.0
    np.testing.assert_allclose(read.T, sound, atol=tolerance)

    described = sox("--i", path)
    assert f"{BITS[subtype]}-bit {ENCODINGS[subtype]}" in described
    assert f"Channels       : {len(sound)}" in described
    assert "= 4001 samples" in described
    raw = tmp_path / "clip.raw"
    sox(path, "-t", "raw", "-e", "floating-point", "-b", "32", raw)
    np.testing.assert_array_equal(np.fromfile(raw, "<f4").reshape(-1, len(sound)), read)

    info = wavinfo.WavInfoReader(str(path))
    assert info.fmt.sample_rate == RATE
    assert info.fmt.channel_count == len(sound)
    assert info.fmt.bits_per_sample == BITS[subtype]
    assert info.data.frame_count == 4001


def test_wavinfo_reads_what_the_clip_says_about_itself(meta: ClipMeta, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    write_wav(path, np.zeros((2, 5000)), RATE, "pcm24", meta)
    info = wavinfo.WavInfoReader(str(path), info_encoding="utf-8")

    assert info.bext.version == 2
    assert info.bext.description == 'funf Glockchen <uber> "Wasser" & ? ?'
    assert info.bext.originator == "foleyd"
    assert info.bext.originator_ref == meta.clip_id
    assert info.bext.time_reference == 0
    assert info.bext.loudness_value == pytest.approx(-16.04)
    assert info.bext.max_true_peak == pytest.approx(-1.0)
    assert info.bext.coding_history == f"A=PCM,F=44100,W=24,M=stereo,T={meta.software}\r\n"

    assert info.info.title == meta.recipe.prompt
    assert info.info.copyright == "CC0-1.0"
    assert info.info.software == meta.software
    assert info.info.product == "Foleyd starter"
    assert info.info.comment == f"{meta.recipe.prompt} (seed 12, steps 20, guidance 2.5)"

    assert info.smpl.midi_note == 57
    assert info.smpl.sample_period_ns == round(1e9 / RATE)
    assert [(loop.start, loop.end) for loop in info.smpl.sample_loops] == [(100, 2999), (3000, 3999)]
    cues = list(info.cues.each_cue())
    assert [frame for _, frame in cues] == [0, 1234]
    assert [info.cues.label_and_note(number)[0] for number, _ in cues] == ["start", "Schlag ö"]

    assert info.ixml.project == "foleyd"
    assert [track.name for track in info.ixml.track_list] == ["Left", "Right"]
    assert info.ixml.parsed.findtext("NOTE") == meta.recipe.prompt
    assert info.ixml.parsed.findtext("SPEED/FILE_SAMPLE_RATE") == "44100"
    assert info.ixml.parsed.findtext("ASWG/catId") == "BELLHand"
    card = json.loads(info.ixml.parsed.findtext("FOLEYD/CARD"))
    assert recipe.from_json(json.dumps(card["recipe"])) == meta.recipe


def test_libsndfile_reads_the_tags(meta: ClipMeta, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    write_wav(path, np.zeros(5000), RATE, "pcm24", meta)
    with soundfile.SoundFile(path) as file:
        tags = file.copy_metadata()
    assert tags["title"] == meta.recipe.prompt
    assert tags["copyright"] == "CC0-1.0"


def test_a_long_prompt_is_cut_in_bext_alone(tmp_path: Path) -> None:
    words = "é waves " * 60
    meta = ClipMeta(recipe=recipe.make(prompt=words))
    write_wav(tmp_path / "clip.wav", np.zeros(10), RATE, "pcm16", meta)
    info = wavinfo.WavInfoReader(str(tmp_path / "clip.wav"), info_encoding="utf-8")
    assert info.bext.description == ("e waves " * 60)[:256]
    assert info.info.title == meta.recipe.prompt
    assert info.bext.loudness_value == pytest.approx(327.67)
    assert info.smpl is None
    assert read_wav_card(tmp_path / "clip.wav") == meta


@pytest.mark.parametrize("subtype", BITS)
def test_the_recipe_comes_back(meta: ClipMeta, subtype: str, tmp_path: Path) -> None:
    write_wav(tmp_path / "clip.wav", np.zeros(5000), RATE, subtype, meta)
    assert read_wav_card(tmp_path / "clip.wav") == meta
    assert read_wav_card(io.BytesIO(wav_bytes(np.zeros(5000), RATE, subtype, meta))) == meta


def test_ixml_holds_the_recipe_where_the_own_chunk_was_dropped(meta: ClipMeta) -> None:
    content = wav_bytes(np.zeros(5000), RATE, "pcm24", meta).replace(b"foly", b"junk")
    assert read_wav_card(io.BytesIO(content)) == meta


def test_a_file_that_sox_rewrote_has_no_recipe(
    meta: ClipMeta, tmp_path: Path, sox: Callable[..., str]
) -> None:
    write_wav(tmp_path / "clip.wav", np.zeros(5000), RATE, "pcm24", meta)
    sox(tmp_path / "clip.wav", tmp_path / "other.wav")
    with pytest.raises(BadRequest, match="no recipe"):
        read_wav_card(tmp_path / "other.wav")


def test_the_same_clip_is_the_same_bytes(sound: NDArray[np.float32], meta: ClipMeta) -> None:
    for subtype in BITS:
        assert wav_bytes(sound, RATE, subtype, meta) == wav_bytes(sound, RATE, subtype, meta)


def test_chunks_are_even_and_sizes_add_up(sound: NDArray[np.float32], meta: ClipMeta) -> None:
    content = wav_bytes(sound, RATE, "pcm24", meta)
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    found = list(riff.chunks(io.BytesIO(content)))
    assert [chunk.ident for chunk in found] == [
        b"fmt ", b"bext", b"iXML", b"LIST", b"smpl", b"cue ", b"LIST", b"foly", b"data",
    ]  # fmt: skip
    assert all(chunk.start % 2 == 0 for chunk in found)
    assert found[-1].size == 4001 * 3 * len(sound)


def test_more_than_two_channels_are_extensible(
    meta: ClipMeta, tmp_path: Path, sox: Callable[..., str]
) -> None:
    six = np.random.default_rng(6).uniform(-1, 1, (6, 5000)).astype(np.float32)
    for subtype in ("pcm24", "float32"):
        write_wav(tmp_path / "six.wav", six, 96_000, subtype, meta)
        read, rate = soundfile.read(tmp_path / "six.wav", dtype="float32")
        np.testing.assert_allclose(read.T, six, atol=2.0**-23)
        assert rate == 96_000
        assert soundfile.info(tmp_path / "six.wav").format == "WAVEX"
        if subtype == "pcm24":
            # of extensible float sox always says that a second extension is missing
            assert "Channels       : 6" in sox("--i", tmp_path / "six.wav")


def test_24_bits_are_rounded_and_full_scale_fits() -> None:
    steps = np.array([0.0, 0.4, 0.6, -0.6, 1.5, 2.0**23, -(2.0**23)]) / 2.0**23
    assert quantised(steps, 24).tolist() == [0, 0, 1, -1, 2, 2**23 - 1, -(2**23)]


def test_16_bits_are_dithered_so_that_what_is_under_a_step_still_sounds() -> None:
    quiet = 0.3 * np.sin(2 * np.pi * 441.0 * np.arange(10 * RATE) / RATE) / 2**15
    values = quantised(quiet, 16).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(values)) / len(values) * 2
    assert spectrum[4410] == pytest.approx(0.3, rel=0.1)
    # triangular dither: the error's power, 1/4 step², does not follow the signal, nor do harmonics show
    error = values - quiet * 2**15
    assert np.var(error) == pytest.approx(0.25, rel=0.03)
    assert spectrum[4410 * 3] < 0.02
    assert not quantised(np.zeros(1000), 16).any()


def test_nothing_is_clipped_silently(meta: ClipMeta) -> None:
    over = np.full(5000, 1.01)
    for subtype in ("pcm16", "pcm24"):
        with pytest.raises(BadRequest, match=r"0\.09 dB over full scale"):
            wav_bytes(over, RATE, subtype, meta)
    content = wav_bytes(over, RATE, "float32", meta)
    read, _ = soundfile.read(io.BytesIO(content))
    assert measure.peak(read) == pytest.approx(1.01)


@pytest.mark.parametrize("subtype", BITS)
@pytest.mark.parametrize(("value", "reason"), [(np.nan, "nan"), (np.inf, "inf")])
def test_no_nan_or_inf_reaches_a_file(
    meta: ClipMeta, subtype: str, value: float, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(RenderFailed) as failure:
        write_wav(tmp_path / "clip.wav", np.full(5000, value), RATE, subtype, meta)
    assert failure.value.reason == reason
    assert list(tmp_path.iterdir()) == []


def test_markers_outside_the_sound_are_refused(meta: ClipMeta) -> None:
    with pytest.raises(BadRequest, match="loop"):
        wav_bytes(np.zeros(3999), RATE, "pcm24", meta)
    with pytest.raises(BadRequest, match="cue"):
        wav_bytes(np.zeros(1234), RATE, "pcm24", replace(meta, loops=()))
    with pytest.raises(BadRequest, match="subtype"):
        wav_bytes(np.zeros(5000), RATE, "pcm8", meta)


def test_control_signs_in_a_title_hurt_no_reader(meta: ClipMeta, tmp_path: Path) -> None:
    named = replace(meta, title="a\0b\x01c\n]]>\ufffe\ud800d", cues=((5, "x\0y"),))
    write_wav(tmp_path / "clip.wav", np.zeros(5000), RATE, "pcm24", named)
    info = wavinfo.WavInfoReader(str(tmp_path / "clip.wav"), info_encoding="utf-8")
    assert info.ixml.parsed.findtext("NOTE") == "a b c ]]>  d"
    assert info.bext.description == "a b c ]]>  d"
