import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from foleyd.audio.picture import draw
from foleyd.errors import BadRequest

RATE = 48_000


@pytest.fixture
def sound() -> NDArray[np.float64]:
    seconds = np.arange(RATE) / RATE
    return 0.5 * np.sin(2 * np.pi * 3000.0 * seconds) * (seconds > 0.5)


def test_a_tone_shows_when_and_where_it_is(sound: NDArray[np.float64], tmp_path: Path) -> None:
    draw(tmp_path / "clip.png", sound, RATE, "a beep")
    picture = imread(tmp_path / "clip.png")
    assert picture.shape[:2] == (675, 1200)
    spectrogram = picture[300:600, 80:1080, :3].sum(axis=2)
    loud = spectrogram > 2.0
    # bright in the second half alone, as one line across
    assert loud[:, :450].sum() == 0
    assert loud[:, 550:].any(axis=0).mean() > 0.95
    assert 1 <= loud[:, 700].sum() <= 30
    waveform = picture[60:230, 80:1080, :3]
    assert (waveform[:, 600] < 0.6).any(axis=1).sum() > 60
    assert (waveform[:, 200] < 0.6).any(axis=1).sum() < 6


def test_the_same_clip_is_the_same_picture(sound: NDArray[np.float64], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / name, np.stack([sound, -sound]), RATE, "a beep")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("title", ["$\\frac{1}{", "雨 🌧 на крыше", "a\nb\0c", "", "word " * 300, "x" * 3000])
def test_any_title_is_drawn_without_a_warning(title: str, tmp_path: Path) -> None:
    draw(tmp_path / "clip.png", np.zeros(4000), 8_000, title)
    assert imread(tmp_path / "clip.png").shape[:2] == (675, 1200)


@pytest.mark.parametrize(("frames", "rate"), [(1, 48_000), (100, 8_000), (30 * 22_050, 22_050)])
def test_short_and_long_clips_are_drawn(frames: int, rate: int, tmp_path: Path) -> None:
    draw(tmp_path / "clip.png", np.full((2, frames), 0.1, dtype=np.float32), rate, "a length")
    assert imread(tmp_path / "clip.png").shape[:2] == (675, 1200)


def test_nothing_half_drawn_is_left(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="folder"):
        draw(tmp_path / "none" / "clip.png", np.zeros(100), RATE, "a clip")
    assert list(tmp_path.iterdir()) == []


def test_pyplot_and_heavy_packages_stay_unloaded() -> None:
    program = (
        "import sys, foleyd.audio.picture, foleyd.audio.export, foleyd.audio.finish\n"
        "print([name for name in ('matplotlib', 'scipy', 'pyloudnorm', 'torch') if name in sys.modules])\n"
        "import numpy, tempfile, os\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    foleyd.audio.picture.draw(os.path.join(folder, 'a.png'), numpy.zeros(99), 8000, 'a')\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=surroundings
    )
    assert done.stdout.split("\n")[:2] == ["[]", "False"], done.stderr
