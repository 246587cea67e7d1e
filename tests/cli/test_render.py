"""``foleyd render`` with a real worker and a tiny model: what is written, printed and kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from foleyd import recipe
from foleyd.audio.export import read_clip, read_meta, read_recipe

Run = Callable[..., Any]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_prompts_seeds_formats_and_pictures(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None], own_home: Path
) -> None:
    folder = tmp_path / "made"
    plain = ("render", "a bell", "Über-Glocke: 2!", "--count", 2, "--seed", 10, "--model", model)
    ran = run(*plain, "-o", folder, "--seconds", 0.5, "--picture")
    assert ran.status == 0, ran.err
    stems = ["a-bell-10", "a-bell-11", "uber-glocke-2-10", "uber-glocke-2-11"]
    assert [path.name for path in ran.paths] == [f"{stem}.wav" for stem in stems]
    assert names(folder) == sorted(f"{stem}{end}" for stem in stems for end in (".wav", ".png"))
    told = ran.err.splitlines()
    assert [line.partition(",")[0] for line in told] == [
        '"a bell": seed 10', '"a bell": seed 11', '"Über-Glocke: 2!": seed 10', '"Über-Glocke: 2!": seed 11',
    ]  # fmt: skip
    sounds = [read_clip(path) for path in ran.paths]
    assert {(samples.shape, rate) for samples, rate in sounds} == {((1, 24_000), 48_000)}
    assert not any(np.array_equal(sounds[0][0], other) for other, _ in sounds[1:])
    assert all((folder / f"{stem}.png").read_bytes().startswith(b"\x89PNG") for stem in stems)
    inside = read_recipe(folder / "a-bell-10.wav")
    assert (inside.prompt, inside.seed, inside.model) == ("a bell", 10, "folder:tiny")
    assert "tmp" not in recipe.to_json(inside)
    assert soundfile.info(folder / "a-bell-10.wav").subtype == "PCM_24"

    # from here on the takes are there, and the model has no more to do
    no_worker()
    again = run(*plain, "-o", folder, "--seconds", 0.5)
    assert (again.status, again.out) == (0, ran.out)
    assert names(folder) == sorted(f"{stem}{end}" for stem in stems for end in (".wav", ".png"))
    assert again.err.count("from a kept take") == 4

    one = tmp_path / "one"
    finishings = {
        "a.flac": (["--rate", 44100], ("FLAC", "PCM_24", 44_100, 1, 22_050)),
        "b.ogg": (["--width", "dual"], ("OGG", "VORBIS", 48_000, 2, 24_000)),
        "c.wav": (["--format", "wav16", "--width", "stereo"], ("WAV", "PCM_16", 48_000, 2, 24_000)),
        "d.WAV": (["--format", "wav32f", "--level", "none"], ("WAV", "FLOAT", 48_000, 1, 24_000)),
    }
    for name, (flags, expected) in finishings.items():
        ran = run(
            "render", "a bell", "--seed", 10, "--model", model, "--seconds", 0.5, "-o", one / name, *flags
        )
        assert ran.status == 0, ran.err
        assert ran.paths == [one / name]
        about = soundfile.info(one / name)
        assert (about.format, about.subtype, about.samplerate, about.channels, about.frames) == expected

    changed = run(
        "render", "--from", folder / "a-bell-10.wav", "--model", model, "--rate", 8000, "-o", one, "--json"
    )
    assert changed.status == 0, changed.err
    [clip] = changed.json["clips"]
    assert (clip["kept"], clip["rate"], clip["seed"], clip["seconds"]) == (True, 8000, 10, 0.5)
    assert clip["take_id"] == read_meta(folder / "a-bell-10.wav").take_id
    assert clip["clip_id"] == read_meta(clip["path"]).clip_id != read_meta(folder / "a-bell-10.wav").clip_id
    assert changed.json["error"] is None

    missing = run("render", "--from", folder / "a-bell-10.wav")
    assert missing.status == 1
    assert "--model" in missing.err


def test_from_a_clip_gives_the_same_samples_when_nothing_is_kept(
    run: Run, model: str, tmp_path: Path, own_home: Path
) -> None:
    how = ("--model", model, "--format", "wav32f")
    first = run("render", "a bell", "--seconds", 0.5, "-o", tmp_path / "first.wav", *how)
    assert first.status == 0, first.err
    shutil.rmtree(own_home / "library" / "takes")
    second = run("render", "--from", tmp_path / "first.wav", "-o", tmp_path / "second.wav", "--json", *how)
    assert second.status == 0, second.err
    [clip] = second.json["clips"]
    assert not clip["kept"]
    assert f"seed {clip['seed']}" in first.err
    assert (tmp_path / "first.wav").read_bytes() == (tmp_path / "second.wav").read_bytes()


def test_from_a_clip_computes_in_what_the_clip_was_computed_in(
    run: Run, model: str, tmp_path: Path, own_home: Path
) -> None:
    how = ("--model", model, "--format", "wav32f")
    first = run(
        "render", "a bell", "--seconds", 0.5, "-o", tmp_path / "a.wav", "--precision", "bfloat16", *how
    )
    assert first.status == 0, first.err
    shutil.rmtree(own_home / "library" / "takes")
    assert run("render", "--from", tmp_path / "a.wav", "-o", tmp_path / "b.wav", *how).status == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert (
        run(
            "render", "--from", tmp_path / "a.wav", "-o", tmp_path / "c.wav", "--precision", "float32", *how
        ).status
        == 0
    )
    assert (tmp_path / "a.wav").read_bytes() != (tmp_path / "c.wav").read_bytes()


def test_a_folder_is_never_written_over(
    run: Run, model: str, tmp_path: Path, fault: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault("none")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-bell-3.wav").write_bytes(b"somebody's own")
    line = ("render", "a bell", "--seed", 3, "--model", model)
    assert run(*line).paths == [Path("a-bell-3-2.wav")]
    assert run(*line, "--rate", 8000).paths == [Path("a-bell-3-3.wav")]
    assert run(*line).paths == [Path("a-bell-3-2.wav")]
    assert run("render", "--from", "a-bell-3-2.wav", "--model", model).paths == [Path("a-bell-3-4.wav")]
    assert (tmp_path / "a-bell-3.wav").read_bytes() == b"somebody's own"
    assert run(*line, "-o", "a-bell-3.wav").status == 0
    assert read_recipe("a-bell-3.wav").seed == 3


def test_drawn_seeds_are_told_and_count_up(
    run: Run, model: str, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("none")
    ran = run("render", "a bell", "a gong", "--count", 3, "--model", model, "-o", tmp_path, "--json")
    seeds = [clip["seed"] for clip in ran.json["clips"]]
    assert [seed - seeds[0] for seed in seeds[:3]] == [0, 1, 2]
    assert [seed - seeds[3] for seed in seeds[3:]] == [0, 1, 2]
    assert seeds[0] != seeds[3]
    assert all(f"seed {seed}," in ran.err for seed in seeds)
    assert max(seeds) < recipe.DRAWN_SEEDS


def test_sellable_refuses_before_anything_happens(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None]
) -> None:
    no_worker()
    ran = run("render", "a bell", "--model", model, "--sellable", "-o", tmp_path / "made")
    assert ran.status == 2
    assert "may not be sold" in ran.err
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_is_refused_before_a_render(
    run: Run, model: str, tmp_path: Path, no_worker: Callable[[], None]
) -> None:
    no_worker()
    (tmp_path / "file").write_text("")
    ran = run("render", "a bell", "--model", model, "-o", f"{tmp_path}/file/made/")
    assert ran.status == 2
    assert "choose another with -o" in ran.err


def test_a_loop_in_bars_is_exact_and_names_its_loop(run: Run, model: str, tmp_path: Path) -> None:
    path = tmp_path / "loop.wav"
    how = ("render", "a bell", "--operation", "loop", "--model", model, "--seed", 3, "-o", path)
    assert run(*how, "--bars", 0.25, "--bpm", 127.3, "--rate", 44100).status == 0
    frames = round(44_100 * 600 / 1273)
    meta = read_meta(path)
    assert read_clip(path)[0].shape == (1, frames)
    assert meta.loops == ((0, frames - 1),)
    assert (meta.recipe.operation, meta.recipe.bars, meta.recipe.bpm) == ("loop", 0.25, 127.3)
    assert b"smpl" in path.read_bytes()
    again = tmp_path / "again.wav"
    assert run("render", "--from", path, "--model", model, "-o", again).status == 0
    np.testing.assert_array_equal(read_clip(again)[0], read_clip(path)[0])

    for more, says in (
        (("--bars", 1), "bars is given without bpm"),
        (("--bars", 1, "--bpm", 120, "--seconds", 1), "both seconds and bars"),
    ):
        refused = run(*how, *more)
        assert refused.status == 2
        assert says in refused.err


def test_several_clips_of_a_morph_go_from_one_sound_to_the_other(
    run: Run, model: str, tmp_path: Path
) -> None:
    how = ("--seed", 4, "--seconds", 0.5, "--model", model)
    start = ("render", "a bell", "--operation", "morph", *how)
    morph = run(*start, "--towards", "rain", "--count", 3, "-o", tmp_path / "m")
    assert morph.status == 0, morph.err
    assert [read_recipe(path).mix for path in morph.paths] == [0, 0.5, 1]
    sounds = [read_clip(path)[0] for path in morph.paths]
    for end, words in ((0, "a bell"), (2, "rain")):
        path = tmp_path / f"{end}.wav"
        assert run("render", words, *how, "-o", path).status == 0
        np.testing.assert_array_equal(read_clip(path)[0], sounds[end])
    assert not np.array_equal(sounds[1], sounds[0])
    refused = run(*start)
    assert refused.status == 2
    assert "towards is missing" in refused.err
