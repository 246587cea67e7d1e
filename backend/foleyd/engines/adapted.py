"""The denoising network with an adapter: `W + weight · B · A` for each layer that the adapter changes.

The merged weights are handed to the network for the length of a call, so its own are never written to:
without an adapter, or at weight 0, it is the network that was loaded, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from foleyd.engines.adapters import Adapter
from foleyd.errors import BadRequest, ModelBroken

PREFIX = "unet."
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
"""The two halves of a layer's pair, as diffusers and peft name them: A `[rank, in, …]`, B `[out, rank,
…]`."""


def merged(weights: Mapping[str, Tensor], pairs: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """The weights, by name, that `pairs` change, each as `W + weight · B · A` in the type of W.

    `weights`: those of the network; `pairs`: what an adapter's file holds, without `PREFIX`. A convolution's
    A has its kernel and its B is 1 × 1, so that both are one product of matrices. Raises ValueError for pairs
    that are not whole, or not of this network.
    """
    found = {}
    layers = {name.removesuffix(DOWN) for name in pairs if name.endswith(DOWN)}
    if not layers or len(pairs) != 2 * len(layers):
        raise ValueError("it holds something else than pairs of LoRA weights")
    for layer in sorted(layers):
        name = f"{layer}.weight"
        if name not in weights or layer + UP not in pairs:
            raise ValueError(
                f"the model has no layer {layer}" if name not in weights else f"{layer} lacks its B"
            )
        own, down, up = weights[name], pairs[layer + DOWN].float(), pairs[layer + UP].float()
        fits = (
            down.shape[0] == up.shape[1] and up.shape[0] == own.shape[0] and down.shape[1:] == own.shape[1:]
        )
        if not fits:
            raise ValueError(f"its {layer} has another shape than the model's")
        change = (up.flatten(1) @ down.flatten(1)).view(own.shape)
        found[name] = (own.float() + weight * change.to(own.device)).to(own.dtype)
    return found


def read(adapter: Adapter) -> dict[str, Tensor]:
    """The pairs in an adapter's file, by the names of the UNet's layers. Raises ModelBroken."""
    try:
        pairs = load_file(adapter.weights)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelBroken(
            f"The adapter {adapter.name!r} cannot be read ({error}): train it again."
        ) from error
    return {name.removeprefix(PREFIX): tensor for name, tensor in pairs.items()}


class Adapted:
    """A placed `foleyd.engines.networks.Denoiser` with adapters; holds the merged weights of the last one."""

    def __init__(self, denoise: nn.Module) -> None:
        self._denoise = denoise
        self._key: tuple[str, str, float] | None = None
        self._merged: dict[str, Tensor] = {}

    def with_(self, adapter: Adapter, weight: float) -> Callable[..., Any]:
        """What to call in place of the network. Raises ModelBroken, BadRequest for an adapter of a network of
        another shape."""
        key = (adapter.name, adapter.revision, weight)
        if key != self._key:
            own = {name.removeprefix(PREFIX): tensor for name, tensor in self._denoise.named_parameters()}
            self._key, self._merged = None, {}  # so that there is never room needed for two
            try:
                changed = merged(own, read(adapter), weight)
            except ValueError as error:
                raise BadRequest(
                    f"The adapter {adapter.name!r} does not fit this model ({error}): train it on this one."
                ) from error
            self._key, self._merged = key, {PREFIX + name: tensor for name, tensor in changed.items()}
        changes = self._merged
        return lambda *tensors: functional_call(self._denoise, changes, tensors)
