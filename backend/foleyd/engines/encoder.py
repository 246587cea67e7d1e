"""From a source to latents: the front end and the VAE's encoder of an AudioLDM checkpoint.

The sound is brought to the level that the checkpoint was trained at, for what a network makes of a sound far
above or below it is another sound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import nn

from foleyd.engines import mel
from foleyd.engines.base import SourceSound, never
from foleyd.engines.checkpoint import Geometry
from foleyd.engines.front_end import HOP, WINDOW, FrontEnd
from foleyd.engines.windows import Windows

_AROUND = -(-WINDOW // HOP)
"""Mel frames on each side that a window's log-mel is measured with, so that it is that of the whole."""


class Encoder(nn.Module):
    """The VAE's encoder as a plain network: log-mel `[n, frames, bins]` to latents `[n, c, t, f]` at the mean
    of their distribution, scaled as diffusion works on them; float32 outside.
    """

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv
        self.scale = float(vae.config.scaling_factor)

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Encode; no noise is drawn, so that a sound has one set of latents."""
        kind = next(self.encoder.parameters()).dtype
        moments = self.encoder(log_mel.unsqueeze(1).to(kind))
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        mean: torch.Tensor = moments.chunk(2, dim=1)[0]
        return self.scale * mean.float()


class Heard(NamedTuple):
    """A source as the model hears it: `latents` `[1, c, t, f]`, and the `gain` that brought it to the level
    of the model's own sounds."""

    latents: torch.Tensor
    gain: float


class Ear:
    """Hears sources: `encode` is a placed `Encoder`."""

    def __init__(
        self, encode: Callable[..., Any], geometry: Geometry, front: FrontEnd, device: torch.device
    ) -> None:
        self._encode, self._geometry, self._front, self._device = encode, geometry, front, device
        self._log_mel = mel.LogMel(centred=front.centred)

    def hear(
        self,
        source: SourceSound,
        frames: int,
        *,
        lead_s: float = 0.0,
        goes_on: bool = False,
        windows: Windows | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Heard:
        """`frames` latent frames of the source, which begins `lead_s` seconds after the first of them. Around
        it lies silence; its mirror image where it `goes_on`, so that its ends are heard as sound without an
        end. With `windows` it is heard in those, and what they leave out has latents of 0.

        Raises `Cancelled` between two windows.
        """
        samples = self.samples(source, self._geometry.samples(frames), lead_s, goes_on)
        peak = float(np.abs(samples).max())
        gain = self._front.peak / peak if peak > 0 else 1.0
        wave = torch.from_numpy(samples * np.float32(gain)).unsqueeze(0)
        if windows is None:
            return Heard(self._encode(self._log_mel(wave).to(self._device)), gain)

        def heard(start: int) -> torch.Tensor:
            latents: torch.Tensor = self._encode(self._part(wave, start, windows.size).to(self._device))
            return latents

        return Heard(windows.averaged(heard, cancelled, axis=2), gain)

    def _part(self, wave: torch.Tensor, start: int, size: int) -> torch.Tensor:
        """The log-mel of `size` latent frames from `start` on, as it is within that of the whole."""
        hop, factor = self._geometry.hop, self._geometry.vae_factor
        first, end, last = start * factor, (start + size) * factor, wave.shape[1] // hop
        begin, stop = max(0, first - _AROUND), min(last, end + _AROUND)
        around: torch.Tensor = self._log_mel(wave[:, begin * hop : stop * hop])
        return around[:, first - begin : end - begin]

    def place(self, seconds: float) -> float:
        """Where a time lies among the latent frames."""
        return seconds * self._geometry.rate / self._geometry.samples(1)

    def bins_below(self, hertz: float) -> int:
        """How many latent bins, from the lowest, hear nothing above that frequency."""
        bands = int((mel.tops(self._geometry.bins * self._geometry.vae_factor) <= hertz).sum())
        return bands // self._geometry.vae_factor

    def bins_to(self, hertz: float) -> int:
        """How many latent bins, from the lowest, hear something below that frequency."""
        bands = int((mel.bottoms(self._geometry.bins * self._geometry.vae_factor) < hertz).sum())
        return -(-bands // self._geometry.vae_factor)

    def samples(
        self, source: SourceSound, count: int, lead_s: float = 0.0, goes_on: bool = False
    ) -> NDArray[np.float32]:
        """`count` samples with the source in them, mixed to mono at the model's rate; the rest as for
        :meth:`hear`."""
        rate = self._geometry.rate
        mono = source.samples.mean(axis=0, dtype=np.float64)
        if source.rate != rate:
            mono = soxr.resample(mono, source.rate, rate, "VHQ")
        lead = min(round(lead_s * rate), count)
        own = mono[: count - lead]
        around = (lead, count - lead - len(own))
        whole = np.pad(own, around, mode="reflect") if goes_on and len(own) else np.pad(own, around)
        return np.ascontiguousarray(whole, dtype=np.float32)
