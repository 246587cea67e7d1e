"""OpenVINO: a worker's model is prepared in the background, and gives torch's numbers from then on, for every
length, without compiling while one waits."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino
import pytest
import torch

import crashing_trial
from audioldm_reference import resolved
from foleyd.bench import random_model as tiny
from foleyd.bench import speed
from foleyd.daemon import frames
from foleyd.daemon.supervisor import Supervisor, WorkerState
from foleyd.engines import base, catalog, checkpoint, prepare
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.sounding import WINDOW_FRAMES
from foleyd.errors import BadRequest, FoleydError
from foleyd.recipe import Recipe
from foleyd.runtime import open_runtime, prepared
from foleyd.runtime.openvino import BLOBS, OpenVino
from foleyd.runtime.prepared import Network, Prepared, Way
from resident_pages import resident

NETWORKS = {"unet", "vae", "vocoder", "fast_vocoder"}
PATIENCE = 600.0
CLOSE = 1e-3
"""Relative error of a float32 render: a few steps after a few networks."""
CLOSE_BFLOAT16 = 0.3
"""As that, in bfloat16, on random weights that amplify whatever they are given."""


class Ready(NamedTuple):
    """A model's folder, foleyd's home in which it is prepared, the record, and what a worker rendered before
    and after."""

    model: Path
    home: Path
    record: Prepared
    before: frames.Audio
    after: frames.Audio


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    card = {"min_generate_seconds": 0.32, "auto_seconds": 0.64}
    model = tiny.build(tmp_path_factory.mktemp("tiny"), card=card)
    home = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLEYD_HOME", str(home))
        before, after = asyncio.run(_rendered_while_it_is_prepared(model))
        found = prepared.find(model)
    assert found
    return Ready(model, home, found[1], before, after)


async def _rendered_while_it_is_prepared(model: Path) -> tuple[frames.Audio, frames.Audio]:
    """What a worker renders at first, and when it was loaded anew with what was prepared meanwhile."""
    faster = asyncio.Event()

    def tell(state: WorkerState) -> None:
        if state.phase == "ready" and "OpenVINO" in state.device:
            faster.set()

    wanted = resolved(checkpoint.read(model).capabilities, prompt="rain", seed=1, seconds=0.5, steps=2)
    supervisor = Supervisor(device="cpu", on_state=tell)
    supervisor._preparation._rest_s = 0.0
    try:
        async with asyncio.timeout(PATIENCE):
            [before] = await supervisor.render([wanted], folder=model, model="tiny", revision="")
            await faster.wait()
            [after] = await supervisor.render([wanted], folder=model, model="tiny", revision="")
    finally:
        await supervisor.close()
    return before, after


@pytest.fixture
def ready(prepared_once: Ready, monkeypatch: pytest.MonkeyPatch) -> Ready:
    """The prepared model, in its home."""
    monkeypatch.setenv("FOLEYD_HOME", str(prepared_once.home))
    return prepared_once


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def engine(ready: Ready, **how: str) -> AudioLDM:
    loaded = base.load(ready.model, **how)  # type: ignore[arg-type]
    assert isinstance(loaded, AudioLDM)
    return loaded


def runtime(loaded: AudioLDM) -> OpenVino:
    assert isinstance(loaded._runtime, OpenVino)
    return loaded._runtime


def recipe(loaded: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "a deep kick drum", "seconds": 0.64, "seed": 5, "steps": 3, "guidance": 2.5}
    return resolved(loaded.capabilities, **{**usual, **values})


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_a_worker_goes_on_with_torch_and_then_by_openvino(ready: Ready) -> None:
    assert (ready.before.runtime, ready.after.runtime) == ("torch", "openvino")
    assert ready.before.bucket == ready.after.bucket


def test_what_every_render_calls_is_there_with_the_model(ready: Ready) -> None:
    here = engine(ready, runtime="openvino")
    networks = {network.part.name: network for network in runtime(here)._networks}
    assert {name: len(network._ready) for name, network in networks.items()} == {
        "unet": 1,
        "vae": 1,
        "vocoder": 1,
        "fast_vocoder": 0,
    }
    usual = recipe(here, seconds=here.capabilities.auto_seconds)
    shapes = {name: list(network._ready) for name, network in networks.items()}
    assert here.render([usual])[0].runtime == "openvino"
    assert {name: list(network._ready) for name, network in networks.items()} == shapes
    here.unload()


def test_renders_of_every_usual_length_call_networks_of_fixed_shapes(ready: Ready) -> None:
    here = engine(ready, runtime="openvino")
    networks = {network.part.name: network for network in runtime(here)._networks}
    vocoder, frames = here.networks.vocode, []
    here.networks.vocode = lambda mel: frames.append(mel.shape[1]) or vocoder(mel)
    for seconds in (2.0, 3.0, 6.5):
        here.render([recipe(here, seconds=seconds, steps=1)])
    assert set(frames) == {WINDOW_FRAMES}
    for_all_lengths = (here.threads,)
    assert [name for name, network in networks.items() if for_all_lengths in network._ready] == []
    # a short loop with its ends around it is no usual length
    here.render([recipe(here, operation="loop", seconds=0.5, steps=1)])
    assert [name for name, network in networks.items() if for_all_lengths in network._ready] == ["vocoder"]
    here.unload()


@pytest.mark.skipif(sys.platform != "linux", reason="the system keeps no such count")
def test_a_loaded_model_holds_no_page_of_its_files(ready: Ready) -> None:
    """Its networks have packed what they read there."""
    here = engine(ready, runtime="openvino")
    files = [network._path.with_suffix(".bin") for network in runtime(here)._networks if network._ready]
    assert [resident(file) for file in files] == [0, 0, 0]
    here.unload()


def test_every_network_was_tried_and_is_right(ready: Ready) -> None:
    assert set(ready.record.networks) == NETWORKS
    for network in ready.record.networks.values():
        assert "float32" in network.ways
        for precision, way in network.ways.items():
            assert way.error <= prepare.ERROR_LIMITS[precision]
            assert way.seconds > 0


def test_a_prepared_model_is_not_prepared_again(ready: Ready) -> None:
    log: list[str] = []
    assert prepare.prepare(ready.model, log.append)[1] == ready.record
    assert log == []


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_the_same_sound_as_with_torch(ready: Ready, guidance: float) -> None:
    with_torch = engine(ready, runtime="torch", precision="float32")
    here = engine(ready, runtime="openvino", precision="float32")
    wanted = recipe(here, guidance=guidance)
    [right], [found] = with_torch.render([wanted]), here.render([wanted])
    assert (found.runtime, found.precision, found.bucket) == ("openvino", "float32", right.bucket)
    assert found.take_id != right.take_id
    assert difference(found.samples, right.samples) < CLOSE
    [other] = here.render([recipe(here, guidance=guidance, seed=6)])
    assert difference(other.samples, right.samples) > 10 * CLOSE
    with_torch.unload()
    here.unload()


def test_reduced_precision_is_close(ready: Ready) -> None:
    native = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    # asked for where the processor has none of it, it would be float32 by another name
    assert native or "bfloat16" not in ready.record.precisions()
    if "bfloat16" not in ready.record.precisions():
        pytest.skip("bfloat16 is not right on this processor")
    exact = engine(ready, runtime="openvino", precision="float32")
    rough = engine(ready, runtime="openvino", precision="bfloat16")
    wanted = recipe(exact)
    [right], [found] = exact.render([wanted]), rough.render([wanted])
    assert 0 < difference(found.samples, right.samples) < CLOSE_BFLOAT16
    assert found.precision == "bfloat16"


def test_a_clip_is_the_same_to_the_bit_whatever_is_in_its_batch(ready: Ready) -> None:
    here = engine(ready, runtime="openvino")
    recipes = [recipe(here, seed=seed) for seed in (5, 6, 7)]
    together = here.render(recipes)
    for one, alone in zip(together, (here.render([each])[0] for each in recipes), strict=True):
        np.testing.assert_array_equal(one.samples, alone.samples)


def test_no_length_is_compiled_while_somebody_waits(ready: Ready) -> None:
    here = engine(ready, runtime="openvino")
    for seconds in (0.3, 0.5, 0.7, 1.0, 1.5, 2.2, 3.0, 4.4, 6.0, 9.9):
        [take] = here.render([recipe(here, seconds=seconds, steps=1)])
        assert len(take.samples) >= round(seconds * 16_000)
    assert runtime(here).compiled == 0


def test_a_compiled_network_that_cannot_be_read_is_compiled_anew(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(ready.home, home)
    monkeypatch.setenv("FOLEYD_HOME", str(home))
    for blob in (prepared.place(ready.model) / BLOBS).iterdir():
        blob.write_bytes(b"not a network")
    here = engine(ready, runtime="openvino")
    assert here.render([recipe(here)])[0].runtime == "openvino"
    assert runtime(here).compiled == 3


def test_fewer_threads_for_a_while(ready: Ready) -> None:
    here = engine(ready, runtime="openvino")
    [take] = here.render([recipe(here)], threads=1)
    assert take.threads == 1
    assert here.render([recipe(here)])[0].threads == here.threads


def test_unloading_lets_the_networks_go(ready: Ready) -> None:
    here = engine(ready, runtime="openvino")
    here.render([recipe(here)])
    here.unload()
    assert runtime(here)._networks == []
    with pytest.raises(RuntimeError, match="unloaded"):
        here.render([recipe(here)])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"runtime": "openvino", "device": "cuda"}, "runs on the CPU, not on 'cuda'"),
        ({"runtime": "openvino", "precision": "float16"}, "'float16' does not run with OpenVINO"),
        ({"runtime": "onnx"}, "'onnx' is unknown: choose one of auto, torch, openvino"),
    ],
)
def test_what_it_cannot_do_is_said(ready: Ready, how: dict[str, str], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        engine(ready, **how)


def test_a_model_that_was_not_prepared_is_refused(
    ready: Ready, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLEYD_HOME", str(own_home))
    with pytest.raises(BadRequest, match="run 'foleyd models prepare'"):
        open_runtime("openvino", "cpu", "auto", None, ready.model)
    assert engine(ready).unprepared
    assert open_runtime("auto", "cpu", "auto", None, ready.model).name == "torch"


def way(seconds: float) -> Way:
    return Way(options={}, error=0.0, seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "precision", "taken"),
    [
        ({"float32": 0.5, "bfloat16": 0.2}, "auto", ("openvino", "bfloat16")),
        ({"float32": 0.2, "bfloat16": 0.5}, "auto", ("openvino", "float32")),
        ({"float32": 0.5, "bfloat16": 0.2}, "float32", ("openvino", "float32")),
        ({"float32": 0.5}, "bfloat16", ("torch", "bfloat16")),
        ({"float32": 2.0, "bfloat16": 3.0}, "auto", ("torch", "float32")),
    ],
)
def test_auto_takes_what_was_measured_to_be_faster(
    ready: Ready,
    monkeypatch: pytest.MonkeyPatch,
    seconds: dict[str, float],
    precision: str,
    taken: tuple[str, str],
) -> None:
    ways = {name: way(took) for name, took in seconds.items()}
    record = Prepared(
        model="m",
        openvino="1",
        processor="p",
        threads=2,
        networks={"unet": Network(ways=ways, torch_seconds=1.0, every_step=True)},
    )
    monkeypatch.setattr(prepared, "find", lambda model: (prepared.place(model), record))
    opened = open_runtime("auto", "cpu", precision, None, ready.model)
    assert (opened.name, opened.precision) == taken


@pytest.mark.parametrize("change", ["version", "processor", "weights"])
def test_what_was_prepared_holds_for_these_weights_and_this_machine(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str
) -> None:
    model = ready.model
    assert prepared.find(model) is not None
    if change == "weights":
        model = tmp_path / "other"
        shutil.copytree(ready.model, model)
        weights = model / "unet" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes())
    else:
        monkeypatch.setattr(prepared, change, lambda: "another")
    assert prepared.find(model) is None


def test_nothing_is_prepared_without_openvino(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "version", lambda: "")
    assert prepared.find(ready.model) is None
    assert not prepared.is_wanting(ready.model)
    with pytest.raises(BadRequest, match="pip install openvino"):
        prepare.prepare(ready.model)


@pytest.mark.parametrize(
    ("fault", "patience", "said"),
    [
        ("crash", prepare.TRIAL_S, "crashes"),
        ("wrong", prepare.TRIAL_S, "gives wrong numbers"),
        ("", 0.01, "takes more than 0 minutes"),
    ],
)
def test_a_runtime_that_crashes_miscalculates_or_hangs_is_not_taken(
    ready: Ready, own_home: Path, monkeypatch: pytest.MonkeyPatch, fault: str, patience: float, said: str
) -> None:
    _faulty(monkeypatch, ready, own_home, fault)
    monkeypatch.setattr(prepare, "TRIAL_S", patience)
    with pytest.raises(FoleydError, match=f"OpenVINO {said} for unet on this processor"):
        prepare.prepare(ready.model)
    assert prepared.find(ready.model) is None
    assert [path.suffix for path in prepared.place(ready.model).parent.iterdir()] == [".lock"]


def test_what_crashes_is_tried_without_generated_code(
    ready: Ready, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _faulty(monkeypatch, ready, own_home, "crash_with_own_code")
    log: list[str] = []
    _, record = prepare.prepare(ready.model, log.append)
    assert {line.split(":")[0] for line in log if "exports" in line} == NETWORKS
    options = [way.options for network in record.networks.values() for way in network.ways.values()]
    assert options
    assert all(each == prepare.OPTIONS[1] for each in options)


def _faulty(monkeypatch: pytest.MonkeyPatch, ready: Ready, home: Path, fault: str) -> None:
    """What is tried in `home` has `fault`; what was exported for `ready` is exported as it is."""
    exported, _ = prepared.find(ready.model) or (home, None)
    assert exported != home

    def export(network: object, example: object, lengths: object, path: Path) -> None:
        for suffix in (".xml", ".bin"):
            shutil.copy(exported / f"{path.stem}{suffix}", path.with_suffix(suffix))

    monkeypatch.setattr(prepare, "export", export)
    monkeypatch.setenv("FOLEYD_HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(Path(crashing_trial.__file__).parent))
    monkeypatch.setenv(crashing_trial.FAULT, fault)
    monkeypatch.setattr(prepare, "TRIAL", "crashing_trial")


def test_mixed_lengths_back_to_back_compile_nothing(ready: Ready) -> None:
    entry = catalog.resolve(str(ready.model))
    with speed.Contest(entry, "cpu", "auto", "openvino", None) as contest:
        mixed = contest.mixed()
        assert len(mixed.seconds) == 10
        assert mixed.compiled == 0
        # it does count: nothing was compiled for one thread
        engine = contest.ours["default"]
        [one] = contest.recipes(speed.Case("", "default", 0.32, 1), 0)
        engine.render([one], check_silence=False, threads=1)
        assert engine.compiled > 0
