"""What an AudioLDM checkpoint folder says about itself, read from its JSON files alone.

Shapes come from the components' configurations; defaults from the engine's keys in `foleyd.json`, or from
what suits the published checkpoints where a folder has none. No weights are touched and torch is not
imported, so that a catalog can ask too.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from foleyd import choice
from foleyd.diffusion.schedulers import PREDICTIONS, fitting
from foleyd.engines import front_end
from foleyd.engines.base import Capabilities
from foleyd.engines.folder import DESCRIPTION, check_index, choose, names_in, read_description
from foleyd.errors import BadRequest, ModelBroken
from foleyd.fields import BY_EAR, LONG
from foleyd.recipe import OPERATIONS, Recipe, length

AUDIO_TOWER = "audio_encoder"
"""The folder of the audio half of the text encoder, where a checkpoint has it."""
HIFI_GAN = "SpeechT5HifiGan"
AUDIOLDM_MEL = (16_000, 64, 160)
"""Sample rate, bands and hop of the log-mel that the published checkpoints and the starter share."""
_ENDS = 7
"""The kernel of HiFi-GAN's first and last convolution."""
MILLISECONDS = 1000
LENGTHS_S = (0.32, 0.64, 1.28, 2.56, 3.84, 5.12, 7.68, 10.24, 15.36, 20.48, 30.72)
"""Seconds that are generated; a clip between two of them is cut from the longer. So many shapes, and no more,
have to be ready for a clip of any length."""


class Settings(msgspec.Struct, frozen=True):
    """The engine's keys in `foleyd.json`. Other keys of that file belong to others and are not looked at.

    `seconds`: shortest and longest clip. `auto_seconds`: what `seconds=auto` generates.
    `min_generate_seconds`: a shorter clip is cut from one of this length, since a model makes a poor job of
    lengths far below those it was trained on (the published checkpoints: ten seconds). `window_seconds`: a
    sound that is longer than the longest clip is made in windows of this length, twice `auto_seconds` where
    it is not given. `steps`, `guidance`, `scheduler`: defaults.
    `least_similarity`: what nearly all of its sounds have to their words, by its own audio tower.
    `best_of`: how many seeds a sound is chosen from where a request leaves the seed open.
    """

    seconds: tuple[float, float] = (0.3, 30.0)
    auto_seconds: float = 5.12
    min_generate_seconds: float = 2.56
    window_seconds: float | None = None
    steps: int = 25
    guidance: float = 2.5
    scheduler: str = "dpmpp-2m"
    least_similarity: float | None = None
    best_of: int = 1

    def __post_init__(self) -> None:
        shortest, longest = self.seconds
        if not 0 < shortest <= self.auto_seconds <= longest:
            raise ValueError("auto_seconds must lie in seconds, which must be above 0")
        if not 0 <= self.min_generate_seconds <= longest:
            raise ValueError("min_generate_seconds must not be above the longest of seconds")
        if self.window_seconds is not None and not 0 < self.window_seconds <= longest:
            raise ValueError("window_seconds must be above 0 and not above the longest of seconds")
        if self.steps < 1 or self.guidance < 1:
            raise ValueError("steps and guidance must be at least 1")
        if not 1 <= self.best_of <= choice.MOST:
            raise ValueError(f"best_of must be 1 to {choice.MOST}")


class _Unet(msgspec.Struct, frozen=True):
    in_channels: int
    block_out_channels: list[int]
    class_embed_type: str
    projection_class_embeddings_input_dim: int


class _Text(msgspec.Struct, frozen=True):
    projection_dim: int


class _Vae(msgspec.Struct, frozen=True):
    block_out_channels: list[int]


class _Vocoder(msgspec.Struct, frozen=True):
    model_in_dim: int
    sampling_rate: int
    upsample_rates: list[int]
    upsample_kernel_sizes: list[int] = []
    resblock_kernel_sizes: list[int] = []
    resblock_dilation_sizes: list[list[int]] = []
    normalize_before: bool = True
    architectures: list[str] | None = None
    class_name: str = msgspec.field(name="_class_name", default="")

    @property
    def kind(self) -> str:
        return self.class_name or next(iter(self.architectures or []), "")

    @property
    def hop(self) -> int:
        return math.prod(self.upsample_rates)

    def reach(self) -> int | None:
        """Mel frames on each side that can change a frame's samples in a HiFi-GAN (Kong and others 2020);
        None for vocoders that are quick enough to be run on the whole."""
        if self.kind != HIFI_GAN:
            return None
        frames, samples = float(_ENDS // 2), 1
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True):
            frames += _ceil(kernel, rate) / samples
            samples *= rate
            widest = max(
                sum((size - 1) // 2 * (dilation + 1) for dilation in dilations)
                for size, dilations in zip(
                    self.resblock_kernel_sizes, self.resblock_dilation_sizes, strict=True
                )
            )
            frames += widest / samples
        return math.ceil(frames + _ENDS // 2 / samples)

    def vocoders(self) -> tuple[str, ...]:
        """The vocoders that the model can be heard through: the starter's reads AudioLDM's log-mel."""
        same = (self.sampling_rate, self.model_in_dim, self.hop) == AUDIOLDM_MEL
        return ("own", "fast") if self.kind == HIFI_GAN and same and not self.normalize_before else ("own",)


class Geometry(msgspec.Struct, frozen=True):
    """How seconds become latents.

    A latent frame is `vae_factor` mel frames of `hop` samples at `rate` Hz; a latent is `[channels, frames,
    bins]`. The UNet halves and doubles the frames, so their number is a multiple of `stride`.
    """

    rate: int
    hop: int
    vae_factor: int
    channels: int
    bins: int
    stride: int

    def frames(self, seconds: float) -> int:
        """The latent frames that hold `seconds`, rounded up to the stride. Exact to the millisecond."""
        samples_per_frame = self.hop * self.vae_factor
        needed = _ceil(round(seconds * MILLISECONDS) * self.rate, MILLISECONDS * samples_per_frame)
        return max(1, _ceil(needed, self.stride)) * self.stride

    def samples(self, frames: int) -> int:
        """The samples that `frames` latent frames become."""
        return frames * self.vae_factor * self.hop


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint folder, understood: where it is, its shapes, its defaults and what it can do.

    `scheduler`: its scheduler configuration as it stands in the file. `vocoder`: the class name of its
    vocoder; `reach`: mel frames on each side that can change a frame's samples in it, None where it is run on
    the whole. `embedding`: numbers in the embedding of a text.
    """

    folder: Path
    geometry: Geometry
    settings: Settings
    capabilities: Capabilities
    scheduler: dict[str, Any]
    vocoder: str
    reach: int | None
    embedding: int

    @property
    def front_end(self) -> front_end.FrontEnd | None:
        """How it hears sources, None where it cannot."""
        return _front_end(self.geometry, self.vocoder)

    def seconds(self, recipe: Recipe) -> float:
        """How much is generated for the recipe, at least. Raises `BadRequest` for a length the model does not
        do.
        """
        return max(float(self.asked(recipe)), self.settings.min_generate_seconds)

    def asked(self, recipe: Recipe) -> Fraction:
        """The seconds that the recipe asks for, the model's own for ``auto``. Raises `BadRequest` for a
        length the model does not do.
        """
        asked = length(recipe)
        if asked is None:
            return Fraction(str(self.settings.auto_seconds))
        shortest, longest = self.settings.seconds[0], self.capabilities.longest(recipe.operation)
        if not shortest <= asked <= longest:
            raise BadRequest(
                f"the length is {float(asked):g} s: this model makes clips of {shortest:g} to {longest:g} s."
            )
        return asked

    def window(self, recipe: Recipe) -> int | None:
        """The latent frames of the windows that the recipe is made in; None where it is made in one piece."""
        if recipe.operation not in LONG or self.asked(recipe) <= self.settings.seconds[1]:
            return None
        settings = self.settings
        wanted = settings.window_seconds or min(2 * settings.auto_seconds, settings.seconds[1])
        return self._next_length(self.geometry.frames(wanted))

    def frames(self, recipe: Recipe) -> int:
        """The latent frames that the recipe is rendered in: those of the next length in `LENGTHS_S`, for a
        loop as near to its own length as they come, and for one in windows its own."""
        if recipe.operation == "loop":
            return max(1, round(self.asked(recipe) * self.geometry.rate / self.geometry.samples(1)))
        needed = self.geometry.frames(self.seconds(recipe))
        if (window := self.window(recipe)) is not None:
            return max(needed, window)
        return self._next_length(needed)

    def lengths(self) -> tuple[int, ...]:
        """The latent frames of `LENGTHS_S` that the model makes clips of."""
        shortest, longest = (self.geometry.frames(s) for s in self._range())
        found = sorted({self.geometry.frames(seconds) for seconds in LENGTHS_S})
        last = next((frames for frames in found if frames >= longest), longest)
        return tuple(frames for frames in found if shortest <= frames <= last)

    @property
    def usual_length(self) -> int:
        """The latent frames of a clip of which nobody says how long it is to be."""
        return self._next_length(self.geometry.frames(self.settings.auto_seconds))

    def _next_length(self, needed: int) -> int:
        """The shortest of `lengths` that has so many frames, or so many where all are shorter."""
        return next((frames for frames in self.lengths() if frames >= needed), needed)

    def _range(self) -> tuple[float, float]:
        return max(self.settings.seconds[0], self.settings.min_generate_seconds), self.settings.seconds[1]


def read(folder: Path, revision: str = "") -> Checkpoint:
    """Understand a checkpoint folder; `revision` is handed through to the capabilities.

    Raises `ModelBroken` naming what is missing or contradictory.
    """
    choice = choose(names_in(folder), folder.name)
    if choice.convert:
        raise ModelBroken(
            f"{folder.name} holds pickled weights ({', '.join(choice.convert)}), which foleyd never reads: "
            "run 'foleyd models pull', which converts them."
        )
    check_index((folder / choice.files[0]).read_bytes(), folder.name)
    unet = _decode(folder / "unet" / "config.json", _Unet)
    text = _decode(folder / "text_encoder" / "config.json", _Text)
    vae = _decode(folder / "vae" / "config.json", _Vae)
    vocoder = _decode(folder / "vocoder" / "config.json", _Vocoder)
    scheduler = _decode(folder / "scheduler" / "scheduler_config.json", dict[str, Any])
    settings = _decode(folder / DESCRIPTION, Settings) if (folder / DESCRIPTION).is_file() else Settings()
    about = read_description(folder)
    if unet.class_embed_type != "simple_projection":
        raise ModelBroken(
            f"{folder.name} has a UNet whose class embedding is {unet.class_embed_type!r}: AudioLDM's takes "
            "the text embedding as 'simple_projection'."
        )
    if unet.projection_class_embeddings_input_dim != text.projection_dim:
        raise ModelBroken(
            f"{folder.name} contradicts itself: its text encoder gives {text.projection_dim} numbers, its "
            f"UNet takes {unet.projection_class_embeddings_input_dim}."
        )
    schedulers = _schedulers(folder, scheduler, settings)
    geometry = _geometry(folder, unet, vae, vocoder)
    hears = _front_end(geometry, vocoder.kind) is not None
    tower = _has_audio_tower(folder, text.projection_dim)
    return Checkpoint(
        folder=folder,
        geometry=geometry,
        settings=settings,
        capabilities=Capabilities(
            family="audioldm",
            operations=tuple(
                name
                for name, sources in OPERATIONS.items()
                if (tower if name in BY_EAR else hears) or not sources
            ),
            rate=vocoder.sampling_rate,
            channels=1,
            seconds=settings.seconds,
            auto_seconds=settings.auto_seconds,
            schedulers=schedulers,
            vocoders=vocoder.vocoders(),
            licence=about.licence,
            sellable=about.sellable,
            audio_tower=tower,
            steps=settings.steps,
            guidance=settings.guidance,
            scheduler=settings.scheduler,
            revision=revision,
            least_similarity=settings.least_similarity if tower else None,
            best_of=settings.best_of if tower else 1,
        ),
        scheduler=scheduler,
        vocoder=vocoder.kind,
        reach=_reach(folder, vocoder),
        embedding=text.projection_dim,
    )


def _ceil(value: int, unit: int) -> int:
    return -(-value // unit)


def _geometry(folder: Path, unet: _Unet, vae: _Vae, vocoder: _Vocoder) -> Geometry:
    factor = 2 ** (len(vae.block_out_channels) - 1)
    if vocoder.model_in_dim % factor:
        raise ModelBroken(
            f"{folder.name} contradicts itself: its vocoder takes {vocoder.model_in_dim} mel bins, which its "
            f"VAE cannot make in units of {factor}."
        )
    return Geometry(
        rate=vocoder.sampling_rate,
        hop=vocoder.hop,
        vae_factor=factor,
        channels=unet.in_channels,
        bins=vocoder.model_in_dim // factor,
        stride=2 ** (len(unet.block_out_channels) - 1),
    )


def _has_audio_tower(folder: Path, embedding: int) -> bool:
    """Whether there is an audio tower. Raises `ModelBroken` for one of another text encoder."""
    config = folder / AUDIO_TOWER / "config.json"
    if not config.is_file():
        return False
    width = _decode(config, _Text).projection_dim
    if width != embedding:
        raise ModelBroken(
            f"{folder.name} contradicts itself: its text encoder gives {embedding} numbers, its audio "
            f"encoder {width}."
        )
    return True


def _reach(folder: Path, vocoder: _Vocoder) -> int | None:
    try:
        return vocoder.reach()
    except ValueError as error:
        raise ModelBroken(
            f"{folder.name} contradicts itself: its vocoder's lists of kernels, rates and dilations have "
            "different lengths."
        ) from error


def _front_end(geometry: Geometry, vocoder: str) -> front_end.FrontEnd | None:
    bands = geometry.bins * geometry.vae_factor
    return front_end.find(vocoder, geometry.rate, geometry.hop, bands)


def _schedulers(folder: Path, config: dict[str, Any], settings: Settings) -> tuple[str, ...]:
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise ModelBroken(
            f"{folder.name} was trained to predict {prediction!r}: foleyd's schedulers take "
            f"{', '.join(PREDICTIONS)}."
        )
    names = fitting(config)
    if settings.scheduler not in names:
        raise ModelBroken(
            f"{folder.name} names {settings.scheduler!r} as its scheduler in {DESCRIPTION}: write one of "
            f"{', '.join(names)}."
        )
    return names


_T = TypeVar("_T")


def _decode(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelBroken(
            f"{path.parent.name}/{path.name} cannot be used ({error}): pull the model again."
        ) from error
