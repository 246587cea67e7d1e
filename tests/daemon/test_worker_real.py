"""The real worker with a real, tiny, untrained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tiny
from foleyd import recipe
from foleyd.daemon import frames
from foleyd.daemon.workers import Worker
from foleyd.errors import ModelBroken
from foleyd.recipe import Recipe


def rendered(worker: Worker, wanted: Recipe) -> frames.Audio:
    [audio] = [reply for reply in worker.render([wanted]) if isinstance(reply, frames.Audio)]
    return audio


def test_it_loads_renders_and_repeats_itself(
    full: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('a file of the current folder was imported')")
    monkeypatch.chdir(tmp_path)
    folder = tiny.build(tmp_path / "model")
    with Worker() as worker:
        loaded = worker.load(folder, device="cpu", threads=1)
        assert "CPU, 1 thread" in loaded.device
        first, other, again = (rendered(worker, recipe.change(full, seed=seed)) for seed in (7, 8, 7))
        assert first.samples == again.samples
        assert first.samples != other.samples
        assert first.take_id == recipe.take_id(
            full, runtime="torch", precision="float32", bucket=first.bucket
        )
        assert (first.seed, first.rate, first.threads) == (7, 16_000, 1)
        assert float(np.abs(np.frombuffer(first.samples, "<f4")).max()) > 0.001
        (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut")
        with pytest.raises(ModelBroken):
            worker.load(folder, device="cpu")
