"""A file that is dropped on a pad as what a sound starts from, with a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from foleyd import messages as m
from foleyd.audio.export import read_clip
from foleyd.client import Client
from foleyd.daemon import imports
from plugin_build import Desk
from plugin_host import RATE, tone
from serving import PATIENCE, Served


@pytest.mark.parametrize("operation", ["restyle", "like"])
def test_a_dropped_file_is_what_the_daemon_starts_from(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path))
    file = tmp_path / "dropped.wav"
    soundfile.write(file, tone(RATE), RATE, subtype="PCM_24")
    samples, rate = read_clip(file)
    with Served(tmp_path) as daemon, Client(daemon.file, timeout_s=PATIENCE) as client:
        told = desk("rework", daemon.file, file, operation, "rain on leaves")
        assert told["made"]["operation"] == operation
        assert told["made"]["prompt"] == "rain on leaves"
        assert told["clips"] == 4
        assert told["frames"] == told["rate"]  # as long as the file
        made = client.library(m.LibraryRequest(action="search", text="rain on leaves")).clips
        assert len(made) == 4
        for clip in made:
            (source,) = clip.recipe["sources"]
            assert source["role"] == "source"
            assert source["sha256"] == imports.content_hash(samples, rate)
