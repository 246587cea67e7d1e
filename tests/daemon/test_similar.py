"""Search by sound: what is nearest is told first, and nothing is listened to twice."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from foleyd.daemon import imports, preference
from foleyd.daemon.ears import Ears, Heard
from foleyd.daemon.hearings import FILE, Hearings
from foleyd.daemon.library import Library
from foleyd.daemon.similar import similar
from foleyd.errors import BadRequest, WorkerDied
from foleyd.messages import LibraryReply, LibraryRequest

RATE = 16_000
TIME = np.arange(RATE) / RATE
SOUNDS = {
    "low tone": np.sin(2 * np.pi * 110 * TIME),
    "high tone": np.sin(2 * np.pi * 3000 * TIME),
    "noise": np.random.default_rng(0).standard_normal(RATE) * 0.3,
    "clicks": (np.arange(RATE) % 2000 == 0).astype(float),
    "silence": np.zeros(RATE),
}


class Counting:
    """Ears that count what they listened to."""

    def __init__(self, ears: Ears) -> None:
        self.ears, self.name, self.listened = ears, ears.name, 0

    def of(self, texts: list[str] = [], files: list[Path] = []) -> Heard:  # noqa: B006
        self.listened += len(files)
        return self.ears.of(texts, files)


@pytest.fixture(scope="module")
def ears():
    with Ears() as found:
        yield found


@pytest.fixture
def library(tmp_path: Path):
    with Library(tmp_path / "library") as here:
        for name, samples in SOUNDS.items():
            here.take_in(wav(tmp_path, samples), f"{name}.wav")
        yield here


def wav(folder: Path, samples: np.ndarray) -> bytes:
    path = folder / "sound.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path.read_bytes()


def ask(library: Library, ears: object, data: bytes | None = None, **fields: object) -> LibraryReply:
    request = LibraryRequest(action="similar", **fields)  # type: ignore[arg-type]
    buffers = () if data is None else (data,)
    return similar(lambda work, *one: work(*one), library, ears, imports.decode, request, buffers)  # type: ignore[arg-type]


def ids(library: Library) -> dict[str, str]:
    return {clip.name.removesuffix(".wav"): clip.clip_id for clip in library.search()[0]}


def test_the_same_sound_is_the_nearest_and_a_clip_is_not_like_itself(library, ears, tmp_path) -> None:
    known = ids(library)
    reply = ask(library, ears, wav(tmp_path, SOUNDS["noise"] * 0.1))
    assert reply.clips[0].clip_id == known["noise"]
    assert reply.similarity[0] > 0.999
    assert list(reply.similarity) == sorted(reply.similarity, reverse=True)
    assert known["silence"] not in {clip.clip_id for clip in reply.clips}
    others = ask(library, ears, clips=(known["noise"],))
    assert {clip.name for clip in others.clips} == {"low tone.wav", "high tone.wav", "clicks.wav"}
    assert others.total == 4


def test_nothing_is_listened_to_twice(library, ears) -> None:
    counting = Counting(ears)
    first = ask(library, counting, text="a low tone")
    assert counting.listened == len(SOUNDS)
    again = ask(library, counting, text="a low tone", limit=2)
    assert counting.listened == len(SOUNDS)
    assert again.clips == first.clips[:2]
    assert ask(library, counting, text="a low tone", limit=2, offset=1).clips == first.clips[1:3]


def test_only_clips_that_the_other_fields_let_through_are_compared(library, ears) -> None:
    known = ids(library)
    library.answer(LibraryRequest(action="tag", clips=(known["clicks"],), tags=("short",)))
    reply = ask(library, ears, text="noise", tags=("short",))
    assert [clip.name for clip in reply.clips] == ["clicks.wav"]


def test_what_people_like_goes_first_among_the_equally_near(library, ears) -> None:
    known = ids(library)
    plain = [clip.clip_id for clip in ask(library, ears, text="a low tone").clips]
    near = dict(zip(plain, ask(library, ears, text="a low tone").similarity, strict=True))
    gap = max(near.values()) - min(near.values())
    assert gap > preference.NEAR_TIE  # a favourite that is far stays behind
    library.answer(LibraryRequest(action="favourite", clips=(plain[-1],)))
    liked = ask(library, ears, text="a low tone")
    assert liked.clips[0].clip_id != plain[-1] or near[plain[0]] - near[plain[-1]] <= preference.NEAR_TIE
    # the same sound twice: the one with the stars first, whatever else
    library.answer(LibraryRequest(action="rate", clips=(known["clicks"],), rating=4))
    [shown] = [clip for clip in ask(library, ears, text="clicks").clips if clip.clip_id == known["clicks"]]
    assert shown.rating == 4


def test_ties_are_broken_by_favourites_then_ratings_then_nearness(library) -> None:
    clip = library.search()[0][0]
    liked = [(False, 0), (False, 3), (True, 0), (True, 5), (False, 5), (False, 0)]
    clips = [msgspec.structs.replace(clip, favourite=favourite, rating=rating) for favourite, rating in liked]
    near = [0.500, 0.495, 0.481, 0.479, 0.70, 0.478]
    # 0.70 alone; then what is within 0.02 of 0.5; then the rest
    assert preference.order(near, clips) == [4, 2, 1, 0, 3, 5]
    assert preference.order([0.1, 0.1], clips[:2]) == [1, 0]
    assert preference.order([], []) == []


@pytest.mark.parametrize(
    "fields",
    [{}, {"text": "rain", "clips": ("clip-aaaa",)}, {"text": "  "}, {"clips": ("clip-aaaa", "clip-bbbb")}],
)
def test_one_thing_is_searched_for(library, ears, fields) -> None:
    with pytest.raises(BadRequest, match="words, one clip, or one file"):
        ask(library, ears, **fields)


def test_what_is_silent_or_no_sound_is_refused(library, ears, tmp_path) -> None:
    with pytest.raises(BadRequest, match="nothing is heard in that sound"):
        ask(library, ears, wav(tmp_path, SOUNDS["silence"]))
    with pytest.raises(BadRequest, match="nothing is heard"):
        ask(library, ears, clips=(ids(library)["silence"],))
    with pytest.raises(BadRequest, match="audio"):
        ask(library, ears, b"no sound at all")


def test_a_damaged_file_of_vectors_is_made_anew(library, ears) -> None:
    before = ask(library, ears, text="a low tone")
    (library.root / FILE).write_bytes(b"rubbish" * 1000)
    assert ask(library, ears, text="a low tone") == before


def test_vectors_of_other_ears_are_not_compared(tmp_path: Path) -> None:
    hearings = Hearings(tmp_path)
    one, other = np.array([1, 0], np.float32), np.array([0.6, 0.8], np.float32)
    hearings.note("old", {"clip-a": one})
    assert hearings.missing("new", ["clip-a"]) == ["clip-a"]
    hearings.note("new", {"clip-a": other, "clip-b": None})
    assert hearings.missing("new", ["clip-a", "clip-b", "clip-c"]) == ["clip-c"]
    [near] = hearings.near("new", one, ["clip-a", "clip-b"], 5)
    assert near.clip_id == "clip-a"
    assert near.similarity == pytest.approx(0.6, abs=1e-3)
    assert hearings.missing("old", ["clip-a"]) == ["clip-a"]


def test_thousands_of_clips_are_compared_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5000, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hearings = Hearings(tmp_path)
    hearings.note("ears", {f"clip-{k}": vector for k, vector in enumerate(vectors)})
    near = hearings.near("ears", vectors[1234], [f"clip-{k}" for k in range(5000)], 3)
    assert near[0].clip_id == "clip-1234"
    order = np.argsort(-(vectors @ vectors[1234]))[:3]
    assert [one.clip_id for one in near] == [f"clip-{k}" for k in order]


def test_ears_that_die_or_babble_are_told_and_can_be_asked_again(tmp_path: Path) -> None:
    for program in ("import os; os._exit(3)", "print('no frame at all, but long enough to be one')"):
        with Ears(command=(sys.executable, "-c", program)) as dying:
            for _ in range(2):
                with pytest.raises(WorkerDied, match="ended before it answered"):
                    dying.of(["rain"])


def test_a_model_that_cannot_hear_is_refused(tmp_path: Path) -> None:
    from foleyd.bench import random_model

    folder = random_model.build(tmp_path / "deaf")
    with Ears(str(folder)) as deaf, pytest.raises(BadRequest, match="without the audio half"):
        deaf.of(["rain"])
