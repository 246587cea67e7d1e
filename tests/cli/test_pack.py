"""``foleyd pack``: sounds that differ, as loud as each other, the same files every time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyloudnorm
import pytest
import soundfile

from foleyd import sampler_map, variants
from foleyd.audio import measure
from foleyd.audio.export import read_clip, read_recipe

Run = Callable[..., Any]
PROMPTS = ("a laser shot", "snare drum hit")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def loudness(path: Path) -> float:
    samples, rate = soundfile.read(path, always_2d=True)
    padded = np.pad(samples, ((0, max(0, int(0.4 * rate) + 1 - len(samples))), (0, 0)))
    return float(pyloudnorm.Meter(rate).integrated_loudness(padded))


def test_a_pack_of_the_starter(run: Run, own_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    how = (
        "pack",
        *PROMPTS,
        "--count",
        3,
        "--steps",
        8,
        "--seconds",
        0.6,
        "-o",
        folder,
        "--name",
        "First Kit",
    )
    ran = run(*how, "--map", "sfz", "--map", "decent")
    assert ran.status == 0, ran.err
    files = [f"{stem}-0{number}.wav" for stem in ("a-laser-shot", "snare-drum-hit") for number in (1, 2, 3)]
    assert [path.name for path in ran.paths] == files
    assert names(folder) == sorted([*files, "pack.json", "first-kit.sfz", "first-kit.dspreset"])
    assert "licence Apache-2.0: they may be sold" in ran.err
    manifest = json.loads((folder / "pack.json").read_text())
    assert [one["file"] for one in manifest["sounds"]] == files
    assert (manifest["licence"], manifest["sellable"], manifest["model"]) == ("Apache-2.0", True, "starter")
    for one in manifest["sounds"]:
        path = folder / one["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
        assert read_recipe(path).seed == one["seed"]
    for first in (0, 3):
        some = [folder / name for name in files[first : first + 3]]
        levels = [loudness(path) for path in some]
        assert max(levels) - min(levels) <= 1.0
        assert max(measure.true_peak_dbtp(*read_clip(path)) for path in some) == pytest.approx(-1, abs=0.1)
        profiles = [variants.profile(*read_clip(path)) for path in some]
        assert not any(variants.is_like(one, profiles[:index]) for index, one in enumerate(profiles))
        starts = [measure.onset_frame(*read_clip(path)) / 48_000 for path in some]
        assert max(starts) < 0.01

    # the same files again, from takes that are kept; any of them from its own recipe
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = run(*how, "--map", "sfz", "--map", "decent")
    assert again.status == 0, again.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    alone = run("render", "--from", folder / files[1], "-o", tmp_path / "alone.wav", "--no-daemon")
    assert alone.status == 0, alone.err
    np.testing.assert_array_equal(read_clip(tmp_path / "alone.wav")[0], read_clip(folder / files[1])[0])


def test_names_of_the_universal_category_system(run: Run, model: str, tmp_path: Path) -> None:
    how = ("--model", model, "--category", "BELLMisc", "--creator", "ANNA", "--name", "Tower", "--json")
    ran = run("pack", "a bell", "--count", 2, "--seconds", 0.3, "--format", "ogg", *how, "-o", tmp_path / "p")
    assert ran.status == 0, ran.err
    assert names(tmp_path / "p") == [
        "BELLMisc_A Bell 01_ANNA_Tower.ogg",
        "BELLMisc_A Bell 02_ANNA_Tower.ogg",
        "pack.json",
    ]
    assert [one["file"] for one in ran.json["pack"]["sounds"]] == names(tmp_path / "p")[:2]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--count", 65), "count is 65: give 1 to 64"),
        (("--map", "kontakt"), "map is 'kontakt': give one of sfz, decent"),
        (("--category", "bells"), "category is 'bells': give the id of a UCS category"),
        (("--name", "a_b"), "name is 'a_b'"),
        (("--name", "../up"), "name is '../up'"),
        (("--level", "none"), "leave --level out"),
        (("--format", "mp3"), "format is 'mp3'"),
        (("a bell",), "two prompts would have files of the same names"),
    ],
)
def test_a_pack_that_cannot_be_is_refused(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None], more: tuple[object, ...], says: str
) -> None:
    no_worker()
    ran = run("pack", "a bell", *more, "--model", model, "-o", tmp_path / "p")
    assert ran.status == 2, ran.err
    assert says in ran.err
    assert not (tmp_path / "p").exists() or names(tmp_path / "p") == []


def test_files_of_others_stay_and_too_few_sounds_are_told(
    run: Run, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "a-bell-02.wav").write_bytes(b"mine")
    how = ("pack", "a bell", "--count", 2, "--seconds", 0.3, "--model", model, "-o", folder)
    refused = run(*how)
    assert refused.status == 2
    assert "a-bell-02.wav is there and not of this pack" in refused.err
    assert (folder / "a-bell-02.wav").read_bytes() == b"mine"
    (folder / "a-bell-02.wav").unlink()
    (folder / "pack.json").write_text("{}")
    assert "pack.json is no list of a pack" in run(*how).err
    (folder / "pack.json").unlink()

    monkeypatch.setattr(variants, "SAME_DB", 1000.0)
    alike = run(*how)
    assert alike.status == 1
    assert '"a bell" gives 1 sounds that differ in 8 seeds' in alike.err
    assert alike.err.count("it sounds like one before it") == 7
    assert names(folder) == []


def test_profiles_know_the_same_sound_softer_and_another_one() -> None:
    rate = 48_000
    time = np.arange(rate // 2) / rate
    hit = (np.exp(-12 * time) * np.random.default_rng(1).normal(0, 0.2, len(time))).astype(np.float32)[None]
    tone = (np.exp(-6 * time) * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    one = variants.profile(hit, rate)
    assert one.distance(variants.profile(0.1 * hit, rate)) < 0.01
    assert variants.is_like(one, [variants.profile(0.1 * hit, rate)])
    assert one.distance(variants.profile(tone, rate)) > 10
    longer = variants.profile(np.pad(hit, ((0, 0), (0, rate))), rate)
    assert one.distance(longer) == longer.distance(one) < variants.SAME_DB
    assert variants.ceilings([-20.0, -23.0, -20.5], -1.0) == [-4.0, -1.0, -3.5]


def test_maps_give_each_prompt_a_key_and_take_turns() -> None:
    keys = [sampler_map.Key("a & b", ("a-01.wav", "a-02.wav")), sampler_map.Key("c", ("c-01.wav",))]
    told = sampler_map.sfz("Kit", keys)
    assert "lokey=36 hikey=36 pitch_keycenter=36 seq_length=2" in told
    assert "seq_position=2 sample=a-02.wav" in told
    assert "lokey=37 hikey=37 pitch_keycenter=37 seq_length=1" in told
    root = ElementTree.fromstring(sampler_map.decent_sampler("Kit -- one", keys))
    found = [(one.get("path"), one.get("rootNote"), one.get("seqPosition")) for one in root.iter("sample")]
    assert found == [("a-01.wav", "36", "1"), ("a-02.wav", "36", "2"), ("c-01.wav", "37", "1")]
