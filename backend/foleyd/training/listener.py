"""A classifier of sounds that has only ever heard real clips: a small convolutional network over log-mels.

It hears each clip louder and softer, through other filters, hissing, smeared and with spans of time and bands
of frequency missing (SpecAugment, Park et al. 2019), so that it knows sounds by more than one trait.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleyd.training.progress import Run, learning_rate, set_rate

QUIET = -9.0
"""Log-mel below which a bin says nothing: the codec's own noise lies there."""
STEPS = 1700
BATCH = 48
PEAK_RATE = 3e-3
_LOUDNESS, _FILTER, _HISS = 0.3, 0.25, 0.3
"""Spread of what is added, in units of :func:`prepared` (3 nats)."""


class Listener(nn.Module):
    """Log-mels `[clips, 256, 64]`, prepared, to scores `[clips, classes]`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (
            (2, 24, (2, 1)),
            (24, 48, 2),
            (48, 48, 1),
            (48, 96, 2),
            (96, 96, 1),
            (96, 160, 2),
            (160, 160, 1),
        )
        self.features = nn.Sequential(nn.AvgPool2d((2, 1)), *(_layer(*width) for width in widths))
        self.scores = nn.Linear(2 * 160, classes)

    def forward(self, mels: Tensor) -> Tensor:
        """The scores."""
        scores: Tensor = self.scores(F.dropout(self.pooled(mels), 0.3, self.training))
        return scores

    def pooled(self, mels: Tensor) -> Tensor:
        """What the scores are made from, `[clips, 320]`. A second channel tells each bin its frequency."""
        place = torch.linspace(-1, 1, mels.shape[2]).expand(len(mels), 1, *mels.shape[1:])
        heard = self.features(torch.cat([mels[:, None], place], 1))
        return torch.cat([heard.mean((2, 3)), heard.amax((2, 3))], 1)


def _layer(before: int, after: int, stride: int | tuple[int, int]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def prepared(mels: npt.NDArray[np.floating]) -> Tensor:
    """Log-mels in nats as the network takes them: about -1.3 to 1.5."""
    heard = torch.from_numpy(np.maximum(np.asarray(mels, np.float32), QUIET))
    return (heard + 5) / 3


def varied(mels: Tensor) -> Tensor:
    """Prepared `mels` `[clips, 256, 64]` as other rooms and loudspeakers would have them."""
    count, frames, bands = mels.shape
    mels = mels + torch.randn(count, 1, 1) * _LOUDNESS
    mels = mels + F.interpolate(torch.randn(count, 1, 5) * _FILTER, bands, mode="linear")
    mels = mels + torch.randn_like(mels) * (torch.rand(count, 1, 1) * _HISS)
    smeared = torch.rand(count) < 0.4
    if smeared.any():
        wide = F.pad(mels[smeared][:, None], (1, 1, 1, 1), mode="replicate")
        mels[smeared] = F.avg_pool2d(wide, 3, 1)[:, 0]
    for mel in mels:
        low = int(torch.randint(0, bands - 12, ()))
        mel[:, low : low + int(torch.randint(0, 10, ()))] = mel.mean()
        early = int(torch.randint(0, frames - 26, ()))
        mel[early : early + int(torch.randint(0, 50, ()))] = mel.mean()
    return mels.clamp(min=(QUIET + 5) / 3)


def train(
    mels: npt.NDArray[np.floating],
    labels: npt.NDArray[np.intp],
    folder: Path,
    log: Callable[[str], None],
    steps: int = STEPS,
    name: str = "listener",
) -> Listener:
    """Train on real clips: log-mels `[clips, 256, 64]` in nats and their classes `[clips]`; resumes from
    `name` in `folder`, and goes on from what lies finished there."""
    torch.manual_seed(0)
    network = Listener(int(labels.max()) + 1)
    optimiser = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=1e-2)
    run = Run(folder, name, steps)
    networks: dict[str, nn.Module] = {"network": network}
    run.resume(networks, optimiser)
    torch.manual_seed(run.step + 17)
    heard, classes = prepared(mels), torch.from_numpy(labels)
    network.train()
    while not run.finished:
        set_rate(optimiser, learning_rate(run.step, steps, PEAK_RATE))
        rows = torch.randint(0, len(heard), (BATCH,))
        loss = F.cross_entropy(network(varied(heard[rows])), classes[rows], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        line = run.advance(float(loss.detach()))
        if line:
            log(line)
        if run.due:
            run.save(networks, optimiser)
    return network.eval()


@torch.inference_mode()
def ranks(
    network: Listener, mels: npt.NDArray[np.floating], labels: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """At which place the network puts the right class of each clip, 0 the first."""
    scores = torch.cat([network(part) for part in prepared(mels).split(64)])
    right = scores.gather(1, torch.from_numpy(labels)[:, None])
    found: npt.NDArray[np.intp] = (scores > right).sum(1).numpy()
    return found


@torch.inference_mode()
def features(network: Listener, mels: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """What the network hears in log-mels `[clips, 256, 64]` before it names them, `[clips, 320]`."""
    heard: npt.NDArray[np.float64] = (
        torch.cat([network.pooled(part) for part in prepared(mels).split(64)]).double().numpy()
    )
    return heard
