"""The log-mel spectrogram that AudioLDM's autoencoder and vocoder speak, in torch.

16 kHz, Hann window of 1024, hop 160, 64 Slaney-normalised mel bands from 0 to 8 kHz, natural logarithm with a
floor of 1e-5, reflection-padded so that `n` samples give exactly `n / 160` frames (the front end of HiFi-GAN,
Kong et al. 2020, with AudioLDM's sizes, Liu et al. 2023). HiFi-GAN's frames stand in the middle of their hop,
those that the published AudioLDM checkpoints were trained on (TacotronSTFT in AudioLDM's own code) at its
beginning, half a hop earlier.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from foleyd.engines.front_end import BANDS, HOP, RATE, WINDOW

FLOOR = math.log(1e-5)


def _hz_to_mel(hz: Tensor) -> Tensor:
    linear = hz * 3 / 200
    return torch.where(hz < 1000, linear, 15 + torch.log(hz.clamp(min=1e-9) / 1000) * 27 / math.log(6.4))


def _mel_to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def filters(bands: int = BANDS, window: int = WINDOW, rate: int = RATE) -> Tensor:
    """Triangular mel filters `[bands, window // 2 + 1]`, each of unit area in Hz (Slaney's Auditory Toolbox
    scale)."""
    edges = _edges(bands, rate)
    bins = torch.linspace(0, rate / 2, window // 2 + 1, dtype=torch.float64)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


def bottoms(bands: int = BANDS, rate: int = RATE) -> Tensor:
    """The lowest frequency that each mel band hears, Hz `[bands]`."""
    return _edges(bands, rate)[:-2]


def tops(bands: int = BANDS, rate: int = RATE) -> Tensor:
    """The highest frequency that each mel band hears, Hz `[bands]`."""
    return _edges(bands, rate)[2:]


def _edges(bands: int, rate: int) -> Tensor:
    top = torch.tensor(rate / 2, dtype=torch.float64)
    return _mel_to_hz(torch.linspace(0, float(_hz_to_mel(top)), bands + 2, dtype=torch.float64))


class LogMel(torch.nn.Module):
    """Waveform `[batch, n]` → log-mel `[batch, n // 160, 64]`; `n` is at least 640.

    `centred`: frame k stands around sample 160 k, as in AudioLDM's own front end, instead of 160 k + 80.
    """

    def __init__(self, *, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        self.register_buffer("filters", filters())
        self.register_buffer("window", torch.hann_window(WINDOW))

    def forward(self, waveform: Tensor) -> Tensor:
        before = (WINDOW if self.centred else WINDOW - HOP) // 2
        padded = torch.nn.functional.pad(waveform.float(), (before, WINDOW - HOP - before), mode="reflect")
        spectrum = torch.stft(padded, WINDOW, HOP, window=self.window, center=False, return_complex=True)  # type: ignore[arg-type]
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        mel: Tensor = self.filters @ magnitude  # type: ignore[operator]
        return mel.clamp(min=1e-5).log().transpose(1, 2)
