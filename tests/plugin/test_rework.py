"""What the plugin makes of a clip that an adapter had a part in, with a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel

import adapters as made
from foleyd.client import Client
from foleyd.engines import catalog
from plugin_build import Desk
from serving import PATIENCE, Served

MANNER = {"steps": 4, "adapter": "dust", "adapter_weight": 0.5, "highs": "extended", "width": "stereo"}
WORDS = {"prompt": "rain on leaves", "seconds": 0.64, **MANNER}


def test_what_is_made_of_a_clip_is_made_by_its_adapter_and_finished_as_it_was(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path))
    starter = catalog.resolve("starter")
    unet = UNet2DConditionModel.from_pretrained(starter.folder / "unet", low_cpu_mem_usage=False)
    made.put("dust", starter, made.pairs(unet, size=0.01))
    with Served(tmp_path) as daemon, Client(daemon.file, timeout_s=PATIENCE) as client:
        [clip] = client.render(seed=7, **WORDS).result().clips
        operations = ["vary", "loop"]
        told = desk("again", daemon.file, clip.clip_id, *operations, given={"prompt": "thunder"})
    assert [one["operation"] for one in told] == operations
    assert {one["prompt"] for one in told} == {WORDS["prompt"]}
    for recipe in told:
        assert {name: recipe[name] for name in MANNER} == MANNER
