"""Both mixers, sample by sample: what is placed where, what never clicks, and that the two are one."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pytest

from foleyd.errors import BadRequest
from foleyd_live import memory as m
from foleyd_live.desk import AUDITION, MOST_EVENTS, NOW, Desk, Play, TooManyEvents

RATE = 48_000
FADE = 240
Samples = npt.NDArray[np.float32]
DELAY = m.DELAY


@pytest.fixture(params=["numba", "numpy"])
def mixer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def desk(mixer: str, outputs: int = 2, **options: int | None) -> Desk:
    return Desk(RATE, outputs, mixer=mixer, **options)  # type: ignore[arg-type]


def noise(frames: int, level: float = 0.1, seed: int = 0) -> Samples:
    return (np.random.default_rng(seed).uniform(-level, level, (frames, 2))).astype(np.float32)


def steady(frames: int, level: float = 0.5) -> Samples:
    return np.full((frames, 2), level, np.float32)


def heard(one: Desk, frames: int, block: int = 128) -> Samples:
    """What the desk plays next, without the delay that all outputs have."""
    out = np.zeros((frames + DELAY, one.outputs), np.float32)
    for at in range(0, len(out), block):
        one.process(out[at : at + block])
    return out[DELAY:]


def largest_step(sound: Samples) -> float:
    return float(np.abs(np.diff(sound, axis=0)).max())


def test_a_clip_comes_out_as_it_is(mixer: str) -> None:
    one, clip = desk(mixer), noise(5000)
    one.play(Play(3, one.add_clip(clip)))
    sound = heard(one, 6000)
    assert np.array_equal(sound[:5000], clip)
    assert not sound[5000:].any()


@pytest.mark.parametrize("block", [1, 17, 64, 1024])
def test_events_stand_at_their_frames_whatever_the_block(mixer: str, block: int) -> None:
    one, clip = desk(mixer), noise(50)
    slot = one.add_clip(clip)
    frames = [101, 229, 230, 1000, 1999]
    for frame in frames:
        one.play(Play(0, slot, voices=8), frame)
    expected = np.zeros((2200, 2), np.float32)
    for frame in frames:
        expected[frame : frame + 50] += clip
    assert np.array_equal(heard(one, 2200, block), expected)
    assert one.counters().late == 0


def test_a_loop_goes_round_without_a_seam(mixer: str) -> None:
    one = desk(mixer)
    wave = np.sin(2 * np.pi * np.arange(960) / 96).astype(np.float32)[:, None].repeat(2, 1) * np.float32(0.5)
    clip = np.concatenate([noise(100), wave, noise(77)])
    one.play(Play(0, one.add_clip(clip, (100, 1060)), loop=True))
    sound = heard(one, 100 + 20 * 960)
    assert np.array_equal(sound, np.concatenate([clip[:100], *[wave] * 20]))


def test_a_swap_at_the_loop_point_neither_drops_nor_doubles_a_sample(mixer: str) -> None:
    one, old, new = desk(mixer), noise(1000, seed=1), noise(700, seed=2)
    one.play(Play(0, one.add_clip(old), loop=True))
    first = heard(one, 1500)
    one.swap(0, one.add_clip(new), "loop", loop=True)
    # what the delay held back belongs to what comes next
    rest = np.zeros((3000, 2), np.float32)
    one.process(rest)
    sound = np.concatenate([first, rest])
    assert np.array_equal(sound[:4000], np.concatenate([old, old, new, new, new])[:4000])


def test_a_swap_now_crosses_over(mixer: str) -> None:
    one = desk(mixer)
    one.play(Play(0, one.add_clip(steady(10_000)), loop=True))
    heard(one, 1000)
    one.swap(0, one.add_clip(steady(10_000, 0.4)), "now", loop=True)
    sound = np.zeros((2000, 2), np.float32)
    one.process(sound)
    assert sound[-1, 0] == np.float32(0.4)
    assert largest_step(sound) <= 0.9 / FADE + 1e-6
    assert sound.min() >= 0.39


@pytest.mark.parametrize("how", ["stop", "choke", "steal", "panic"])
def test_no_end_is_a_hard_cut(mixer: str, how: str) -> None:
    one = desk(mixer)
    slot, quiet = one.add_clip(steady(48_000)), one.add_clip(steady(48_000, 0.0001))
    one.play(Play(0, slot, choke=1, voices=1))
    sound = [heard(one, 500)]
    if how == "stop":
        one.stop(0)
    elif how == "choke":
        one.play(Play(1, quiet, choke=1))
    elif how == "steal":
        one.play(Play(0, quiet, voices=1))
    else:
        one.panic()
    rest = np.zeros((2000, 2), np.float32)
    one.process(rest)
    assert largest_step(np.concatenate([*sound, rest])[1:]) <= 0.5 / FADE + 2e-4
    assert abs(rest[-1, 0]) < 0.001


def test_two_hundred_presses_at_once_are_capped_without_a_click(mixer: str) -> None:
    one = desk(mixer)
    slot = one.add_clip(steady(20_000, 0.002))
    for number in range(200):
        one.play(Play(number % 64, slot, voices=16, attack=100), number * 7)
    sound = heard(one, 12_000)
    assert max(len([v for v in one.voices() if not v.releasing]), 0) == 64
    assert one.counters().stolen == 136
    assert one.counters().dropped == 0
    assert largest_step(sound) < 0.002 / 100 * 64 + 0.002


def test_the_limiter_holds_its_ceiling_and_leaves_quiet_sound_alone(mixer: str) -> None:
    one = desk(mixer)
    loud, quiet = noise(9000, 1.0, seed=3), noise(9000, 0.3, seed=4)
    for pad in range(4):
        one.play(Play(pad, one.add_clip(loud)))
    sound = heard(one, 30_000)
    assert np.abs(sound).max() <= m.CEILING * (1 + 1e-6)
    assert np.abs(sound).max() > m.CEILING * 0.98
    assert one.meters().limiter < 0.5
    heard(one, 48_000)
    one.meters()
    one.play(Play(0, one.add_clip(quiet)))
    assert np.array_equal(heard(one, 9000), quiet)
    assert one.meters().limiter == 1.0


def test_the_cue_bus_is_apart(mixer: str) -> None:
    one = desk(mixer, 4, cue_pair=1)
    main, cue = noise(2000, seed=5), noise(2000, seed=6)
    one.play(Play(0, one.add_clip(main)))
    one.play(Play(AUDITION, one.add_clip(cue)))
    sound = heard(one, 2000)
    assert np.array_equal(sound[:, :2], main)
    assert np.array_equal(sound[:, 2:], cue)


def test_a_pad_that_is_cued_is_heard_before_its_fader(mixer: str) -> None:
    one = desk(mixer, 4, cue_pair=1)
    clip = noise(2000)
    one.set_pad(0, gain=0.0, cue=True)
    one.play(Play(0, one.add_clip(clip)))
    sound = heard(one, 2000)
    assert not sound[:, :2].any()
    assert np.array_equal(sound[:, 2:], clip)


def test_levels_and_outputs_change_without_a_step(mixer: str) -> None:
    one = desk(mixer, 4)
    one.play(Play(0, one.add_clip(steady(48_000)), loop=True))
    parts = [heard(one, 600)]
    for change in ({"gain": 0.2}, {"pan": -1.0}, {"pan": 0.0, "gain": 1.0}, {"pair": 1}, {"audible": False}):
        one.set_pad(0, **change)  # type: ignore[arg-type]
        block = np.zeros((1000, 4), np.float32)
        one.process(block)
        parts.append(block)
    sound = np.concatenate(parts)
    assert largest_step(sound[1:]) <= 0.5 / m.RAMP + 1e-5
    assert sound[-1].max() == 0.0
    assert parts[4][-1].tolist() == [0.0, 0.0, 0.5, 0.5]


def test_a_gate_ends_when_it_is_let_go_and_a_toggle_with_the_next_press(mixer: str) -> None:
    one = desk(mixer)
    slot = one.add_clip(steady(48_000))
    one.play(Play(0, slot, gate=True, loop=True))
    one.play(Play(1, slot, loop=True, toggle=True))
    heard(one, 500)
    one.release(0)
    one.release(1)
    heard(one, 500)
    assert [voice.pad for voice in one.voices()] == [1]
    one.play(Play(1, slot, loop=True, toggle=True))
    heard(one, 500)
    assert one.voices() == []


def test_another_rate_of_playback_is_another_pitch(mixer: str) -> None:
    one = desk(mixer)
    wave = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    one.play(Play(0, one.add_clip(np.stack([wave, wave], 1) * np.float32(0.5)), rate=1.5))
    sound = heard(one, 16_384)[:, 0]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(spectrum.argmax() * RATE / len(sound) - 1500) < 3
    away = np.ones(len(spectrum), bool)
    away[spectrum.argmax() - 8 : spectrum.argmax() + 9] = False
    assert spectrum[away].max() < 1e-3 * spectrum.max()


def test_the_way_into_a_loop_is_smooth_at_another_pitch(mixer: str) -> None:
    one = desk(mixer)
    # steady before the loop, and of the other sign at the loop's end
    clip = np.concatenate(
        [steady(1000), np.linspace(0.5, -0.5, 4000, dtype=np.float32)[:, None].repeat(2, 1)]
    )
    one.play(Play(0, one.add_clip(clip, (1000, 5000)), loop=True, rate=0.75))
    sound = heard(one, 3000)
    assert largest_step(sound[5:1330]) < 1e-3


def test_events_that_are_late_or_too_many_are_counted_or_refused(mixer: str) -> None:
    one, clip = desk(mixer), noise(20)
    slot = one.add_clip(clip)
    heard(one, 1000)
    one.play(Play(0, slot), 5)
    assert np.array_equal(heard(one, 20), clip)
    assert one.counters().late == 1
    for _ in range(MOST_EVENTS):
        one.play(Play(0, slot), one.frame + 10_000_000)
    with pytest.raises(TooManyEvents, match="4080 events wait"):
        one.play(Play(0, slot), one.frame + 10_000_000)
    one.panic()
    heard(one, 500)
    assert one.waiting == 0


def test_a_dropped_clip_stays_while_anything_needs_it(mixer: str) -> None:
    one = desk(mixer)
    slot = one.add_clip(noise(1000))
    one.play(Play(0, slot), 3000)
    one.drop_clip(slot)
    heard(one, 2000)
    assert one.collect() == 0
    assert np.abs(heard(one, 1500)).max() > 0
    assert len(one.voices()) == 0 or one.collect() == 0
    heard(one, 1000)
    assert one.collect() == 1
    assert one.add_clip(noise(10)) == slot


def test_what_is_no_number_never_leaves(mixer: str) -> None:
    one = desk(mixer)
    clip = noise(300)
    clip[100], clip[200] = np.nan, np.inf
    one.play(Play(0, one.add_clip(clip)))
    sound = heard(one, 600)
    assert np.isfinite(sound).all()
    assert np.array_equal(sound[:100], clip[:100])


def test_taps_hold_what_was_heard(mixer: str) -> None:
    one = Desk(RATE, 2, 1, mixer=mixer)
    clip = noise(1000)
    one.arm_stems([5], 1.0)
    one.play(Play(5, one.add_clip(clip)))
    out, sound = np.zeros((1200, 2), np.float32), noise(1200)[:, :1].copy()
    one.process(out, sound)
    s = one.memory.s
    assert np.array_equal(one.memory.main_tap[: s[m.S_MAIN_TAP]], out)
    assert np.array_equal(one.memory.input_tap[: s[m.S_INPUT_TAP]], sound)
    assert np.array_equal(one.stems[0][:1000], clip)
    assert one.meters().input == np.abs(sound).max()


def scene(mixer: str, block: int, seed: int, rate: float) -> tuple[Samples, Desk]:
    """Half a second in which much happens, the same for every mixer and block."""
    draw = np.random.default_rng(seed)
    one = desk(mixer, 4, cue_pair=1)
    clips = [one.add_clip(noise(frames, 0.3, frames), (100, frames - 50)) for frames in (3000, 5000, 777)]
    for _ in range(150):
        frame, pad, kind = int(draw.integers(0, 20_000)), int(draw.integers(0, 8)), int(draw.integers(0, 8))
        if kind <= 3:
            play = Play(
                pad,
                clips[int(draw.integers(0, 3))],
                velocity=float(draw.uniform(0.2, 1)),
                rate=rate if draw.random() < 0.5 else 1.0,
                loop=bool(draw.random() < 0.5),
                attack=int(draw.integers(0, 200)),
                release=int(draw.integers(1, 400)),
                choke=int(pad < 3),
                voices=2,
                toggle=bool(draw.random() < 0.2),
            )
            one.play(play, frame)
        elif kind == 4:
            one.stop(pad, frame)
        elif kind == 5:
            one.swap(pad, clips[0], "loop", frame, True)
        elif kind == 6:
            one.swap(pad, clips[1], "frame", frame, False)
        else:
            one.set_pad(
                pad,
                gain=float(draw.uniform(0, 1.5)),
                pan=float(draw.uniform(-1, 1)),
                cue=bool(draw.random() < 0.3),
                frame=frame,
            )
    out = np.zeros((24_000, 4), np.float32)
    for at in range(0, len(out), block):
        one.process(out[at : at + block])
    return out, one


@pytest.mark.parametrize("seed", range(4))
def test_both_mixers_play_the_same(seed: int) -> None:
    for rate in (1.0, 1.37):
        (compiled, one), (reference, other) = (scene(name, 128, seed, rate) for name in ("numba", "numpy"))
        assert np.abs(compiled - reference).max() <= (0.0 if rate == 1.0 else 1e-6)
        assert np.abs(compiled).max() > 0.1
        assert one.counters().stolen == other.counters().stolen > 0
        again, _ = scene("numba", 977, seed, rate)
        assert np.abs(compiled - again).max() <= 1e-6


def allocates(count: int) -> float:
    return float(np.ones(count).sum())


def runtime_calls(function: str) -> set[str]:
    """What a compiled function calls of numba's own runtime: names in the object file of the cache."""
    files = Path(numba.config.CACHE_DIR).rglob(f"{function}-*.nbc")
    kept = max(files, key=lambda path: path.stat().st_mtime_ns)
    return {name.decode() for name in re.findall(rb"\0(NRT_\w+)(?=\0)", kept.read_bytes())}


def test_the_compiled_callback_allocates_nothing() -> None:
    from foleyd_live import compiled  # an import that compiles, half a minute where nothing is cached

    numba.cfunc("float64(int64)", cache=True)(allocates)
    assert any("lloc" in name for name in runtime_calls("test_mixer.allocates"))
    # numba's own way to Python lies in the branch for an exception alone, and nothing here raises one
    calls = runtime_calls(f"compiled.{compiled.callback.__name__}")
    assert calls
    assert not [name for name in calls if "lloc" in name or "new" in name]


def test_frames_go_on_after_a_reset() -> None:
    one = desk("numba")
    clip = noise(100)
    slot = one.add_clip(clip)
    heard(one, 1000)
    frame = one.frame
    one.set_pad(0, gain=0.5)
    one.reset(44_100, 4, cue_pair=1)
    assert one.frame == frame
    one.play(Play(0, slot), NOW)
    assert np.array_equal(heard(one, 100)[:, :2], clip * np.float32(0.5))
    assert list(itertools.islice(one.memory.clips[slot], 1, 4)) == [100, 0, 100]


def blends(frames: int, stages: int, level: float = 0.3) -> list[Samples]:
    """Sounds on a way: each has something of its neighbours."""
    near, far = noise(frames, level, 11), noise(frames, level, 12)
    ways = [at / (stages - 1) for at in range(stages)]
    return [(near * np.float32(1 - way) + far * np.float32(way)).astype(np.float32) for way in ways]


def test_the_fader_s_places_of_stages_are_the_stages_as_they_are(mixer: str) -> None:
    one, stages = desk(mixer), blends(1000, 5)
    slot = one.add_clip(stages[0], stages=stages[1:])
    for place, stage in enumerate(stages):
        one.set_pad(2, fader=place / 4)
        heard(one, m.FADER_RAMP)
        one.play(Play(2, slot))
        assert np.array_equal(heard(one, 1000), stage)
        heard(one, DELAY)
    for fader, stage in ((0.0, stages[0]), (1.0, stages[4])):
        one.set_pad(2, fader=fader)
        one.play(Play(2, slot, rate=1.3))
        one.play(Play(3, one.add_clip(stage), rate=1.3))
        one.arm_stems([2, 3], 1.0)
        heard(one, 900)
        assert np.array_equal(one.stems[0], one.stems[1])
        assert one.stems[0][:700].any()


def test_the_way_between_stages_is_as_loud_as_the_stages(mixer: str) -> None:
    def loudness(sound: Samples) -> float:
        return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64))))

    one = desk(mixer)
    near, far = noise(20_000, seed=1), noise(20_000, seed=2)
    # strangers, relatives and twins; then a loud and a soft one
    for stages in (
        [near, far],
        [near, (near + far) * np.float32(0.5**0.5), far],
        [near, near],
        [near, far / 4],
    ):
        slot = one.add_clip(stages[0], stages=stages[1:])
        levels = [loudness(stage) for stage in stages]
        for fader in np.linspace(0, 1, 9):
            one.set_pad(0, fader=float(fader))
            one.play(Play(0, slot))
            level = loudness(heard(one, 20_000))
            assert min(levels) - 0.1 <= level <= max(levels) + 0.1
            heard(one, 200)


@pytest.mark.parametrize("rate", [1.0, 0.7])
def test_a_fader_moves_without_a_step(mixer: str, rate: float) -> None:
    one = desk(mixer)
    flats = [steady(48_000), steady(48_000, -0.5), steady(48_000, 0.25)]
    one.play(Play(0, one.add_clip(flats[0], stages=flats[1:]), loop=True, rate=rate))
    parts = [heard(one, 600)]
    for fader in (1.0, 0.5, 0.2, 0.0, 1.0):
        one.set_pad(0, fader=fader)
        # the second move comes before the first has ended
        block = np.zeros((700, 2), np.float32)
        one.process(block)
        parts.append(block)
    sound = np.concatenate(parts)
    # the steepest: from one flat to its opposite, whose loudness on the way is made up for
    assert largest_step(sound[1:]) <= 4 / m.FADER_RAMP
    rest = np.zeros((2000, 2), np.float32)
    one.process(rest)
    assert rest[-1, 0] == np.float32(0.25)


def test_a_loop_swaps_to_stages_and_back_at_its_point(mixer: str) -> None:
    one, plain, stages = desk(mixer), noise(1000, seed=1), blends(700, 3)
    one.set_pad(0, fader=0.5)
    slots = one.add_clip(plain), one.add_clip(stages[0], stages=stages[1:])
    one.play(Play(0, slots[0], loop=True))
    parts = [heard(one, 500)]
    for slot in (slots[1], slots[0]):
        one.swap(0, slot, "loop", loop=True)
        block = np.zeros((1500, 2), np.float32)
        one.process(block)
        parts.append(block)
    sound, middle = np.concatenate(parts), stages[1]
    expected = np.concatenate([plain, middle, middle, plain, plain])
    assert np.array_equal(sound[: len(expected)], expected[: len(sound)])


def test_stages_go_round_their_loop_at_another_pitch(mixer: str) -> None:
    one = desk(mixer)
    turn = np.arange(960) / 96
    waves = [np.sin(2 * np.pi * turn + shift).astype(np.float32) * np.float32(0.4) for shift in (0.0, 1.0)]
    near, far = (wave[:, None].repeat(2, 1) for wave in waves)
    one.set_pad(0, fader=0.5)
    one.play(Play(0, one.add_clip(near, stages=[far]), loop=True, rate=1.25))
    sound = heard(one, 8000)
    # one sine without a seam: its step is that of its own slope
    assert largest_step(sound[5:]) <= 0.4 * 2 * np.pi / 96 * 1.25 * 1.05
    assert np.abs(sound).max() == pytest.approx(0.4, rel=0.01)


def test_too_many_or_unequal_stages_are_refused() -> None:
    one = desk("numpy")
    for stages in ([noise(100)] * m.STAGES, [noise(99)], [noise(100)[:, :1]]):
        with pytest.raises(BadRequest, match="at most 16 stages, each as long as the first"):
            one.add_clip(noise(100), stages=stages)
    assert one.add_clip(noise(100), stages=[noise(100)] * (m.STAGES - 1)) == 0


def test_a_reset_keeps_stages_and_faders(mixer: str) -> None:
    one, stages = desk(mixer), blends(500, 3)
    slot = one.add_clip(stages[0], stages=stages[1:])
    one.set_pad(4, fader=0.5)
    one.reset(44_100, 2)
    one.play(Play(4, slot))
    assert np.array_equal(heard(one, 500), stages[1])


def staged_scene(mixer: str, block: int, seed: int) -> Samples:
    """Presses, stops and swaps of clips with and without stages, while faders move."""
    draw = np.random.default_rng(seed)
    one = desk(mixer)
    clips = [one.add_clip(noise(1500, 0.2, 1), (200, 1400))]
    for frames, count in ((2000, 2), (900, 5), (700, 16)):
        stages = blends(frames, count, 0.2)
        clips.append(one.add_clip(stages[0], (50, frames - 30), stages[1:]))
    for _ in range(120):
        frame, pad, kind = int(draw.integers(0, 9000)), int(draw.integers(0, 4)), int(draw.integers(0, 9))
        clip = clips[int(draw.integers(0, len(clips)))]
        if kind <= 2:
            rate = float(draw.choice([1.0, 0.61, 1.83]))
            one.play(Play(pad, clip, rate=rate, loop=bool(draw.random() < 0.6), attack=40, voices=2), frame)
        elif kind <= 6:
            one.set_pad(pad, fader=float(draw.choice([0.0, 1.0, draw.random()])), frame=frame)
        elif kind == 7:
            one.swap(pad, clip, "loop", frame, True)
        else:
            one.stop(pad, frame)
    out = np.zeros((10_000, 2), np.float32)
    for at in range(0, len(out), block):
        one.process(out[at : at + block])
    return out


@pytest.mark.parametrize("seed", range(6))
def test_both_mixers_go_through_stages_alike(seed: int) -> None:
    compiled, reference = (staged_scene(name, 128, seed) for name in ("numba", "numpy"))
    assert np.abs(compiled - reference).max() <= 1e-6
    assert np.abs(compiled - staged_scene("numba", 701, seed)).max() <= 1e-6
    assert np.abs(compiled).max() > 0.1
