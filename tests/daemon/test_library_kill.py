"""Fifty times SIGKILL: whatever the library confirmed is there afterwards, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import foleyd
import mortal_library
from foleyd.audio.export import read_meta
from foleyd.daemon import clips
from foleyd.daemon.library import Library
from library_sounds import sound

KILLS = 50
SEED = 17131
PATIENCE = 600.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


class Mortal:
    """The processes that fill a library; `confirmed` is what they said, by the first word of the line."""

    def __init__(self, root: Path) -> None:
        path = [str(Path(foleyd.__file__).parents[1]), str(Path(mortal_library.__file__).parent)]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", mortal_library.__file__, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "OPENBLAS_NUM_THREADS": "1"},
            text=True,
            start_new_session=True,
        )
        self.confirmed: dict[str, list[str]] = {"clip": [], "marked": [], "set": []}
        self._watchdog = threading.Timer(PATIENCE, self._kill_all)
        self._watchdog.start()

    def live_and_die(self, first: int, clips: int, lines: int) -> None:
        """Let a process add clips; kill it when so many were confirmed and so many more lines were read."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first}\n")
        self._process.stdin.flush()
        pid = int(next(self._lines()).split()[1])
        for line in self._lines():
            assert line != "end", "the process ended by itself"
            clips -= line.startswith("clip ")
            if clips <= 0:
                lines -= 1
            if lines < 0:
                break
        os.kill(pid, signal.SIGKILL)
        assert "end" in self._lines()

    def _lines(self) -> Iterator[str]:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = text.rstrip("\n")
            kind, _, about = line.partition(" ")
            if kind in self.confirmed:
                self.confirmed[kind].append(about)
            yield line

    def _kill_all(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._watchdog.cancel()
        self._watchdog.join()
        if self._process.poll() is None:
            self._kill_all()
        self._process.communicate()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    one = Mortal(tmp_path)
    yield one
    one.close()


def half_written(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if ".part" in path.name]


def test_fifty_kills_lose_nothing_and_leave_nothing_half_done(tmp_path: Path, mortal: Mortal) -> None:
    chance = random.Random(SEED)
    for kill in range(KILLS):
        mortal.live_and_die(1000 * kill, chance.randrange(3), chance.randrange(40))
        with Library(tmp_path) as library:
            assert library.notes == ()
            assert half_written(tmp_path) == []
            newest = [library.clip(about.split()[0]) for about in mortal.confirmed["clip"][-3:]]
            assert None not in newest
    confirmed = dict(about.split() for about in mortal.confirmed["clip"])
    assert len(confirmed) >= KILLS // 2
    with Library(tmp_path) as library:
        there = {clip.clip_id: clip for clip in library.search(limit=1_000_000)[0]}
        assert confirmed.keys() <= there.keys()
        assert {path.stem for path in (tmp_path / "clips").rglob("*.wav")} == there.keys()
        assert all(
            there[clip].favourite and there[clip].tags == ("kept",) for clip in mortal.confirmed["marked"]
        )
        assert set(mortal.confirmed["set"]) <= library.marks.sets.keys()
        assert library.search("kept")[1] == sum(clip.tags == ("kept",) for clip in there.values())
        for clip in there.values():
            samples, rate = soundfile.read(clip.path, dtype="float32")
            meta = read_meta(clip.path)
            assert (len(samples), rate, meta.clip_id) == (24_000, 48_000, clip.clip_id)
            made = sound(meta.recipe.seed or 0)
            done, _ = clips.finished(made)
            np.testing.assert_allclose(samples, done.samples[0], rtol=0, atol=2.0**-23)
            kept = library.takes.find(meta.recipe)
            assert kept is not None
            np.testing.assert_array_equal(kept.samples, made.take.samples)
