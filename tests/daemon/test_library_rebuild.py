"""The index is made of the files: lost, damaged or old, it comes back, and so does what people said."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from foleyd.daemon import clips
from foleyd.daemon.library import Library
from foleyd.daemon.marks import Mark
from foleyd.messages import ClipInfo, LibraryRequest
from library_sounds import sound
from recordings import wav


def furnish(root: Path) -> dict[str, ClipInfo]:
    """A library with rendered and imported clips, and something said of them."""
    with Library(root) as library:
        one = library.add(sound(1, "a bell 🔔", takes=library.takes)).clip.clip_id
        two = library.add(sound(2, "Straße", rate=44_100, width="dual")).clip.clip_id
        three = library.take_in(wav(channels=2), "Tür.wav").clip.clip_id
        library.mark([one], lambda _: Mark(name="Bell", tags=("metal",), rating=4, favourite=True))
        library.add_set("a pair", [two, one])
        library.hold("Opening Night", [three, one])
        return everything(library)


def everything(library: Library) -> dict[str, ClipInfo]:
    return {clip.clip_id: clip for clip in library.search()[0]}


def bare(found: dict[str, ClipInfo]) -> dict[str, ClipInfo]:
    """Without what people said."""
    blank = {"name": None, "tags": (), "rating": 0, "favourite": False, "sets": (), "holds": ()}
    return {clip: msgspec.structs.replace(info, **blank) for clip, info in found.items()}


def remove(root: Path, *names: str) -> None:
    for name in names:
        for path in root.glob(f"{name}*"):
            path.unlink()


def test_everything_comes_back_from_the_files_alone_but_what_people_said(tmp_path: Path) -> None:
    before = furnish(tmp_path)
    remove(tmp_path, "index.sqlite", "marks.jsonl")
    with Library(tmp_path) as library:
        after = everything(library)
        assert library.notes == ("The index was missing and was made again: 3 clips.",)
        assert library.search("strasse")[1] == library.search("🔔")[1] == library.search("tur")[1] == 1
        assert library.marks.sets == library.marks.holds == {}
    assert len(before) == 3
    assert bare(after) == bare(before)
    assert {clip.name for clip in after.values()} == {"a bell 🔔", "Straße", "Tür.wav"}


def test_with_the_journal_that_comes_back_too(tmp_path: Path) -> None:
    before = furnish(tmp_path)
    remove(tmp_path, "index.sqlite")
    with Library(tmp_path) as library:
        assert everything(library) == before
        assert library.search("bell", tags=["metal"], rating=4, favourites=True)[1] == 1


def test_a_rebuild_changes_nothing_where_all_is_well(tmp_path: Path) -> None:
    before = furnish(tmp_path)
    with Library(tmp_path) as library:
        reply = library.answer(LibraryRequest(action="rebuild"))
        assert (reply.changed, reply.total, reply.notes) == (3, 3, ())
        assert everything(library) == before


def damaged(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE words")
    db.close()


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize("damage", [damaged, cut, without_a_table, of_another_version])
def test_an_index_that_is_not_right_is_made_again_and_that_is_said(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    before = furnish(tmp_path)
    damage(tmp_path / "index.sqlite")
    with Library(tmp_path) as library:
        assert everything(library) == before
        if damage is not without_a_table:
            [note] = library.notes
            assert note.startswith("The index was ")
            assert note.endswith("made again: 3 clips.")
        assert library.answer(LibraryRequest(action="search", text="bell")).total == 1
        assert library.search("bell")[1] == 1


def test_an_index_that_breaks_while_it_is_open_is_made_again(tmp_path: Path) -> None:
    before = furnish(tmp_path)
    with Library(tmp_path) as library:
        other = sqlite3.connect(tmp_path / "index.sqlite")
        other.execute("DROP TABLE words")
        other.close()
        reply = library.answer(LibraryRequest(action="search", text="bell"))
        assert [clip.name for clip in reply.clips] == ["Bell"]
        assert library.notes == ("The index was damaged and was made again.",)
        assert everything(library) == before
        other = sqlite3.connect(tmp_path / "index.sqlite")
        other.execute("DROP TABLE words")
        other.close()
        added = library.add(sound(9, "a gong"))
        assert (added.new, added.notes, library.search("gong")[1]) == (True, (), 1)


def test_a_clip_that_the_index_does_not_know_is_found_at_the_next_opening(tmp_path: Path) -> None:
    """A process was killed between the file and the index."""
    one = sound(5, "a gong")
    with Library(tmp_path) as library:
        pass
    done, meta = clips.finished(one)
    from foleyd.daemon.shelf import Shelf

    found = Shelf(tmp_path / "clips").put(done, meta)
    with Library(tmp_path) as library:
        assert library.clip(found.info.clip_id) == found.info
        assert library.search("gong")[1] == 1


def test_what_people_said_and_the_index_missed_is_there_at_the_next_opening(tmp_path: Path) -> None:
    """A process was killed between the journal and the index."""
    with Library(tmp_path) as library:
        clip = library.add(sound(5)).clip.clip_id
        library.marks.say({clip: Mark(tags=("metal",))})
        assert library.search(tags=["metal"])[1] == 0
    with Library(tmp_path) as library:
        assert library.search(tags=["metal"])[1] == library.search("metal")[1] == 1


def test_files_that_are_no_clips_are_left_alone_and_counted(tmp_path: Path) -> None:
    before = furnish(tmp_path)
    folder = tmp_path / "clips" / "aa"
    folder.mkdir()
    (folder / f"clip-{'a' * 24}.wav").write_bytes(b"RIFF")
    [any_clip] = [clip for clip in before.values() if clip.seed == 1]
    (folder / f"clip-aa{'b' * 22}.wav").write_bytes(Path(any_clip.path).read_bytes())
    (folder / "notes.txt").write_text("mine")
    with Library(tmp_path) as library:
        assert everything(library) == before
        [note] = library.notes
        assert note.startswith("2 clips could not be read and were left alone")
    assert len(list(folder.iterdir())) == 3


def test_a_library_that_was_moved_has_its_new_paths(tmp_path: Path) -> None:
    before = furnish(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    with Library(tmp_path / "new") as library:
        for clip in everything(library).values():
            assert Path(clip.path).is_relative_to(tmp_path / "new")
            assert library.samples(clip.clip_id)[0].shape == (clip.channels, clip.frames)
        assert everything(library).keys() == before.keys()


def test_half_written_files_are_swept_away(tmp_path: Path) -> None:
    before = furnish(tmp_path)
    [one] = [clip for clip in before.values() if clip.seed == 1]
    parts = [
        Path(one.path).with_name(f".{one.clip_id}.0123456789ab.part.wav"),
        tmp_path / ".marks.0123456789ab.part.jsonl",
        tmp_path / ".holder.0123456789ab.part.json",
        next((tmp_path / "takes").iterdir()) / f".{one.take_id}.0123456789ab.part.wav",
    ]
    for part in parts:
        part.write_bytes(b"half")
    with Library(tmp_path) as library:
        assert not any(part.exists() for part in parts)
        assert everything(library) == before
