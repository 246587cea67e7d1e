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
from typing import Any, Literal

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
Part = Literal["denoiser", "ear"]
"""What of a finished model can go on being trained."""
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
    "least_similarity": 0.2,
    "best_of": 4,
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long each part is trained, in steps, and how much is rendered; the defaults made the shipped
    starter, whose denoiser then went on for 4 800 steps as a finished one, and its ear for 4 700."""

    autoencoder_steps: int = 2400
    text_steps: int = 450
    grounding_steps: int = 1760
    vocoder_steps: int = 3200
    hearing_steps: int = 6000
    coded: int = 4500
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
        self._arrays: dict[str, npt.NDArray[np.float16]] = {}
        self._collected: tuple[npt.NDArray[np.int16], clips.ClipIndex] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, make: Callable[[], npt.NDArray[np.float16]]) -> npt.NDArray[np.float16]:
        """The stored array `name`, made first if it is not there; it appears whole or not at all, and is read
        once."""
        if name not in self._arrays:
            path = self.folder / f"{name}.npy"
            if not path.is_file():
                draft = self.folder / f"{name}.part.npy"
                np.save(draft, make())
                draft.replace(path)
            self._arrays[name] = np.load(path)
        return self._arrays[name]

    def collect(self) -> tuple[npt.NDArray[np.int16], clips.ClipIndex]:
        """Every training clip, rendered on the first call."""
        folder = self.folder / "clips"
        if not (folder / "index.json").is_file():
            self.log("rendering training clips from the sound font, the recordings and the generators")
            count = clips.save(folder, self._rendered())
            self.log(f"{count} clips")
        if self._collected is None:
            self._collected = clips.load(folder)
        return self._collected

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

    def latents(self, vae: autoencoder.Autoencoder) -> npt.NDArray[np.float16]:
        """What `vae` makes of the log-mels, `[clips, 8, 128, 16]`."""
        return self.array("latents", lambda: autoencoder.encode(vae, self.mels(), self.log))

    def said(
        self, tower: ClapTextModelWithProjection, tokenizer: PreTrainedTokenizerFast
    ) -> npt.NDArray[np.float16]:
        """Where the text tower puts the captions, `[clips, captions, 384]`."""
        captions = self.collect()[1].captions
        flat = list(itertools.chain.from_iterable(captions))
        found = self.array("captions", lambda: text.embed_all(tower, tokenizer, flat))
        return found.reshape(len(captions), -1, found.shape[1])

    def heard(self) -> npt.NDArray[np.float16]:
        """The audio tower's features of all clips."""
        return self.array("features", lambda: hearing.features(self.collect()[0]))

    def pairs(
        self, said: npt.NDArray[np.float16], vae: autoencoder.Autoencoder, sounder: FrameVocoder
    ) -> hearing.Pairs:
        """What the audio tower learns from."""
        share = self.share()
        count = min(self.plan.coded, int(np.count_nonzero(share)))
        rows = np.random.default_rng(self.plan.seed).choice(len(share), count, replace=False, p=share)
        sources = self.collect()[1].sources
        return hearing.Pairs(
            self.heard(),
            said,
            self.classes(),
            share,
            np.array([source.package == blends.PACKAGE for source in sources]),
            self.array("coded", lambda: hearing.coded(self.mels()[rows], vae, sounder, self.log)),
            rows,
        )

    def conditioned(
        self,
        latents: npt.NDArray[np.float16],
        said: npt.NDArray[np.float16],
        tower: ClapTextModelWithProjection,
        tokenizer: PreTrainedTokenizerFast,
    ) -> denoiser.Conditioned:
        """What the denoiser learns from."""
        nothing = text.embed_all(tower, tokenizer, [""])[0]
        return denoiser.Conditioned(latents, said, nothing, self.share())

    def classes(self) -> npt.NDArray[np.intp]:
        """A number for each clip, the same where two are of one kind."""
        labels = [source.label for source in self.collect()[1].sources]
        found: npt.NDArray[np.intp] = np.unique(labels, return_inverse=True)[1]
        return found

    def unheard(self) -> npt.NDArray[np.bool_]:
        """Which clips no network is trained on."""
        return held_out(self.collect()[1].sources)

    def share(self) -> npt.NDArray[np.float64]:
        """How often each clip is drawn."""
        return shares(self.collect()[1].sources, ~self.unheard())


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


def train(folder: Path, output: Path, plan: Plan, log: Log, figures: dict[str, float] | None = None) -> Path:
    """Trains all parts in `folder` and writes the checkpoint to `output`; `figures` receives what was
    measured."""
    measured = {} if figures is None else figures
    work = Work(folder, plan, log)
    waves, index = work.collect()
    mels, unheard = work.mels(), work.unheard()
    vae = autoencoder.train(mels[~unheard], mels[unheard], folder, plan.autoencoder_steps, log)
    latents = autoencoder.normalise(vae, work.latents(vae))
    different = sorted(set(itertools.chain.from_iterable(index.captions)))
    tower, tokenizer, measured["text_cosine"] = text.distil(different, folder, plan.text_steps, log)
    run = progress.Run(folder, "grounding", plan.grounding_steps)
    measured |= grounding.ground(tower, tokenizer, different, run, log)
    sounder = vocoder.train(waves[~unheard], mels[~unheard], vae, folder, plan.vocoder_steps, log)
    said = work.said(tower, tokenizer)
    ear = hearing.train(work.pairs(said, vae, sounder), folder, plan.hearing_steps, log)
    data = work.conditioned(latents, said, tower, tokenizer)
    unet = denoiser.train(data, folder, plan.denoiser_steps, log)
    return _finish(work, output, finished.Finished(tower, tokenizer, vae, sounder, unet, ear), measured)


def go_on(folder: Path, output: Path, plan: Plan, log: Log, base: Path, part: Part) -> Path:
    """Trains one `part` of the finished model `base` on in `folder` and writes the checkpoint to
    `output`; all others stay as they are, but an audio tower that is missing is made."""
    known = finished.load(base)
    work = Work(folder, plan, log)
    said = work.said(known.tower, known.tokenizer)
    if part == "ear" or known.ear is None:
        pairs = work.pairs(said, known.vae, known.sounder)
        known = known._replace(ear=hearing.train(pairs, folder, plan.hearing_steps, log, known.ear))
    if part == "denoiser":
        data = work.conditioned(work.latents(known.vae), said, known.tower, known.tokenizer)
        known = known._replace(unet=denoiser.train(data, folder, plan.denoiser_steps, log, known.unet))
    return _finish(work, output, known, {})


def _finish(work: Work, output: Path, made: finished.Finished, measured: dict[str, float]) -> Path:
    """Measures what held-out clips say of the networks, and writes them."""
    unheard = work.unheard()
    mels, said = work.mels()[unheard], work.said(made.tower, made.tokenizer)[unheard]
    assert made.ear is not None
    measured["autoencoder_held_out_nats"] = autoencoder.round_trip_error(made.vae, mels)
    measured["vocoder_held_out_nats"] = vocoder.resynthesis_error(made.sounder, mels)
    measured |= hearing.figures(made.ear, work.heard()[unheard], said, work.classes()[unheard])
    export(output, made.tower, made.tokenizer, made.vae, made.sounder, made.unet, made.ear)
    (work.folder / "figures.json").write_text(json.dumps(measured, indent=1) + "\n")
    curve.draw(output / curve.PICTURE, progress.curves(work.folder), "losses of the starter's networks")
    work.log(f"written to {output}: {', '.join(f'{k} {v:.3f}' for k, v in measured.items())}")
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
