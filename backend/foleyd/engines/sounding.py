"""From log-mel to samples: which vocoders there are, and how one is run piece by piece.

A HiFi-GAN takes as long as everything before it, and what it makes of a frame depends on near frames only. So
it runs on one piece of the log-mel after the other, with as many frames around each as can change it: the
samples are those of the whole, the first of them exist early, and memory does not grow with the clip.
"""

from __future__ import annotations

import math
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

WINDOW_FRAMES = 180
"""Mel frames that such a vocoder is called with at once, 1.8 s in the published checkpoints: always as many,
so that a runtime can have everything ready for just that. What it computes then stays near the processor: a
frame takes least at about this length, and nearly half as much again at 308."""
WHOLE_FRAMES = 4096
"""Mel frames that a vocoder which does not say how far it looks is called with at once, so that memory does
not grow with minutes."""
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
    return _part("vocoder", KINDS[about.vocoder], about.folder / "vocoder", about, about.reach)


def fast(about: Checkpoint) -> Part | None:
    """The starter's vocoder for a checkpoint that speaks the same log-mel, else None."""
    if "fast" not in about.capabilities.vocoders:
        return None
    return replace(
        _part("fast_vocoder", KINDS["FrameVocoder"], STARTER / "vocoder", about, None), usual=False
    )


def _part(name: str, kind: Kind, folder: Path, about: Checkpoint, reach: int | None) -> Part:
    shape = about.geometry

    def mel(rows: int, frames: int) -> tuple[Any, ...]:
        size = (rows, frames * shape.vae_factor, shape.bins * shape.vae_factor)
        return (torch.randn(size, generator=torch.Generator().manual_seed(0)) + QUIET_MEL,)

    return Part(
        name,
        lambda: Sounder(kind.load(folder)),
        mel,
        precision=kind.precision,
        lengths=_lengths(about, reach),
    )


def _lengths(about: Checkpoint, reach: int | None) -> tuple[int, ...]:
    """The latent frames that a vocoder of this `reach` is called with; none where that is quick anyway."""
    if reach is None:
        return ()
    longest = window(reach) // about.geometry.vae_factor
    return (*(frames for frames in about.lengths() if frames < longest), longest)


def window(reach: int | None) -> int:
    """Mel frames that a vocoder of this `reach` is called with at once, a multiple of four; of one that looks
    far two thirds are kept."""
    return WHOLE_FRAMES if reach is None else max(WINDOW_FRAMES, 4 * math.ceil(1.5 * reach))


def margin(reach: int | None) -> int:
    """Mel frames around a piece that can change it in a vocoder of this `reach`."""
    return MARGIN if reach is None else reach


class Span(NamedTuple):
    """One call: the mel frames `first` to `last` go in, of what comes out `begin` to `end` are kept."""

    first: int
    begin: int
    end: int
    last: int


def spans(frames: int, reach: int | None) -> Iterator[Span]:
    """The calls that make `frames` mel frames into samples: all as long as `window` says, but for the only
    one of a shorter clip."""
    size, around = window(reach), margin(reach)
    end = 0
    while end < frames:
        begin = end
        first = max(0, min(begin - around, frames - size))
        last = min(frames, first + size)
        end = last if last == frames else last - around
        yield Span(first, begin, end, last)


def vocode(
    vocoder: Callable[[torch.Tensor], torch.Tensor],
    mel: torch.Tensor,
    hop: int,
    reach: int | None,
) -> Iterator[torch.Tensor]:
    """The samples `[n, …]` of log-mel `[n, frames, bins]`, piece by piece.

    `reach`: frames on each side that can change a frame's samples; None for a vocoder that is quick enough to
    be run on the whole, up to `WHOLE_FRAMES`.
    """
    for first, begin, end, last in spans(mel.shape[1], reach):
        samples = vocoder(mel[:, first:last])
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
