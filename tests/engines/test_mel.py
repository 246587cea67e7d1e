"""The front end of sources, against each frame worked out by itself from AudioLDM's definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foleyd.engines.front_end import FRONT_ENDS, HOP, WINDOW, find
from foleyd.engines.mel import LogMel, filters


@pytest.mark.parametrize("centred", [True, False])
def test_each_frame_is_the_spectrum_around_its_place(centred: bool) -> None:
    sound = np.random.default_rng(3).normal(0, 0.1, 4_000)
    made = LogMel(centred=centred)(torch.from_numpy(sound).unsqueeze(0))[0].numpy()
    assert made.shape == (25, 64)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    around = np.pad(sound, WINDOW, mode="reflect")
    for frame in (0, 1, 12, 24):
        middle = WINDOW + frame * HOP + (0 if centred else HOP // 2)
        piece = around[middle - WINDOW // 2 : middle + WINDOW // 2]
        magnitude = np.abs(np.fft.rfft(piece * taper))
        expected = np.log(np.maximum(filters().double().numpy() @ magnitude, 1e-5))
        assert np.abs(made[frame] - expected).max() < 1e-3


def test_other_sizes_have_no_front_end() -> None:
    assert find("SpeechT5HifiGan", 16_000, 160, 64) == FRONT_ENDS["SpeechT5HifiGan"]
    assert find("SpeechT5HifiGan", 48_000, 480, 64) is None
    assert find("SpeechT5HifiGan", 16_000, 160, 80) is None
    assert find("BigVGan", 16_000, 160, 64) is None
