"""Adapters in the engine: the sums are those of peft, the base stays what it is, and what does not fit is
refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

import adapters as made
import audioldm_reference as reference
from foleyd import recipe as recipes
from foleyd.engines import adapters, base, catalog, checkpoint
from foleyd.engines.adapted import PREFIX, UP, merged
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.catalog import Entry
from foleyd.errors import BadRequest, ModelBroken, ModelMissing
from foleyd.recipe import Recipe, take_id
from foleyd.runtime.eager import Eager

HOW = {"runtime": "torch", "precision": "float32", "bucket": "t8"}


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[AudioLDM]:
    loaded = base.load(folder, runtime="torch", threads=1)
    assert isinstance(loaded, AudioLDM)
    yield loaded
    loaded.unload()


@pytest.fixture
def model(folder: Path) -> Entry:
    return catalog.resolve(str(folder))


def unet(folder: Path) -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(
        folder / "unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
    )


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "a Dustbox kick", "seconds": 0.64, "seed": 7, "steps": 3}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def samples(engine: AudioLDM, wanted: Recipe) -> np.ndarray:
    [take] = engine.render([wanted])
    return take.samples


@pytest.mark.parametrize("weight", [1.0, 0.5, 1.5])
def test_the_merged_network_is_peft_s(folder: Path, tmp_path: Path, weight: float) -> None:
    """The same file, loaded by diffusers with peft, against our sum, for linear layers and convolutions."""
    theirs, ours = unet(folder), unet(folder)
    tensors = made.pairs(ours)
    kinds = {tensors[name].ndim for name in tensors}
    assert kinds == {2, 4}
    save_file(tensors, tmp_path / "adapter.safetensors", metadata={"format": "pt"})
    theirs.load_lora_adapter(
        str(tmp_path),
        weight_name="adapter.safetensors",
        prefix="unet",
        adapter_name="own",
        use_safetensors=True,
    )
    theirs.set_adapters(["own"], [weight])
    changed = merged(
        dict(ours.named_parameters()), {n.removeprefix(PREFIX): t for n, t in tensors.items()}, weight
    )
    torch.manual_seed(0)
    given = (torch.randn(2, 8, 16, 16), torch.tensor([500, 20]))
    words = torch.randn(2, ours.config.projection_class_embeddings_input_dim)
    told = {"encoder_hidden_states": None, "class_labels": words}
    with torch.no_grad():
        right = theirs(*given, **told).sample
        plain = ours(*given, **told).sample
        found = torch.func.functional_call(ours, changed, given, told).sample
    assert (found - right).abs().max() < 1e-5 * max(1.0, float(right.abs().max()))
    assert (plain - right).abs().max() > 1e-2


def test_at_weight_0_it_is_the_base_to_the_bit_and_stays_so(
    engine: AudioLDM, model: Entry, folder: Path
) -> None:
    one = made.put("one", model, made.pairs(unet(folder)))
    other = made.put("other", model, made.pairs(unet(folder), seed=1))
    plain = samples(engine, recipe(engine))

    def with_(adapter: adapters.Adapter, weight: float = 1.0) -> np.ndarray:
        named = {"adapter": adapter.name, "adapter_revision": adapter.revision, "adapter_weight": weight}
        return samples(engine, recipe(engine, **named))

    first = with_(one)
    assert np.array_equal(plain, with_(one, 0.0))
    assert np.abs(first - plain).max() > 1e-3
    second, half = with_(other), with_(one, 0.5)
    assert np.abs(second - first).max() > 1e-3
    assert np.abs(half - first).max() > 1e-3
    # back and forth between them and the base, with no load in between
    assert np.array_equal(first, with_(one))
    assert np.array_equal(plain, samples(engine, recipe(engine)))


def test_layers_and_loops_have_it_too(engine: AudioLDM, model: Entry, folder: Path) -> None:
    one = made.put("one", model, made.pairs(unet(folder)))
    named = {"adapter": "one", "adapter_revision": one.revision}
    own: dict[str, dict[str, object]] = {"loop": {}, "layers": {"attack": "a click"}}
    for operation, fields in own.items():
        plain, heard = (
            samples(engine, recipe(engine, operation=operation, **fields, **more)) for more in ({}, named)
        )
        assert np.abs(plain - heard).max() > 1e-3


def test_weight_and_version_are_part_of_a_take_s_id(engine: AudioLDM) -> None:
    named = {"adapter": "one", "adapter_revision": "0" * 16}
    plain, one = recipe(engine), recipe(engine, **named)
    others = [
        recipe(engine, **named, adapter_weight=0.5),
        recipe(engine, adapter="one", adapter_revision="1" * 16),
        recipe(engine, adapter="other", adapter_revision="0" * 16),
    ]
    assert len({take_id(made, **HOW) for made in (plain, one, *others)}) == 5
    assert recipes.change(one, adapter="one").adapter_revision == ""
    assert recipes.change(recipes.change(one, adapter_weight=0.3), adapter="") == plain


class Prepared(Eager):
    """Torch, as far as numbers go, under the name of a runtime whose networks are prepared."""

    name = "openvino"


def test_beside_another_runtime_torch_makes_it_and_who_insists_is_told(
    engine: AudioLDM, model: Entry, folder: Path
) -> None:
    one = made.put("one", model, made.pairs(unet(folder)))
    wanted = recipe(engine, adapter="one", adapter_revision=one.revision)
    about = checkpoint.read(folder)
    open_to_any, pinned = (
        AudioLDM(about, engine.networks, Prepared("cpu"), pinned=insists) for insists in (False, True)
    )
    [take] = open_to_any.render([wanted])
    assert (take.runtime, take.precision) == ("torch", "float32")
    assert np.array_equal(take.samples, samples(engine, wanted))
    assert open_to_any.render([recipe(engine)])[0].runtime == "openvino"
    with pytest.raises(BadRequest, match="runs networks as they were prepared, without an adapter"):
        pinned.render([wanted])
    assert pinned.render([recipe(engine)])[0].runtime == "openvino"
    open_to_any.unload()


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a\\b", "..", ".hidden", "a.b", "a b", "x" * 65])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(BadRequest, match="is no adapter's name"):
        adapters.resolve(name)
    with pytest.raises(BadRequest):
        adapters.remove(name)


def test_what_is_not_there_or_not_for_this_model_is_refused(
    engine: AudioLDM, model: Entry, folder: Path
) -> None:
    made.put("one", model, made.pairs(unet(folder)))
    with pytest.raises(ModelMissing, match=r"no adapter 'two' here.*one"):
        adapters.resolve("two")
    with pytest.raises(ModelMissing, match="trained anew"):
        samples(engine, recipe(engine, adapter="one", adapter_revision="0" * 16))
    with pytest.raises(BadRequest, match="belongs to the model folder:"):
        adapters.fit(adapters.resolve("one"), catalog.resolve("starter"))
    grown = adapters.resolve("one")
    (grown.folder / adapters.WEIGHTS).write_bytes(b"\x08")
    with pytest.raises(ModelBroken, match="cannot be used"):
        adapters.resolve("one")
    (grown.folder / adapters.CARD).write_text("{}")
    assert [one.problem != "" for one in adapters.entries()] == [True]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda pairs: {n + ".x": t for n, t in pairs.items()}, "something else"),
        (lambda pairs: dict(list(pairs.items())[:1]), "something else"),
        (lambda pairs: {n.replace("unet.", "unet.no."): t for n, t in pairs.items()}, "has no layer"),
        (lambda pairs: {n: t[:, :, ...].repeat(*[2] * t.ndim) for n, t in pairs.items()}, "another shape"),
        (
            lambda pairs: {n.replace(UP, ".lora_C.weight"): t for n, t in pairs.items()},
            "lacks its B",
        ),
    ],
)
def test_an_adapter_of_another_network_is_refused(
    engine: AudioLDM, model: Entry, folder: Path, change, sentence
) -> None:
    bad = made.put("bad", model, change(made.pairs(unet(folder))))
    before = samples(engine, recipe(engine))
    with pytest.raises(BadRequest, match=f"does not fit this model .*{sentence}"):
        samples(engine, recipe(engine, adapter="bad", adapter_revision=bad.revision))
    assert np.array_equal(before, samples(engine, recipe(engine)))
