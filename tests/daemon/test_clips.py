"""Clips written into files, and what is said of a take that could not be kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from foleyd.audio.export import read_clip, read_meta
from foleyd.daemon import clips
from foleyd.daemon.library import Library
from library_sounds import sound


def test_a_file_and_the_library_hold_the_same_clip(tmp_path: Path) -> None:
    one = sound(3, rate=44_100, width="dual")
    written = clips.write(one, tmp_path / "here.wav", "pcm24")
    with Library(tmp_path / "library") as library:
        kept = library.add(one).clip
    assert Path(kept.path).read_bytes() == (tmp_path / "here.wav").read_bytes()
    assert (
        (kept.clip_id, kept.take_id)
        == (written.clip_id, written.take_id)
        == (clips.identify(one), written.take_id)
    )
    assert (kept.seconds, kept.rate, kept.channels) == (0.5, 44_100, 2)
    assert written.true_peak_dbtp == kept.true_peak_dbtp == -1.0


def test_a_file_says_whether_it_may_be_sold(tmp_path: Path) -> None:
    one = sound()
    unsold = msgspec.structs.replace(
        one,
        request=msgspec.structs.replace(
            one.request, model=msgspec.structs.replace(one.request.model, sellable=False)
        ),
    )
    for number, asked in enumerate((one, unsold)):
        clips.write(asked, tmp_path / f"{number}.wav", "pcm24")
    assert [read_meta(tmp_path / f"{number}.wav").sellable for number in range(2)] == [True, False]


def test_a_take_that_could_not_be_kept_is_noted_and_the_clip_is_whole(tmp_path: Path) -> None:
    one = sound()
    lost = msgspec.structs.replace(one, take=msgspec.structs.replace(one.take, unkept="The disk is full."))
    written = clips.write(lost, tmp_path / "a.wav", "pcm24")
    assert written.notes == ("The disk is full.",)
    with Library(tmp_path / "library") as library:
        assert library.add(lost).notes == ("The disk is full.",)
        assert library.add(lost).notes == ("The disk is full.",)
    samples, rate = read_clip(tmp_path / "a.wav")
    assert (samples.shape, rate) == ((1, 24_000), 48_000)
    assert np.abs(samples).max() > 0.8
