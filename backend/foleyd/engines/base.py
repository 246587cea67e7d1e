"""What every engine is: capabilities as data, recipes in, takes out.

`load` opens a checkpoint folder with the family that the folder itself names. Nothing here imports torch; the
family's module does, when `load` reaches for it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd.engines.folder import INDEX
from foleyd.errors import BadRequest, ModelBroken, ModelMissing
from foleyd.fields import BY_EAR, LONG, longest
from foleyd.recipe import Recipe, length

SHARED = (
    "operation",
    "steps",
    "guidance",
    "guidance_from",
    "guidance_to",
    "guidance_rescale",
    "scheduler",
    "strength",
    "adapter",
    "adapter_weight",
    "adapter_revision",
)
"""What the recipes of one batch must have in common, besides the bucket."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded model can do, and what it does when a recipe leaves it open.

    `rate` in Hz; `seconds` the shortest and longest clip it makes in one piece; `auto_seconds` what it
    generates for `seconds=auto`; `schedulers` and `vocoders` the names that work with it; `audio_tower`
    whether it carries the audio half of its text encoder; `steps`, `guidance`, `scheduler` its defaults;
    `revision` which version of its files this is ("" where its loader was not told);
    `least_similarity` to its words, by its own audio tower, that nearly all of its sounds have, None where
    that was not measured; `best_of` how many seeds it chooses from where a request leaves the seed open.
    """

    family: str
    operations: tuple[str, ...]
    rate: int
    channels: int
    seconds: tuple[float, float]
    auto_seconds: float
    schedulers: tuple[str, ...]
    vocoders: tuple[str, ...] = ("own",)
    licence: str
    sellable: bool
    audio_tower: bool
    steps: int
    guidance: float
    scheduler: str
    revision: str = ""
    least_similarity: float | None = None
    best_of: int = 1

    def longest(self, operation: str) -> float:
        """The most seconds that it makes of an operation, in windows where those go on."""
        return max(self.seconds[1], longest(operation)) if operation in LONG else self.seconds[1]

    def in_windows(self, recipe: Recipe) -> bool:
        """Whether a sound is longer than one piece."""
        return (length(recipe) or 0) > self.seconds[1]

    def check(self, recipe: Recipe, name: str = "this model") -> None:
        """Raise BadRequest where a recipe asks the model, which is called `name`, for what it cannot do."""
        if recipe.operation in BY_EAR and not self.audio_tower:
            raise BadRequest(
                f"operation is {recipe.operation!r}: {name} came without the audio half of its text encoder; "
                "choose a model that has it, such as the starter."
            )
        for field, able, does in (
            ("operation", self.operations, "does"),
            ("scheduler", self.schedulers, "takes"),
            ("vocoder", self.vocoders, "takes"),
        ):
            if (asked := getattr(recipe, field)) not in able:
                raise BadRequest(f"{field} is {asked!r}: {name} {does} {', '.join(able)}.")


class Step(NamedTuple):
    """Progress: `step` of `steps` sampling steps are done, from 1 to `steps`."""

    step: int
    steps: int


class Take(NamedTuple):
    """The raw output of the model for one recipe.

    `samples`: float32 `[n]`, mono, the whole bucket, so never shorter than the recipe asks for; finite and
    audible. `rate` in Hz. `bucket`, `runtime`, `precision` and `threads` say how it came about; equal ones
    give equal samples again on one machine in a batch of one. `parts`: the takes that it was mixed from, each
    with the recipe whose take it is.
    """

    samples: NDArray[np.float32]
    rate: int
    seed: int
    take_id: str
    bucket: str
    runtime: str
    precision: str
    threads: int
    parts: tuple[tuple[Recipe, Take], ...] = ()


class Piece(NamedTuple):
    """A part of a take that exists before the whole: `samples`, float32 `[n]`, of recipe number `clip` from
    sample `start` on, of the `of` that the take will have, at `rate` Hz. Pieces come in order and leave no
    gap."""

    clip: int
    start: int
    of: int
    rate: int
    samples: NDArray[np.float32]


class SourceSound(NamedTuple):
    """A sound that a recipe starts from: `samples` float32 `[channels, n]`, finite, at `rate` Hz."""

    samples: NDArray[np.float32]
    rate: int


class LoadStep(NamedTuple):
    """Progress of a load: it begins with `part`, and `done` of `of` parts are loaded."""

    part: str
    done: int
    of: int


NO_SOURCES: Mapping[str, SourceSound] = MappingProxyType({})
"""For recipes that start from words alone."""


def no_progress(step: Step | LoadStep) -> None:
    """Progress that nobody asked for."""


def unheard(piece: Piece) -> None:
    """A piece that nobody waits for."""


def never() -> bool:
    """The answer of a cancel flag that nobody can set."""
    return False


class Engine(Protocol):
    """A loaded model."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant while it lives."""

    @property
    def device(self) -> str:
        """What it computes on, in words."""

    @property
    def threads(self) -> int:
        """CPU threads that it uses where a render does not say otherwise."""

    @property
    def unprepared(self) -> bool:
        """Whether it might run faster here once its model was prepared (`foleyd.engines.prepare`)."""

    @property
    def together(self) -> int:
        """Clips of one bucket that are made faster as one batch than one after the other; 1 where a batch
        gains nothing."""

    def bucket(self, recipe: Recipe) -> str:
        """The name of the shape that the recipe is rendered in; recipes of one bucket may share a batch."""

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
    ) -> list[Take]:
        """One take a recipe, in order, generated together.

        The recipes are resolved (no field left to the model) and differ in prompt, negative prompt, seed and
        sources only, as far as the model sees them. `sources` has every source that they name, by its hash.
        `progress` is called after every step, `heard` with every piece of a take once it exists, `cancelled`
        looked at before every evaluation of the network and every piece. Raises `BadRequest` for what the
        model cannot do, `Cancelled`, and `RenderFailed` with its reason for output that is not a sound; with
        `check_silence=False` silence passes. `threads`: CPU threads for this render alone; the takes say how
        many it were. `best_of`: seeds of which, sketched and listened to (`foleyd.engines.audition`), the
        best is taken in place of each recipe's; the takes say which.
        """

    def warm_up(self) -> bool:
        """Make one more length ready that renders will be faster in, and say whether there was one. May be
        called from another thread than renders, which go on meanwhile."""

    def unload(self) -> None:
        """Give the memory back. The engine renders nothing after this."""


class Family(NamedTuple):
    """A model family: its name, the module whose `load_engine` opens its checkpoints, and the parts of those
    in the order in which it loads them."""

    name: str
    module: str
    parts: tuple[str, ...]


LIBRARIES = "libraries"
"""The first part of every load, before those of the family: in a fresh process it takes the longest."""

FAMILIES: Mapping[str, Family] = {
    "AudioLDMPipeline": Family(
        "audioldm", "foleyd.engines.audioldm", ("text_encoder", "unet", "vae", "vocoder", "fast_vocoder")
    ),
}
"""The families by the `_class_name` of a folder's `model_index.json`."""


def family_of(folder: Path) -> Family:
    """The family that a checkpoint folder says it belongs to.

    Raises `ModelMissing` if there is no such folder, `ModelBroken` if it does not say or says one that foleyd
    has no engine for.
    """
    if not folder.is_dir():
        raise ModelMissing(
            f"there is no model folder {folder.name!r}: run 'foleyd models list' to see which there are."
        )
    try:
        name = json.loads((folder / INDEX).read_bytes())["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelBroken(
            f"{folder.name} does not say in {INDEX} what it is: pull the model again, or give another folder."
        ) from error
    if name not in FAMILIES:
        raise ModelBroken(
            f"{folder.name} is a {name} checkpoint, foleyd runs {', '.join(FAMILIES)} ones: choose another."
        )
    return FAMILIES[name]


def load(
    folder: Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    revision: str = "",
    progress: Callable[[LoadStep], None] = no_progress,
) -> Engine:
    """Load the checkpoint in `folder`.

    `device`: "auto" (a CUDA GPU where there is one, else an Apple GPU, else the CPU), "cpu", "cuda",
    "cuda:1"…, "mps"; `precision`: "auto", "float32", "bfloat16", "float16"; `runtime`: "auto" or a name from
    `foleyd.runtime.RUNTIMES` ("openvino" prepares the model first where that was not done); `threads`: CPU
    threads, None for the runtime's own choice; `revision`: what the catalog calls this version of the files,
    for the capabilities; `progress` is called before every part.
    Reads safetensors and JSON from the disk, never the network.

    Raises `ModelMissing`, `ModelBroken`, or `BadRequest` for a device, precision or runtime that this machine
    lacks.
    """
    family = family_of(folder)
    parts = (LIBRARIES, *family.parts)

    def begin(part: str) -> None:
        progress(LoadStep(part, parts.index(part), len(parts)))

    begin(LIBRARIES)
    if runtime == "openvino":
        importlib.import_module("foleyd.engines.prepare").prepare(folder)
    load_engine = importlib.import_module(family.module).load_engine
    return cast(
        Engine,
        load_engine(
            folder,
            device=device,
            precision=precision,
            runtime=runtime,
            threads=threads,
            revision=revision,
            begin=begin,
        ),
    )
