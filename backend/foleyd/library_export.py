"""Clips copied out of the library, under names that say what they are."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd.audio.atomic import replacing
from foleyd.audio.export import read_clip, read_meta, write_clip
from foleyd.audio.measure import peak
from foleyd.daemon.clips import held
from foleyd.destination import Format, free_name, slug
from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo

_BLOCK_FRAMES = 4096
_KINDS = {"pcm16": "PCM_16", "pcm24": "PCM_24", "float32": "FLOAT", "vorbis": "VORBIS"}
_FILES = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}


def export(clips: Sequence[ClipInfo], folder: Path, kind: Format | None) -> list[Path]:
    """Copy clips into `folder`, which must be there; their paths, in order.

    `kind` None takes the file as it is in the library. A clip's file is called by its name and seed; no other
    file is written over. Raises BadRequest, DiskFull.
    """
    taken: set[Path] = set()
    return [_exported(clip, folder, kind, taken) for clip in clips]


def _exported(clip: ClipInfo, folder: Path, kind: Format | None, taken: set[Path]) -> Path:
    source = Path(clip.path)
    name = slug(clip.name) if not clip.recipe else f"{slug(clip.name)}-{clip.seed}"
    suffix = source.suffix if kind is None else kind.suffix

    def same(path: Path) -> bool:
        if kind is None or not clip.recipe:
            return path.is_file() and filecmp.cmp(path, source, shallow=False)
        return held(path, read_meta(source).recipe, kind.subtype) is not None

    target = free_name(folder, name, suffix, taken, same)
    if kind is None:
        with replacing(target) as beside:
            shutil.copyfile(source, beside)
    elif clip.recipe:
        samples, rate = read_clip(source)
        write_clip(target, samples, rate, read_meta(source), kind.subtype)
    else:
        _convert(target, *read_clip(source), kind)
    return target


def _convert(target: Path, samples: NDArray[np.float32], rate: int, kind: Format) -> None:
    """Write imported audio, which has no recipe to carry, in another kind of file."""
    if kind.subtype != "float32" and peak(samples) > 1.0:
        raise BadRequest(
            f"{target.name} goes over full scale, which {kind.about} cannot hold: export it as wav32f."
        )
    try:
        with (
            replacing(target) as beside,
            soundfile.SoundFile(
                beside,
                "w",
                samplerate=rate,
                channels=len(samples),
                format=_FILES[kind.suffix],
                subtype=_KINDS[kind.subtype],
            ) as file,
        ):
            for start in range(0, samples.shape[1], _BLOCK_FRAMES):
                file.write(samples[:, start : start + _BLOCK_FRAMES].T)
    except soundfile.SoundFileError as error:
        raise BadRequest(f"cannot write {target} ({error}): choose another format.") from error
