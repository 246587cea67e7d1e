"""Room: what may be deleted and pruned, what may not, and a full disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest

from foleyd.audio import atomic
from foleyd.daemon import room
from foleyd.daemon.library import Library
from foleyd.errors import BadRequest, DiskFull
from foleyd.messages import ClipInfo, LibraryReply, LibraryRequest
from library_sounds import sound, wanted
from recordings import wav


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path) as one:
        yield one


def add(library: Library, seed: int, **fields: object) -> ClipInfo:
    return library.add(sound(seed, takes=library.takes, **fields)).clip


def ask(library: Library, action: str, **fields: Any) -> LibraryReply:
    return library.answer(msgspec.convert({"action": action, **fields}, LibraryRequest))


def here(library: Library) -> set[str]:
    found = {clip.clip_id for clip in library.search()[0]}
    assert found == {path.stem for path in (library.root / "clips").rglob("*.wav")}
    return found


def takes(library: Library) -> set[str]:
    return {take.take_id for take in library.takes.entries()}


def on_disk(library: Library) -> int:
    return sum(path.stat().st_size for path in library.root.rglob("*.wav"))


def test_usage_is_what_lies_on_the_disk(library: Library) -> None:
    add(library, 1), add(library, 2), library.take_in(wav(), "a.wav")
    usage = library.usage()
    assert (usage.clips, usage.takes, usage.bytes) == (3, 2, on_disk(library))
    assert usage.free > 0
    reply = ask(library, "usage")
    assert (reply.total, reply.bytes) == (3, on_disk(library))


def test_delete_takes_the_take_when_the_last_clip_of_it_goes(library: Library) -> None:
    one, other, third = add(library, 1), add(library, 1, rate=44_100), add(library, 2)
    before = on_disk(library)
    reply = ask(library, "delete", clips=[one.clip_id])
    assert (reply.changed, reply.freed, reply.notes) == (1, one.size, ())
    assert takes(library) == {one.take_id, third.take_id}
    reply = ask(library, "delete", clips=[other.clip_id])
    assert takes(library) == {third.take_id}
    assert reply.freed > other.size
    assert reply.bytes == on_disk(library) < before
    assert here(library) == {third.clip_id}


def test_delete_leaves_what_is_kept_and_says_why(library: Library) -> None:
    loved, gathered, held, loose = (add(library, seed).clip_id for seed in range(4))
    ask(library, "favourite", clips=[loved])
    pair = library.add_set("one", [gathered]).set_id
    ask(library, "hold", name="Opening Night", clips=[held])
    reply = ask(library, "delete", clips=[loved, gathered, held, loose])
    assert reply.changed == 1
    assert here(library) == {loved, gathered, held}
    assert reply.notes == (
        f"{loved} was left: it is a favourite.",
        f"{gathered} was left: it belongs to the Set {pair}.",
        f"{held} was left: 'Opening Night' holds it.",
    )
    reply = ask(library, "delete", clips=[loved, gathered, held], force=True)
    assert (reply.changed, reply.notes, here(library)) == (3, (), set())
    assert library.marks.sets == library.marks.holds == {}
    assert not add(library, 0).favourite


def test_deleting_a_set_deletes_its_clips_but_those_that_something_else_keeps(library: Library) -> None:
    one, two, three = (add(library, seed).clip_id for seed in range(3))
    first = library.add_set("first", [one, two]).set_id
    second = library.add_set("second", [two, three]).set_id
    reply = ask(library, "delete", clips=[first])
    assert (reply.changed, here(library)) == (1, {two, three})
    assert list(library.marks.sets) == [second]
    assert reply.notes == (f"{two} was left: it belongs to the Set {second}.",)


def test_prune_takes_loose_takes_then_what_was_used_longest_ago_then_recordings(library: Library) -> None:
    recording = library.take_in(wav(), "a.wav").clip
    clips = [add(library, seed) for seed in range(4)]
    loose = sound(99, takes=library.takes)
    library.samples(clips[0].clip_id)
    start = on_disk(library)
    reply = ask(library, "prune", keep_bytes=start)
    assert (reply.changed, reply.freed) == (0, 0)

    reply = ask(library, "prune", keep_bytes=start - 1)
    assert (reply.changed, reply.notes) == (0, ())
    assert loose.take.identity.take_id not in takes(library)
    assert reply.freed == start - on_disk(library) > 0

    reply = ask(library, "prune", keep_bytes=reply.bytes - 1)
    assert (reply.changed, here(library)) == (1, {recording.clip_id} | {clips[k].clip_id for k in (0, 2, 3)})
    assert clips[1].take_id not in takes(library)

    reply = ask(library, "prune", keep_bytes=recording.size)
    assert (reply.changed, reply.bytes, here(library)) == (3, recording.size, {recording.clip_id})
    assert reply.notes == ()

    reply = ask(library, "prune", keep_bytes=0)
    assert (reply.changed, reply.bytes, here(library)) == (1, 0, set())
    assert reply.notes == ("1 of the clips had been imported: no render brings them back.",)


def test_prune_spares_sets_favourites_and_holds_and_their_takes(library: Library) -> None:
    loved, gathered, held, twin, loose = (add(library, seed) for seed in range(5))
    other = add(library, 3, rate=44_100)
    ask(library, "favourite", clips=[loved.clip_id])
    library.add_set("one", [gathered.clip_id])
    ask(library, "hold", name="show", clips=[held.clip_id, twin.clip_id])
    reply = ask(library, "prune", keep_bytes=0)
    assert reply.changed == 2
    kept = (loved, gathered, held, twin)
    assert here(library) == {clip.clip_id for clip in kept}
    assert takes(library) == {clip.take_id for clip in kept}
    assert other.take_id == twin.take_id
    assert loose.take_id not in takes(library)
    [note] = reply.notes
    assert "are left, kept by Sets, favourites or holds" in note
    assert reply.bytes == on_disk(library) > 0

    ask(library, "release", name="show")
    ask(library, "unfavourite", clips=[loved.clip_id])
    assert ask(library, "prune", keep_bytes=0).changed == 3
    assert here(library) == {gathered.clip_id}


def test_a_pruned_clip_comes_back_with_what_was_said_of_it(library: Library) -> None:
    clip = add(library, 1)
    ask(library, "tag", clips=[clip.clip_id], tags=["metal"])
    ask(library, "prune", keep_bytes=0)
    assert library.clip(clip.clip_id) is None
    again = library.add(sound(1))
    assert (again.new, again.clip.tags) == (True, ("metal",))
    assert library.search("metal")[1] == 1


def test_holds_begin_grow_and_end(library: Library) -> None:
    one, two, three = (add(library, seed).clip_id for seed in range(3))
    pair = library.add_set("pair", [two, three]).set_id
    assert ask(library, "hold", name="show", clips=[one]).holds == {"show": (one,)}
    reply = ask(library, "hold", name="show", clips=[one, pair])
    assert (reply.changed, reply.holds) == (2, {"show": (one, two, three)})
    ask(library, "hold", name="other", clips=[one])
    assert library.clip(one).holds == ("show", "other")  # type: ignore[union-attr]
    assert ask(library, "holds").holds == {"show": (one, two, three), "other": (one,)}
    assert ask(library, "holds", name="other").holds == {"other": (one,)}
    reply = ask(library, "release", name="show", clips=[pair])
    assert (reply.changed, reply.holds) == (2, {"show": (one,)})
    Path(library.path(one)).unlink()
    with pytest.raises(BadRequest):
        library.samples(one)
    assert ask(library, "release", name="show", clips=[one]).holds == {"show": ()}
    assert ask(library, "holds").holds == {"other": (one,)}
    assert ask(library, "release", name="other").changed == 1
    assert ask(library, "holds").holds == {}


def test_a_full_disk_is_refused_before_rendering(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = room.needed(wanted(1, seconds=5))
    assert 5 * (4 * 16_000 + 3 * 48_000) < needed < 10_000_000
    for free, fits in [(room.RESERVE + needed, True), (room.RESERVE + needed - 1, False)]:
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        if fits:
            library.check_room(needed)
        else:
            with pytest.raises(DiskFull, match=r"'foleyd library prune --keep SIZE'"):
                library.check_room(needed)


def test_a_disk_that_fills_while_a_clip_is_written_leaves_nothing_half_done(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = add(library, 1)

    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(DiskFull):
            library.add(sound(2))
        with pytest.raises(DiskFull, match=r"no room to write .*marks\.jsonl"):
            ask(library, "tag", clips=[clip.clip_id], tags=["metal"])
    assert here(library) == {clip.clip_id}
    assert not [path for path in library.root.rglob("*") if ".part" in path.name]
    assert library.clip(clip.clip_id) == clip
    assert ask(library, "tag", clips=[clip.clip_id], tags=["metal"]).changed == 1


def test_a_full_disk_can_be_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library(tmp_path) as library:
        add(library, 1)

    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with Library(tmp_path) as library:
        assert ask(library, "prune", keep_bytes=0).changed == 1
        assert here(library) == set()
