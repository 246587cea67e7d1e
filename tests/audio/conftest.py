"""Sounds to work on, and the programs we did not write that look at the results."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.audio.card import ClipMeta

MODEL_RATE = 16_000


@pytest.fixture
def sox() -> Callable[..., str]:
    """``sox("--i", path)``: what sox prints. Skips without sox, but fails where CI says that it must be
    there.
    """
    program = shutil.which("sox")
    if program is None:
        message = "sox is missing: apt-get install sox"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        # sox reports in prose on stderr what it had to guess or skip
        assert "WARN" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def drum() -> NDArray[np.float32]:
    """2.56 s at 16 kHz: hiss at -70 dB, and a hit after 0.25 s that is gone 0.9 s later."""
    random = np.random.default_rng(3)
    seconds = np.arange(int(MODEL_RATE * 2.56)) / MODEL_RATE - 0.25
    since = np.maximum(seconds, 0.0)
    body = np.sin(2 * np.pi * (55 * since + 1.5 * (1 - np.exp(-30 * since)))) * np.exp(-9 * since)
    snap = random.standard_normal(len(seconds)) * np.exp(-900 * since)
    hiss = 3e-4 * random.standard_normal(len(seconds))
    return (np.where(seconds >= 0, 0.4 * (body + snap), 0.0) + hiss).astype(np.float32)


@pytest.fixture
def tone() -> NDArray[np.float32]:
    """2.56 s at 16 kHz: a 440 Hz cosine, so it starts and ends in mid-wave."""
    seconds = np.arange(int(MODEL_RATE * 2.56)) / MODEL_RATE
    return (0.3 * np.cos(2 * np.pi * 440.3 * seconds)).astype(np.float32)


@pytest.fixture
def meta() -> ClipMeta:
    """A clip's description with every field in use and letters beyond ASCII."""
    return ClipMeta(
        recipe=recipe.make(
            prompt='fünf Glöckchen <über> "Wasser" & 水 🔔',
            negative="hum",
            seconds=0.5,
            seed=12,
            steps=20,
            guidance=2.5,
            scheduler="dpmpp-2m",
            rate=44_100,
        ),
        take_id="take-aaaaaaaaaaaaaaaaaaaaaaaa",
        clip_id="clip-bbbbbbbbbbbbbbbbbbbbbbbb",
        licence="CC0-1.0",
        model="Foleyd starter",
        made={"runtime": "torch", "precision": "float32", "bucket": "t64", "threads": 2},
        loops=((100, 2999), (3000, 3999)),
        cues=((0, "start"), (1234, "Schlag ö")),
        note=57,
        category="BELLHand",
        loudness_lufs=-16.04,
        true_peak_dbtp=-1.0,
    )
