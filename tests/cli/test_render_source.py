"""``foleyd render --operation``: sources from files and the library, and everything that is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from foleyd.audio.export import read_clip, read_meta, read_recipe
from foleyd.client import Client
from foleyd.daemon import imports
from foleyd.wire.connection import default_path
from recordings import RATE, encoded, noise, wav
from serving import PATIENCE, Served

Run = Callable[..., Any]
FRAMES = 26_460
RESTYLE = ("render", "a bell", "--operation", "restyle", "--seed", 1)


@pytest.fixture
def door(tmp_path: Path) -> Path:
    path = tmp_path / "door.wav"
    path.write_bytes(wav(FRAMES))
    return path


def test_a_file_is_restyled_and_left_alone(
    run: Run, model: str, door: Path, tmp_path: Path, own_home: Path, no_worker: Callable[[], None]
) -> None:
    before = door.read_bytes(), door.stat().st_mtime_ns
    how = (*RESTYLE, "--model", model, "--source", door)
    ran = run(*how, "--strength", 0.5, "-o", tmp_path / "half.wav")
    assert ran.status == 0, ran.err
    inside = read_recipe(tmp_path / "half.wav")
    assert (inside.operation, inside.strength, inside.seconds) == ("restyle", 0.5, 0.6)
    assert [(one.role, one.sha256) for one in inside.sources] == [
        ("source", imports.decode(wav(FRAMES), "").origin.sha256)
    ]
    assert run(*how, "--strength", 0, "-o", tmp_path / "none.wav").status == 0
    sounds = [read_clip(tmp_path / name)[0] for name in ("half.wav", "none.wav")]
    assert sounds[0].shape == sounds[1].shape == (1, 28_800)
    assert not np.array_equal(*sounds)
    assert (door.read_bytes(), door.stat().st_mtime_ns) == before

    # its recipe is enough, even when the file is gone; then the take is
    door.unlink()
    shutil.rmtree(own_home / "library" / "takes")
    again = run("render", "--from", tmp_path / "half.wav", "--model", model, "-o", tmp_path / "again.wav")
    assert again.status == 0, again.err
    np.testing.assert_array_equal(read_clip(tmp_path / "again.wav")[0], sounds[0])
    no_worker()
    shutil.rmtree(own_home / "library" / "takes")
    shutil.rmtree(own_home / "library" / "sources")
    lost = run("render", "--from", tmp_path / "half.wav", "--model", model, "-o", tmp_path / "lost.wav")
    assert lost.status in (1, 2)
    assert "is not in the library" in lost.err
    assert not (tmp_path / "lost.wav").exists()


def test_an_imported_clip_is_a_source_by_its_id(run: Run, model: str, door: Path, tmp_path: Path) -> None:
    added = run("library", "import", door, "--json")
    assert added.status == 0, added.err
    [clip] = added.json["clips"]
    ran = run(*RESTYLE, "--model", model, "--source", clip["clip_id"], "-o", tmp_path / "made.wav")
    assert ran.status == 0, ran.err
    [source] = read_recipe(tmp_path / "made.wav").sources
    assert source.sha256 == clip["sha256"]


BROKEN = np.full((FRAMES, 1), 0.1)
BROKEN[7] = np.inf

FILES: dict[str, tuple[bytes, str]] = {
    "notes.txt": (b"buy milk", "notes.txt cannot be read as audio"),
    "empty.wav": (b"", "empty.wav cannot be read as audio"),
    "none.wav": (wav(0), "none.wav holds no sound"),
    "long.wav": (wav(31 * RATE), "the source lasts 31.0 s: cut it to 30 s or less"),
    "broken.wav": (encoded(BROKEN, subtype="FLOAT"), "samples that are not numbers"),
    "wide.wav": (encoded(noise(100, 3)), "wide.wav has 3 channels"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_source_is_refused(
    run: Run, model: str, tmp_path: Path, name: str, no_worker: Callable[[], None]
) -> None:
    no_worker()
    data, said = FILES[name]
    (tmp_path / name).write_bytes(data)
    ran = run(*RESTYLE, "--model", model, "--source", tmp_path / name, "-o", tmp_path / "made.wav")
    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert (tmp_path / name).read_bytes() == data
    assert not (tmp_path / "made.wav").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--operation", "restyle"), "operation 'restyle' takes 'source'"),
        (("--source", "{door}"), "operation 'text' takes none"),
        (("--strength", 0.5), "strength is given: it belongs to 'restyle', not to 'text'"),
        (("--operation", "restyle", "--source", "/nowhere/door.wav"), "/nowhere/door.wav"),
        (("--operation", "restyle", "--source", "{door}", "--strength", 2), "strength"),
        (("--operation", "reverse", "--source", "{door}"), "operation"),
        (("--operation", "restyle", "--source", "clip-" + "a" * 24), "clip-a"),
    ],
)
def test_what_does_not_fit_is_refused(
    run: Run, model: str, door: Path, no_worker: Callable[[], None], flags: tuple[object, ...], said: str
) -> None:
    no_worker()
    filled = [str(flag).format(door=door) for flag in flags]
    ran = run("render", "a bell", "--model", model, *filled)
    assert ran.status == 2, ran.err
    assert said in ran.err


@pytest.fixture
def daemon(own_home: Path) -> Iterator[Served]:
    """A daemon in the usual place."""
    usual = default_path()
    usual.parent.mkdir(mode=0o700)
    with Served(own_home, "--connection-file", str(usual)) as served:
        served.file = usual
        yield served


def test_a_running_daemon_is_given_the_source(
    run: Run, daemon: Served, door: Path, tmp_path: Path, no_worker: Callable[[], None]
) -> None:
    no_worker()
    ran = run(*RESTYLE, "--steps", 4, "--source", door, "-o", tmp_path / "made.wav")
    assert ran.status == 0, ran.err
    with Client(daemon.file) as client:
        same = client.render("a bell", operation="restyle", seed=1, steps=4, source=door).result(PATIENCE)
    assert same.kept == (True,)


def test_a_clip_is_varied(run: Run, model: str, tmp_path: Path) -> None:
    how = ("--model", model, "--format", "wav32f")
    clip = tmp_path / "bell.wav"
    assert run("render", "a bell", "--seed", 5, "--seconds", 0.6, "-o", clip, *how).status == 0
    before = clip.read_bytes()
    vary = ("render", "--from", clip, "--operation", "vary", *how, "--count", 3, "-o")
    near = run(*vary, tmp_path / "near", "--distance", 0.2)
    assert near.status == 0, near.err
    inside = [read_recipe(path) for path in near.paths]
    assert [(one.prompt, one.centre, one.seed, one.distance) for one in inside] == [
        ("a bell", 5, seed, 0.2) for seed in (5, 6, 7)
    ]
    sounds = [read_clip(path)[0] for path in (clip, *near.paths)]
    assert not any(np.array_equal(one, other) for k, one in enumerate(sounds) for other in sounds[:k])
    same = run(*vary, tmp_path / "same", "--distance", 0, "--seed", 11)
    assert same.status == 0, same.err
    assert all(np.array_equal(read_clip(path)[0], sounds[0]) for path in same.paths)
    assert clip.read_bytes() == before

    # a variation is varied around what it is a variation of; and words alone have no seed to stay near
    again = run(*vary, tmp_path / "again", "--distance", 0.5, "--from", near.paths[1])
    assert {read_recipe(path).centre for path in again.paths} == {5}
    lost = run("render", "a bell", "--operation", "vary", *how)
    assert lost.status == 2
    assert "centre is missing" in lost.err


def test_a_part_is_made_anew_and_the_rest_is_the_source_s_own(
    run: Run, model: str, tmp_path: Path, own_home: Path
) -> None:
    street = tmp_path / "street.wav"
    street.write_bytes(encoded(0.3 * noise(52_921, 2), subtype="PCM_16"))
    before = street.read_bytes()
    inpaint = (
        "render",
        "a bell",
        "--operation",
        "inpaint",
        "--seed",
        1,
        "--model",
        model,
        "--source",
        street,
    )
    ran = run(*inpaint, "--redo-from", 0.3, "--redo-to", 0.6, "-o", tmp_path / "made.wav")
    assert ran.status == 0, ran.err
    (own, own_rate), (made, rate) = read_clip(street), read_clip(tmp_path / "made.wav")
    assert (rate, made.shape[0]) == (own_rate, 2)
    assert own.shape[1] <= made.shape[1] < own.shape[1] + rate // 1000 + 1
    first, end = round(0.3 * rate), round(0.6 * rate)
    np.testing.assert_array_equal(made[:, :first], own[:, :first])
    np.testing.assert_array_equal(made[:, end : own.shape[1]], own[:, end:])
    assert not made[:, own.shape[1] :].any()
    inside = made[:, first + 1000 : end - 1000]
    assert np.abs(inside - own[:, first + 1000 : end - 1000]).max() > 0.05
    loudness = np.sqrt(np.mean(np.square(inside)) / np.mean(np.square(own.mean(0))))
    assert 0.5 < loudness < 2
    assert street.read_bytes() == before
    # the recipe in the clip is enough
    street.unlink()
    again = run("render", "--from", tmp_path / "made.wav", "--model", model, "-o", tmp_path / "again.wav")
    assert again.status == 0, again.err
    np.testing.assert_array_equal(read_clip(tmp_path / "again.wav")[0], made)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--redo-from", 0.2), "redo_to is missing"),
        (("--redo-from", 0.4, "--redo-to", 0.2), "give a range that ends after it begins"),
        (("--redo-from", 0.7, "--redo-to", 0.9), "redo_from is 0.7, the source lasts 0.600 s"),
        (("--redo-from", -1, "--redo-to", 0.2), "redo_from"),
        (("--redo-low", 900, "--redo-high", 950), "redo_low is 900, redo_high 950: give a band of a third"),
        (("--redo-low", 7000), "redo_low is 7000: give a number from 50 to 6000 Hz"),
    ],
)
def test_a_range_that_is_none_is_refused(
    run: Run, model: str, door: Path, no_worker: Callable[[], None], flags: tuple[object, ...], said: str
) -> None:
    no_worker()
    ran = run("render", "a bell", "--operation", "inpaint", "--model", model, "--source", door, *flags)
    assert ran.status == 2, ran.err
    assert said in ran.err


def test_a_band_is_made_anew_and_the_rest_is_the_source_s_own(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None]
) -> None:
    street, out = tmp_path / "street.wav", tmp_path / "made.wav"
    street.write_bytes(encoded(0.2 * noise(52_921, 2), subtype="PCM_24"))
    inpaint = ("render", "a bell", "--operation", "inpaint", "--seed", 1, "--model", model, "--source")
    ran = run(*inpaint, street, "--redo-low", 2000, "--redo-high", 4000, "-o", out)
    assert ran.status == 0, ran.err
    (own, own_rate), (made, rate) = read_clip(street), read_clip(out)
    assert (rate, made.shape[0]) == (own_rate, 2)
    spectra = [
        np.square(np.abs(np.fft.rfft(one[0] * np.hanning(one.shape[1]))))
        for one in (made[:, : own.shape[1]] - own, own)
    ]
    hertz = np.fft.rfftfreq(own.shape[1], 1 / rate)
    beside = ((hertz > 100) & (hertz < 1900)) | (hertz > 4200)
    inside = (hertz > 2300) & (hertz < 3500)
    assert spectra[0][beside].sum() < 1e-6 * spectra[1][beside].sum()
    assert spectra[0][inside].sum() > 0.5 * spectra[1][inside].sum()
    slow = tmp_path / "slow.wav"
    slow.write_bytes(encoded(0.2 * noise(8000), rate=8000, subtype="PCM_16"))
    no_worker()
    refused = run(*inpaint, slow, "--redo-low", 3500, "-o", tmp_path / "none.wav")
    assert refused.status == 2
    assert "redo_low is 3500, the source at 8000 Hz ends at 4000" in refused.err


def test_a_dull_source_gets_highs_and_stays_its_own_below(run: Run, model: str, tmp_path: Path) -> None:
    street, out = tmp_path / "street.wav", tmp_path / "made.wav"
    dull = sosfiltfilt(butter(16, 2400, fs=RATE, output="sos"), 0.2 * noise(52_921, 2), axis=0)
    street.write_bytes(encoded(dull, subtype="PCM_24"))
    upscale = ("render", "a bell", "--operation", "upscale", "--seed", 1, "--model", model, "--source")
    ran = run(*upscale, street, "-o", out)
    assert ran.status == 0, ran.err
    (own, own_rate), (made, rate) = read_clip(street), read_clip(out)
    assert (rate, made.shape[0]) == (own_rate, 2)
    frames = own.shape[1]
    low, inside = butter(8, 1200, fs=rate, output="sos"), slice(rate // 50, frames - rate // 50)
    difference, kept = (
        sosfiltfilt(low, one, axis=1)[:, inside] for one in (made[:, :frames] - own, own)
    )  # a filter of a cut sound rings at its ends
    assert np.square(difference).sum() < 1e-6 * np.square(kept).sum()
    added, before = (
        np.square(sosfiltfilt(butter(8, 3500, "high", fs=rate, output="sos"), one, axis=1)).sum()
        for one in (made[:, :frames], own)
    )
    assert added > 10 * before
    again = run("render", "--from", out, "--model", model, "-o", tmp_path / "again.wav")
    assert again.status == 0, again.err
    np.testing.assert_array_equal(read_clip(tmp_path / "again.wav")[0], made)
    other = run(*upscale, street, "--cutoff", 1200, "-o", tmp_path / "other.wav", "--json")
    assert other.status == 0, other.err
    first, second = read_meta(out), read_meta(tmp_path / "other.wav")
    assert first.take_id != second.take_id
    assert first.clip_id != second.clip_id

    bright = tmp_path / "bright.wav"
    bright.write_bytes(encoded(0.2 * noise(52_921), subtype="PCM_16"))
    refused = run(*upscale, bright, "-o", tmp_path / "none.wav")
    assert refused.status != 0
    assert "there is nothing to add" in refused.err
    assert not (tmp_path / "none.wav").exists()


def test_a_source_is_extended_and_stays_its_own(run: Run, model: str, door: Path, tmp_path: Path) -> None:
    extend = ("render", "a bell", "--operation", "extend", "--seed", 1, "--model", model, "--source", door)
    ran = run(*extend, "--before", 0.1, "--after", 0.25, "-o", tmp_path / "long.wav")
    assert ran.status == 0, ran.err
    (own, own_rate), (made, rate) = read_clip(door), read_clip(tmp_path / "long.wav")
    assert (rate, made.shape) == (own_rate, (own.shape[0], round(0.95 * rate)))
    first = round(0.1 * rate)
    np.testing.assert_array_equal(made[:, first : first + own.shape[1]], own)
    assert np.abs(made[:, :first]).max() > 0.01
    assert np.abs(made[:, first + own.shape[1] :]).max() > 0.01
    inside = read_recipe(tmp_path / "long.wav")
    assert (inside.operation, inside.before, inside.after, inside.seconds) == ("extend", 0.1, 0.25, 0.95)
    again = run("render", "--from", tmp_path / "long.wav", "--model", model, "-o", tmp_path / "again.wav")
    assert again.status == 0, again.err
    np.testing.assert_array_equal(read_clip(tmp_path / "again.wav")[0], made)


def test_minutes_are_made_in_windows_and_extended_again(
    run: Run, model: str, door: Path, tmp_path: Path
) -> None:
    extend = ("render", "a bell", "--operation", "extend", "--seed", 1, "--steps", 1, "--model", model)
    long, longer = tmp_path / "long.wav", tmp_path / "longer.wav"
    for source, after, out in ((door, 30, long), (long, 1.4, longer)):
        ran = run(*extend, "--source", source, "--after", after, "-o", out)
        assert ran.status == 0, ran.err
    (own, rate), (made, again) = read_clip(long), read_clip(longer)
    assert (own.shape[1], again, made.shape[1]) == (round(30.6 * rate), rate, 32 * rate)
    np.testing.assert_array_equal(made[:, : own.shape[1]], own)
    assert np.abs(made[:, own.shape[1] :]).max() > 0.01
    refused = run("render", "a bell", "--operation", "restyle", "--model", model, "--source", long)
    assert refused.status == 2
    assert "the source lasts 30.6 s: cut it to 30 s or less first; only 'extend'" in refused.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "before and after are missing"),
        (("--after", 599.8), "the extended sound would last 600.4 s: 600 s are the most"),
        (("--after", 1, "--seconds", 2), "as long as its source and what is added"),
        (("--after", 601), "after is 601: give a number from 0 to 599.9 s"),
    ],
)
def test_an_extension_that_is_none_is_refused(
    run: Run, model: str, door: Path, no_worker: Callable[[], None], flags: tuple[object, ...], said: str
) -> None:
    no_worker()
    ran = run("render", "a bell", "--operation", "extend", "--model", model, "--source", door, *flags)
    assert ran.status == 2, ran.err
    assert said in ran.err
