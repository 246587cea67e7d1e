"""Adapters: small sets of weights that a user's own sounds taught to a model (`foleyd train adapt`).

::

    <models>/adapters/<name>/adapter.safetensors    LoRA pairs (Hu et al. 2022) for layers of the UNet
    <models>/adapters/<name>/adapter.json           the card: base model, data, licence, training
    <models>/adapters/<name>/README.md              the card for people
    <models>/adapters/<name>/loss.png               the loss while it was trained

A name from outside never becomes a path before it has matched ``NAME``. Nothing here imports torch.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

import msgspec

from foleyd.engines import folder as layout
from foleyd.engines.catalog import Entry
from foleyd.errors import BadRequest, ModelBroken, ModelMissing
from foleyd.paths import home
from foleyd.recipe import Recipe

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""An adapter's name: no dots and no separators, so that it is no path."""
WEIGHTS = "adapter.safetensors"
CARD = "adapter.json"
UNKNOWN = "unknown"
"""The licence of sounds whose owner did not say one."""
_PLACE = "adapters"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter is.

    ``base`` and ``revision``: the model that it was trained on. ``licence``: of the sounds that it was
    trained on; ``sellable``: whether what it makes may be sold, as far as that says. ``files``: the SHA-256
    of each sound by its name. ``word``: what stands for the collection in prompts, "" where nothing does.
    ``steps``,
    ``rank``, ``seed``: how it was trained; ``layers``: how many of the network's layers it changes; ``loss``:
    the mean over the last steps.
    """

    base: str
    revision: str
    licence: str = UNKNOWN
    sellable: bool = False
    word: str = ""
    captions: dict[str, str] = {}
    files: dict[str, str] = {}
    steps: int = 0
    rank: int = 0
    seed: int = 0
    layers: int = 0
    loss: float = 0.0


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter on this disk. ``revision``: 16 hex digits over its weights; ``problem``: the sentence why it
    cannot be used, "" where it can."""

    name: str
    folder: Path
    revision: str
    bytes: int
    card: Card
    problem: str = ""

    @property
    def weights(self) -> Path:
        """The file of its weights."""
        return self.folder / WEIGHTS


def root() -> Path:
    """The folder that adapters are in; it need not exist."""
    return home("models") / _PLACE


def check_name(name: str) -> str:
    """The name, if an adapter may have it. Raises BadRequest."""
    if not NAME.fullmatch(name):
        raise BadRequest(
            f"{name[:80]!r} is no adapter's name: letters, digits, '-' and '_', 64 at most; "
            "'foleyd models adapters list' shows those that are here."
        )
    return name


def check_free(name: str) -> None:
    """Raise BadRequest unless a new adapter may have that name."""
    if (root() / check_name(name)).exists():
        raise BadRequest(
            f"There is an adapter {name!r} already: give another --name, or remove it with 'foleyd models "
            "adapters "
            f"remove {name}'."
        )


def resolve(name: str, revision: str = "") -> Adapter:
    """The adapter of that name, and of that revision where one is given.

    Raises BadRequest for what is no name, ModelMissing where it is not here or is another one, ModelBroken
    where it cannot be used.
    """
    folder = root() / check_name(name)
    if not folder.is_dir():
        here = ", ".join(one.name for one in entries())
        raise ModelMissing(
            f"There is no adapter {name!r} here: make it with 'foleyd train adapt', or name one of those "
            "that are "
            f"({here or 'none yet'})."
        )
    found = _describe(folder)
    if found.problem:
        raise ModelBroken(found.problem)
    if revision and found.revision != revision:
        raise ModelMissing(
            f"The adapter {name!r} was trained anew since ({found.revision} is here, {revision:.16} is "
            "asked for): "
            "name it again with --adapter to take the one that is here."
        )
    return found


def entries() -> tuple[Adapter, ...]:
    """Every adapter on this disk, usable or not, by name."""
    if not root().is_dir():
        return ()
    return tuple(
        _describe(path) for path in sorted(root().iterdir()) if path.is_dir() and NAME.fullmatch(path.name)
    )


def remove(name: str) -> int:
    """Delete an adapter; bytes freed. Raises BadRequest, ModelMissing."""
    folder = root() / check_name(name)
    if not folder.is_dir():
        raise ModelMissing(f"There is no adapter {name!r} here: 'foleyd models adapters list' shows them.")
    freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    trash = root() / f".trash-{uuid.uuid4().hex}"
    folder.rename(trash)  # a removal that is cut short must not leave half an adapter under its name
    shutil.rmtree(trash)
    return freed


def fit(adapter: Adapter, model: Entry) -> None:
    """Raise BadRequest unless the adapter was trained on this very model."""
    card = adapter.card
    if card.base != model.id:
        raise BadRequest(
            f"The adapter {adapter.name!r} belongs to the model {card.base}, not to {model.id}: render with "
            f"--model {card.base}, or leave --adapter out."
        )
    if card.revision != model.revision:
        raise BadRequest(
            f"The adapter {adapter.name!r} was trained on {card.base} at revision {card.revision[:12]}, and "
            f"{model.revision[:12]} is here: train it again with 'foleyd train adapt'."
        )


def check_runtime(wanted: Recipe, runtime: str) -> None:
    """Raise BadRequest where a recipe with an adapter insists on a runtime that cannot run one."""
    if wanted.adapter and runtime not in ("", "auto", "torch"):
        raise BadRequest(
            f"The runtime {runtime!r} runs networks as they were prepared, without an adapter: leave the "
            "runtime "
            "to foleyd, which takes torch for sounds with one, or choose torch."
        )


def licensed(model: Entry, adapter: Adapter) -> Entry:
    """The model as an adapter's sounds have it: sold only where both may be, under both licences."""
    card = adapter.card
    return msgspec.structs.replace(
        model,
        licence=f"{model.licence}; samples of {adapter.name}: {card.licence}",
        sellable=model.sellable and card.sellable,
    )


def _describe(folder: Path) -> Adapter:
    problem, revision, size = "", "", 0
    card = Card(base="", revision="")
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=Card)
        layout.check_safetensors(folder / WEIGHTS, folder.name)
        size, revision = (folder / WEIGHTS).stat().st_size, layout.sha256(folder / WEIGHTS)[:16]
    except (OSError, msgspec.MsgspecError, UnicodeError, ModelBroken) as error:
        said = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")
        problem = (
            f"The adapter {folder.name!r} cannot be used ({said}): remove it with 'foleyd models adapters "
            "remove "
            f"{folder.name}', and train it again."
        )
    return Adapter(name=folder.name, folder=folder, revision=revision, bytes=size, card=card, problem=problem)
