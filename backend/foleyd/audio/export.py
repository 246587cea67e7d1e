"""Clips as files of the kind that their name asks for, and what such files say about themselves.

WAV is foleyd's own writer (:mod:`foleyd.audio.wav`). FLAC and OGG Vorbis go through libsndfile; the card of
:mod:`foleyd.audio.card` stands in their comment tag, and markers are known to the card alone. Vorbis is
lossy: it may swing past the ceiling by a few tenths of a dB, and its stream carries a random serial number,
so two files of one clip differ in bytes.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd.audio import measure
from foleyd.audio.atomic import replacing
from foleyd.audio.card import ClipMeta, read_card, write_card
from foleyd.audio.wav import BITS, check_markers, quantised, read_wav_card, write_wav
from foleyd.errors import BadRequest, RenderFailed
from foleyd.recipe import Recipe

SUBTYPES: Mapping[str, tuple[str, ...]] = {
    ".wav": ("pcm24", "pcm16", "float32"),
    ".flac": ("pcm24", "pcm16"),
    ".ogg": ("vorbis",),
}
"""File kinds by suffix, with the sample kinds that each can hold; the first is the default."""

# libsndfile's Vorbis encoder puts a whole write on the C stack, and large ones end the process.
_BLOCK_FRAMES = 4096
_VORBIS_QUALITY = 0.7
_LIBSNDFILE = {"pcm16": "PCM_16", "pcm24": "PCM_24", "vorbis": "VORBIS"}


def write_clip(
    path: str | os.PathLike[str],
    samples: NDArray[np.floating[Any]],
    rate: int,
    meta: ClipMeta,
    subtype: str | None = None,
) -> None:
    """Write ``[n]`` or ``[channels, n]`` samples (full scale 1.0) at ``rate`` Hz as the suffix of ``path``
    says.

    ``subtype`` is one of :data:`SUBTYPES` for that suffix, None its default. The file appears whole or not
    at all. Raises BadRequest for another suffix or subtype, samples over full scale (not for float32),
    markers outside the sound, or a place that cannot be written; RenderFailed for NaN or Inf; DiskFull.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUBTYPES:
        raise BadRequest(
            f"cannot tell a sound format from '{Path(path).name}': end the name in {', '.join(SUBTYPES)}."
        )
    kind = subtype or SUBTYPES[suffix][0]
    if kind not in SUBTYPES[suffix]:
        raise BadRequest(f"a {suffix} file cannot hold '{kind}': use {' or '.join(SUBTYPES[suffix])}.")
    if suffix == ".wav":
        write_wav(path, samples, rate, kind, meta)
    else:
        _write_tagged(path, samples, rate, kind, meta)


def read_clip(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """The samples ``[channels, n]`` and the rate in Hz of any sound file that libsndfile knows. Raises
    BadRequest.
    """
    try:
        samples, rate = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError) as error:
        raise BadRequest(f"cannot read {path} as sound ({error}): give a WAV, FLAC or OGG file.") from error
    return np.ascontiguousarray(samples.T), int(rate)


def read_meta(path: str | os.PathLike[str]) -> ClipMeta:
    """What a clip's file says about it, told by its content and not its name. Raises BadRequest, for
    hostile files too.
    """
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
    except (OSError, ValueError) as error:
        raise BadRequest(
            f"cannot read {path} ({getattr(error, 'strerror', None) or error}): give the path of a clip."
        ) from error
    if magic not in (b"fLaC", b"OggS"):
        return read_wav_card(path)
    try:
        with soundfile.SoundFile(os.fspath(path)) as sound:
            comment = sound.comment
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise BadRequest(f"cannot read {path} as sound ({error}): copy it again.") from error
    if not comment:
        raise BadRequest(f"{path} carries no recipe: give a clip that foleyd wrote.")
    return read_card(comment)


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe inside a WAV, FLAC or OGG clip. Raises BadRequest."""
    return read_meta(path).recipe


def _write_tagged(
    path: str | os.PathLike[str], samples: NDArray[np.floating[Any]], rate: int, kind: str, meta: ClipMeta
) -> None:
    sound = measure.planar(samples)
    check_markers(meta, sound.shape[1])
    frames = _encodable(sound, kind)
    file_format = "OGG" if kind == "vorbis" else "FLAC"
    try:
        with (
            replacing(path) as beside,
            soundfile.SoundFile(
                beside,
                "w",
                samplerate=rate,
                channels=sound.shape[0],
                format=file_format,
                subtype=_LIBSNDFILE[kind],
                compression_level=1.0 - _VORBIS_QUALITY if kind == "vorbis" else None,
            ) as file,
        ):
            for tag, words in {
                "title": meta.name,
                "license": meta.licence,
                "software": meta.software,
            }.items():
                # libsndfile refuses a tag without words
                if words:
                    setattr(file, tag, words)
            file.comment = write_card(meta)
            for start in range(0, len(frames), _BLOCK_FRAMES):
                file.write(frames[start : start + _BLOCK_FRAMES])
    except soundfile.SoundFileError as error:
        raise BadRequest(
            f"cannot write {path} ({error}): choose a folder that exists, or write WAV."
        ) from error


def _encodable(sound: NDArray[np.float64], kind: str) -> NDArray[Any]:
    if kind != "vorbis":
        # Our own rounding and dither; libsndfile takes the upper bits of 32-bit words.
        return np.ascontiguousarray(quantised(sound, BITS[kind]).T << (32 - BITS[kind]))
    if reason := measure.flaw(sound):
        raise RenderFailed("the samples hold values that are no finite numbers: render again.", reason=reason)
    if measure.peak(sound) > 1.0:
        raise BadRequest("the samples go over full scale: set a level, or write float32 WAV.")
    return np.ascontiguousarray(sound.T, dtype=np.float32)
