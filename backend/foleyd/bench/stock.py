"""What foleyd is held to: diffusers' own `AudioLDMPipeline` over the same weights, in float32."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from foleyd.bench.stages import Clock
from foleyd.diffusion import schedulers
from foleyd.engines import sounding, weights
from foleyd.engines.checkpoint import Checkpoint
from foleyd.recipe import Recipe


class Stock:
    """The pipeline, loaded, with clocks around its networks; the names are those of `stages.NETWORKS`."""

    def __init__(self, about: Checkpoint, clock: Clock, device: Any) -> None:
        folder = about.folder
        self._scheduler = about.scheduler
        sounding.own(about)  # refuses a vocoder of an unknown kind
        with weights.loading(folder), _quiet():
            self._pipeline = diffusers.AudioLDMPipeline(
                vae=weights.diffuser(diffusers.AutoencoderKL, folder / "vae"),
                text_encoder=weights.pretrained(
                    transformers.ClapTextModelWithProjection, folder / "text_encoder"
                ),
                tokenizer=transformers.AutoTokenizer.from_pretrained(
                    folder / "tokenizer", local_files_only=True, trust_remote_code=False
                ),
                unet=weights.diffuser(diffusers.UNet2DConditionModel, folder / "unet"),
                scheduler=schedulers.make("ddim", about.scheduler, 1),
                vocoder=sounding.KINDS[about.vocoder].load(folder / "vocoder"),
            )
        self._pipeline.set_progress_bar_config(disable=True)
        if not hasattr(self._pipeline.vocoder, "device"):
            # the pipeline asks every network where it is, a plain module cannot tell
            self._pipeline.vocoder.device = device
            self._pipeline.vocoder.dtype = torch.float32
        for name, network in (
            ("prompts", self._pipeline.text_encoder),
            ("denoise", self._pipeline.unet),
            ("vocode", self._pipeline.vocoder),
        ):
            network.eval().to(device)
            network.forward = clock.around(name, network.forward)
        self._pipeline.vae.eval().to(device)
        self._pipeline.vae.decode = clock.around("decode", self._pipeline.vae.decode)

    def render(self, recipes: Sequence[Recipe], seconds: float) -> NDArray[np.float32]:
        """Float32 `[n, samples]` of resolved recipes of one shape, each of `seconds` of sound."""
        first = recipes[0]
        self._pipeline.scheduler = schedulers.make(first.scheduler or "", self._scheduler, first.steps or 1)
        with warnings.catch_warnings():
            # numpy's, about how diffusers' schedulers convert a tensor
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            made: NDArray[np.float32] = self._pipeline(
                [recipe.prompt for recipe in recipes],
                audio_length_in_s=seconds,
                num_inference_steps=first.steps,
                guidance_scale=first.guidance,
                generator=[torch.Generator().manual_seed(recipe.seed or 0) for recipe in recipes],
            ).audios
        return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without diffusers' notice that the pipeline is kept as it is."""
    logs: Any = diffusers.utils.logging
    before = logs.get_verbosity()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(before)
