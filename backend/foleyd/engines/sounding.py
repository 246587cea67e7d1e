"""From log-mel to samples: which vocoders there are, and how one is run piece by piece.

A HiFi-GAN takes as long as everything before it, and what it makes of a frame depends on near frames only. So
it runs on one piece of the log-mel after the other, with as many frames around each as can change it: the
samples are those of the whole, the first of them exist early, and memory does not grow with the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn

from foleyd.engines.catalog import STARTER
from foleyd.engines.checkpoint import Checkpoint
from foleyd.engines.weights import pretrained
from foleyd.errors import ModelBroken
from foleyd.runtime import Part

FIRST_FRAMES = 64
"""Mel frames of the first piece, 0.64 s in the published checkpoints; each after it is twice as long."""
MOST_FRAMES = 2048
"""Mel frames of the longest piece, so that memory does not grow with minutes."""
WHOLE_FRAMES = 4096
"""Up to so many mel frames a vocoder that does not say how far it looks is run on the whole."""
MARGIN = 64
"""Mel frames around a piece for such a vocoder; a `foleyd.engines.vocoder.FrameVocoder` looks 31 far."""
QUIET_MEL = -4.0
"""About the middle of log-mels, which run from −11.5 to 2."""


class Sounder(nn.Module):
    """A vocoder: log-mel `[n, frames, bins]` to samples `[n, at least frames × hop]`, float32 outside."""

    def __init__(self, vocoder: nn.Module) -> None:
        super().__init__()
        self.vocoder = vocoder

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Synthesise."""
        samples: torch.Tensor = self.vocoder(mel.to(next(self.vocoder.parameters()).dtype))
        return samples.float()


class Kind(NamedTuple):
    """A kind of vocoder: how to load it from its folder, and a precision of its own if it has one."""

    load: Callable[[Path], nn.Module]
    precision: str | None = None


def _hifi_gan(folder: Path) -> nn.Module:
    vocoder: nn.Module = pretrained(transformers.SpeechT5HifiGan, folder)
    return vocoder


def _frame_vocoder(folder: Path) -> nn.Module:
    from foleyd.engines.vocoder import FrameVocoder

    vocoder: nn.Module = FrameVocoder.from_folder(folder)
    return vocoder


KINDS: Mapping[str, Kind] = {
    "SpeechT5HifiGan": Kind(_hifi_gan),
    # its Fourier transform needs float32, and it is a hundredth of the work
    "FrameVocoder": Kind(_frame_vocoder, "float32"),
}
"""Vocoders by the class that their configuration names."""


def own(about: Checkpoint) -> Part:
    """The checkpoint's own vocoder. Raises `ModelBroken` for one of an unknown kind."""
    if about.vocoder not in KINDS:
        raise ModelBroken(
            f"{about.folder.name} has a vocoder of the unknown kind {about.vocoder!r}: foleyd runs "
            f"{', '.join(KINDS)}."
        )
    return _part("vocoder", KINDS[about.vocoder], about.folder / "vocoder", about)


def fast(about: Checkpoint) -> Part | None:
    """The starter's vocoder for a checkpoint that speaks the same log-mel, else None."""
    if "fast" not in about.capabilities.vocoders:
        return None
    return replace(_part("fast_vocoder", KINDS["FrameVocoder"], STARTER / "vocoder", about), usual=False)


def _part(name: str, kind: Kind, folder: Path, about: Checkpoint) -> Part:
    shape = about.geometry

    def mel(rows: int, frames: int) -> tuple[Any, ...]:
        size = (rows, frames * shape.vae_factor, shape.bins * shape.vae_factor)
        return (torch.randn(size, generator=torch.Generator().manual_seed(0)) + QUIET_MEL,)

    return Part(name, lambda: Sounder(kind.load(folder)), mel, precision=kind.precision)


def pieces(frames: int, reach: int | None) -> Iterator[tuple[int, int]]:
    """Where the pieces of `frames` mel frames begin and end; one piece where `reach` is None."""
    begin, size = 0, frames if reach is None else FIRST_FRAMES
    while begin < frames:
        end = min(frames, begin + size)
        yield begin, end
        begin, size = end, min(2 * size, MOST_FRAMES)


def vocode(
    vocoder: Callable[[torch.Tensor], torch.Tensor],
    mel: torch.Tensor,
    hop: int,
    reach: int | None,
) -> Iterator[torch.Tensor]:
    """The samples `[n, …]` of log-mel `[n, frames, bins]`, piece by piece.

    `reach`: frames on each side that can change a frame's samples; None vocodes the whole at once, unless it
    is longer than `WHOLE_FRAMES`.
    """
    frames = mel.shape[1]
    if reach is None and frames > WHOLE_FRAMES:
        reach = MARGIN
    for begin, end in pieces(frames, reach):
        first = max(0, begin - (reach or 0))
        samples = vocoder(mel[:, first : end + (reach or 0)])
        yield samples[:, (begin - first) * hop : (end - first) * hop]


def vocode_runs(
    vocoder: Callable[[torch.Tensor], torch.Tensor],
    mel: torch.Tensor,
    hop: int,
    reach: int | None,
    runs: Sequence[tuple[int, int]],
) -> Iterator[torch.Tensor]:
    """As :func:`vocode`, of `runs` of frames alone: between them, where nobody listens, is silence."""
    at = 0
    for first, stop in runs:
        if at < first:
            yield mel.new_zeros((mel.shape[0], (first - at) * hop))
        yield from vocode(vocoder, mel[:, first:stop], hop, reach)
        at = stop
    if at < mel.shape[1]:
        yield mel.new_zeros((mel.shape[0], (mel.shape[1] - at) * hop))
