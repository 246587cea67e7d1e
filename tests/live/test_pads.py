"""Pads: presses, values, and how one clip follows another, heard sample by sample."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from foleyd.errors import BadRequest, Cancelled
from foleyd_live.clips import Source
from foleyd_live.history import DEPTH, ClipSource
from foleyd_live.pads import PadState
from foleyd_live.properties import PROPERTIES
from foleyd_live.readings import VoiceState
from rigged_pads import DELAY, RATE, file, noise, rigged, run, write

FADE = RATE // 200
"""Frames of the mixer's own fades."""


def test_values_are_told_once_and_read_back() -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            for row in PROPERTIES.values():
                if row.scope == "pad":
                    assert rig.pads.get(5, row.name) == row.default
            rig.pads.set(5, "gain", -6.0)
            rig.pads.set(5, "gain", -6.0)
            rig.pads.set(5, "colour", "#ff0000")
            assert rig.told == [(5, "gain", -6.0), (5, "colour", "#ff0000")]
            assert (rig.pads.get(5, "gain"), rig.pads.get(4, "gain")) == (-6.0, 0.0)
            with pytest.raises(BadRequest, match="no property 'pad/loudness'"):
                rig.pads.get(5, "loudness")

    run(scenario)


def test_a_press_plays_the_clip_to_the_bit_and_levels_reach_the_mixer(tmp_path: Path) -> None:
    async def scenario() -> None:
        sound = noise(1000, 1)
        async with rigged() as rig:
            with pytest.raises(BadRequest, match="pad 3 is empty: render a sound or load a clip"):
                rig.pads.play(2)
            await rig.load(2, write(tmp_path / "hit.wav", sound))
            assert (rig.pads.get(2, "state"), rig.pads.title(2)) == ("ready", "hit.wav")
            assert rig.pads.get(2, "seconds") == round(1000 / RATE, 6)
            rig.pads.play(2)
            heard = rig.heard(1200)
            np.testing.assert_array_equal(heard[:1000], sound)
            assert not heard[1000:].any()
            rig.pads.set(2, "pan", -1.0)
            rig.pads.play(2, velocity=0.5)
            heard = rig.heard(1200)
            np.testing.assert_allclose(heard[:1000, 0], sound[:, 0] / 2, atol=1e-7)
            assert not heard[:, 1].any()
            rig.pads.set(2, "pan", 0.0)
            rig.pads.set(2, "gain", -60.0)
            rig.pads.play(2)
            assert not rig.heard(1200).any()
            rig.pads.set(2, "gain", 0.0)
            rig.pads.play(2, tune=12.0)
            heard = rig.heard(1200)
            assert heard[:500].any()
            assert not heard[500:].any()

    run(scenario)


def test_mute_and_solo_decide_together_who_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        sounds = [noise(400, seed) for seed in range(3)]
        async with rigged() as rig:
            for pad, sound in enumerate(sounds):
                await rig.load(pad, write(tmp_path / f"{pad}.wav", sound))

            def audible() -> list[int]:
                found = []
                for pad in range(3):
                    rig.pads.play(pad)
                    if rig.heard(600).any():
                        found.append(pad)
                return found

            assert audible() == [0, 1, 2]
            rig.pads.set(0, "mute", 1)
            assert audible() == [1, 2]
            rig.pads.set(0, "solo", 1)
            assert audible() == []
            rig.pads.set(2, "solo", 1)
            assert audible() == [2]
            rig.pads.set(0, "mute", 0)
            assert audible() == [0, 2]
            rig.pads.set(0, "solo", 0)
            rig.pads.set(2, "solo", 0)
            assert audible() == [0, 1, 2]

    run(scenario)


def test_modes(tmp_path: Path) -> None:
    async def scenario() -> None:
        sound = noise(1000, 1)
        async with rigged() as rig:
            pads = rig.pads
            await rig.load(0, write(tmp_path / "a.wav", sound))
            pads.set(0, "mode", "loop")
            pads.play(0)
            np.testing.assert_array_equal(rig.heard(3000), np.concatenate([sound] * 3))
            pads.stop(0)
            rig.heard(2 * FADE)
            assert rig.desk.voices() == []

            pads.set(0, "mode", "toggle")
            pads.play(0)
            assert rig.heard(3000)[2000:].any()
            pads.play(0)
            rig.heard(2 * FADE)
            assert rig.desk.voices() == []

            pads.set(0, "mode", "gate")
            pads.play(0)
            rig.heard(100)
            pads.release(0)
            rig.heard(2 * FADE)
            assert rig.desk.voices() == []

            pads.set(0, "mode", "one-shot")
            pads.play(0)
            rig.heard(100)
            pads.release(0)
            assert rig.heard(600).all(axis=1).any()
            pads.stop(0, fade=0.0)
            rig.heard(2 * FADE)
            assert rig.desk.voices() == []

    run(scenario)


def test_a_loop_pressed_again_begins_anew_and_presses_have_their_frames(tmp_path: Path) -> None:
    async def scenario() -> None:
        sound = noise(4000, 1)
        async with rigged() as rig:
            await rig.load(0, write(tmp_path / "a.wav", sound))
            rig.pads.set(0, "mode", "loop")
            rig.pads.play(0, frame=100)
            rig.pads.play(0, frame=1100)
            heard = rig.heard(2200)
            assert not heard[:100].any()
            np.testing.assert_array_equal(heard[100:1100], sound[:1000])
            np.testing.assert_array_equal(heard[1100 + FADE : 2200], sound[FADE:1100])
            assert len(rig.desk.voices()) == 1

    run(scenario)


def test_a_swap_at_the_loop_point_drops_and_doubles_no_sample(tmp_path: Path) -> None:
    async def scenario() -> None:
        old, new = noise(1000, 1), noise(700, 2)
        async with rigged() as rig:
            rig.pads.set(0, "mode", "loop")
            await rig.load(0, write(tmp_path / "old.wav", old))
            rig.pads.play(0)
            first = rig.heard(1300 - DELAY)
            await rig.load(0, write(tmp_path / "new.wav", new))
            assert rig.pads.get(0, "clip") == str(tmp_path / "new.wav")
            heard = rig.heard(2500)
            whole = np.concatenate([old, old, new, new, new])
            np.testing.assert_array_equal(first, whole[: len(first)])
            np.testing.assert_array_equal(heard, whole[1300 : 1300 + 2500])

    run(scenario)


def test_a_swap_now_is_a_crossfade_and_one_shots_play_out_at_loop(tmp_path: Path) -> None:
    async def scenario() -> None:
        old, new = noise(4000, 1), noise(3000, 2)
        async with rigged() as rig:
            before, after = write(tmp_path / "old.wav", old), write(tmp_path / "new.wav", new)
            await rig.load(0, before)
            rig.pads.play(0)
            rig.heard(1000 - DELAY)
            await rig.load(0, after, how="now")
            heard = rig.heard(2000)
            np.testing.assert_array_equal(heard[FADE:2000], new[FADE:2000])
            rise = (np.arange(1, FADE + 1) / FADE)[:, None]
            np.testing.assert_allclose(
                heard[:FADE], new[:FADE] * rise + old[1000 : 1000 + FADE] * (1 - rise), atol=1e-6
            )
            rig.heard(2000)
            rig.pads.play(0)
            rig.heard(1000 - DELAY)
            await rig.load(0, before)  # loop, the pad's own
            np.testing.assert_array_equal(rig.heard(2000), new[1000:3000])
            rig.heard(100)
            rig.pads.play(0)
            np.testing.assert_array_equal(rig.heard(4000), old)

    run(scenario)


def test_a_swap_at_the_next_quantum_falls_on_its_frame_and_presses_before_it_play_the_old(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        old, new = noise(1500, 1), noise(700, 2)
        bar = 2 * RATE
        async with rigged() as rig:
            rig.pads.set(0, "mode", "loop")
            rig.pads.set(0, "swap", "quantum")
            await rig.load(0, write(tmp_path / "old.wav", old))
            rig.heard(1000 - DELAY)  # the first clip waits for a bar like any other
            rig.pads.play(0)
            rig.heard(2000 - DELAY)
            begun = 1000
            await rig.load(0, write(tmp_path / "new.wav", new))
            here = rig.desk.frame
            heard = rig.heard(bar - here + 1400)
            turns = np.resize(old, (bar + 1500, 2))
            np.testing.assert_array_equal(heard[: bar - here], turns[here - begun : bar - begun])
            np.testing.assert_array_equal(heard[bar - here + FADE :][:400], new[FADE : FADE + 400])
            # now the old one is gone, and nobody keeps it
            assert rig.pads.clip(0) is not None
            assert rig.references == 1

            rig.pads.set(0, "quantise", "beat")
            await rig.load(0, tmp_path / "old.wav")
            rig.pads.play(0)  # before the beat
            assert [clip.name for clip in rig.clips if clip.slot == rig.desk.voices()[0].slot] == ["new.wav"]

    run(scenario)


def test_what_was_to_come_gives_way_to_a_newer_clip(tmp_path: Path) -> None:
    async def scenario() -> None:
        old, never, new = noise(1500, 1), noise(900, 2), noise(700, 3)
        bar = 2 * RATE
        async with rigged() as rig:
            rig.pads.set(0, "mode", "loop")
            await rig.load(0, write(tmp_path / "old.wav", old))
            rig.pads.play(0)
            rig.heard(1000)
            await rig.load(0, write(tmp_path / "never.wav", never), how="quantum")
            await rig.load(0, write(tmp_path / "new.wav", new), how="now")
            assert rig.references == 2
            here = rig.desk.frame
            heard = rig.heard(bar - here + 1000)
            assert np.abs(heard[: bar - here]).max() <= 0.3
            np.testing.assert_array_equal(heard[bar - here + FADE :][:400], new[FADE : FADE + 400])
            await rig.load(0, tmp_path / "old.wav", how="quantum")
            await rig.pads.clear(0)
            rig.heard(2 * bar)
            assert rig.desk.voices() == []
            assert rig.references == 0

    run(scenario)


def test_a_launch_starts_the_clip_at_its_frame_whatever_the_pad_does(tmp_path: Path) -> None:
    async def scenario() -> None:
        old, new = noise(9000, 1), noise(3000, 2)
        async with rigged() as rig:
            await rig.load(0, write(tmp_path / "old.wav", old))
            rig.pads.play(0)
            rig.heard(500 - DELAY)
            await rig.load(0, write(tmp_path / "new.wav", new), launch=lambda: 2000)
            heard = rig.heard(4000)
            np.testing.assert_array_equal(heard[:1500], old[500:2000])
            np.testing.assert_array_equal(heard[1500 + FADE :][:2000], new[FADE : FADE + 2000])
            rig.heard(3000)
            assert rig.desk.voices() == []
            await rig.pads.undo(0)
            now = rig.desk.frame
            await rig.load(1, tmp_path / "new.wav", launch=lambda: now + 100)
            np.testing.assert_array_equal(rig.heard(3000)[100:], new[:2900])

    run(scenario)


def test_a_broken_file_leaves_the_pad_as_it_was_and_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        sound = noise(1000, 1)
        broken = tmp_path / "broken.wav"
        broken.write_bytes(b"RIFF\x10\0\0\0WAVEfmt nonsense")
        async with rigged() as rig:
            pads = rig.pads
            with pytest.raises(BadRequest, match=r"broken\.wav"):
                await rig.load(1, broken)
            assert (pads.get(1, "state"), pads.clip(1)) == ("failed", None)
            pads.set(0, "mode", "loop")
            await rig.load(0, write(tmp_path / "a.wav", sound))
            before = pads.state(0)
            pads.play(0)
            first = rig.heard(1500 - DELAY)
            for path in (broken, tmp_path / "missing.wav"):
                with pytest.raises(BadRequest, match=path.name) as failure:
                    await rig.load(0, path)
                assert pads.get(0, "why") == str(failure.value)
                assert pads.get(0, "state") == "ready"
                assert pads.state(0) == before
            turns = np.concatenate([sound] * 4)
            np.testing.assert_array_equal(first, turns[: 1500 - DELAY])
            np.testing.assert_array_equal(rig.heard(2000), turns[1500:3500])
            with pytest.raises(BadRequest, match="redo"):
                await pads.redo(0)
            await rig.load(0, file(tmp_path, 7))
            assert pads.get(0, "why") == ""

    run(scenario)


def test_of_two_requests_the_later_wins_however_long_the_first_takes(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow, quick = file(tmp_path, 1), file(tmp_path, 2)
        async with rigged() as rig:
            gate = rig.decoder.hold(slow)
            first = asyncio.create_task(rig.load(0, slow))
            await rig.decoder.waiting.wait()
            assert rig.pads.get(0, "state") == "loading"
            await rig.load(0, quick)
            assert rig.pads.get(0, "state") == "loading"
            gate.set()
            with pytest.raises(Cancelled, match="newer one on pad 1"):
                await first
            assert rig.pads.get(0, "clip") == str(quick)
            assert (rig.pads.get(0, "state"), rig.pads.get(0, "why")) == ("ready", "")
            assert rig.references == 1

            slower = file(tmp_path, 3)
            gate = rig.decoder.hold(slower)
            second = asyncio.create_task(rig.load(0, slower))
            await rig.decoder.waiting.wait()
            await rig.pads.clear(0)
            gate.set()
            with pytest.raises(Cancelled):
                await second
            assert (rig.pads.get(0, "clip"), rig.pads.get(0, "state")) == ("", "empty")

    run(scenario)


def test_undo_and_redo_go_through_the_last_clips(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = [file(tmp_path, seed, 300) for seed in range(DEPTH + 3)]
        async with rigged() as rig:
            pads = rig.pads
            with pytest.raises(BadRequest, match="nothing to undo"):
                await pads.undo(0)
            for k, path in enumerate(files):
                await pads.load(0, ClipSource(path=str(path), prompt=f"sound {k}", preset=f"bank/{k}"))
            assert rig.references == 1
            for path in reversed(files[2:-1]):
                await pads.undo(0)
                assert pads.get(0, "clip") == str(path)
            with pytest.raises(BadRequest, match="nothing to undo"):
                await pads.undo(0)
            assert (pads.get(0, "prompt"), pads.get(0, "preset")) == ("sound 2", "bank/2")
            await asyncio.gather(pads.redo(0), pads.redo(0))
            assert pads.get(0, "prompt") == "sound 4"
            await pads.load(0, ClipSource(path=str(files[0]), prompt="sound 0"))
            with pytest.raises(BadRequest, match="nothing to redo"):
                await pads.redo(0)
            await pads.undo(0)
            assert pads.get(0, "prompt") == "sound 4"

            # a file that has gone since keeps the pad where it is
            files[3].unlink()
            for _ in range(2):
                with pytest.raises(BadRequest, match=files[3].name):
                    await pads.undo(0)
                assert pads.get(0, "prompt") == "sound 4"
            await pads.redo(0)
            assert pads.get(0, "prompt") == "sound 0"

    run(scenario)


def test_clear_fades_what_sounds_and_can_be_undone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            pads = rig.pads
            await rig.load(0, file(tmp_path, 1))
            pads.set(0, "mode", "loop")
            pads.play(0)
            rig.heard(3000)
            await pads.clear(0)
            assert (pads.get(0, "state"), pads.get(0, "clip"), pads.get(0, "seconds")) == ("empty", "", 0.0)
            heard = rig.heard(1000)
            assert heard[: FADE // 2].any()
            assert not heard[FADE:].any()
            await pads.clear(0)
            await pads.undo(0)
            assert pads.get(0, "clip") == str(tmp_path / "1.wav")
            await pads.undo(0)
            assert pads.get(0, "state") == "empty"
            await pads.redo(0)
            assert pads.get(0, "state") == "ready"

    run(scenario)


def test_candidates_can_be_chosen(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            pads = rig.pads
            with pytest.raises(BadRequest, match="no candidates"):
                await pads.choose(0, 0)
            sources = [ClipSource(path=str(file(tmp_path, seed)), prompt=f"{seed}") for seed in range(2)]
            pads.offer(0, [(source, None) for source in sources])
            assert pads.candidates(0) == tuple(sources)
            await pads.choose(0, 1)
            assert pads.get(0, "prompt") == "1"
            for wrong in (2, -1):
                with pytest.raises(BadRequest, match="choose 1 to 2"):
                    await pads.choose(0, wrong)
            assert pads.get(0, "prompt") == "1"

    run(scenario)


def test_samples_without_a_file_are_played_and_come_back_with_undo(tmp_path: Path) -> None:
    async def scenario() -> None:
        sound = noise(800, 5)
        async with rigged() as rig:
            there = ClipSource(path="/on/another/machine.wav", clip_id="clip-x", name="far")
            await rig.pads.load(0, there, sent=Source(sound, RATE, None))
            await rig.load(0, file(tmp_path, 1))
            await rig.pads.undo(0)
            assert (rig.pads.get(0, "clip"), rig.pads.title(0)) == ("clip-x", "far")
            rig.pads.play(0)
            np.testing.assert_array_equal(rig.heard(800), sound)

    run(scenario)


def test_a_pad_is_kept_and_restored_as_json(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            pads = rig.pads
            await pads.load(0, ClipSource(path=str(file(tmp_path, 1)), prompt="rain", recipe={"seed": 4}))
            pads.set(0, "gain", -3.0)
            pads.set(0, "mode", "loop")
            pads.set(0, "solo", 1)
            kept = msgspec.json.decode(msgspec.json.encode(pads.state(0)), type=PadState)
            assert kept == pads.state(0)
            assert kept.values == {"gain": -3.0, "mode": "loop", "solo": 1}
            pads.set(9, "mute", 1)
            await pads.restore(9, kept)
            assert pads.state(9) == kept
            assert (pads.get(9, "mute"), pads.get(9, "prompt")) == (0, "rain")
            await pads.restore(0, PadState())
            assert (pads.get(0, "state"), pads.get(0, "gain")) == ("empty", 0.0)
            await pads.undo(0)
            assert pads.get(0, "prompt") == "rain"

            missing = PadState(values={"gain": 5.0}, clip=ClipSource(path=str(tmp_path / "gone.wav")))
            with pytest.raises(BadRequest, match=r"gone\.wav"):
                await pads.restore(9, missing)
            assert pads.state(9) == kept
            with pytest.raises(BadRequest, match="gain is 99"):
                await pads.restore(9, PadState(values={"gain": 99.0}))
            assert pads.state(9) == kept

    run(scenario)


def test_a_clip_follows_the_tempo_once_it_stands(tmp_path: Path) -> None:
    async def scenario() -> None:
        frames = RATE // 2
        async with rigged() as rig:
            pads = rig.pads
            await pads.load(0, ClipSource(path=str(file(tmp_path, 1, frames)), bpm=120.0))
            assert pads.get(0, "bpm") == 120.0
            pads.set(0, "stretch", 1)
            for bpm in (70.0, 80.0, 60.0):
                rig.tempo.set_tempo(bpm)
            await rig.until(lambda: pads.get(0, "seconds") != 0.5)
            clip = pads.clip(0)
            assert clip is not None
            assert (clip.frames, clip.stretch, pads.get(0, "seconds")) == (2 * frames, 2.0, 1.0)
            # what came between was never made
            assert {one.stretch for one in rig.clips} == {1.0, 2.0}
            # the clip's tempo goes with it, through undo too
            await pads.load(0, ClipSource(path=str(file(tmp_path, 2, frames)), bpm=0.0))
            assert (pads.get(0, "bpm"), pads.get(0, "seconds")) == (0.0, 0.5)
            pads.set(0, "bpm", 30.0)
            await rig.until(lambda: pads.get(0, "seconds") == 0.25)
            await pads.undo(0)
            assert (pads.get(0, "bpm"), pads.get(0, "seconds")) == (120.0, 1.0)
            await pads.redo(0)
            assert (pads.get(0, "bpm"), pads.get(0, "seconds")) == (30.0, 0.25)

            # further than a sound can be stretched: it stays as it is, and says why
            rig.tempo.set_tempo(300.0)
            await rig.until(lambda: pads.get(0, "why") != "")
            assert "cannot be made 0.1 times as long" in str(pads.get(0, "why"))
            assert (pads.get(0, "seconds"), pads.get(0, "state")) == (0.25, "ready")
            assert rig.references == 1

    run(scenario)


def test_voices_are_counted_for_each_pad() -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            voices = [VoiceState(pad, 0, 0.0, False, releasing, 1.0) for pad, releasing in
                      ((3, False), (3, False), (3, True), (64, False))]  # fmt: skip
            rig.pads.hear(voices)
            assert rig.told == [(3, "playing", 2)]
            rig.pads.hear([])
            assert rig.told[1:] == [(3, "playing", 0)]

    run(scenario)


def test_nothing_clicks_while_clips_come_and_go(tmp_path: Path) -> None:
    """Tones instead of noise: a step in what is heard would be larger than the tones and the fades allow."""

    async def scenario() -> None:
        time = np.arange(9600) / RATE  # whole turns of each
        async with rigged() as rig:
            for k, pitch in enumerate((110, 165, 220)):
                tone = (0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
                write(tmp_path / f"{k}.wav", np.stack([tone, tone], axis=1))
            pads = rig.pads
            pads.set(0, "mode", "toggle")
            await rig.load(0, tmp_path / "0.wav")
            pads.play(0)
            heard = [rig.mixed(2000)]
            for turn in range(6):
                await rig.load(0, tmp_path / f"{(turn + 1) % 3}.wav", how="now")
                heard.append(rig.mixed(1500))
            await pads.undo(0)
            heard.append(rig.mixed(9000))
            pads.stop(0)
            heard.append(rig.mixed(2000))
            whole = np.concatenate(heard)
            largest = 0.3 * 2 * np.pi * 220 / RATE + 2 * 0.3 / FADE
            assert np.abs(np.diff(whole, axis=0)).max() < largest + 1e-6
            assert rig.desk.voices() == []

    run(scenario)


def morph(folder: Path, count: int, frames: int = 1000) -> tuple[ClipSource, list[np.ndarray]]:
    sounds = [noise(frames, 20 + at) for at in range(count)]
    stages = [
        ClipSource(path=str(write(folder / f"{at}.wav", sound)), clip_id=f"clip-{at}")
        for at, sound in enumerate(sounds)
    ]
    return ClipSource.staged(stages), sounds


def test_a_morph_is_one_clip_that_the_fader_goes_through(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            source, sounds = morph(tmp_path, 3)
            await rig.load(2, write(tmp_path / "plain.wav", noise(500, 1)))
            assert rig.pads.get(2, "stages") == 1
            await rig.pads.load(2, source)
            assert (rig.pads.get(2, "stages"), rig.pads.get(2, "clip")) == (3, "clip-0")
            for place, sound in zip((0.0, 0.5, 1.0), sounds, strict=True):
                rig.pads.set(2, "fader", place)
                rig.heard(2000)
                rig.pads.play(2)
                np.testing.assert_array_equal(rig.heard(1000), sound)
            # each stage is a clip of the library that has to stay
            assert {one.clip_id for one in rig.pads.sources()} >= {"clip-0", "clip-1", "clip-2"}
            assert not any(one.stages for one in rig.pads.sources())
            await rig.pads.undo(2)
            assert rig.pads.get(2, "stages") == 1
            await rig.pads.redo(2)
            assert (rig.pads.get(2, "stages"), rig.pads.get(2, "fader")) == (3, 1.0)
            await rig.pads.clear(2)
            assert rig.pads.get(2, "stages") == 0
            # as a show keeps it, on another pad
            await rig.pads.undo(2)
            state = msgspec.json.decode(msgspec.json.encode(rig.pads.state(2)), type=PadState)
            await rig.pads.restore(5, state)
            rig.pads.play(5)
            np.testing.assert_array_equal(rig.heard(1000), sounds[2])

    run(scenario)


def test_a_morph_with_a_stage_that_fails_leaves_the_pad_as_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            source, _ = morph(tmp_path, 3)
            (tmp_path / "1.wav").write_text("no sound")
            await rig.load(2, write(tmp_path / "plain.wav", noise(500, 1)))
            with pytest.raises(BadRequest, match=r"1\.wav cannot be read"):
                await rig.pads.load(2, source)
            assert (rig.pads.get(2, "stages"), rig.pads.get(2, "state")) == (1, "ready")
            assert "1.wav" in str(rig.pads.get(2, "why"))
            rig.pads.play(2)
            np.testing.assert_array_equal(rig.heard(500), noise(500, 1))

    run(scenario)
