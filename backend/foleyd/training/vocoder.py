"""Training of the frame vocoder against waveforms: spectra at several resolutions and the log-mel itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foleyd.engines.front_end import HOP
from foleyd.engines.mel import LogMel
from foleyd.engines.vocoder import FrameVocoder
from foleyd.training import precision
from foleyd.training.autoencoder import Autoencoder
from foleyd.training.progress import Run, learning_rate, set_rate

FRAMES = 96
"""Mel frames of a training crop: 0.96 s, longer than the receptive field."""
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256), (2048, 512))
"""(window, hop) of the spectra that are compared."""
DECODED_SHARE = 0.6
"""How often the vocoder hears what the autoencoder makes of a clip instead of its true log-mel."""


class SpectralLoss(torch.nn.Module):
    """Distance of two waveforms `[batch, n]` in log-magnitude and relative magnitude over `RESOLUTIONS`
    (Yamamoto et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.windows = [torch.hann_window(size) for size, _ in RESOLUTIONS]

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        total = torch.zeros(())
        for (size, hop), window in zip(RESOLUTIONS, self.windows, strict=True):
            a, b = (torch.stft(x, size, hop, window=window, return_complex=True) for x in (made, true))
            magnitude_a, magnitude_b = ((s.real**2 + s.imag**2 + 1e-8).sqrt() for s in (a, b))
            relative = (magnitude_b - magnitude_a).norm(dim=(1, 2)) / magnitude_b.norm(dim=(1, 2)).clamp(
                min=1e-2
            )
            total = (
                total
                + relative.clamp(max=5).mean()
                + (magnitude_a.clamp(min=1e-3).log() - magnitude_b.clamp(min=1e-3).log()).abs().mean()
            )
        return total / len(RESOLUTIONS)


def batch_of(
    samples: npt.NDArray[np.int16],
    mels: npt.NDArray[np.float16],
    rng: np.random.Generator,
    count: int,
    front: LogMel,
) -> tuple[Tensor, Tensor]:
    """Waveforms `[count, FRAMES × 160]` and the log-mels `[count, FRAMES, 64]` that stand over the same time.

    The level of each is drawn between -24 and 0 dB, so that the vocoder learns quiet sounds too.
    """
    found: list[tuple[int, int]] = []
    while len(found) < count:
        row = int(rng.integers(len(samples)))
        start = 0 if rng.random() < 0.35 else int(rng.integers(mels.shape[1] - FRAMES))
        if mels[row, start : start + FRAMES].max() > -8:
            found.append((row, start))
    gains = 10 ** rng.uniform(-1.2, 0, count).astype(np.float32)
    waves = np.stack([samples[r, s * HOP : (s + FRAMES) * HOP].astype(np.float32) / 32767 for r, s in found])
    wave = torch.from_numpy(waves * gains[:, None])
    with torch.no_grad():
        mel = front(wave)
    return wave, mel


def train(
    samples: npt.NDArray[np.int16],
    mels: npt.NDArray[np.float16],
    vae: Autoencoder | None,
    folder: Path,
    steps: int,
    log: Callable[[str], None],
    batch: int = 16,
    peak_rate: float = 1e-3,
) -> FrameVocoder:
    """Trains on `samples` `[clips, 81 920]`; resumes from `folder`."""
    torch.manual_seed(2)
    vocoder = FrameVocoder()
    optimiser = torch.optim.AdamW(vocoder.parameters(), lr=peak_rate, betas=(0.8, 0.99), weight_decay=1e-3)
    run = Run(folder, "vocoder", steps)
    run.resume({"vocoder": vocoder}, optimiser)
    front, spectral = LogMel(), SpectralLoss()
    rng = np.random.default_rng(run.step + 3)
    vocoder.train()
    while not run.finished:
        wave, mel = batch_of(samples, mels, rng, batch, front)
        heard = mel
        if vae is not None and rng.random() < DECODED_SHARE:
            with torch.no_grad(), precision.fast():
                heard = vae.decode(vae.encode(mel[:, None]).latent_dist.mode()).sample.float()[:, 0]
        set_rate(optimiser, learning_rate(run.step, steps, peak_rate))
        with precision.fast():
            made = vocoder(heard)
        distance = (front(made) - mel).abs().mean()
        loss = spectral(made, wave) + 1.5 * distance
        run.learn(loss, optimiser, {"vocoder": vocoder}, log, told=distance, limit=5.0)
    return vocoder.eval()


@torch.no_grad()
def resynthesis_error(vocoder: FrameVocoder, mels: npt.NDArray[np.float16], count: int = 96) -> float:
    """Mean absolute log-mel error in nats of resynthesised clips against the log-mels they were made from."""
    vocoder.eval()
    chosen = torch.from_numpy(np.asarray(mels[:: max(1, len(mels) // count)][:count, :256])).float()
    front = LogMel()
    return float(
        torch.stack([(front(vocoder(part)) - part).abs().mean() for part in chosen.split(16)]).mean()
    )
