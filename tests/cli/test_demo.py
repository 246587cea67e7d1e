"""``foleyd demo``: two sounds with pictures, from the model that ships."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from foleyd import demo
from foleyd.audio import measure
from foleyd.audio.export import read_clip

Run = Callable[..., Any]


def test_the_demo_makes_two_sounds_and_says_where_they_are(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "-o", tmp_path / "made")
    assert ran.status == 0, ran.err
    stems = ["a-deep-kick-drum", "a-bright-glockenspiel-note"]
    assert ran.paths == [tmp_path / "made" / f"{stem}.wav" for stem in stems]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(
        f"{stem}{end}" for stem in stems for end in (".wav", ".png")
    )
    for show, path in zip(demo.SHOWS, ran.paths, strict=True):
        assert f"{show.prompt}: " in ran.err
        assert str(path.with_suffix(".png")) in ran.err
    kick, bell = (read_clip(path) for path in ran.paths)
    # a kick is low and a glockenspiel high, whatever else the model does
    assert measure.centroid(*kick) < 0.5 * measure.centroid(*bell)
    assert np.isclose(measure.true_peak_dbtp(*kick), -1.0, atol=0.1)
    assert "true peak -1.0 dB" in ran.err


def test_the_demo_tells_programs_too(
    run: Run, model: str, fault: Callable[[str], None], tmp_path: Path
) -> None:
    fault("none")
    ran = run("demo", "-o", tmp_path, "--model", model, "--json")
    assert [clip["prompt"] for clip in ran.json["clips"]] == [show.prompt for show in demo.SHOWS]
    assert all(Path(clip["picture"]).is_file() for clip in ran.json["clips"])
    # sine waves of three seconds and a true peak of -1 dB
    assert all(-8.0 < clip["loudness_lufs"] < -2.0 for clip in ran.json["clips"])
