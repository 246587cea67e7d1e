"""Both halves of a model's CLAP pair by themselves: texts and sounds to vectors of one space, no denoiser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foleyd.engines import audio_tower, checkpoint, prompts, weights
from foleyd.engines.audio_tower import AudioTower
from foleyd.engines.base import SourceSound
from foleyd.engines.prompts import Prompts
from foleyd.errors import BadRequest
from foleyd.runtime import open_runtime

Vector = NDArray[np.float32]
"""A unit vector `[d]`: the product of two is the cosine of the angle between them."""


class Towers:
    """The text and the audio tower in `folder`, on the CPU in float32. Raises `BadRequest` for a model
    without an audio tower, `ModelBroken`."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        if not checkpoint.read(folder).capabilities.audio_tower:
            raise BadRequest(
                f"{folder.name} came without the audio half of its text encoder: choose a model that has it, "
                "such as the starter."
            )
        self._runtime = open_runtime("torch", "cpu", "float32", threads, folder)
        with weights.loading(folder):
            said = self._runtime.place(prompts.part(folder))
            heard = self._runtime.place(audio_tower.part(folder))
            self._prompts = Prompts(*prompts.words(folder), tower=said, device=self._runtime.device)
            self._ear = AudioTower(folder, heard, self._runtime.device)

    def say(self, texts: Sequence[str]) -> list[Vector]:
        """Where texts lie; one with weights (`foleyd.mixture`) lies between its parts."""
        with torch.inference_mode():
            return [self._prompts.embed([text])[0].numpy() for text in texts]

    def hear(self, sound: SourceSound) -> Vector | None:
        """Where a sound lies; None for silence."""
        with torch.inference_mode():
            heard = self._ear.embed(sound)
        return None if heard is None else heard[0].numpy()
