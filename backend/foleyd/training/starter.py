"""How the starter was made, from Debian and Python packages to a checkpoint folder.

Each stage leaves its result in the work folder and is skipped when that is there, so a killed run goes on
where it was. The folder that comes out has AudioLDM's layout: any engine that runs `cvssp/audioldm-s-full-v2`
runs it.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from diffusers import DDIMScheduler
from transformers import (
    ClapAudioModelWithProjection,
    ClapTextModelWithProjection,
    PreTrainedTokenizerFast,
)

from foleyd.engines import folder as layout
from foleyd.engines.checkpoint import AUDIO_TOWER
from foleyd.engines.vocoder import FrameVocoder
from foleyd.training import (
    autoencoder,
    blends,
    clips,
    curve,
    denoiser,
    finished,
    grounding,
    hearing,
    music,
    procedural,
    progress,
    samples,
    soundfont,
    text,
    vocoder,
)

Log = Callable[[str], None]
SHARES = {
    "instrument": 0.58,
    "drum": 0.08,
    "chord": 0.03,
    "phrase": 0.03,
    "loop": 0.03,
    "recorded": 0.05,
    "procedural": 0.15,
    "blend": 0.05,
}
"""How often each kind of source is drawn while the denoiser is trained."""
KINDS = {"procedural": "procedural", "sonic-pi-samples": "recorded", blends.PACKAGE: "blend"}
"""Package → key of `SHARES`, where one package is one kind; the sound font's names begin with theirs."""
KEPT_FOR_BLENDS = 13
"""One clip in so many is remembered to be put together with others."""
LICENCE = "Apache-2.0"
DESCRIPTION = {
    "title": "foleyd starter",
    "licence": LICENCE,
    "sellable": True,
    "seconds": [0.3, 30.0],
    "auto_seconds": 2.56,
    "min_generate_seconds": 1.28,
    "steps": 20,
    "guidance": 3.0,
    "scheduler": "dpmpp-2m",
    # below what all but one in a hundred sounds of the shipped starter have to their words
    "least_similarity": 0.15,
    "best_of": 4,
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long each part is trained, in steps, and how much is rendered; the defaults made the shipped
    starter, whose denoiser then went on for 4 800 steps as a finished one."""

    autoencoder_steps: int = 2400
    text_steps: int = 450
    grounding_steps: int = 1760
    vocoder_steps: int = 3200
    hearing_steps: int = 6000
    denoiser_steps: int = 17_800
    procedural_each: int = 300
    chords_each: int = 12
    phrases_each: int = 8
    loops_each: int = 10
    pairs: int = 4600
    placed: int = 5600
    captions_each: int = 6
    seed: int = 1


class Work:
    """The work folder of one training: clips, spectra, latents and the networks' checkpoints."""

    def __init__(self, folder: Path, plan: Plan, log: Log) -> None:
        self.folder, self.plan, self.log = folder, plan, log
        folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, make: Callable[[], npt.NDArray[np.float16]]) -> npt.NDArray[np.float16]:
        """The stored array `name`, made first if it is not there; it appears whole or not at all."""
        path = self.folder / f"{name}.npy"
        if not path.is_file():
            draft = self.folder / f"{name}.part.npy"
            np.save(draft, make())
            draft.replace(path)
        found: npt.NDArray[np.float16] = np.load(path)
        return found

    def collect(self) -> tuple[npt.NDArray[np.int16], clips.ClipIndex]:
        """Every training clip, rendered on the first call."""
        folder = self.folder / "clips"
        if not (folder / "index.json").is_file():
            self.log("rendering training clips from the sound font, the recordings and the generators")
            count = clips.save(folder, self._rendered())
            self.log(f"{count} clips")
        return clips.load(folder)

    def _rendered(self) -> Iterator[clips.TrainingClip]:
        plan, count = self.plan, self.plan.captions_each
        words, numbers = random.Random(plan.seed), np.random.default_rng(plan.seed)
        font = soundfont.SoundFont()
        try:
            single = itertools.chain(
                soundfont.instrument_clips(font, words, count),
                soundfont.drum_clips(font, words, count),
                music.chord_clips(font, words, plan.chords_each, count),
                music.phrase_clips(font, words, plan.phrases_each, count),
                music.loop_clips(font, words, plan.loops_each, count),
                samples.clips(words, count),
                procedural.clips(numbers, plan.procedural_each, count),
            )
            yield from blends.with_blends(single, words, plan.pairs, plan.placed, count, KEPT_FOR_BLENDS)
        finally:
            font.close()

    def mels(self) -> npt.NDArray[np.float16]:
        """Log-mels `[clips, 512, 64]` of all clips."""
        return self.array("mels", lambda: autoencoder.mel_spectrograms(self.collect()[0], self.log))


def held_out(sources: Sequence[clips.Source]) -> npt.NDArray[np.bool_]:
    """Which clips no network is trained on."""
    return np.array([clips.is_held_out(source) for source in sources])


def shares(sources: list[clips.Source], learned: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How often each clip is drawn: by kind as in `SHARES`, evenly inside a kind, held-out clips never."""
    kinds = np.array([_kind(source) for source in sources])
    weight = np.zeros(len(sources))
    for kind, share in SHARES.items():
        chosen = (kinds == kind) & learned
        weight[chosen] = share / max(1, int(chosen.sum()))
    total: npt.NDArray[np.float64] = weight / weight.sum()
    return total


def _kind(source: clips.Source) -> str:
    if source.package != soundfont.PACKAGE:
        return KINDS[source.package]
    first = source.name.partition(":")[0]
    if first in SHARES:
        return first
    return "drum" if first == str(soundfont.DRUM_BANK) else "instrument"


def train(
    folder: Path,
    output: Path,
    plan: Plan,
    log: Log,
    figures: dict[str, float] | None = None,
    base: Path | None = None,
) -> Path:
    """Trains all parts in `folder` and writes the checkpoint to `output`; `figures` receives what was
    measured. With `base`, a finished model, text tower, autoencoder and vocoder are its own, and its denoiser
    goes on."""
    measured = {} if figures is None else figures
    work = Work(folder, plan, log)
    waves, index = work.collect()
    mels = work.mels()
    unheard = held_out(index.sources)
    captions = [caption for group in index.captions for caption in group]

    known = None if base is None else finished.load(base)
    if known is None:
        vae = autoencoder.train(mels[~unheard], mels[unheard], folder, plan.autoencoder_steps, log)
    else:
        vae = known.vae
    measured["autoencoder_held_out_nats"] = autoencoder.round_trip_error(vae, mels[unheard])
    latents = work.array("latents", lambda: autoencoder.encode(vae, mels, log))

    if known is None:
        latents = autoencoder.normalise(vae, latents)
        different = sorted(set(captions))
        tower, tokenizer, measured["text_cosine"] = text.distil(different, folder, plan.text_steps, log)
        run = progress.Run(folder, "grounding", plan.grounding_steps)
        measured |= grounding.ground(tower, tokenizer, different, run, log)
        sounder = vocoder.train(waves[~unheard], mels[~unheard], vae, folder, plan.vocoder_steps, log)
    else:
        tower, tokenizer, sounder = known.tower, known.tokenizer, known.sounder
    measured["vocoder_held_out_nats"] = vocoder.resynthesis_error(sounder, mels[unheard])

    embedded = work.array("captions", lambda: text.embed_all(tower, tokenizer, captions))
    said = embedded.reshape(len(latents), -1, embedded.shape[1])
    share = shares(index.sources, ~unheard)

    heard = work.array("features", lambda: hearing.features(waves))
    _, classes = np.unique([source.label for source in index.sources], return_inverse=True)
    ear = None if known is None else known.ear
    if ear is None:
        ear = hearing.train(hearing.Pairs(heard, said, classes, share), folder, plan.hearing_steps, log)
    measured |= hearing.figures(ear, heard[unheard], said[unheard], classes[unheard])

    data = denoiser.Conditioned(latents, said, text.embed_all(tower, tokenizer, [""])[0], share)
    unet = denoiser.train(data, folder, plan.denoiser_steps, log, None if known is None else known.unet)
    export(output, tower, tokenizer, vae, sounder, unet, ear)
    (folder / "figures.json").write_text(json.dumps(measured, indent=1) + "\n")
    curve.draw(output / curve.PICTURE, progress.curves(folder), "losses of the starter's networks")
    log(f"written to {output}: {', '.join(f'{k} {v:.3f}' for k, v in measured.items())}")
    return output


def export(
    output: Path,
    tower: ClapTextModelWithProjection,
    tokenizer: PreTrainedTokenizerFast,
    vae: autoencoder.Autoencoder,
    sounder: FrameVocoder,
    unet: denoiser.Denoiser,
    ear: ClapAudioModelWithProjection,
) -> None:
    """Writes an AudioLDM checkpoint folder: half-precision safetensors, foleyd's description, and a manifest
    with hashes."""
    output.mkdir(parents=True, exist_ok=True)
    tower.half().save_pretrained(output / "text_encoder")
    tokenizer.save_pretrained(output / "tokenizer")
    for name, network in (("vae", vae), ("unet", unet)):
        network.half().save_pretrained(output / name)
    ear.half().save_pretrained(output / AUDIO_TOWER)
    hearing.extractor().save_pretrained(output / AUDIO_TOWER)
    sounder.save(output / "vocoder")
    scheduler: Any = DDIMScheduler(**denoiser.SCHEDULE)
    scheduler.save_pretrained(output / "scheduler")
    index = {
        "_class_name": "AudioLDMPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "ClapTextModelWithProjection"],
        AUDIO_TOWER: ["transformers", "ClapAudioModelWithProjection"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["foleyd.engines.vocoder", "FrameVocoder"],
    }
    layout.write_whole(output / layout.INDEX, json.dumps(index, indent=1).encode() + b"\n")
    layout.write_whole(output / layout.DESCRIPTION, json.dumps(DESCRIPTION, indent=1).encode() + b"\n")
    files = layout.take_stock(output)
    layout.write_manifest(
        output, layout.Manifest(files, id="starter", revision=layout.content_revision(files))
    )
