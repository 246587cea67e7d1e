"""The starter's audio tower: a small CLAP audio tower (HTSAT, Chen et al. 2022) that puts a clip where the
text tower puts its captions.

Trained with the symmetric contrastive loss of CLAP (Wu et al. 2023) against the finished text tower, and,
since the denoiser only knows the places of captions, pulled towards them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from foleyd.engines.vocoder import FrameVocoder
from foleyd.training import precision
from foleyd.training.autoencoder import Autoencoder
from foleyd.training.clips import RATE, level
from foleyd.training.progress import Run, learning_rate, set_rate

HOP = 320
WINDOW = 1024
BANDS = 64
SECONDS = 5
"""What the tower hears at once: 251 frames, just inside its 128 × 128 image of two rows."""
BATCH = 96
PEAK_RATE = 1e-3
PULL = 1.0
"""Weight of the distance to the own caption beside the contrastive loss."""
NEAR, NEAR_PULL, NEAR_RATE = 1 / 3, 6.0, 6e-4
"""The last share of the steps, its weight and its rate: once sounds are told apart, they go where captions
lie."""
_LOUDNESS, _FILTER, _HISS = 5.0, 4.0, 3.0
"""Spread in dB of what training adds: level, a slow change over the bands, noise of each bin."""
_LATE = 12
"""Frames by which a sound may begin later than its clip: 0.24 s."""
_SILENT = -100.0
"""dB of a bin in which there is nothing."""
_LOUDEST_FLOOR = -40.0
"""dB that a vocoder's own noise may reach."""
_SMEARED = 0.5
"""Share of clips whose bins run into their neighbours, as a decoder leaves them."""
_ENDS = ((128, 128, 0.35), (64, 251, 0.2), (10, 64, 0.2))
"""(first, last frame, share of clips): where a clip is cut, and silence after it. Most of what the tower is
asked about is 2.56 s long or a hit of a fifth of a second, and what is missing of its five seconds is silence
to it."""
_CODED_AT_ONCE, _CODED_FRAMES = 4, 256
CODED = 0.5
"""How often a clip is heard through the codec where that is known."""


class Pairs(msgspec.Struct, frozen=True):
    """What the tower learns from: features `[clips, frames, 64]` in dB, caption embeddings
    `[clips, captions, 384]`, a class for each clip `[clips]` (clips of one class are not told apart), how
    often each is drawn, and which clips are `mixed` `[clips]`: more than one sound, or one in a place, so
    that the words of a class by itself are not wrong for them.

    `coded` `[n, frames, 64]`: what autoencoder and vocoder make of the clips `coded_rows` `[n]`.
    """

    features: npt.NDArray[np.float16]
    captions: npt.NDArray[np.float16]
    classes: npt.NDArray[np.intp]
    share: npt.NDArray[np.float64]
    mixed: npt.NDArray[np.bool_]
    coded: npt.NDArray[np.float16]
    coded_rows: npt.NDArray[np.intp]


def extractor() -> ClapFeatureExtractor:
    """The front end, as its folder says it: power mel in dB, 20 ms apart."""
    return ClapFeatureExtractor(
        feature_size=BANDS,
        sampling_rate=RATE,
        hop_length=HOP,
        max_length_s=SECONDS,
        fft_window_size=WINDOW,
        frequency_min=0,
        frequency_max=RATE // 2,
        padding="pad",
        truncation="rand_trunc",
    )


def build(width: int) -> ClapAudioModelWithProjection:
    """A fresh tower whose embeddings have `width` numbers."""
    torch.manual_seed(0)
    config = ClapAudioConfig(
        spec_size=128,
        num_mel_bins=BANDS,
        patch_size=8,
        patch_stride=[8, 8],
        patch_embeds_hidden_size=48,
        hidden_size=192,
        depths=[1, 1, 2],
        window_size=4,
        num_attention_heads=[3, 6, 12],
        projection_dim=width,
        enable_fusion=False,
    )
    return ClapAudioModelWithProjection(config)


def features(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float16]:
    """What `extractor` makes of int16 samples `[clips, n]`: `[clips, 251, 64]` dB, many clips at once."""
    bank = mel_filter_bank(1 + WINDOW // 2, BANDS, 0, RATE // 2, RATE, norm="slaney", mel_scale="slaney")
    filters, window = torch.from_numpy(bank).float(), torch.hann_window(WINDOW)
    count = SECONDS * RATE
    found = np.empty((len(samples), count // HOP + 1, BANDS), np.float16)
    for start in range(0, len(samples), 64):
        part = torch.from_numpy(samples[start : start + 64, :count].astype(np.float32) / 32767)
        spectrum = torch.stft(part, WINDOW, HOP, window=window, return_complex=True)
        power = spectrum.real**2 + spectrum.imag**2
        mel = (power.transpose(1, 2) @ filters).clamp(min=1e-10)
        found[start : start + 64] = (10 * mel.log10()).numpy()
    return found


@torch.no_grad()
def coded(
    mels: npt.NDArray[np.float16], vae: Autoencoder, sounder: FrameVocoder, log: Callable[[str], None]
) -> npt.NDArray[np.float16]:
    """Features `[clips, 251, 64]` of what autoencoder and vocoder make of the first 2.56 s of log-mels
    `[clips, 512, 64]`, as loud as training clips are."""
    found = np.zeros((len(mels), SECONDS * RATE), np.int16)
    for start in range(0, len(mels), _CODED_AT_ONCE):
        part = torch.from_numpy(np.asarray(mels[start : start + _CODED_AT_ONCE, :_CODED_FRAMES], np.float32))
        with precision.fast():
            again = vae.decode(vae.encode(part[:, None]).latent_dist.mode()).sample[:, 0]
            waves = sounder(again).float()
        for place, wave in enumerate(waves.numpy(), start):
            kept = level(wave)
            if kept is not None:
                found[place] = kept[: found.shape[1]] * 32767
        if start % 1000 == 0:
            log(f"clips through the codec: {start}/{len(mels)}")
    return features(found)


def varied(heard: Tensor) -> Tensor:
    """Features `[clips, frames, 64]` as other microphones and vocoders would give them."""
    count, frames, bands = heard.shape
    late = torch.randint(0, _LATE, (count,))
    place = (torch.arange(frames) - late[:, None]).clamp(min=0)
    heard = heard.gather(1, place[..., None].expand(-1, -1, bands))
    heard = heard + torch.randn(count, 1, 1) * _LOUDNESS
    heard = heard + F.interpolate(torch.randn(count, 1, 5) * _FILTER, bands, mode="linear")
    heard = heard + torch.randn_like(heard) * (torch.rand(count, 1, 1) * _HISS)
    smeared = torch.rand(count) < _SMEARED
    if smeared.any():
        wide = F.pad(heard[smeared][:, None], (1, 1, 1, 1), mode="replicate")
        heard[smeared] = F.avg_pool2d(wide, 3, 1)[:, 0]
    floor = _SILENT + (_LOUDEST_FLOOR - _SILENT) * torch.rand(count, 1, 1) ** 1.5
    heard = 10 * torch.log10(10 ** (heard / 10) + 10 ** (floor / 10))
    kind, end = torch.rand(count), torch.full((count,), frames)
    for first, last, share in _ENDS:
        end = torch.where((kind >= 0) & (kind < share), torch.randint(first, last + 1, (count,)), end)
        kind = kind - share
    over = torch.arange(frames) >= end[:, None]
    return heard.masked_fill(over[..., None], _SILENT).clamp(min=_SILENT)


class Rivals:
    """One caption of each class, drawn anew for every step from clips that are no mixtures: what a clip is
    told apart from, its relatives among it, which a batch seldom holds."""

    def __init__(self, pairs: Pairs) -> None:
        learned = np.flatnonzero((pairs.share > 0) & ~pairs.mixed)
        self._rows = learned[np.argsort(pairs.classes[learned], kind="stable")]
        self._captions = pairs.captions
        classes, self._first, self._count = np.unique(
            pairs.classes[self._rows], return_index=True, return_counts=True
        )
        self.classes = torch.from_numpy(classes)
        """The class of each caption of a draw."""

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Unit vectors `[classes, d]`."""
        rows = self._rows[self._first + (rng.random(len(self._count)) * self._count).astype(np.intp)]
        chosen = rng.integers(self._captions.shape[1], size=len(rows))
        return F.normalize(torch.from_numpy(self._captions[rows, chosen]).float(), dim=-1)


def contrast(
    heard: Tensor,
    said: Tensor,
    classes: Tensor,
    scale: Tensor,
    others: Tensor | None = None,
    apart: Tensor | None = None,
) -> Tensor:
    """CLAP's loss for unit vectors `[n, d]` of clips and captions; pairs of one class but not of one clip
    count neither way. `others` `[m, d]` are captions of no clip here, `apart` `[n, m]` which of them are
    wrong for which clip."""
    alike = (classes[:, None] == classes[None]) & ~torch.eye(len(classes), dtype=torch.bool)
    scores = (scale.exp() * heard @ said.T).masked_fill(alike, -math.inf)
    own = torch.arange(len(classes))
    back = F.cross_entropy(scores.T, own)
    if others is not None and apart is not None:
        scores = torch.cat([scores, (scale.exp() * heard @ others.T).masked_fill(~apart, -math.inf)], 1)
    return (F.cross_entropy(scores, own) + back) / 2


def train(
    pairs: Pairs,
    folder: Path,
    steps: int,
    log: Callable[[str], None],
    base: ClapAudioModelWithProjection | None = None,
) -> ClapAudioModelWithProjection:
    """Trains for `steps`, a fresh tower or `base`; resumes from `folder`. A finished `base` tells sounds
    apart already: all its steps are those of `NEAR`."""
    tower = build(pairs.captions.shape[-1]) if base is None else base.requires_grad_(True)
    warmth = torch.nn.Parameter(torch.tensor(math.log(20.0)))
    holder = torch.nn.ParameterDict({"scale": warmth})
    optimiser = torch.optim.AdamW([*tower.parameters(), warmth], PEAK_RATE, weight_decay=1e-2)
    run = Run(folder, "hearing", steps)
    networks: dict[str, torch.nn.Module] = {"tower": tower, "scale": holder}
    run.resume(networks, optimiser)
    rng = np.random.default_rng(run.step + 23)
    torch.manual_seed(run.step + 23)
    tower.train()
    first = steps - round(NEAR * steps) if base is None else 0
    rivals, again = Rivals(pairs), {int(row): place for place, row in enumerate(pairs.coded_rows)}
    while not run.finished:
        near = run.step >= first
        set_rate(
            optimiser,
            learning_rate(run.step - first, steps - first, NEAR_RATE, 100)
            if near
            else learning_rate(run.step, first, PEAK_RATE, 100),
        )
        rows = rng.choice(len(pairs.features), BATCH, p=pairs.share)
        features = pairs.features[rows]
        for place, row in enumerate(rows):
            if row in again and rng.random() < CODED:
                features[place] = pairs.coded[again[row]]
        heard = varied(torch.from_numpy(features).float())
        chosen = rng.integers(pairs.captions.shape[1], size=BATCH)
        said = F.normalize(torch.from_numpy(pairs.captions[rows, chosen]).float(), dim=-1)
        with precision.fast():
            output = tower(heard[:, None], is_longer=None).audio_embeds
        mine = F.normalize(output.float(), dim=-1)
        pull = 1 - (mine * said).sum(-1).mean()
        classes = torch.from_numpy(pairs.classes[rows])
        apart = (classes[:, None] != rivals.classes) & torch.from_numpy(~pairs.mixed[rows])[:, None]
        told = contrast(mine, said, classes, warmth, rivals.draw(rng), apart)
        loss = told + (NEAR_PULL if near else PULL) * pull
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        line = run.advance(float(loss.detach()))
        if line:
            log(f"{line}, {float(1 - pull.detach()):.2f} cosine to the own caption")
        if run.due:
            run.save(networks, optimiser)
    return tower.eval()


@torch.inference_mode()
def embed(tower: ClapAudioModelWithProjection, heard: npt.NDArray[np.float16]) -> Tensor:
    """Unit vectors `[clips, d]` of features `[clips, frames, 64]`."""
    parts: Sequence[Any] = [
        tower(torch.from_numpy(heard[i : i + 64]).float()[:, None], is_longer=None).audio_embeds
        for i in range(0, len(heard), 64)
    ]
    return F.normalize(torch.cat(list(parts)).float(), dim=-1)


def figures(
    tower: ClapAudioModelWithProjection,
    heard: npt.NDArray[np.float16],
    said: npt.NDArray[np.float16],
    classes: npt.NDArray[np.intp],
) -> dict[str, float]:
    """For the model card, on held-out clips: cosine to the own caption, and how often a clip finds a caption
    of its class first, and among ten."""
    mine = embed(tower, heard)
    own = F.normalize(torch.from_numpy(said[:, 0]).float(), dim=-1)
    return {
        "hearing_cosine": float((mine * own).sum(-1).mean()),
        "retrieval_first": retrieval(mine, own, classes, 1),
        "retrieval_ten": retrieval(mine, own, classes, min(10, len(own))),
    }


def retrieval(heard: Tensor, said: Tensor, classes: npt.NDArray[np.intp], first: int) -> float:
    """Share of clips `[n, d]` that find a caption `[n, d]` of their class among the `first`."""
    best = (heard @ said.T).topk(first, dim=1).indices.numpy()
    return float((classes[best] == classes[:, None]).any(1).mean())
