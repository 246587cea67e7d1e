"""``foleyd library`` on a library of its own, and through a daemon that has it open."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from foleyd import paths
from foleyd.audio.export import read_meta
from foleyd.daemon.library import Library
from foleyd.errors import BadRequest
from foleyd.library_cli import size_in_bytes
from foleyd.messages import ClipInfo
from foleyd.wire import connection as connections
from library_sounds import sound
from recordings import encoded, noise, wav
from serving import Served

Run = Callable[..., Any]
COMMANDS = [
    "list", "search", "similar", "show", "tag", "untag", "rate", "favourite", "unfavourite", "rename",
    "delete", "hold", "release", "holds", "sets", "import", "export", "rebuild", "prune", "usage",
]  # fmt: skip


@pytest.fixture
def clips() -> list[ClipInfo]:
    """Three clips in foleyd's own library, the newest last: a drum, glass, and a drum of 44.1 kHz."""
    with Library() as library:
        return [
            library.add(sound(1, "a deep drum", takes=library.takes)).clip,
            library.add(sound(2, "breaking glass", takes=library.takes)).clip,
            library.add(sound(3, "a steel drum 🥁", takes=library.takes, rate=44_100)).clip,
        ]


def ids(ran: Any) -> list[str]:
    assert ran.status == 0, ran.err
    assert ran.json["error"] is None
    return [clip["clip_id"] for clip in ran.json["clips"]]


def test_every_command_has_help_with_an_example(run: Run) -> None:
    listed = run("library", "--help")
    assert listed.status == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", listed.out, re.MULTILINE)
        ran = run("library", name, "--help")
        assert (ran.status, ran.err) == (0, "")
        assert f"Example: foleyd library {name}" in ran.out
        assert "--json" in ran.out


def test_clips_are_listed_and_searched(run: Run, clips: list[ClipInfo]) -> None:
    drum, glass, steel = (clip.clip_id for clip in clips)
    assert ids(run("library", "list", "--json")) == [steel, glass, drum]
    assert ids(run("library", "search", "drum", "de", "--json")) == [drum]
    assert ids(run("library", "search", "🥁", "--json")) == [steel]
    assert ids(run("library", "list", "--limit", 1, "--offset", 1, "--json")) == [glass]
    shown = run("library", "list")
    assert (shown.status, shown.err) == (0, "")
    assert [line.split()[0] for line in shown.out.splitlines()] == ["clip", steel, glass, drum]
    page = run("library", "list", "--limit", 2)
    assert page.err == "3 clips in all; --offset 2 goes on.\n"
    nothing = run("library", "search", "violin")
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "There are no such clips.\n")


def test_what_is_said_of_clips(run: Run, clips: list[ClipInfo]) -> None:
    drum, glass, steel = (clip.clip_id for clip in clips)
    assert run("library", "tag", "metal, Impact", steel, drum[:12]).out == "2 clips changed.\n"
    assert run("library", "untag", "impact", drum).out == "1 clip changed.\n"
    assert run("library", "rate", 4, steel).status == 0
    assert run("library", "favourite", drum).status == 0
    assert run("library", "rename", glass, "Window, distant").status == 0
    assert ids(run("library", "list", "--tag", "metal", "--tag", "IMPACT", "--json")) == [steel]
    assert ids(run("library", "list", "--rating", 4, "--json")) == [steel]
    assert ids(run("library", "list", "--favourites", "--json")) == [drum]
    assert run("library", "unfavourite", drum).status == 0
    assert ids(run("library", "list", "--favourites", "--json")) == []
    [shown] = run("library", "show", glass, "--json").json["clips"]
    assert (shown["name"], shown["prompt"]) == ("Window, distant", "breaking glass")
    told = run("library", "show", steel).out
    for line in (
        "name      a steel drum 🥁",
        "tags      metal, impact",
        "rating    4",
        "sound     0.500 s, 44100 Hz",
    ):
        assert line in told


def test_holds_and_sets(run: Run, clips: list[ClipInfo]) -> None:
    drum, glass, steel = (clip.clip_id for clip in clips)
    with Library() as library:
        pair = library.add_set("a pair", [glass, drum]).set_id
    assert run("library", "sets").out == f"{pair}  2 clips  a pair\n"
    assert ids(run("library", "show", pair, "--json")) == [glass, drum]
    assert ids(run("library", "list", "--set", pair, "--json")) == [glass, drum]
    assert run("library", "hold", "Opening Night", steel).status == 0
    assert run("library", "holds").out == f"Opening Night: 1 clip\n  {steel}\n"
    pruned = run("library", "prune", "--keep", "0")
    assert pruned.out.startswith("0 clips pruned")
    assert "kept by Sets, favourites or holds" in pruned.err
    assert run("library", "release", "Opening Night").out == "1 clip changed.\n"
    pruned = run("library", "prune", "--keep", "1kB", "--json").json
    assert (pruned["changed"], pruned["total"]) == (1, 2)
    refused = run("library", "delete", drum)
    assert (refused.status, refused.out) == (1, "0 clips deleted, 0 bytes freed.\n")
    assert f"{drum} was left: it belongs to the Set {pair}." in refused.err
    assert run("library", "delete", drum, "--force").status == 0
    assert ids(run("library", "list", "--json")) == [glass]


def test_usage_and_rebuild(run: Run, clips: list[ClipInfo]) -> None:
    used = run("library", "usage", "--json").json
    assert used["total"] == 3
    assert used["bytes"] > sum(clip.size for clip in clips)
    (paths.home("library") / "index.sqlite").unlink()
    rebuilt = run("library", "rebuild")
    assert rebuilt.out.startswith("3 clips, ")
    assert ids(run("library", "list", "--json")) == [clip.clip_id for clip in clips[::-1]]


def test_an_index_that_was_mended_is_said_once(run: Run, clips: list[ClipInfo]) -> None:
    (paths.home("library") / "index.sqlite").write_bytes(b"no index" * 1000)
    assert run("library", "list").err == "The index was damaged and was made again: 3 clips.\n"
    assert run("library", "list").err == ""


def test_import_takes_files_and_names_those_it_refuses(run: Run, tmp_path: Path) -> None:
    (tmp_path / "door.wav").write_bytes(wav(channels=2))
    (tmp_path / "door.flac").write_bytes(encoded(noise(44_100), format="FLAC"))
    (tmp_path / "notes.txt").write_text("no audio")
    good = run("library", "import", tmp_path / "door.wav", tmp_path / "door.flac")
    assert good.status == 0, good.err
    assert [line.split()[1:] for line in good.out.splitlines()] == [
        ["0.10", "s", "door.wav"],
        ["1.00", "s", "door.flac"],
    ]
    mixed = run(
        "library", "import", tmp_path / "notes.txt", tmp_path / "gone.wav", tmp_path / "door.wav", "--json"
    )
    assert mixed.status == 1
    assert [clip["name"] for clip in mixed.json["clips"]] == ["door.wav"]
    assert [text.split(" ")[0] for text in mixed.json["refused"]] == ["notes.txt", "cannot"]
    assert mixed.err.count("\n") == 2
    bad = run("library", "import", tmp_path / "notes.txt")
    assert (bad.status, bad.out) == (2, "")
    assert bad.err.startswith("foleyd: notes.txt cannot be read as audio")
    assert run("library", "list", "--json").json["total"] == 2


@pytest.mark.parametrize(
    ("name", "ending", "kept"),
    [(None, ".wav", "PCM_24"), ("wav16", ".wav", "PCM_16"), ("wav32f", ".wav", "FLOAT"),
     ("flac", ".flac", "PCM_24"), ("ogg", ".ogg", "VORBIS")],
)  # fmt: skip
def test_export_copies_clips_under_names_that_say_what_they_are(
    run: Run, clips: list[ClipInfo], tmp_path: Path, name: str | None, ending: str, kept: str
) -> None:
    with Library() as library:
        recording = library.take_in(encoded(noise(20_000), subtype="PCM_16"), "Door, heavy.wav").clip
    wanted = [clip.clip_id for clip in clips] + [recording.clip_id]
    line = ("library", "export", *wanted, "-o", tmp_path / "pack", *(("--format", name) if name else ()))
    ran = run(*line)
    assert ran.status == 0, ran.err
    assert [path.name for path in ran.paths] == [
        f"{stem}{ending}"
        for stem in ("a-deep-drum-1", "breaking-glass-2", "a-steel-drum-3", "door-heavy-wav")
    ]
    for path, clip in zip(ran.paths, clips, strict=False):
        about = soundfile.info(path)
        assert (about.subtype, about.samplerate, about.frames) == (kept, clip.rate, clip.frames)
        assert read_meta(path).clip_id == clip.clip_id
        assert read_meta(path).sellable
    about = soundfile.info(ran.paths[3])
    assert (about.samplerate, about.frames) == (44_100, 20_000)
    if kept != "VORBIS":
        np.testing.assert_allclose(
            soundfile.read(ran.paths[3])[0], soundfile.read(recording.path)[0], atol=2**-15
        )
    if name is None:
        assert all(
            path.read_bytes() == Path(clip.path).read_bytes()
            for path, clip in zip(ran.paths, clips, strict=False)
        )
    (tmp_path / "pack" / f"a-deep-drum-1{ending}").write_bytes(b"mine")
    again = run(*line)
    assert again.paths[0].name == f"a-deep-drum-1-2{ending}"
    assert again.paths[1] == ran.paths[1]
    assert (tmp_path / "pack" / f"a-deep-drum-1{ending}").read_bytes() == b"mine"


def test_export_of_a_recording_over_full_scale_says_what_to_do(run: Run, tmp_path: Path) -> None:
    with Library() as library:
        clip = library.take_in(encoded(noise() * 2, subtype="FLOAT"), "hot.wav").clip.clip_id
    ran = run("library", "export", clip, "-o", tmp_path, "--format", "flac")
    assert ran.status == 2
    assert "export it as wav32f" in ran.err
    assert list(tmp_path.iterdir()) == []
    assert run("library", "export", clip, "-o", tmp_path, "--format", "wav32f").status == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500", 500), ("12B", 12), ("500MB", 500_000_000), ("5GB", 5 * 10**9), ("2GiB", 2**31),
     (" 2.5 gb ", 25 * 10**8), ("1kB", 1000), ("1KiB", 1024), ("3k", 3000), ("4T", 4 * 10**12)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", "1e9", "5 XB", "5,5GB", "nan", "inf", "five", "5GBit", "٣GB", "1" * 99]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(BadRequest, match="500MB, 5GB or 2GiB"):
        size_in_bytes(text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("prune --keep lots", "keep is 'lots'"),
        ("prune", "--keep"),
        ("show clip-nothing", "no clip 'clip-nothing'"),
        ("show", "CLIP"),
        ("list --set set-none", "no Set 'set-none'"),
        ("rate 6 clip-x", "less than or equal to 5"),
        ("tag a,,b clip-nothing", "no clip"),
        ("tag , clip-nothing", "needs tags"),
        ("list --limit 0", "--limit"),
        ("export clip-x --format mp3", "format is 'mp3'"),
        ("release nobody", "Nothing is held by 'nobody'"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_2(run: Run, line: str, said: str) -> None:
    ran = run("library", *line.split())
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("foleyd: ")
    assert said in ran.err


def test_another_folder_and_who_has_it(
    run: Run, clips: list[ClipInfo], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("foleyd.library_access.WAIT_SECONDS", 0.0)
    assert run("library", "list", "--library", tmp_path / "other", "--json").json["total"] == 0
    with Library(tmp_path / "other", command="foleyd serve"):
        ran = run("library", "list", "--library", tmp_path / "other", "--json")
    assert ran.status == 1
    assert ran.json["error"]["code"] == "library_held"
    assert "in use by 'foleyd serve'" in ran.err


def test_a_running_daemon_is_asked(run: Run, clips: list[ClipInfo], own_home: Path, tmp_path: Path) -> None:
    drum, glass, steel = (clip.clip_id for clip in clips)
    (tmp_path / "door.wav").write_bytes(wav())
    connections.default_path().parent.mkdir(parents=True)
    with Served(own_home, "--connection-file", str(connections.default_path())):
        assert ids(run("library", "list", "--json")) == [steel, glass, drum]
        assert run("library", "tag", "metal", steel).out == "1 clip changed.\n"
        assert run("library", "hold", "show", drum).status == 0
        imported = run("library", "import", tmp_path / "door.wav", "--json")
        assert imported.status == 0, imported.err
        assert run("library", "prune", "--keep", "0", "--json").json["changed"] == 3
        assert ids(run("library", "list", "--library", own_home / "library", "--json")) == [drum]
        assert run("library", "list", "--library", tmp_path / "other", "--json").json["total"] == 0
        exported = run("library", "export", drum, "-o", tmp_path / "pack")
        assert [path.name for path in exported.paths] == ["a-deep-drum-1.wav"]
        assert run("library", "show", glass).status == 2
    assert ids(run("library", "list", "--json")) == [drum]
