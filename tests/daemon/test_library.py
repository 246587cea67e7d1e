"""The library: clips come in once, are found, and carry what people say of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from foleyd import paths, recipe
from foleyd.audio.export import read_meta
from foleyd.daemon import clips
from foleyd.daemon.library import Library
from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo, LibraryReply, LibraryRequest
from library_sounds import sound


class Heard:
    """A library and what it told of its clips."""

    def __init__(self, root: Path) -> None:
        self.told: list[tuple[str, str]] = []
        self.library = Library(root, listen=lambda change, clip: self.told.append((change, clip)))

    def ask(self, action: str, **fields: Any) -> LibraryReply:
        return self.library.answer(msgspec.convert({"action": action, **fields}, LibraryRequest))

    def add(self, seed: int, prompt: str = "a bell", **fields: object) -> ClipInfo:
        return self.library.add(sound(seed, prompt, takes=self.library.takes, **fields)).clip


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    one = Heard(tmp_path)
    yield one
    one.library.close()


def test_a_clip_comes_in_whole_with_all_that_is_known_of_it(heard: Heard, tmp_path: Path) -> None:
    before = time.time()
    one = sound(7, "a  Glass\tbell", rate=44_100, width="stereo")
    added = heard.library.add(one)
    clip = added.clip
    assert (added.new, added.notes) == (True, ())
    assert heard.told == [("added", clip.clip_id)]
    assert clip.clip_id == clips.identify(one)
    assert Path(clip.path) == tmp_path / "clips" / clip.clip_id[5:7] / f"{clip.clip_id}.wav"
    assert (clip.prompt, clip.name, clip.seed, clip.operation) == ("a Glass bell", "a Glass bell", 7, "text")
    assert (clip.rate, clip.channels, clip.frames, clip.seconds) == (44_100, 2, 22_050, 0.5)
    assert (clip.model, clip.revision, clip.licence, clip.sellable) == (
        "folder:tones",
        "abc",
        "CC0-1.0",
        True,
    )
    assert clip.size == Path(clip.path).stat().st_size
    assert before - 5 <= clip.created <= time.time() + 5
    assert recipe.make(**clip.recipe) == one.request.recipe == read_meta(clip.path).recipe
    assert soundfile.info(clip.path).subtype == "PCM_24"
    samples, rate = heard.library.samples(clip.clip_id)
    assert (samples.dtype, samples.shape, rate) == (np.float32, (2, 22_050), 44_100)
    assert heard.library.clip(clip.clip_id) == clip
    assert heard.library.find(one.request.recipe) == clip


def test_the_same_sound_is_finished_once(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    first = heard.library.add(sound(1))
    monkeypatch.setattr(clips, "finished", lambda _: pytest.fail("it was finished again"))
    again = heard.library.add(sound(1))
    assert (again.new, again.clip) == (False, first.clip)
    assert heard.told == [("added", first.clip.clip_id)]


def test_another_finishing_is_another_clip_of_the_same_take(heard: Heard) -> None:
    one, other = heard.add(1), heard.add(1, rate=44_100)
    assert one.clip_id != other.clip_id
    assert one.take_id == other.take_id
    assert len(list(heard.library.takes.entries())) == 1


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"cut"])
def test_a_clip_that_was_damaged_is_made_again(heard: Heard, damage: bytes) -> None:
    path = Path(heard.add(1).path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] if damage == b"cut" else damage)
    assert heard.library.add(sound(1)).clip.size == len(whole)
    assert path.read_bytes() == whole


def test_a_clip_whose_file_somebody_deleted_is_not_here(heard: Heard, tmp_path: Path) -> None:
    one, other = heard.add(1), heard.add(2)
    Path(one.path).unlink()
    with pytest.raises(BadRequest, match="no clip"):
        heard.library.samples(one.clip_id)
    assert heard.told[-1] == ("removed", one.clip_id)
    assert heard.library.clip(one.clip_id) is None
    Path(other.path).unlink()
    heard.library.close()
    with Library(tmp_path) as library:
        assert library.search() == ([], 0)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "clip-", "", "clip-" + "a" * 23, "clip-" + "a" * 25, "clip-..%2f",
     "clip-" + "A" * 24, f"clip-{'a' * 23}\0", f"clip-{'a' * 24}\n", "clip-" + "a" * 24],
)  # fmt: skip
def test_what_is_no_clip_here_is_refused_in_a_sentence(heard: Heard, name: str) -> None:
    heard.add(1)
    assert heard.library.clip(name) is None
    for method in (heard.library.path, heard.library.samples):
        with pytest.raises(BadRequest, match="'foleyd library list' shows"):
            method(name)
    for action in ("show", "tag", "delete", "hold"):
        with pytest.raises(BadRequest):
            heard.ask(action, clips=[name], tags=["x"], name="y", force=True)


def test_the_beginning_of_an_id_stands_for_the_clip(heard: Heard) -> None:
    clip = heard.add(1)
    assert heard.ask("show", clips=[clip.clip_id[:9]]).clips == (clip,)
    with pytest.raises(BadRequest, match="no clip"):
        heard.ask("show", clips=[clip.clip_id[:8]])
    # of so many ids two begin alike, and always the same two
    starts: dict[str, int] = {}
    for seed in range(2, 4000):
        start = clips.identify(sound(seed, seconds=0.3))[:9]
        if start in starts:
            break
        starts[start] = seed
    for twin in (seed, starts[start]):
        heard.add(twin, seconds=0.3)
    with pytest.raises(BadRequest, match="More than one"):
        heard.ask("show", clips=[start])


def test_list_and_search(heard: Heard) -> None:
    drum, glass, bell = (
        heard.add(1, "a deep drum"),
        heard.add(2, "breaking glass"),
        heard.add(3, "a glass bell"),
    )
    assert [clip.clip_id for clip in heard.ask("list").clips] == [bell.clip_id, glass.clip_id, drum.clip_id]
    found = heard.ask("search", text="gla")
    assert ({clip.clip_id for clip in found.clips}, found.total) == ({glass.clip_id, bell.clip_id}, 2)
    heard.ask("rename", clips=[drum.clip_id], name="Glass  wall")
    assert heard.ask("search", text="glass").clips[0].name == "Glass wall"
    page = heard.ask("search", text="glass", limit=1, offset=1)
    assert (len(page.clips), page.total) == (1, 3)
    heard.ask("rename", clips=[drum.clip_id], name="")
    assert heard.ask("search", text="glass").total == 2


def test_tags_are_normalised_and_told(heard: Heard) -> None:
    one, other = heard.add(1), heard.add(2)
    heard.told.clear()
    reply = heard.ask("tag", clips=[one.clip_id, other.clip_id], tags=["Me\u0301tal ", "two  words", "métal"])
    assert reply.changed == 2
    assert {clip.tags for clip in reply.clips} == {("métal", "two words")}
    assert sorted(heard.told) == sorted(("changed", clip.clip_id) for clip in (one, other))
    assert heard.ask("tag", clips=[one.clip_id], tags=["MÉTAL"]).changed == 0
    assert heard.ask("list", tags=["Métal"]).total == 2
    assert heard.ask("untag", clips=[one.clip_id], tags=["métal"]).clips[0].tags == ("two words",)
    assert [clip.clip_id for clip in heard.ask("search", text="metal").clips] == [other.clip_id]


@pytest.mark.parametrize("tag", ["", " ", "a,b", "x" * 41, "\0"])
def test_what_is_no_tag_is_refused(heard: Heard, tag: str) -> None:
    clip = heard.add(1)
    with pytest.raises(BadRequest, match="1 to 40 characters without commas"):
        heard.ask("tag", clips=[clip.clip_id], tags=[tag])
    assert heard.ask("show", clips=[clip.clip_id]).clips[0].tags == ()


def test_a_clip_has_no_end_of_tags(heard: Heard) -> None:
    clip = heard.add(1)
    heard.ask("tag", clips=[clip.clip_id], tags=[f"tag {number}" for number in range(50)])
    with pytest.raises(BadRequest, match="at most 50 tags"):
        heard.ask("tag", clips=[clip.clip_id], tags=["one more"])


def test_ratings_and_favourites(heard: Heard) -> None:
    one, other = heard.add(1), heard.add(2)
    assert heard.ask("rate", clips=[one.clip_id], rating=4).clips[0].rating == 4
    assert heard.ask("favourite", clips=[other.clip_id]).clips[0].favourite
    assert [clip.clip_id for clip in heard.ask("list", rating=4).clips] == [one.clip_id]
    assert heard.ask("list", rating=5).total == 0
    assert heard.ask("list", rating=0).total == 2
    assert [clip.clip_id for clip in heard.ask("list", favourites=True).clips] == [other.clip_id]
    assert heard.ask("rate", clips=[one.clip_id], rating=0).changed == 1
    assert not heard.ask("unfavourite", clips=[other.clip_id]).clips[0].favourite
    with pytest.raises(BadRequest, match="rating is missing"):
        heard.ask("rate", clips=[one.clip_id])


def test_a_set_is_its_clips_in_order_and_gathered_twice_it_is_one(heard: Heard) -> None:
    one, two, three = (heard.add(seed).clip_id for seed in (1, 2, 3))
    first = heard.library.add_set("bells", [two, one])
    assert first.set_id.startswith("set-")
    assert heard.library.add_set("again", [two, one]) == first
    second = heard.library.add_set("others", [one, two])
    assert second.set_id != first.set_id
    assert heard.ask("sets").sets == (second, first)
    assert heard.ask("sets", limit=1, offset=1).sets == (first,)
    shown = heard.ask("show", clips=[first.set_id, three])
    assert ([clip.clip_id for clip in shown.clips], shown.sets) == ([two, one, three], (first,))
    assert set(shown.clips[0].sets) == {first.set_id, second.set_id}
    assert heard.ask("list", set_id=first.set_id).total == 2
    assert heard.ask("tag", clips=[first.set_id], tags=["bells"]).changed == 2
    assert heard.ask("rename", clips=[first.set_id], name="Bells!").sets[0].name == "Bells!"
    with pytest.raises(BadRequest, match="no Set"):
        heard.ask("list", set_id="set-none")
    with pytest.raises(BadRequest, match="no clip"):
        heard.library.add_set("x", ["clip-" + "a" * 24])


def test_actions_that_miss_something_say_what(heard: Heard) -> None:
    clip = heard.add(1).clip_id
    for action, fields, said in [
        ("tag", {"clips": [clip]}, "needs tags"),
        ("tag", {"tags": ["x"]}, "needs clips"),
        ("show", {}, "needs clips"),
        ("hold", {"clips": [clip]}, "needs a name"),
        ("hold", {"clips": [clip], "name": " \t"}, "needs a name"),
        ("release", {"name": "nobody"}, "Nothing is held by 'nobody'"),
        ("rename", {"clips": [], "name": "x"}, "one clip"),
        ("prune", {}, "keep_bytes is missing"),
        ("import", {}, "brings 0"),
    ]:
        with pytest.raises(BadRequest, match=said):
            heard.ask(action, **fields)


def test_every_action_of_the_contract_is_answered() -> None:
    from foleyd.daemon.librarian import ACTIONS

    kind = msgspec.inspect.type_info(LibraryRequest)
    [action] = [field for field in kind.fields if field.name == "action"]  # type: ignore[attr-defined]
    said = action.type.type if isinstance(action.type, msgspec.inspect.Metadata) else action.type
    # what needs ears is answered beside the library, not by it
    assert set(said.values) == {*ACTIONS, "similar"}


def test_foleyds_own_library_is_in_its_home() -> None:
    with Library() as library:
        assert library.root == paths.home("library")
        assert library.takes.root == paths.home("library") / "takes"


def test_a_folder_that_cannot_be_a_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest, match="cannot be opened"):
        Library(tmp_path / "file" / "library")


def test_a_relative_folder_gives_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Library(Path("sounds")) as library:
        assert Path(library.add(sound(1)).clip.path).is_relative_to(tmp_path / "sounds")
