"""Prompts to embeddings, each text once."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional

from foleyd import mixture
from foleyd.engines import weights
from foleyd.runtime import Part, memory

_log = logging.getLogger(__name__)

CAPACITY = 512
"""Embeddings kept: a long session's worth, about a megabyte."""


class TextTower(nn.Module):
    """A CLAP text tower as a plain network: token ids and mask `[1, tokens]` to a unit vector, float32 `[1,
    d]`.

    Layers that are used as the files in `folder` have them are in memory one at a time: all of them would be
    the most that a worker holds, for a tenth of a second.
    """

    def __init__(self, tower: Any, folder: Path) -> None:
        super().__init__()
        self.tower = tower
        self._folder = folder
        self._pages: dict[nn.Module, memory.Pages] = {}
        for layer in tower.text_model.encoder.layer:
            layer.register_forward_hook(self._rest)

    def _rest(self, layer: nn.Module, inputs: object, output: object) -> None:
        if not self._pages:
            mapped = list(memory.unchanged(self._folder))
            self._pages = {
                one: memory.Pages(mapped, one.parameters()) for one in self.tower.text_model.encoder.layer
            }
        self._pages[layer].let_go()

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The normalised projection of one tokenised text."""
        embeds = self.tower(input_ids=ids, attention_mask=mask).text_embeds
        return functional.normalize(embeds.float(), dim=-1)


class Prompts:
    """Embeds texts with a tokenizer and a placed `TextTower`, and keeps the `capacity` most recently used
    embeddings.

    Each text goes through the tower alone and unpadded: its embedding cannot depend on its neighbours in a
    batch, and the tower spends nothing on padding. `longest` is what the tower's position table holds, in
    tokens; `rest` is called when the tower is done with a text, and may take memory that only it needs.
    """

    def __init__(
        self,
        tokenizer: Any,
        longest: int,
        *,
        tower: Callable[..., Any],
        device: torch.device,
        capacity: int = CAPACITY,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._tokenizer = tokenizer
        self._tower = tower
        self._device = device
        self._longest = min(longest, tokenizer.model_max_length)
        self._capacity, self._rest = capacity, rest
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors, float32 `[len(texts), d]` on the device. Words beyond the tower's length are not
        heard.

        A text with weights (`foleyd.mixture`) is the weighted mean of its parts' vectors, brought back to the
        length 1 that the network was trained with.
        """
        return torch.cat([self.mixed(mixture.parts(text)) for text in texts])

    def mixed(self, parts: Sequence[mixture.Part]) -> torch.Tensor:
        """The unit vector `[1, d]` of a mixture."""
        if len(parts) == 1:
            return self._one(parts[0].text)
        mean = torch.stack([part.share * self._one(part.text) for part in parts]).sum(0)
        return functional.normalize(mean, dim=-1)

    def _one(self, text: str) -> torch.Tensor:
        if text in self._kept:
            self._kept.move_to_end(text)
            return self._kept[text]
        ids = self._tokenizer(text, truncation=True, max_length=self._longest, return_tensors="pt")
        if ids.input_ids.shape[1] == self._longest:
            _log.warning(
                "the prompt fills all %d tokens; words beyond them are not heard: %.60s…", self._longest, text
            )
        embedding: torch.Tensor = self._tower(
            ids.input_ids.to(self._device), ids.attention_mask.to(self._device)
        )
        self._rest()
        self._kept[text] = embedding
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return embedding


def part(folder: Path) -> Part:
    """The text tower of a checkpoint."""
    return Part(
        "text_encoder",
        lambda: TextTower(
            weights.pretrained(transformers.ClapTextModelWithProjection, folder / "text_encoder"),
            folder / "text_encoder",
        ),
        precision="float32",
    )


def words(folder: Path) -> tuple[Any, int]:
    """The tokenizer, and how many tokens the text tower's position table holds."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        folder / "tokenizer", local_files_only=True, trust_remote_code=False
    )
    config = transformers.ClapTextConfig.from_pretrained(folder / "text_encoder", local_files_only=True)
    # positions count from one past the padding token
    return tokenizer, config.max_position_embeddings - config.pad_token_id - 1
