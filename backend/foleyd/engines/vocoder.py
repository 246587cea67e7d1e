"""FrameVocoder: log-mel to waveform at frame rate, one inverse Fourier transform a frame.

A stack of ConvNeXt blocks (Liu et al. 2022) over mel frames predicts log-magnitude and phase of every
short-time spectrum, which an inverse STFT turns into sound (the scheme of Vocos, Siuzdak 2023). All layers
work at the frame rate, so it costs about a hundredth of a HiFi-GAN that upsamples to the sample rate. It
reads the same 64-band log-mel as AudioLDM's `SpeechT5HifiGan` and answers to the same three configuration
names.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from foleyd.errors import ModelBroken

WEIGHTS = "model.safetensors"


class VocoderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a `FrameVocoder`; `upsample_rates` and `model_in_dim` mean what they mean in
    `SpeechT5HifiGan`."""

    class_name: str = msgspec.field(default="FrameVocoder", name="_class_name")
    sampling_rate: int = 16_000
    model_in_dim: int = 64
    upsample_rates: tuple[int, ...] = (160,)
    window: int = 1024
    width: int = 320
    hidden: int = 960
    layers: int = 8
    kernel: int = 7

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return self.upsample_rates[0]


class _Block(nn.Module):
    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.mix = nn.Conv1d(
            config.width, config.width, config.kernel, padding=config.kernel // 2, groups=config.width
        )
        self.norm = nn.LayerNorm(config.width)
        self.widen = nn.Linear(config.width, config.hidden)
        self.narrow = nn.Linear(config.hidden, config.width)
        self.scale = nn.Parameter(torch.full((config.width,), 1 / config.layers))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(self.mix(x.transpose(1, 2)).transpose(1, 2))
        inner = self.narrow(nn.functional.gelu(self.widen(inner)))
        mixed: Tensor = x + self.scale * inner
        return mixed


def _inverse(window: int) -> Tensor:
    """The inverse Fourier transform of real frames as a matrix `[2 × (window / 2 + 1), window]`, float64.

    Rows are the real parts, then the imaginary parts. At this size it costs no more than the layers do, and
    runtimes without complex numbers have it too.
    """
    unit = torch.eye(window // 2 + 1, dtype=torch.complex128)
    return torch.cat([torch.fft.irfft(unit, n=window), torch.fft.irfft(1j * unit, n=window)])


def _add(frames: Tensor, hop: int) -> Tensor:
    """Frames `[batch, frames, window]` added `hop` samples apart: `[batch, samples]`."""
    hops = -(-frames.shape[2] // hop)
    padded = nn.functional.pad(frames, (0, hops * hop - frames.shape[2])).unflatten(2, (hops, hop))
    total = nn.functional.pad(padded[:, :, 0], (0, 0, 0, hops - 1))
    for at in range(1, hops):
        total = total + nn.functional.pad(padded[:, :, at], (0, 0, at, hops - 1 - at))
    return total.flatten(1)


class FrameVocoder(nn.Module):
    """Log-mel `[batch, frames, 64]` → waveform `[batch, frames × hop]`, float32, nominally within ±1.

    Its receptive field is `layers × (kernel // 2) + kernel // 2` frames each way, plus one window.
    """

    def __init__(self, config: VocoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or VocoderConfig()
        c = self.config
        self.enter = nn.Conv1d(c.model_in_dim, c.width, c.kernel, padding=c.kernel // 2)
        self.blocks = nn.ModuleList(_Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.leave = nn.Linear(c.width, c.window + 2)
        self.taper: Tensor
        self.synthesis: Tensor
        taper = torch.hann_window(c.window, dtype=torch.float64)
        self.register_buffer("taper", taper.float(), persistent=False)
        self.register_buffer("synthesis", (_inverse(c.window) * taper).float(), persistent=False)

    @property
    def receptive_frames(self) -> int:
        """Mel frames on each side that can change a frame's samples."""
        c = self.config
        return (c.layers + 1) * (c.kernel // 2) + -(-c.window // (2 * c.hop))

    def forward(self, log_mel: Tensor) -> Tensor:
        # Log-mels run from -11.5 to about 2: brought near unit range for the first layer.
        x = self.enter((log_mel.transpose(1, 2) + 5) / 4).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        magnitude, phase = self.leave(self.norm(x)).float().chunk(2, dim=-1)
        # A frame can never be louder than a full-scale sine under the window; the bound keeps exp() finite.
        size = magnitude.clamp(max=6.3).exp()
        spectrum = torch.cat([size * phase.cos(), size * phase.sin()], dim=-1)
        return self._overlap(spectrum @ self.synthesis)

    def _overlap(self, frames: Tensor) -> Tensor:
        """Windowed frames `[batch, frames, window]`, added where they overlap and freed of the windows."""
        c = self.config
        count = frames.shape[1]
        total = _add(frames, c.hop)
        envelope = _add((self.taper**2).expand(1, count, c.window), c.hop)
        edge = (c.window - c.hop) // 2
        return (total / envelope.clamp(min=1e-3))[:, edge : edge + count * c.hop]

    def save(self, folder: Path) -> None:
        """Writes `config.json` and half-precision `model.safetensors` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(self.config), indent=2) + b"\n"
        )
        save_file({k: v.detach().half().contiguous() for k, v in self.state_dict().items()}, folder / WEIGHTS)

    @classmethod
    def from_folder(cls, folder: Path) -> FrameVocoder:
        """Reads what `save` wrote, as float32, ready to run; raises `ModelBroken` when it does not fit."""
        try:
            config = msgspec.json.decode((folder / "config.json").read_bytes(), type=VocoderConfig)
            vocoder = cls(config)
            vocoder.load_state_dict({k: v.float() for k, v in load_file(folder / WEIGHTS).items()})
        except (OSError, RuntimeError, ValueError, SafetensorError, msgspec.MsgspecError) as error:
            raise ModelBroken(
                f"the vocoder in {folder.parent.name} cannot be read ({' '.join(str(error).split()):.200}): "
                "pull the model again."
            ) from error
        return vocoder.eval()
