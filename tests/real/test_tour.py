"""The tour of backend/README.md, in fewer steps than a reader takes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

PATIENCE = 400.0
PAGE = Path(__file__).parents[2] / "backend" / "README.md"


def test_the_tour_goes_as_it_stands_in_fewer_steps(
    tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    program("oscsend", "liblo-tools")
    program("sox", "sox")
    block = PAGE.read_text().split("<!-- tour -->\n```sh\n", 1)[1].split("```\n", 1)[0]
    assert "--steps" not in block
    block = block.replace("foleyd render ", "foleyd render --steps 5 ")
    block = re.sub(r"(/foleyd/render \w+)(.*)", r"\1si\2 steps 5", block)
    said, complaints = tmp_path / "said.txt", tmp_path / "complaints.txt"
    # files, not pipes: a daemon that outlives the tour would keep those open
    with said.open("w") as out, complaints.open("w") as errors:
        going = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env={
                **os.environ,
                "FOLEYD_HOME": str(tmp_path / "home"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
    try:
        going.wait(PATIENCE)
    finally:
        # where the tour broke off, its daemon is still there
        with contextlib.suppress(ProcessLookupError):
            os.killpg(going.pid, signal.SIGKILL)
    assert going.returncode == 0, complaints.read_text()
    seconds = {path.name: round(soundfile.info(path).duration, 3) for path in tmp_path.glob("*.wav")}
    assert seconds == {
        "knock.wav": 1.0,
        "storm.wav": 2.5,
        "door.wav": 1.0,
        "broken.wav": 1.0,
        "rung.wav": 2.5,
        "longer.wav": 4.0,
        "wind.wav": round(2 * 4 * 60 / 127.3, 3),
        "hit.wav": 2.0,
        "dull.wav": 2.5,
        "bright.wav": 2.5,
        "bell.wav": 1.0,
    }
    assert (tmp_path / "storm.png").read_bytes().startswith(b"\x89PNG")
    several = {folder: len(list((tmp_path / folder).glob("*.wav"))) for folder in ("wind-to-waves", "knocks")}
    assert several == {"wind-to-waves": 3, "knocks": 2}
    assert len(list((tmp_path / "like-it").glob("*.wav"))) == 3
    knock, broken = (soundfile.read(tmp_path / name)[0] for name in ("knock.wav", "broken.wav"))
    outside = np.r_[0 : int(0.4 * 48_000), int(0.7 * 48_000) : 48_000]
    assert np.array_equal(knock[outside], broken[outside])
    listed = said.read_text().splitlines()
    [table] = [place for place, line in enumerate(listed) if line.startswith("clip ")]
    names = " ".join(listed[table + 1 : table + 8])
    assert names.count("gusty wind") == 2
    assert "a kick" in names
    nearest = listed[-5].split()
    assert (float(nearest[0]), nearest[2:]) == (1.0, ["a", "wooden", "knock"])
