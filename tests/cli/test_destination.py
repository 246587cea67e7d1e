"""File names from prompts, and what ``-o`` and ``--format`` mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd import recipe
from foleyd.audio.export import SUBTYPES
from foleyd.destination import FORMATS, format_for, free_path, is_folder, slug
from foleyd.errors import BadRequest


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A deep kick drum!", "a-deep-kick-drum"),
        ("Über-Glöckchen №5", "uber-glockchen-no5"),
        ("../../etc/passwd", "etc-passwd"),
        ("…", "sound"),
        ("鐘の音", "鐘の音"),
        ("a_b  c", "a-b-c"),
        ("word " * 20, "word-word-word-word-word-word-word-word-word"),
        ("x" * 100, "x" * 48),
    ],
)
def test_names_are_short_plain_and_readable(prompt: str, name: str) -> None:
    assert slug(prompt) == name


@given(st.text(max_size=200))
def test_a_name_is_one_harmless_piece_of_a_path(prompt: str) -> None:
    name = slug(prompt)
    assert 0 < len(name) <= 48
    assert not set(name) & set('/\\:*?"<>|.\0 \n_')
    assert Path(name).name == name


def test_every_format_is_one_that_the_writer_writes() -> None:
    for name, format in FORMATS.items():
        assert format.subtype in SUBTYPES[format.suffix], name
    for suffix, subtypes in SUBTYPES.items():
        assert format_for(Path(f"x{suffix}"), None).subtype == subtypes[0]


def test_an_ending_and_a_format_must_agree() -> None:
    assert format_for(Path("a.WAV"), "wav16").subtype == "pcm16"
    with pytest.raises(BadRequest, match="drop one"):
        format_for(Path("a.ogg"), "wav")
    with pytest.raises(BadRequest, match=r"use \.wav"):
        format_for(Path("a.aiff"), None)


def test_what_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "v1.0").mkdir()
    assert is_folder(str(tmp_path / "v1.0"))
    assert is_folder("a.wav/")
    assert is_folder("drums")
    assert not is_folder("a.wav")


def test_free_paths_step_aside_for_files_and_for_each_other(tmp_path: Path) -> None:
    made = recipe.make(prompt="a bell", seed=5)
    (tmp_path / "a-bell-5.wav").touch()
    taken: set[Path] = set()
    paths = [free_path(tmp_path, made, ".wav", taken).name for _ in range(3)]
    assert paths == ["a-bell-5-2.wav", "a-bell-5-3.wav", "a-bell-5-4.wav"]
    assert free_path(tmp_path, made, ".wav", set(), lambda path: True).name == "a-bell-5.wav"


def test_a_picture_of_a_clip_in_another_format_is_not_replaced(tmp_path: Path) -> None:
    made = recipe.make(prompt="a bell", seed=5)
    for name in ("a-bell-5.wav", "a-bell-5.png"):
        (tmp_path / name).touch()
    assert free_path(tmp_path, made, ".flac", set(), picture=True).name == "a-bell-5-2.flac"
    assert free_path(tmp_path, made, ".flac", set()).name == "a-bell-5.flac"
    again = free_path(tmp_path, made, ".wav", set(), lambda path: True, picture=True)
    assert again.name == "a-bell-5.wav"
