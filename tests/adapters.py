"""Adapters for tests: random pairs for some layers of a network, in the place where foleyd looks for them."""

from __future__ import annotations

import msgspec
import torch
from safetensors.torch import save_file
from torch import nn

from foleyd.engines import adapters
from foleyd.engines.adapted import DOWN, PREFIX, UP
from foleyd.engines.adapters import Adapter, Card
from foleyd.engines.catalog import Entry

LAYERS = ("to_q", "conv1", "time_emb_proj", "class_embedding")


def pairs(unet: nn.Module, rank: int = 2, seed: int = 0, size: float = 0.05) -> dict[str, torch.Tensor]:
    """Pairs for the layers of `unet` whose names end as `LAYERS` says."""
    drawing = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=drawing) * size

    found = {}
    for name, layer in unet.named_modules():
        if name.endswith(LAYERS) and isinstance(layer, nn.Linear | nn.Conv2d):
            out, *inner = layer.weight.shape
            ones = [1] * (len(inner) - 1)
            found[PREFIX + name + DOWN] = normal(rank, *inner)
            found[PREFIX + name + UP] = normal(out, rank, *ones)
    return found


def put(
    name: str, model: Entry, tensors: dict[str, torch.Tensor], licence: str = "CC0-1.0", sellable: bool = True
) -> Adapter:
    """Put an adapter of `model` where foleyd finds it."""
    folder = adapters.root() / name
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / adapters.WEIGHTS)
    card = Card(
        base=model.id,
        revision=model.revision,
        licence=licence,
        sellable=sellable,
        word="Dustbox",
        captions={"a.wav": "Dustbox kick"},
        files={"a.wav": "0" * 64},
        rank=2,
        layers=len(tensors) // 2,
    )
    (folder / adapters.CARD).write_bytes(msgspec.json.encode(card))
    return adapters.resolve(name)
