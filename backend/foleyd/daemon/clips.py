"""The last step of a job: a take becomes a clip in a file, with its picture where one is wanted."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import soundfile

from foleyd import recipe
from foleyd.audio import finish
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import read_meta, write_clip
from foleyd.daemon.job import Sound
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """A clip that was written. What ``--json`` prints is this, field by field.

    `seconds` of sound at `rate` Hz on `channels`; `true_peak_dbtp` (None for silence) and `loudness_lufs`
    (None unless the level is "lufs": measuring it takes longer than all else, and sounds under 0.4 s have
    none) of what is in the file; `kept` whether the take was there already, else `render_seconds` is what
    it took; `notes`: a sentence for each wish of the finishing that could not be met to the letter.
    """

    path: str
    picture: str | None
    prompt: str
    seed: int
    seconds: float
    rate: int
    channels: int
    true_peak_dbtp: float | None
    loudness_lufs: float | None
    kept: bool
    render_seconds: float
    model: str
    revision: str
    licence: str
    sellable: bool
    recipe_id: str
    take_id: str
    clip_id: str
    recipe: Recipe
    runtime: str
    precision: str
    threads: int
    notes: tuple[str, ...]


def write(sound: Sound, path: Path, subtype: str, *, picture: bool = False) -> Clip:
    """Finish a sound and write it to `path` (its ending says the kind of file), whole or not at all.

    `subtype` is one of :data:`foleyd.audio.export.SUBTYPES` for it. `picture` draws waveform and
    spectrogram beside it, in a PNG of the same name. Raises RenderFailed, BadRequest, DiskFull.
    """
    made = sound.request.recipe
    take, model = sound.take.identity, sound.request.model
    finished = finish.finish(sound.take.samples, take.rate, made)
    clip = recipe.clip_id(take.take_id, made)
    true_peak = round(finished.true_peak_dbtp, 2) if math.isfinite(finished.true_peak_dbtp) else None
    loudness = None if finished.loudness_lufs is None else round(finished.loudness_lufs, 2)
    meta = ClipMeta(
        recipe=made,
        take_id=take.take_id,
        clip_id=clip,
        licence=model.licence,
        model=model.title,
        made={
            "runtime": take.runtime,
            "precision": take.precision,
            "bucket": take.bucket,
            "threads": take.threads,
            "batch": 1,
        },
        loops=finished.loops,
        loudness_lufs=loudness,
        true_peak_dbtp=true_peak,
    )
    write_clip(path, finished.samples, finished.rate, meta, subtype)
    drawn = None
    if picture:
        from foleyd.audio.picture import draw

        drawn = path.with_suffix(".png")
        draw(drawn, finished.samples, finished.rate, made.prompt)
    return Clip(
        path=str(path),
        picture=str(drawn) if drawn else None,
        prompt=made.prompt,
        seed=take.seed,
        seconds=finished.seconds,
        rate=finished.rate,
        channels=finished.samples.shape[0],
        true_peak_dbtp=true_peak,
        loudness_lufs=loudness,
        kept=sound.kept,
        render_seconds=round(sound.seconds, 3),
        model=model.id,
        revision=model.revision,
        licence=model.licence,
        sellable=model.sellable,
        recipe_id=recipe.recipe_id(made),
        take_id=take.take_id,
        clip_id=clip,
        recipe=made,
        runtime=take.runtime,
        precision=take.precision,
        threads=take.threads,
        notes=finished.notes,
    )


_STORED_AS = {"pcm16": "PCM_16", "pcm24": "PCM_24", "float32": "FLOAT", "vorbis": "VORBIS"}


def held(path: Path, made: Recipe, subtype: str) -> ClipMeta | None:
    """What the file at `path` says about itself if it is a clip of exactly this recipe and sample kind,
    else None."""
    try:
        meta = read_meta(path)
        stored = soundfile.info(path).subtype
    except (BadRequest, soundfile.SoundFileError, OSError):
        return None
    return meta if meta.recipe == made and stored == _STORED_AS[subtype] else None
