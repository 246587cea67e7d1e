"""The clips in memory: shared, counted, forgotten in order, brought to a new rate."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from conftest import children_of
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError
from foleyd_live.clips import ClipStore, Stage
from foleyd_live.decoding import Decoder, Sound
from foleyd_live.stages import Source

RATE = 48_000
FAULTY = (sys.executable, "-P", str(Path(__file__).with_name("faulty_decoder.py")))
PATIENCE_S = 120.0
FRAMES = 1000
CLIP_BYTES = FRAMES * 8


class Table:
    """A clip table that counts what it was asked."""

    def __init__(self) -> None:
        self.rate = RATE
        self.held: dict[int, NDArray[np.float32]] = {}
        self.loops: dict[int, tuple[int, int] | None] = {}
        self.stages: dict[int, tuple[NDArray[np.float32], ...]] = {}
        self._next = 0

    def add_clip(
        self,
        samples: NDArray[np.float32],
        loop: tuple[int, int] | None,
        stages: Sequence[NDArray[np.float32]] = (),
    ) -> int:
        self._next += 1
        self.held[self._next] = samples
        self.stages[self._next] = tuple(stages)
        self.loops[self._next] = loop
        return self._next

    def drop_clip(self, slot: int) -> None:
        del self.held[slot]

    def collect(self) -> int:
        return 0


class CountingDecoder(Decoder):
    """The real decoder, with a list of what it was asked for."""

    def __init__(self) -> None:
        super().__init__(command=FAULTY, deadline_s=10 * PATIENCE_S)
        self.asked: list[tuple[str, int, float]] = []

    async def decode(self, path: str | os.PathLike[str], rate: int, stretch: float = 1.0) -> Sound:
        self.asked.append((Path(path).name, rate, stretch))
        return await super().decode(path, rate, stretch)


@asynccontextmanager
async def stores(**bounds: int) -> AsyncIterator[tuple[ClipStore, Table, CountingDecoder]]:
    table, decoder = Table(), CountingDecoder()
    store = ClipStore(table, decoder, **bounds)
    try:
        yield store, table, decoder
    finally:
        await store.close()
        await decoder.close()
    assert not table.held


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    before = children_of(os.getpid())

    async def bounded() -> None:
        await asyncio.wait_for(scenario(), PATIENCE_S)

    asyncio.run(bounded())
    assert children_of(os.getpid()).keys() <= before.keys()


def file(folder: Path, name: str, frames: int = FRAMES, seed: int = 0, rate: int = RATE) -> Path:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, 2))
    soundfile.write(folder / name, samples, rate, subtype="FLOAT")
    return folder / name


def test_a_clip_knows_its_file_and_lies_in_the_table(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            path = file(tmp_path, "a.wav")
            clip = await store.load(path, clip_id="clip-a")
            assert (clip.path, clip.clip_id, clip.name) == (str(path), "clip-a", "a.wav")
            assert (clip.frames, clip.rate, clip.seconds) == (FRAMES, RATE, FRAMES / RATE)
            assert clip.loop is None
            assert len(clip.overview) == 400
            assert clip.references == 0
            assert table.held[clip.slot] is clip.samples
            np.testing.assert_array_equal(clip.samples, soundfile.read(path, dtype="float32")[0])

    run(scenario)


def test_one_file_at_one_stretch_is_one_clip(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, decoder):
            path = file(tmp_path, "a.wav")
            (tmp_path / "link.wav").symlink_to(path)
            # asked for by three at once, by another name, and again
            clips = await asyncio.gather(
                store.load(path), store.load(path), store.load(tmp_path / "link.wav")
            )
            clips.append(await store.load(str(path), clip_id="clip-a"))
            assert len({id(clip) for clip in clips}) == 1
            assert clips[0].clip_id == "clip-a"
            assert len(decoder.asked) == 1
            slow = await store.load(path, 2.0)
            assert slow is not clips[0]
            assert slow.frames == 2 * FRAMES
            assert slow.stretch == 2.0
            assert len(store) == len(table.held) == 2

    run(scenario)


def test_a_file_that_was_written_again_is_another_clip(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, _decoder):
            old = store.keep(await store.load(file(tmp_path, "a.wav")))
            path = file(tmp_path, "a.wav", seed=1)
            os.utime(path, ns=(1, 1))
            new = await store.load(path)
            assert new is not old
            assert not np.array_equal(new.samples, old.samples)
            assert not old.gone

    run(scenario)


def test_kept_clips_stay_and_the_longest_unused_go_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores(most_bytes=2 * CLIP_BYTES) as (store, table, decoder):
            a, b, c = [await store.load(file(tmp_path, f"{name}.wav", seed=ord(name))) for name in "abc"]
            assert [clip.gone for clip in (a, b, c)] == [True, False, False]
            with pytest.raises(FoleydError, match="has left the memory"):
                store.keep(a)
            store.keep(b)
            store.keep(b)
            await store.load(c.path)
            d, e = [await store.load(file(tmp_path, f"{name}.wav", seed=ord(name))) for name in "de"]
            assert [clip.gone for clip in (b, c, d, e)] == [False, True, False, False]
            await store.load(d.path)
            store.drop(b)
            assert [clip.gone for clip in (b, d, e)] == [False, False, False]
            store.drop(b)  # the one used last, and now there are three without a keeper
            assert [clip.gone for clip in (b, d, e)] == [False, False, True]
            assert len(table.held) == 2
            with pytest.raises(ValueError, match="more often"):
                store.drop(b)
            asked = len(decoder.asked)
            assert (await store.load(a.path)).slot in table.held
            assert len(decoder.asked) == asked + 1

    run(scenario)


def test_the_number_of_clips_is_bounded(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores(most_clips=2) as (store, table, _):
            a, b = [await store.load(file(tmp_path, f"{name}.wav", seed=ord(name))) for name in "ab"]
            store.keep(a)
            c = store.keep(await store.load(file(tmp_path, "c.wav", seed=3)))
            assert b.gone
            with pytest.raises(Busy, match="All 2 clips are in use"):
                await store.load(file(tmp_path, "d.wav", seed=4))
            store.drop(c)
            d = await store.load(tmp_path / "d.wav")
            assert c.gone
            assert not d.gone
            assert len(table.held) == 2

    run(scenario)


def test_what_is_just_loaded_can_be_kept_however_small_the_bound(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores(most_bytes=0) as (store, table, _):
            paths = [file(tmp_path, f"{number}.wav", seed=number) for number in range(4)]

            async def load(path: Path) -> None:
                store.keep(await store.load(path))

            await asyncio.gather(*map(load, paths))
            assert len(table.held) == 4

    run(scenario)


def test_a_refused_file_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            (tmp_path / "text.wav").write_text("no sound")
            file(tmp_path, "die.wav")
            for name, words in {
                "text.wav": "cannot be read",
                "none.wav": "No such file",
                "die.wav": "SIGKILL",
            }.items():
                with pytest.raises(BadRequest, match=words):
                    await store.load(tmp_path / name)
            assert not len(store)
            assert not table.held
            assert (await store.load(file(tmp_path, "a.wav"))).frames == FRAMES

    run(scenario)


def test_all_who_wait_for_a_file_are_told_what_is_wrong(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, decoder):
            file(tmp_path, "die.wav")
            results = await asyncio.gather(
                *(store.load(tmp_path / "die.wav") for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(result, BadRequest) for result in results)
            assert len(decoder.asked) == 1

    run(scenario)


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.001)


def test_a_load_ends_when_the_last_who_waits_gives_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, decoder):
            path = file(tmp_path, "a.wav")
            await store.load(path)
            pid = decoder.pid
            hang = file(tmp_path, "hang.wav")
            first, second = (asyncio.create_task(store.load(hang)) for _ in range(2))
            await until(lambda: len(decoder.asked) == 2 and store.waiting == 2)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert decoder.pid == pid
            assert not second.done()
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            other = await store.load(file(tmp_path, "b.wav", seed=2))
            assert not other.gone
            assert decoder.pid != pid

    run(scenario)


def test_one_who_gives_up_does_not_take_the_clip_from_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, decoder):
            path = file(tmp_path, "a.wav")
            first, second = (asyncio.create_task(store.load(path)) for _ in range(2))
            await until(lambda: len(decoder.asked) == 1 and store.waiting == 2)
            first.cancel()
            assert (await second).frames == FRAMES
            assert len(decoder.asked) == 1

    run(scenario)


def test_closing_tells_those_who_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, decoder):
            waiting = asyncio.create_task(store.load(file(tmp_path, "hang.wav")))
            await until(lambda: len(decoder.asked) == 1)
            await store.close()
            with pytest.raises(Cancelled, match="the live host ends"):
                await waiting

    run(scenario)


def test_a_new_rate_reaches_every_clip_in_use(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            kept = store.keep(await store.load(file(tmp_path, "kept.wav")))
            slow = store.keep(await store.load(kept.path, 2.0))
            idle = await store.load(file(tmp_path, "idle.wav", seed=2))
            slots = {kept.slot, slow.slot}
            table.rate = 44_100
            assert await store.reload(44_100) == []
            assert store.rate == kept.rate == slow.rate == 44_100
            assert kept.frames == round(FRAMES * 44_100 / RATE)
            assert slow.frames == round(2 * FRAMES * 44_100 / RATE)
            assert kept.seconds == pytest.approx(FRAMES / RATE, abs=1e-4)
            assert idle.gone
            assert set(table.held) == {kept.slot, slow.slot}
            assert not slots & set(table.held)
            assert await store.load(kept.path) is kept
            # back again: from the file, so without a loss
            await store.reload(RATE)
            np.testing.assert_array_equal(kept.samples, soundfile.read(kept.path, dtype="float32")[0])

    run(scenario)


def test_a_file_that_is_gone_or_changed_is_brought_to_the_new_rate_from_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, _decoder):
            gone = store.keep(await store.load(file(tmp_path, "gone.wav")))
            changed = store.keep(await store.load(file(tmp_path, "changed.wav", seed=1)))
            before = changed.samples
            Path(gone.path).unlink()
            file(tmp_path, "changed.wav", frames=5000, seed=9)
            assert await store.reload(2 * RATE) == []
            assert gone.frames == changed.frames == 2 * FRAMES
            # noise loses its highest frequencies on the way, and nothing else
            assert np.corrcoef(changed.samples[::2].T, before.T)[0, 2] > 0.95

    run(scenario)


def test_a_clip_that_fails_at_the_new_rate_keeps_its_samples_and_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, decoder):
            clip = store.keep(await store.load(file(tmp_path, "a.wav")))
            slot = clip.slot
            await decoder.close()
            ((failed, error),) = await store.reload(44_100)
            assert failed is clip
            assert "closed" in str(error)
            assert clip.slot == slot
            assert clip.rate == RATE
            store.drop(clip)  # of no use at this rate
            assert clip.gone
            assert not table.held

    run(scenario)


def test_a_load_that_began_at_the_old_rate_ends_at_the_new_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, decoder):
            loading = asyncio.create_task(store.load(file(tmp_path, "a.wav")))
            await until(lambda: len(decoder.asked) == 1)
            await store.reload(96_000)
            clip = await loading
            assert clip.rate == 96_000
            assert clip.frames == 2 * FRAMES
            assert [rate for _, rate, _ in decoder.asked] == [RATE, 96_000]
            assert len(table.held) == 1

    run(scenario)


def test_a_second_change_of_rate_takes_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            clips = [
                store.keep(await store.load(file(tmp_path, f"{number}.wav", seed=number)))
                for number in range(3)
            ]
            await asyncio.gather(store.reload(44_100), store.reload(96_000))
            assert {clip.rate for clip in clips} == {96_000}
            assert {clip.frames for clip in clips} == {2 * FRAMES}
            assert len(table.held) == 3

    run(scenario)


def test_samples_from_the_wire_need_no_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            planar = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 500)).astype(np.float32)
            clip = store.keep(await store.add(planar, RATE, "clip-x", loop=(100, 400)))
            np.testing.assert_array_equal(clip.samples, planar.T)
            assert (clip.clip_id, clip.name, clip.path, clip.loop) == ("clip-x", "clip-x", "", (100, 400))
            assert table.loops[clip.slot] == (100, 400)
            assert await store.add(planar, RATE, "clip-x") is clip
            mono = await store.add(planar[0], 24_000, name="hum")
            assert mono.frames == 1000
            assert mono.name == "hum"
            assert await store.add(planar[0], 24_000) is not mono
            # from what came, not from what was made of it
            await store.reload(44_100)
            await store.reload(RATE)
            np.testing.assert_array_equal(clip.samples, planar.T)
            with pytest.raises(BadRequest, match="is no sound"):
                await store.add(planar[:, :0], RATE)
            with pytest.raises(BadRequest, match="not sound"):
                await store.add(planar * np.float32(np.nan), RATE)

    run(scenario)


def test_samples_that_are_a_file_here_too_share_its_clip(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, decoder):
            path = file(tmp_path, "a.wav")
            planar = soundfile.read(path, dtype="float32")[0].T
            clip = await store.add(planar, RATE, "clip-a", path)
            assert clip.source is None
            assert await store.load(path) is clip
            assert decoder.asked == []
            elsewhere = await store.add(planar, RATE, "clip-b", tmp_path / "not here.wav")
            assert elsewhere is not clip
            assert elsewhere.path.endswith("not here.wav")

    run(scenario)


def stage(path: Path) -> Stage:
    return Stage(str(path), f"clip-{path.stem}", path.name, None)


def test_stages_are_one_clip_of_the_first_one_s_length(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            first, long = file(tmp_path, "a.wav", seed=1), file(tmp_path, "b.wav", FRAMES * 2, seed=2)
            other = file(tmp_path, "c.wav", FRAMES // 2, seed=3, rate=RATE // 2)
            clip = store.keep(await store.blend([stage(one) for one in (first, long, other)]))
            np.testing.assert_array_equal(clip.samples, soundfile.read(first, dtype="float32")[0])
            assert [len(one) for one in clip.stages] == [FRAMES, FRAMES]
            assert table.stages[clip.slot] == clip.stages
            assert clip.bytes == 3 * CLIP_BYTES
            assert (clip.clip_id, clip.path) == ("clip-a", str(first))
            assert await store.blend([stage(one) for one in (first, long, other)]) is clip
            assert await store.load(first) is not clip
            # another rate, from the files, and from memory where one is gone
            await store.reload(44_100)
            assert {len(one) for one in (clip.samples, *clip.stages)} == {round(FRAMES * 44_100 / RATE)}
            long.unlink()
            await store.reload(RATE)
            assert {len(one) for one in (clip.samples, *table.stages[clip.slot])} == {FRAMES}

    run(scenario)


def test_one_stage_that_fails_costs_the_whole_clip_and_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, table, _):
            good = [file(tmp_path, f"{name}.wav", seed=at) for at, name in enumerate("ab")]
            (tmp_path / "text.wav").write_text("no sound")
            file(tmp_path, "die.wav")
            file(tmp_path, "long.wav", FRAMES * 5)
            for name, words in {
                "text.wav": "text.wav cannot be read",
                "none.wav": "No such file",
                "die.wav": "SIGKILL",
                "long.wav": "cannot be made 0.2 times as long",
            }.items():
                with pytest.raises(BadRequest, match=words):
                    await store.blend([*map(stage, good), stage(tmp_path / name)])
            assert not table.held
            assert len((await store.blend([*map(stage, good)])).stages) == 1

    run(scenario)


def test_stages_from_the_wire_need_no_files(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stores() as (store, _, _decoder):
            sounds = [np.full((400, 1), level, np.float32) for level in (0.1, 0.2)]
            stages = [
                Stage("/not/here.wav", f"clip-{at}", "", Source(one, RATE, None))
                for at, one in enumerate(sounds)
            ]
            clip = store.keep(await store.blend(stages))
            assert await store.blend(stages) is clip
            np.testing.assert_array_equal(clip.stages[0], np.full((400, 2), 0.2, np.float32))

    run(scenario)
