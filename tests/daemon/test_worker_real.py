"""The real worker with real models: a tiny untrained one, and the starter."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import foleyd
from foleyd import recipe
from foleyd.bench import random_model as tiny
from foleyd.daemon import frames
from foleyd.daemon.blocking_worker import Worker
from foleyd.daemon.supervisor import Supervisor, WorkerState
from foleyd.errors import ModelBroken, WorkerDied
from foleyd.recipe import Recipe

PARTS = ["libraries", "text_encoder", "unet", "vae", "vocoder"]


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
        if sys.platform == "linux":
            mapped = Path(f"/proc/{worker.pid}/maps").read_text()
            assert "libtorch_cpu" in mapped
            assert "/scipy/" not in mapped  # numpy has libraries of that name
        (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut")
        with pytest.raises(ModelBroken):
            worker.load(folder, device="cpu")


def test_the_starter_is_supervised_through_a_kill(full: Recipe) -> None:
    """Its parts are told as they load, a thread is spared, and a kill in the middle costs one render."""
    folder = Path(foleyd.__file__).parent / "starter" / "model"
    seen: list[WorkerState] = []

    async def render(
        supervisor: Supervisor, steps: int, prompt: str = full.prompt, **options: Any
    ) -> frames.Audio:
        wanted = recipe.change(full, prompt=prompt, steps=steps, seconds=1.0)
        [audio] = await supervisor.render([wanted], folder=folder, model="starter", revision="1", **options)
        return audio

    async def scenario() -> None:
        supervisor = Supervisor(device="cpu", threads=2, on_state=seen.append)
        try:
            audio = await render(supervisor, 2)
            assert audio.threads == 2
            assert "CPU, 2 threads" in supervisor.state.device
            first = supervisor.state.pid
            assert first is not None
            supervisor.spare = True

            def kill(told: frames.Progress) -> None:
                if told.step == 2:
                    os.kill(first, signal.SIGKILL)

            with pytest.raises(WorkerDied, match="SIGKILL during a render"):
                await render(supervisor, 200, on_progress=kill)
            # other words: an embedding is kept, and one thread may round it otherwise than two
            again = await render(supervisor, 2, "other words")
            assert again.threads == 1
            supervisor.spare = False
            assert (await render(supervisor, 2)).samples == audio.samples
            assert supervisor.state.pid not in (None, first)
        finally:
            await supervisor.close()

    asyncio.run(scenario())
    parts = [one.load_part for one in seen if one.load_part]
    assert parts == [*PARTS, *PARTS]
