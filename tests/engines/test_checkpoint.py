"""Understanding and loading checkpoint folders, whole, old and broken ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import audioldm_reference as reference
from foleyd.bench import random_model as tiny
from foleyd.engines import base, checkpoint
from foleyd.engines.checkpoint import Geometry
from foleyd.errors import BadRequest, ModelBroken, ModelMissing
from foleyd.fields import BY_EAR
from foleyd.recipe import OPERATIONS, SCHEDULERS, make

PUBLISHED = Geometry(rate=16000, hop=160, vae_factor=4, channels=8, bins=16, stride=8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def edit(path: Path, **values: object) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))


def edit_weights(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(0.3, 8), (0.32, 8), (0.321, 16), (2.56, 64), (5.12, 128), (5.121, 136), (10.24, 256), (30.0, 752)],
)
def test_seconds_become_whole_strides_of_latent_frames(seconds: float, frames: int) -> None:
    assert PUBLISHED.frames(seconds) == frames
    assert PUBLISHED.samples(frames) == frames * 640 >= seconds * 16000


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(0.3, 64), (2.56, 64), (2.561, 96), (5.12, 128), (6.0, 192), (10.0, 256), (29.9, 768), (30.0, 768)],
)
def test_a_clip_is_cut_from_the_next_length_that_is_generated(
    whole: Path, seconds: float, frames: int
) -> None:
    about = checkpoint.read(whole)
    assert about.frames(make(prompt="rain", seconds=seconds)) == frames
    assert frames in about.lengths()


def test_the_lengths_that_are_generated_end_where_the_model_ends(folder: Path) -> None:
    (folder / "foleyd.json").write_text(
        '{"seconds": [1, 9], "auto_seconds": 2.56, "min_generate_seconds": 1.28}'
    )
    about = checkpoint.read(folder)
    assert about.lengths() == (32, 64, 96, 128, 192, 256)
    assert about.frames(make(prompt="rain", seconds=9.0)) == 256


def test_a_folder_without_a_description_has_the_defaults_of_the_published_checkpoints(whole: Path) -> None:
    can = checkpoint.read(whole, "abc").capabilities
    seen = tuple(name for name in OPERATIONS if name not in BY_EAR)
    assert (can.family, can.operations, can.rate, can.channels) == ("audioldm", seen, 16000, 1)
    assert (can.licence, can.sellable, can.audio_tower) == ("CC-BY-NC-SA-4.0", False, False)
    assert (can.seconds, can.auto_seconds) == ((0.3, 30.0), 5.12)
    assert (can.steps, can.guidance, can.scheduler, can.revision) == (25, 2.5, "dpmpp-2m", "abc")
    assert set(can.schedulers) == set(SCHEDULERS) - {"lcm"}


def test_a_folder_describes_itself(folder: Path) -> None:
    edit(
        folder / "foleyd.json",
        licence="CC0-1.0",
        sellable=True,
        seconds=[0.3, 12],
        auto_seconds=2.56,
        min_generate_seconds=1.28,
        steps=20,
        guidance=3.5,
        scheduler="euler",
        title="Starter",
        later="ignored",
    )
    (folder / "audio_encoder").mkdir()
    width = json.loads((folder / "text_encoder" / "config.json").read_text())["projection_dim"]
    (folder / "audio_encoder" / "config.json").write_text(json.dumps({"projection_dim": width}))
    about = checkpoint.read(folder)
    can = about.capabilities
    assert can.operations == tuple(OPERATIONS)
    assert (can.licence, can.sellable, can.audio_tower) == ("CC0-1.0", True, True)
    assert (can.seconds, can.auto_seconds) == ((0.3, 12.0), 2.56)
    assert (can.steps, can.guidance, can.scheduler) == (20, 3.5, "euler")
    assert about.seconds(make(prompt="rain")) == 2.56
    assert about.seconds(make(prompt="rain", seconds=0.5)) == 1.28
    assert about.seconds(make(prompt="rain", seconds=7)) == 7
    with pytest.raises(BadRequest, match=r"the length is 13 s: this model makes clips of 0.3 to 12 s"):
        about.seconds(make(prompt="rain", seconds=13, operation="loop"))
    assert about.window(make(prompt="rain", seconds=12)) is None
    assert about.window(make(prompt="rain", seconds=13)) == 128  # 5.12 s, twice what it makes of itself


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_every_scheduler_that_is_listed_renders(folder: Path, prediction: str) -> None:
    edit(
        folder / "scheduler" / "scheduler_config.json", prediction_type=prediction, _class_name="LCMScheduler"
    )
    engine = base.load(folder)
    assert engine.capabilities.schedulers == SCHEDULERS
    for scheduler in engine.capabilities.schedulers:
        values = {"prompt": "rain", "seed": 1, "seconds": 0.3, "steps": 3, "scheduler": scheduler}
        (take,) = engine.render([reference.resolved(engine.capabilities, **values)])
        assert np.isfinite(take.samples).all()
    engine.unload()


def test_names_and_buffers_of_old_checkpoints_are_understood(whole: Path, folder: Path) -> None:
    """Checkpoints of 2023 store no position buffers and call the VAE's attention by other names."""
    new_names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def rename(weights: dict[str, Any]) -> dict[str, Any]:
        renamed = {}
        for name, tensor in weights.items():
            for new, old in new_names.items():
                name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
            renamed[name] = tensor
        assert renamed.keys() != weights.keys()
        return renamed

    def drop(weights: dict[str, Any]) -> dict[str, Any]:
        kept = {name: tensor for name, tensor in weights.items() if not name.endswith("_ids")}
        assert len(kept) < len(weights)
        return kept

    edit_weights(folder / "vae" / "diffusion_pytorch_model.safetensors", rename)
    edit_weights(folder / "text_encoder" / "model.safetensors", drop)
    takes = []
    for place in (whole, folder):
        engine = base.load(place)
        recipe = reference.resolved(engine.capabilities, prompt="rain", seed=1, seconds=0.3, steps=2)
        takes += engine.render([recipe])
        engine.unload()
    assert np.array_equal(takes[0].samples, takes[1].samples)


def test_half_precision_weights_are_computed_with_in_single(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        edit_weights(
            path,
            lambda weights: {name: t.half() if t.is_floating_point() else t for name, t in weights.items()},
        )
    engine = base.load(folder)
    recipe = reference.resolved(engine.capabilities, prompt="rain", seed=1, seconds=2.56, steps=2)
    pipeline = reference.open_pipeline(folder)
    for part in (pipeline.text_encoder, pipeline.unet, pipeline.vae, pipeline.vocoder):
        part.float()
    expected = reference.run(pipeline, [recipe])
    (take,) = engine.render([recipe])
    reference.assert_agrees([take.samples], expected)
    engine.unload()


def test_the_frame_vocoder_is_loaded_by_its_class_name(folder: Path) -> None:
    from foleyd.engines.vocoder import FrameVocoder, VocoderConfig

    shutil.rmtree(folder / "vocoder")
    FrameVocoder(VocoderConfig(width=16, hidden=16, layers=1)).save(folder / "vocoder")
    edit(folder / "model_index.json", vocoder=["foleyd", "FrameVocoder"])
    for precision in ("float32", "bfloat16"):
        engine = base.load(folder, precision=precision)
        recipe = reference.resolved(engine.capabilities, prompt="rain", seed=1, seconds=2.6, steps=2)
        (take,) = engine.render([recipe], check_silence=False)
        assert take.bucket == "t96"
        assert len(take.samples) == 96 * 640
        engine.unload()


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no model folder 'nothing'"):
        base.load(tmp_path / "nothing")


def break_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("not json")


def break_family(folder: Path) -> None:
    edit(folder / "model_index.json", _class_name="StableDiffusionPipeline")


def lose_weights(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()


def leave_a_pickle(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))


def cut_weights(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def lose_a_tensor(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    edit_weights(path, lambda weights: {name: t for name, t in weights.items() if name != "conv_in.weight"})


def lose_a_word_tensor(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    edit_weights(
        path, lambda weights: {n: t for n, t in weights.items() if n != "text_projection.linear1.weight"}
    )


def mistake_a_shape(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    edit_weights(path, lambda weights: {name: t[..., :1].clone() for name, t in weights.items()})


def contradict_text(folder: Path) -> None:
    edit(folder / "text_encoder" / "config.json", projection_dim=99)


def contradict_mel(folder: Path) -> None:
    edit(folder / "vocoder" / "config.json", model_in_dim=63)


def flow(folder: Path) -> None:
    edit(folder / "scheduler" / "scheduler_config.json", prediction_type="flow_prediction")


def strange_vocoder(folder: Path) -> None:
    edit(folder / "vocoder" / "config.json", architectures=["Theremin"])


def strange_default(folder: Path) -> None:
    edit(folder / "foleyd.json", scheduler="lcm")


def strange_lengths(folder: Path) -> None:
    edit(folder / "foleyd.json", auto_seconds=99)


def strange_configuration(folder: Path) -> None:
    edit(folder / "unet" / "config.json", block_out_channels="wide")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (break_index, "does not say in model_index.json what it is"),
        (break_family, "is a StableDiffusionPipeline checkpoint"),
        (lose_weights, "lacks unet/diffusion_pytorch_model.safetensors"),
        (leave_a_pickle, r"pickled weights \(unet/diffusion_pytorch_model.bin\)"),
        (cut_weights, "cannot be loaded"),
        (lose_a_tensor, "unet lacks 1 weights, among them conv_in.weight"),
        (lose_a_word_tensor, "text_encoder lacks 1 weights, among them text_projection.linear1.weight"),
        (mistake_a_shape, "cannot be loaded"),
        (contradict_text, "text encoder gives 99 numbers, its UNet takes 64"),
        (contradict_mel, "vocoder takes 63 mel bins"),
        (flow, "trained to predict 'flow_prediction'"),
        (strange_vocoder, "unknown kind 'Theremin'"),
        (strange_default, "names 'lcm' as its scheduler in foleyd.json: write one of ddim"),
        (strange_lengths, "auto_seconds must lie in seconds"),
        (strange_configuration, "unet/config.json cannot be used"),
    ],
)
def test_a_broken_folder_is_refused_in_one_sentence(
    folder: Path, damage: Callable[[Path], None], complaint: str
) -> None:
    damage(folder)
    with pytest.raises(ModelBroken, match=complaint) as caught:
        base.load(folder)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
