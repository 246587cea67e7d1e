"""Sounds with an adapter from the daemon: over ZeroMQ and OSC, and what is refused before it waits."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diffusers import UNet2DConditionModel
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

import adapters as made
from foleyd.bench import random_model as tiny
from foleyd.client import Client
from foleyd.daemon.models import Models
from foleyd.engines import adapters, catalog
from foleyd.errors import BadRequest, ModelMissing, NotSellable
from foleyd.messages import LibraryRequest
from foleyd.recipe import make
from serving import PATIENCE, Served

SHORT = {"prompt": "a Dustbox kick", "seconds": 0.64, "steps": 2, "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = {"min_generate_seconds": 0.32, "auto_seconds": 0.64, "licence": "CC0-1.0", "sellable": True}
    return tiny.build(tmp_path_factory.mktemp("tiny"), card=card)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Served]:
    """A daemon with a small model and an adapter of it, `dust`; `other` belongs to the starter."""
    home = tmp_path_factory.mktemp("served")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLEYD_HOME", str(home))
        model = catalog.resolve(str(folder))
        made.put("dust", model, made.pairs(unet), licence="unknown", sellable=False)
        made.put("other", catalog.resolve("starter"), made.pairs(unet))
        with Served(home, "--model", str(folder)) as daemon:
            yield daemon


def test_it_is_heard_over_zeromq(served: Served) -> None:
    with Client(served.file, timeout_s=PATIENCE) as client:

        def samples(**more: object) -> tuple[np.ndarray, dict[str, object], bool]:
            result = client.render(deliver="take", **SHORT, **more).result()
            [clip], [audio] = result.clips, result.audio
            return audio.samples, clip.recipe, clip.sellable

        plain, _, sellable = samples()
        heard, recipe, sold = samples(adapter="dust")
        none, _, _ = samples(adapter="dust", adapter_weight=0)
        assert (sellable, sold) == (True, False)
        assert len(str(recipe["adapter_revision"])) == 16
        assert "adapter_weight" not in recipe
        assert np.array_equal(plain, none)
        assert np.abs(plain - heard).max() > 1e-3


def test_a_model_in_a_folder_is_listed_by_the_name_that_recipes_give_it(served: Served) -> None:
    with Client(served.file, timeout_s=PATIENCE) as client:
        result = client.render(deliver="take", **SHORT).result()
        name = str(result.clips[0].recipe["model"])
        listed = {model.id: model for model in client.models().models}
        assert {name, "starter"} <= listed.keys()
        assert (listed[name].loaded, listed["starter"].loaded) == (True, False)
        assert [model.id for model in client.models(name).models] == [name]


@pytest.mark.parametrize(
    ("fields", "kind", "sentence"),
    [
        ({"adapter": "none"}, ModelMissing, "no adapter 'none' here.*dust, other"),
        ({"adapter": "../dust"}, BadRequest, "is no adapter's name"),
        ({"adapter": "other"}, BadRequest, "belongs to the model starter"),
        ({"adapter": "dust", "adapter_weight": 1.6}, BadRequest, "adapter_weight"),
        ({"adapter_weight": 0.5}, BadRequest, "without adapter"),
        ({"adapter": "dust", "runtime": "openvino"}, BadRequest, "without an adapter"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    served: Served, fields: dict[str, object], kind: type[Exception], sentence: str
) -> None:
    with Client(served.file, timeout_s=PATIENCE) as client, pytest.raises(kind, match=sentence):
        client.render(**SHORT, **fields)


def test_it_is_heard_over_osc(served: Served) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.bind(("127.0.0.1", 0))
        host.settimeout(PATIENCE)

        def ask(number: int, **more: object) -> tuple[str, list[object]]:
            message = OscMessageBuilder("/foleyd/render")
            fields = {**SHORT, **more}
            for value in (number, fields.pop("prompt"), *(part for pair in fields.items() for part in pair)):
                message.add_arg(value)
            host.sendto(message.build().dgram, served.osc)
            while True:
                got = OscMessage(host.recv(65_536))
                if got.address in ("/done", "/fail"):
                    return got.address, list(got.params)

        address, [_, _, clip, *_] = ask(1, adapter="dust", adapter_weight=0.8)
        assert address == "/done"
        with Client(served.file, timeout_s=PATIENCE) as client:
            [found] = client.library(LibraryRequest(action="show", clips=(str(clip),))).clips
        assert (found.recipe["adapter"], found.recipe["adapter_weight"]) == ("dust", 0.8)
        address, [_, message, *_] = ask(2, adapter="a/b")
        assert address == "/fail"
        assert "no adapter's name" in str(message)


def test_only_an_adapter_of_known_licence_is_sold(served: Served, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLEYD_HOME", str(served.home))
        strict = Models(sellable=True)
        entry = strict.adopt(str(folder))
        with pytest.raises(NotSellable, match="licence of its samples is unknown"):
            strict.prepare(make(prompt="x", model=entry.id, adapter="dust"))
        prepared = Models().prepare(make(prompt="x", adapter="dust"), str(folder))
        assert prepared.recipe.adapter_revision == adapters.resolve("dust").revision
        assert prepared.model.licence == "CC0-1.0; samples of dust: unknown"
