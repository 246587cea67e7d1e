"""The band extender's network, trained again: a few steps on a few sounds."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from foleyd import cli
from foleyd.audio import highs
from foleyd.training import clips
from foleyd.training import highs as making
from foleyd.training.cli import ALLOCATOR


@pytest.fixture
def few_sounds(monkeypatch):
    """Some of the sounds, and two that teach nothing."""
    for name, value in ALLOCATOR.items():  # or the command would start the process again with them
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(making, "KEYS", range(60, 70, 12))
    monkeypatch.setattr(making, "KITS", [0])
    real = making.sounds
    quiet = [
        (clips.Source("nothing", "silence", ""), np.zeros(24_000)),
        (clips.Source("nothing", "dull", ""), np.hanning(24_000) * np.sin(np.arange(24_000) / 100)),
    ]
    monkeypatch.setattr(making, "sounds", lambda: [*islice(real(), 0, None, 10), *quiet])


def test_a_few_steps_learn_something_and_are_written(few_sounds, tmp_path, capsys):
    output = tmp_path / "new" / "highs.safetensors"
    assert cli.main(["train", "highs", "--output", str(output), "--steps", "200"]) == 0
    said = capsys.readouterr()
    off, usual = (float(word) for word in said.out.split() if word.replace(".", "").isdigit())
    assert off < usual
    assert "highs 200/200" in said.err
    shipped = load_file(Path(highs.__file__).with_name(highs.WEIGHTS))
    made = load_file(output)
    assert {name: value.shape for name, value in made.items()} == {n: v.shape for n, v in shipped.items()}


def test_dull_and_silent_sounds_teach_nothing():
    assert making.levels(np.zeros(24_000)) is None
    assert making.levels(np.hanning(24_000) * np.sin(np.arange(24_000) / 100)) is None
    noise = np.random.default_rng(0).standard_normal(24_000)
    below, above = making.levels(noise)
    assert below.shape[1] == 22
    assert above.shape == (len(below), highs.BANDS)
