"""From what a user asked for to what a worker is told: the recipe filled in, and the model on this disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foleyd import recipe
from foleyd.engines import adapters, catalog, checkpoint
from foleyd.engines.base import Capabilities
from foleyd.engines.checkpoint import Checkpoint
from foleyd.errors import BadRequest, NotSellable
from foleyd.recipe import Recipe

if TYPE_CHECKING:
    from foleyd.engines.catalog import Entry


class Request(msgspec.Struct, frozen=True):
    """A recipe with nothing left open, and the model on this disk that will render it, in `frames` latent
    frames (0: not known). `best_of`: seeds of which, listened to, the best is taken in place of the recipe's
    (:mod:`foleyd.choice`)."""

    recipe: Recipe
    model: Entry
    capabilities: Capabilities
    frames: int = 0
    best_of: int = 1

    def took(self, seed: int) -> Request:
        """The request for the seed that was taken: nothing is left to choose."""
        if seed == self.recipe.seed and self.best_of == 1:
            return self
        made = recipe.change(self.recipe, seed=seed)
        return msgspec.structs.replace(self, recipe=made, best_of=1)


class Models:
    """The models that recipes name, each looked up once. `sellable` refuses those whose sounds may not be
    sold."""

    def __init__(self, *, sellable: bool = False) -> None:
        self._sellable = sellable
        self._known: dict[tuple[str, str, bool], tuple[Entry, Checkpoint]] = {}
        self._adopted: dict[str, Entry] = {}

    def find(self, name: str, revision: str = "", *, folders: bool = False) -> tuple[Entry, Capabilities]:
        """A model and what it can do. Raises ModelMissing, ModelBroken, NotSellable."""
        entry, about = self._look_up(name, revision, folders=folders)
        return entry, about.capabilities

    def _look_up(self, name: str, revision: str, *, folders: bool) -> tuple[Entry, Checkpoint]:
        key = (name, revision, folders)
        if key not in self._known:
            entry = catalog.resolve(name, revision, folders=folders)
            self._known[key] = (entry, checkpoint.read(entry.folder, entry.revision))
        entry, about = self._known[key]
        if self._sellable and not entry.sellable:
            raise NotSellable(
                f"Sounds of {entry.title or entry.id} may not be sold (its licence is {entry.licence}): "
                "use a model that 'foleyd models list' shows as sellable, or leave --sellable out."
            )
        return entry, about

    def adopt(self, name: str) -> Entry:
        """A model that the user at this machine chose, perhaps a folder: from now on recipes may name it by
        its id. Raises what :meth:`find` does."""
        entry, about = found = self._look_up(name, "", folders=True)
        for revision in ("", entry.revision, about.capabilities.revision):
            self._known[entry.id, revision, False] = found
        self._adopted[entry.id] = entry
        return entry

    def entries(self, name: str = "") -> list[Entry]:
        """The models that recipes may name, or that of the `name` alone: those on this disk, and those that
        were adopted. Raises ModelMissing, ModelBroken."""
        if name:
            return [self._adopted.get(name) or catalog.resolve(name, folders=False)]
        return list(({entry.id: entry for entry in catalog.entries()} | self._adopted).values())

    def prepare(self, wanted: Recipe, model: str = "") -> Request:
        """Resolve `wanted` against its model and check that the model can do it; renders nothing.

        `model` is what the user at this machine called the model, a path where it is a folder; it goes before
        the recipe's own model and revision, which may come from a file or a wire and never hold a path.
        Raises ModelMissing, ModelBroken, NotSellable, or BadRequest naming the field; the first two for an
        adapter, too.
        """
        entry, about = (
            self._look_up(model, "", folders=True)
            if model
            else self._look_up(wanted.model, wanted.revision, folders=False)
        )
        capabilities = about.capabilities
        if wanted.adapter:
            adapter = adapters.resolve(wanted.adapter, wanted.adapter_revision)
            adapters.fit(adapter, entry)
            entry = adapters.licensed(entry, adapter)
            if self._sellable and not entry.sellable:
                raise NotSellable(
                    f"Sounds of the adapter {adapter.name!r} may not be sold (the licence of its samples is "
                    f"{adapter.card.licence}): train it with --licence, or leave --sellable out."
                )
            wanted = recipe.change(wanted, adapter=adapter.name, adapter_revision=adapter.revision)
        named = recipe.change(wanted, model=entry.id, revision=entry.revision)
        full = recipe.resolve(named, capabilities)
        _check(full, capabilities, entry)
        return Request(full, entry, capabilities, about.frames(full))


def _check(wanted: Recipe, capabilities: Capabilities, entry: Entry) -> None:
    name = entry.title or entry.id
    capabilities.check(wanted, name)
    low, high = capabilities.seconds[0], capabilities.longest(wanted.operation)
    asked = recipe.length(wanted)
    if asked is not None and not low <= asked <= high:
        raise BadRequest(f"the length is {float(asked):g} s: {name} makes {low:g} to {high:g} s.")
