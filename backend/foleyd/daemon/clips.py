"""The last step of a job: a take becomes a clip in a file, with its picture where one is wanted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from foleyd import anew, recipe
from foleyd.audio import band, finish, patch
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import read_clip, read_meta, write_clip
from foleyd.audio.finish import Finished
from foleyd.daemon.sources import Sources
from foleyd.destination import picture_of
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

if TYPE_CHECKING:
    from foleyd.daemon.job import Sound


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


def identify(sound: Sound) -> str:
    """The id of the clip that a sound becomes."""
    return recipe.clip_id(sound.take.identity.take_id, sound.request.recipe)


def finished(sound: Sound, sources: Sources | None = None) -> tuple[Finished, ClipMeta]:
    """A sound as its recipe wants it, and what its file says about it; `sources`: where its sources are,
    the library's own unless given. Raises RenderFailed, BadRequest."""
    made, take, model = sound.request.recipe, sound.take.identity, sound.request.model
    done = finish.finish(*_material(sound, sources), made)
    meta = ClipMeta(
        recipe=made,
        take_id=take.take_id,
        clip_id=identify(sound),
        licence=model.licence,
        sellable=model.sellable,
        model=model.title,
        made={
            "runtime": take.runtime,
            "precision": take.precision,
            "bucket": take.bucket,
            "threads": take.threads,
            "batch": take.batch,
        },
        loops=done.loops,
        loudness_lufs=None if done.loudness_lufs is None else round(done.loudness_lufs, 2),
        true_peak_dbtp=round(done.true_peak_dbtp, 2) if math.isfinite(done.true_peak_dbtp) else None,
    )
    return done, meta


def _material(sound: Sound, sources: Sources | None) -> tuple[NDArray[np.float32], int]:
    """What is finished, with its rate: the take, or the source with the take in parts of it."""
    made, take = sound.request.recipe, sound.take
    if made.operation not in anew.OWN_SAMPLES:
        return take.samples, take.identity.rate
    [one] = made.sources
    own, rate = read_clip((sources or Sources()).need(one.sha256, one.role).path)
    if made.operation == "upscale":
        cut = band.cutoff(made.cutoff, own, rate)
        return band.topped(own, rate, take.samples, take.identity.rate, cut)
    if made.operation == "extend":
        own = patch.laid_out(own, round(anew.lead(made) * rate), recipe.frames_at(made, rate) or 0)
    redone = anew.held_band(made, rate)
    for start, stop in anew.spans(made):
        new = take.samples, take.identity.rate
        own = (
            patch.patched(own, rate, *new, start, stop)
            if redone is None
            else band.redone(own, rate, *new, *redone, start, stop)
        )
    return own, rate


def notes(sound: Sound, done: Finished) -> tuple[str, ...]:
    """What could not be met to the letter: wishes of the finishing, and a take that could not be kept."""
    return (*sound.notes, *done.notes, *filter(None, [sound.take.unkept]))


def write(
    sound: Sound, path: Path, subtype: str, sources: Sources | None = None, *, picture: bool = False
) -> Clip:
    """Finish a sound and write it to `path` (its ending says the kind of file), whole or not at all.

    `subtype` is one of :data:`foleyd.audio.export.SUBTYPES` for it. `picture` draws waveform and
    spectrogram beside it, in a PNG of the same name. Raises RenderFailed, BadRequest, DiskFull.
    """
    made, take, model = sound.request.recipe, sound.take.identity, sound.request.model
    done, meta = finished(sound, sources)
    write_clip(path, done.samples, done.rate, meta, subtype)
    drawn = None
    if picture:
        from foleyd.audio.picture import draw

        drawn = picture_of(path)
        draw(drawn, done.samples, done.rate, made.prompt)
    return Clip(
        path=str(path),
        picture=str(drawn) if drawn else None,
        prompt=made.prompt,
        seed=take.seed,
        seconds=done.seconds,
        rate=done.rate,
        channels=done.samples.shape[0],
        true_peak_dbtp=meta.true_peak_dbtp,
        loudness_lufs=meta.loudness_lufs,
        kept=sound.kept,
        render_seconds=round(sound.seconds, 3),
        model=model.id,
        revision=model.revision,
        licence=model.licence,
        sellable=model.sellable,
        recipe_id=recipe.recipe_id(made),
        take_id=take.take_id,
        clip_id=meta.clip_id,
        recipe=made,
        runtime=take.runtime,
        precision=take.precision,
        threads=take.threads,
        notes=notes(sound, done),
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
