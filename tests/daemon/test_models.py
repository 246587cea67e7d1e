"""The models that recipes name."""

from __future__ import annotations

import pytest

from foleyd import recipe
from foleyd.daemon.models import Models
from foleyd.engines import catalog
from foleyd.errors import BadRequest, ModelMissing


def test_a_folder_is_named_by_recipes_once_it_was_adopted() -> None:
    models = Models()
    entry = models.adopt(str(catalog.STARTER))
    assert entry.source == "folder"
    wanted = recipe.make(prompt="a bell", model=entry.id)
    assert models.prepare(wanted).model.folder == catalog.STARTER
    again = recipe.change(wanted, revision=models.prepare(wanted).recipe.revision)
    assert models.prepare(again).model.folder == catalog.STARTER
    # but nobody else's recipe brings a folder in
    with pytest.raises(ModelMissing):
        Models().prepare(wanted)
    with pytest.raises(BadRequest):
        models.prepare(recipe.make(prompt="a bell", model=str(catalog.STARTER)))
