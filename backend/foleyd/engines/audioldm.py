"""The AudioLDM family: CLAP text tower, latent diffusion UNet, VAE over log-mels, vocoder.

Composed from diffusers' and transformers' networks; the sampling loop is foleyd's own (`foleyd.diffusion`).
In float32 it gives what diffusers' own `AudioLDMPipeline` gives for the same weights, noise, scheduler and
steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foleyd.diffusion import noise, schedulers
from foleyd.diffusion.guidance import Guidance, Guided
from foleyd.diffusion.loop import Hook, sample
from foleyd.engines import (
    adapters,
    batch,
    checkpoint,
    circle,
    layers,
    operations,
    sounding,
    soundness,
    weights,
)
from foleyd.engines.audition import Audition
from foleyd.engines.base import (
    NO_SOURCES,
    Capabilities,
    Piece,
    SourceSound,
    Step,
    Take,
    never,
    no_progress,
    unheard,
)
from foleyd.engines.checkpoint import Checkpoint
from foleyd.engines.circle import Circle
from foleyd.engines.late_parts import LateParts
from foleyd.engines.networks import parts
from foleyd.engines.prompts import Prompts, words
from foleyd.errors import BadRequest, Cancelled, RenderFailed
from foleyd.recipe import Recipe, by_ear, steps_taken, take_id
from foleyd.runtime import Runtime, memory, open_runtime, prepared


@dataclass
class Networks:
    """What an engine runs, each placed on its runtime."""

    prompts: Prompts
    denoise: Callable[..., Any]
    decode: Callable[..., Any]
    vocode: Callable[..., Any]
    vocode_fast: Callable[..., Any] | None = None


class AudioLDM:
    """An AudioLDM checkpoint, loaded. See `foleyd.engines.base.Engine`; make one with `load_engine`."""

    def __init__(
        self, about: Checkpoint, networks: Networks, runtime: Runtime, *, pinned: bool = False
    ) -> None:
        self._about = about
        self._pinned = pinned
        self._beside: AudioLDM | None = None
        self._networks: Networks | None = networks
        self._runtime = runtime
        self._late = LateParts(about, runtime)

    @property
    def capabilities(self) -> Capabilities:
        """What the checkpoint can do."""
        return self._about.capabilities

    @property
    def device(self) -> str:
        """What it computes on, in words."""
        return self._runtime.about

    @property
    def runtime(self) -> str:
        """The name of what runs its networks."""
        return self._runtime.name

    @property
    def precision(self) -> str:
        """What they compute in."""
        return self._runtime.precision

    @property
    def threads(self) -> int:
        """CPU threads that it uses where a render does not say otherwise."""
        return self._runtime.threads

    @property
    def unprepared(self) -> bool:
        """Whether OpenVINO was never tried with this model on this processor."""
        return self._runtime.device.type == "cpu" and prepared.is_wanting(self._about.folder)

    @property
    def together(self) -> int:
        """Clips that its runtime makes faster as one batch."""
        return self._runtime.together

    @property
    def compiled(self) -> int:
        """Networks compiled since it was loaded; those that were found compiled on the disk do not count."""
        return self._runtime.compiled

    @property
    def networks(self) -> Networks:
        """The loaded networks. Raises RuntimeError once the engine is unloaded."""
        if self._networks is None:
            raise RuntimeError("the engine is unloaded: load the model again")
        return self._networks

    def bucket(self, recipe: Recipe) -> str:
        """ "t", or "c" for a circle, and the number of latent frames; "w", those of the sound and those that
        its windows cover where it is made in windows. Raises `BadRequest` for a length the model does not
        do."""
        if (windows := operations.windows_of(self._about, recipe)) is not None:
            covered = "".join(f".{first}-{stop}" for first, stop in windows.runs)
            return f"w{windows.frames}{covered}"
        return f"{'c' if recipe.operation == 'loop' else 't'}{self._about.frames(recipe)}"

    def render(
        self,
        recipes: Sequence[Recipe],
        *,
        progress: Callable[[Step], None] = no_progress,
        heard: Callable[[Piece], None] = unheard,
        cancelled: Callable[[], bool] = never,
        check_silence: bool = True,
        threads: int | None = None,
        sources: Mapping[str, SourceSound] = NO_SOURCES,
        best_of: int = 1,
        hooks: Sequence[Hook] = (),
    ) -> list[Take]:
        """See `Engine.render`. `hooks` are called after every step (`foleyd.diffusion.loop`)."""
        batch.check(recipes, sources, self.capabilities, self.bucket)
        if self._pinned:
            for recipe in recipes:
                adapters.check_runtime(recipe, self.runtime)
        if recipes[0].adapter and self.runtime != "torch":
            return self._with_torch().render(
                recipes,
                progress=progress,
                heard=heard,
                cancelled=cancelled,
                check_silence=check_silence,
                threads=threads,
                sources=sources,
                best_of=best_of,
                hooks=hooks,
            )
        if recipes[0].operation == "layers":
            return [
                self._layered(one, row, progress, heard, cancelled, check_silence, threads)
                for row, one in enumerate(recipes)
            ]
        around = self._circle(recipes[0])
        self._runtime.settle(around.around if around else self._about.frames(recipes[0]), len(recipes))
        try:
            with torch.inference_mode(), self._runtime.limit(threads):
                if best_of > 1:
                    recipes, progress = self._audition(cancelled).best(recipes, best_of, progress)
                seeds = [recipe.seed for recipe in recipes if recipe.seed is not None]
                latents = self._diffuse(recipes, seeds, sources, progress, cancelled, hooks)
                takes = []
                for index, recipe in enumerate(recipes):
                    samples = self._sound(latents[index : index + 1], recipe, index, heard, cancelled)
                    if check_silence:
                        soundness.check_audible(samples, [seeds[index]])
                    takes.append(self._take(samples, recipe, seeds[index]))
        except (RuntimeError, MemoryError) as error:
            if not memory.ran_out(error):
                raise
            raise RenderFailed(
                f"the {self._runtime.device} had no room for {len(recipes)} clips at once: render fewer, or "
                "shorter ones.",
                "memory",
            ) from error
        return takes

    def _audition(self, cancelled: Callable[[], bool]) -> Audition:
        """What chooses among seeds."""

        def sound(sketch: Recipe, progress: Callable[[Step], None]) -> torch.Tensor:
            latents = self._diffuse([sketch], [sketch.seed or 0], NO_SOURCES, progress, cancelled, ())
            return self._sound(latents, sketch, 0, unheard, cancelled)

        return Audition(sound, self._late.audio_tower(), self.networks.prompts, self.capabilities)

    def _layered(
        self,
        recipe: Recipe,
        row: int,
        progress: Callable[[Step], None],
        heard: Callable[[Piece], None],
        cancelled: Callable[[], bool],
        check_silence: bool,
        threads: int | None,
    ) -> Take:
        """One take of several, made one after the other so that each is what it would be alone."""
        of, made = steps_taken(recipe), []
        for place, layer in enumerate(layers.layers(recipe)):
            before = place * (recipe.steps or 0)
            [take] = self.render(
                [layer.recipe],
                progress=lambda step, before=before: progress(Step(before + step.step, of)),  # type: ignore[misc]
                cancelled=cancelled,
                check_silence=check_silence,
                threads=threads,
            )
            made.append((layer, take))
        samples = layers.mixed([(layer, take.samples) for layer, take in made], self.capabilities.rate)
        heard(Piece(row, 0, len(samples), self.capabilities.rate, samples))
        if len({take.runtime for _, take in made}) > 1:
            self._runtime.settle(0, 1)  # what one runtime did not make alone is not its
        whole = self._take(torch.from_numpy(samples[None]), recipe, recipe.seed or 0)
        return whole._replace(parts=tuple((layer.recipe, take) for layer, take in made))

    def warm_up(self) -> bool:
        """Make one more length ready, where the runtime gains by that."""
        return self._runtime.warm_up(self._about.lengths())

    def _with_torch(self) -> AudioLDM:
        """The same model run by torch, for sounds with an adapter: prepared networks cannot carry one. Loaded
        when the first is wanted."""
        if self._beside is None:
            self._beside = load_engine(
                self._about.folder,
                device="cpu",
                precision="float32",
                runtime="torch",
                threads=None,
                revision=self.capabilities.revision,
                begin=lambda part: None,
            )
        return self._beside

    def unload(self) -> None:
        """Drop every network and give the memory back; rendering after this raises RuntimeError."""
        self._networks = None
        self._late.drop()
        if self._beside is not None:
            self._beside.unload()
            self._beside = None
        self._runtime.release()

    def _diffuse(
        self,
        recipes: Sequence[Recipe],
        seeds: Sequence[int],
        sources: Mapping[str, SourceSound],
        progress: Callable[[Step], None],
        cancelled: Callable[[], bool],
        hooks: Sequence[Hook],
    ) -> torch.Tensor:
        first, shape, device = recipes[0], self._about.geometry, self._runtime.device
        # batch.check has seen to it that these are filled
        steps, scale, name = first.steps or 1, first.guidance or 1.0, first.scheduler or ""
        scheduler = schedulers.make(name, self._about.scheduler, steps, device)
        drawing = noise.generators([operations.drawn_seed(recipe) for recipe in recipes])
        drawn = noise.normal((shape.channels, self._about.frames(first), shape.bins), drawing, device)
        windows = operations.windows_of(self._about, first)
        bench = operations.Bench(scheduler, steps, drawn, sources, self._late.ear, windows, cancelled)
        start = operations.start(bench, recipes)
        denoise = self._late.denoiser(first, self.networks.denoise)
        if (around := self._circle(first)) is not None:
            denoise = around.denoise(denoise)
        elif windows is not None:
            denoise = windows.denoise(denoise, cancelled)
        prompts = self.networks.prompts
        latents = sample(
            Guided(
                denoise,
                torch.cat([self._condition(recipe, sources) for recipe in recipes]),
                prompts.embed([recipe.negative for recipe in recipes]),
                Guidance(scale, first.guidance_from, first.guidance_to, first.guidance_rescale),
            ),
            scheduler,
            start.latents,
            drawing,
            steps - start.begin,
            begin=start.begin,
            hooks=(*start.hooks, *hooks),
            progress=lambda step, steps: progress(Step(step, steps)),
            cancelled=cancelled,
        )
        soundness.check_finite(latents, "latents", seeds)
        return latents

    def _condition(self, recipe: Recipe, sources: Mapping[str, SourceSound]) -> torch.Tensor:
        """The unit vector `[1, d]` that says what to hear: in words and, for 'like', by ear."""
        said = self.networks.prompts.mixed(operations.words(recipe))
        share = by_ear(recipe)
        if not share:
            return said
        heard = self._late.audio_tower().embed(sources[recipe.sources[0].sha256])
        if heard is None:
            raise BadRequest("the source is silent: give one that can be heard.")
        return torch.nn.functional.normalize(torch.lerp(said, heard, share), dim=-1)

    def _circle(self, recipe: Recipe) -> Circle | None:
        """What a loop is made on."""
        if recipe.operation != "loop":
            return None
        return circle.place(self._about.frames(recipe), self._about.lengths(), self._about.geometry.stride)

    def _sound(
        self,
        latents: torch.Tensor,
        recipe: Recipe,
        index: int,
        heard: Callable[[Piece], None],
        cancelled: Callable[[], bool],
    ) -> torch.Tensor:
        """The samples `[1, n]` of one clip: one at a time, the decoders' memory stays that of one."""
        shape, seeds = self._about.geometry, [recipe.seed or 0]
        around, decode = self._circle(recipe), self.networks.decode
        windows = operations.windows_of(self._about, recipe)
        _go_on(cancelled)
        if around:
            mel = around.decode(decode, latents)
        elif windows is not None:
            mel = windows.decode(decode, latents, cancelled, shape.vae_factor)
        else:
            mel = decode(latents)
        soundness.check_finite(mel, "log-mel", seeds)
        vocoder, reach = self.networks.vocode, self._about.reach
        if recipe.vocoder == "fast":
            assert self.networks.vocode_fast is not None
            vocoder, reach = self.networks.vocode_fast, None
        made: list[torch.Tensor] = []
        start, of = 0, mel.shape[1] * shape.hop
        if windows is None:
            parts = sounding.vocode(vocoder, mel, shape.hop, reach)
        else:
            runs = [(first * shape.vae_factor, stop * shape.vae_factor) for first, stop in windows.runs]
            parts = sounding.vocode_runs(vocoder, mel, shape.hop, reach, runs)
        if around:
            asked = self._about.asked(recipe)
            of = round(asked * shape.rate)
            parts = iter(
                [circle.sound(vocoder, mel, seconds=asked, rate=shape.rate, hop=shape.hop, reach=reach)]
            )
        _go_on(cancelled)
        for samples in parts:
            soundness.check_finite(samples, "samples", seeds)
            heard(Piece(index, start, of, shape.rate, _array(samples[0])))
            made.append(samples)
            start += samples.shape[1]
            _go_on(cancelled)
        return torch.cat(made, dim=1)

    def _take(self, samples: torch.Tensor, recipe: Recipe, seed: int) -> Take:
        runtime, bucket = self._runtime, self.bucket(recipe)
        return Take(
            samples=_array(samples[0]),
            rate=self.capabilities.rate,
            seed=seed,
            take_id=take_id(recipe, runtime=runtime.name, precision=runtime.precision, bucket=bucket),
            bucket=bucket,
            runtime=runtime.name,
            precision=runtime.precision,
            threads=runtime.threads,
        )


def _go_on(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("the render was cancelled after its last step, before it became sound.")


def _array(samples: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = samples.cpu().contiguous().numpy()
    return array


def load_engine(
    folder: Path,
    *,
    device: str,
    precision: str,
    runtime: str,
    threads: int | None,
    revision: str,
    begin: Callable[[str], None],
) -> AudioLDM:
    """Load a checkpoint folder; the arguments are those of `foleyd.engines.base.load`, and `begin` is called
    with the name of each part before it is loaded."""
    about = checkpoint.read(folder, revision)
    machine = open_runtime(runtime, device, precision, threads, folder)
    with weights.loading(folder):
        placed = []
        for part in parts(about):
            begin(part.name)
            placed.append(machine.place(part))
        machine.get_ready(about.usual_length)
        tower, denoise, decode, *vocoders = placed
        # the files stay mapped: weights are used from there, or were copied into another type
        rest = partial(memory.let_go, folder)
        prompts = Prompts(*words(folder), tower=tower, device=machine.device, rest=rest)
        with torch.inference_mode():
            # guidance turns away from no words at all, so every render wants them, and the first call is slow
            prompts.embed([""])
    networks = Networks(prompts, denoise, decode, *vocoders)
    return AudioLDM(about, networks, machine, pinned=runtime not in ("auto", "torch"))
