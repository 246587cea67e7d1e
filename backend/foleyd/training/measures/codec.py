"""What autoencoder and vocoder lose of real clips that they have not heard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from foleyd.engines.mel import LogMel
from foleyd.training.measures.clip import thinned
from foleyd.training.measures.world import World
from foleyd.training.recogniser import shares
from foleyd.training.vocoder import SpectralLoss

CLIPS = 200
_PART = 16


@torch.inference_mode()
def figures(world: World, part: float) -> dict[str, float]:
    """Log-mel L1 in nats through the autoencoder, the vocoder and both; the distance of spectra at four
    resolutions (Yamamoto et al. 2020) through the vocoder and both; how many are still recognised."""
    held = world.held()
    rows = np.array(thinned(list(held), min(1.0, part * CLIPS / max(1, len(held)))), np.intp)
    mels = torch.from_numpy(world.mel(rows))
    waves = torch.from_numpy(np.stack([world.wave(row) for row in rows]))
    vae, sounder = world.model.vae, world.model.sounder
    coded = torch.cat(
        [
            vae.decode(vae.encode(some[:, None]).latent_dist.mode()).sample[:, 0]
            for some in mels.split(_PART)
        ]
    )  # fmt: skip
    voiced, both = (torch.cat([sounder(some) for some in what.split(_PART)]) for what in (mels, coded))
    front, spectral = LogMel(), SpectralLoss()
    labels = world.labels[rows]

    def recognised(heard: torch.Tensor) -> tuple[float, float]:
        found: npt.NDArray[np.float32] = heard.numpy()
        return shares(world.recogniser.ranks(found, labels))

    ways = {"real": mels, "vae": coded, "vocoder": front(voiced), "both": front(both)}
    found = {
        f"codec_{name}_l1": float((heard - mels).abs().mean())
        for name, heard in ways.items()
        if heard is not mels
    }
    found |= {
        f"codec_{name}_spectra": float(
            torch.stack([spectral(a[None], b[None]) for a, b in zip(made, waves, strict=True)]).mean()
        )
        for name, made in (("vocoder", voiced), ("both", both))
    }
    for name, heard in ways.items():
        found[f"codec_{name}_first"], found[f"codec_{name}_five"] = recognised(heard)
    return found
