"""What few sounds need of a checkpoint: loaded when the first of those is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from foleyd.engines import adapters, audio_tower, weights
from foleyd.engines.adapted import Adapted
from foleyd.engines.audio_tower import AudioTower
from foleyd.engines.checkpoint import Checkpoint
from foleyd.engines.encoder import Ear
from foleyd.engines.networks import encoder_part
from foleyd.recipe import Recipe
from foleyd.runtime import Runtime


class LateParts:
    """Parts of the checkpoint `about`, placed on `runtime`; each is kept once it is loaded.

    Loading raises ModelBroken where a file cannot be read.
    """

    def __init__(self, about: Checkpoint, runtime: Runtime) -> None:
        self._about = about
        self._runtime = runtime
        self._ear: Ear | None = None
        self._tower: AudioTower | None = None
        self._adapted: Adapted | None = None

    def ear(self) -> Ear:
        """For sources: the VAE's encoder behind its front end."""
        if self._ear is None:
            front = self._about.front_end
            assert front is not None, "capabilities name no operation with sources then"
            with weights.loading(self._about.folder):
                encode = self._runtime.place(encoder_part(self._about))
            self._ear = Ear(encode, self._about.geometry, front, self._runtime.device)
        return self._ear

    def audio_tower(self) -> AudioTower:
        """For what is made by ear: the audio half of the text encoder."""
        if self._tower is None:
            with weights.loading(self._about.folder):
                placed = self._runtime.place(audio_tower.part(self._about.folder))
                self._tower = AudioTower(self._about.folder, placed, self._runtime.device)
        return self._tower

    def denoiser(self, recipe: Recipe, usual: Callable[..., Any]) -> Callable[..., Any]:
        """The network that denoises for the recipe: the `usual` one, with its adapter where it has one."""
        if not recipe.adapter or not recipe.adapter_weight:
            return usual
        if self._adapted is None:
            self._adapted = Adapted(cast(torch.nn.Module, usual))
        adapter = adapters.resolve(recipe.adapter, recipe.adapter_revision)
        return self._adapted.with_(adapter, recipe.adapter_weight)

    def drop(self) -> None:
        """Let go of all that was loaded."""
        self._ear = self._tower = self._adapted = None
