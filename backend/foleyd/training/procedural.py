"""Sounds made by rule, with captions that follow from their parameters: weather, machines, impacts, game
effects.

Each generator draws its parameters, renders float32 samples at `RATE` and says in words what it drew. The
methods (filtered noise, modal resonators, frequency modulation, grains) follow A. Farnell, *Designing Sound*
(2010) and P. Cook, *Real Sound Synthesis for Interactive Applications* (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, lfilter, sosfilt

from foleyd.training.clips import LENGTH, RATE, Source, TrainingClip

Samples = npt.NDArray[np.float32]
Random = np.random.Generator


@dataclass(frozen=True)
class Drawn:
    """One rendered sound: samples and the phrases that describe it, best first."""

    samples: Samples
    phrases: tuple[str, ...]


def _time(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(int(seconds * RATE)) / RATE


def _noise(rng: Random, count: int) -> npt.NDArray[np.float64]:
    return rng.standard_normal(count)


def _band(signal: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.float64]:
    low, high = max(low, 20.0), min(high, RATE * 0.49)
    return np.asarray(sosfilt(butter(2, (low, high), "bandpass", fs=RATE, output="sos"), signal))


def _low(signal: npt.NDArray[np.float64], cutoff: float) -> npt.NDArray[np.float64]:
    return np.asarray(sosfilt(butter(2, min(cutoff, RATE * 0.49), "lowpass", fs=RATE, output="sos"), signal))


def _sine(frequency: npt.NDArray[np.float64] | float, count: int) -> npt.NDArray[np.float64]:
    cycles = np.cumsum(np.broadcast_to(np.asarray(frequency, float), (count,))) / RATE
    return np.asarray(np.sin(2 * np.pi * cycles))


def _wander(rng: Random, count: int, rate: float, low: float, high: float) -> npt.NDArray[np.float64]:
    """A smooth random curve between `low` and `high`, about `rate` turns a second."""
    points = max(4, int(count / RATE * rate) + 3)
    knots = rng.uniform(low, high, points)
    place = np.linspace(0, points - 1.001, count)
    base = place.astype(int)
    blend = (1 - np.cos(np.pi * (place - base))) / 2
    following = np.minimum(base + 1, points - 1)
    curve: npt.NDArray[np.float64] = knots[base] * (1 - blend) + knots[following] * blend
    return curve


def _decay(seconds: float, half_life: float) -> npt.NDArray[np.float64]:
    return np.asarray(0.5 ** (_time(seconds) / half_life))


def _modes(
    rng: Random, base: float, ratios: tuple[float, ...], ring: float, seconds: float
) -> npt.NDArray[np.float64]:
    """Struck resonator: partials at `base`×`ratios`, the higher the sooner gone; `ring` is the half-life in
    seconds."""
    time = _time(seconds)
    total = np.zeros(len(time))
    for order, ratio in enumerate(ratios):
        frequency = base * ratio * rng.uniform(0.99, 1.01)
        if frequency < RATE * 0.48:
            half = ring / (1 + 0.5 * order)
            total += (
                rng.uniform(0.4, 1)
                / (1 + 0.3 * order)
                * np.sin(2 * np.pi * frequency * time)
                * 0.5 ** (time / half)
            )
    return total


def _place(events: list[tuple[float, npt.NDArray[np.float64]]], seconds: float) -> npt.NDArray[np.float64]:
    total = np.zeros(int(seconds * RATE))
    for start, sound in events:
        first = int(start * RATE)
        kept = sound[: max(0, len(total) - first)]
        total[first : first + len(kept)] += kept
    return total


def _pick(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    return next(word for limit, word in steps if value <= limit)


def wind(rng: Random) -> Drawn:
    strength = rng.uniform(0, 1)
    count = LENGTH
    gust = _wander(rng, count, 0.5 + strength, 0.3, 1)
    noise = _noise(rng, count)
    body = _low(noise, 300 + 500 * strength)
    whistle = sum(_band(noise, f, f * 1.08) for f in rng.uniform(350, 900 + 900 * strength, 3))
    sound = (body + (0.4 + strength) * whistle * gust) * gust**1.5
    word = _pick(strength, ((0.33, "gentle"), (0.66, "gusty"), (1, "howling")))
    return Drawn(
        sound.astype(np.float32),
        (f"{word} wind", f"{word} wind blowing", "wind noise", f"{word} wind outdoors"),
    )


def rain(rng: Random) -> Drawn:
    heavy = rng.uniform(0, 1)
    tin = rng.random() < 0.35
    hiss = _band(_noise(rng, LENGTH), 1200, 7000) * (0.05 + 0.5 * heavy)
    drops = []
    for _ in range(int(40 + 500 * heavy)):
        base = rng.uniform(500, 1800) if tin else rng.uniform(1500, 6000)
        ring = 0.015 if tin else 0.003
        drops.append(
            (rng.uniform(0, 5.1), rng.exponential(0.8) * _modes(rng, base, (1, 1.9, 2.7), ring, 0.06))
        )
    sound = hiss + _place(drops, LENGTH / RATE)
    word = _pick(heavy, ((0.3, "light"), (0.65, "steady"), (1, "heavy")))
    where = "on a tin roof" if tin else rng.choice(("", "on leaves", "falling outside"))
    return Drawn(
        sound.astype(np.float32), (f"{word} rain {where}", f"{word} rain", "rain falling", "rainfall")
    )


def fire(rng: Random) -> Drawn:
    size = rng.uniform(0, 1)
    roar = _low(_noise(rng, LENGTH), 150 + 250 * size) * _wander(rng, LENGTH, 3, 0.5, 1)
    cracks = []
    for _ in range(int(rng.uniform(25, 90))):
        burst = _band(_noise(rng, 400), rng.uniform(800, 2500), rng.uniform(3500, 7500)) * 0.5 ** (
            np.arange(400) / rng.uniform(15, 60)
        )
        cracks.append((rng.uniform(0, 5), rng.exponential(2.5) * burst))
    word = _pick(size, ((0.4, "small crackling fire"), (0.75, "campfire"), (1, "big roaring fire")))
    return Drawn(
        (roar * (0.5 + 2 * size) + _place(cracks, LENGTH / RATE)).astype(np.float32),
        (word, "crackling fire", "fire burning", "crackling flames"),
    )


def thunder(rng: Random) -> Drawn:
    near = rng.uniform(0, 1)
    rumble = (
        _low(_noise(rng, LENGTH), 80 + 200 * near)
        * _wander(rng, LENGTH, 3, 0.1, 1)
        * 0.5 ** (np.arange(LENGTH) / RATE / rng.uniform(0.7, 1.6))
    )
    crack = _band(_noise(rng, LENGTH), 300, 6000) * 0.5 ** (np.arange(LENGTH) / RATE / 0.12) * near * 0.5
    word = _pick(near, ((0.4, "distant rolling thunder"), (0.7, "thunder rumble"), (1, "close thunder clap")))
    return Drawn((rumble * 3 + crack).astype(np.float32), (word, "thunder", "thunderstorm rumble"))


def water(rng: Random) -> Drawn:
    rate = rng.uniform(0, 1)
    bubbles = []
    for _ in range(int(30 + 250 * rate)):
        time = _time(rng.uniform(0.02, 0.09))
        base = rng.uniform(400, 2600)
        chirp = np.sin(2 * np.pi * np.cumsum(base * (1 + 6 * time)) / RATE) * np.exp(-time * 50)
        bubbles.append((rng.uniform(0, 5), rng.uniform(0.2, 1) * chirp))
    sound = _place(bubbles, LENGTH / RATE) + _band(_noise(rng, LENGTH), 500, 3000) * 0.1 * rate
    word = _pick(
        rate, ((0.3, "slow bubbles underwater"), (0.65, "babbling brook"), (1, "rushing stream of water"))
    )
    return Drawn(sound.astype(np.float32), (word, "bubbling water", "water bubbles", "water flowing"))


def laser(rng: Random) -> Drawn:
    seconds = rng.uniform(0.12, 0.8)
    high, low = rng.uniform(1500, 6000), rng.uniform(80, 500)
    time = _time(seconds)
    curve = rng.uniform(2, 7)
    up = rng.random() < 0.2
    sweep = low + (high - low) * np.exp(-curve * (time[::-1] if up else time) / seconds)
    sound = _sine(sweep, len(time))
    if rng.random() < 0.6:
        sound = np.tanh(sound * rng.uniform(1.5, 6))
    sound = sound * (1 - time / seconds) ** rng.uniform(0.4, 1.5)
    kind = (
        "charging laser"
        if up
        else _pick(seconds, ((0.25, "short laser zap"), (0.5, "laser shot"), (1, "long laser blast")))
    )
    return Drawn(
        sound.astype(np.float32), (kind, "sci-fi laser gun", "laser zap", "ray gun shot", "pew pew laser")
    )


def explosion(rng: Random) -> Drawn:
    size = rng.uniform(0, 1)
    seconds = 0.8 + 3.2 * size
    count = int(seconds * RATE)
    time = _time(seconds)
    cutoff = np.interp(time, (0, 0.15, seconds), (5000, 900, 120))
    noise = _noise(rng, count)
    coefficient = np.exp(-2 * np.pi * cutoff / RATE)
    smooth = np.empty(count)
    last = 0.0
    for i in range(count):
        last = coefficient[i] * last + (1 - coefficient[i]) * noise[i]
        smooth[i] = last
    thump = _sine(np.interp(time, (0, 0.3, seconds), (110, 40, 30)), count) * 0.5 ** (time / 0.2)
    sound = np.tanh((smooth * 6 + thump) * 0.5 ** (time / (seconds / 4)) * 2)
    word = _pick(size, ((0.35, "small explosion"), (0.7, "explosion"), (1, "huge explosion")))
    return Drawn(sound.astype(np.float32), (word, f"{word} with rumble", "bomb blast", "explosion boom"))


def siren(rng: Random) -> Drawn:
    kind = rng.choice(("wailing police siren", "two-tone ambulance siren", "air raid siren", "alarm beeping"))
    time = _time(LENGTH / RATE)
    speed = (
        rng.uniform(0.25, 0.6)
        if "air" in kind
        else rng.uniform(0.4, 4)
        if "police" in kind
        else rng.uniform(0.8, 1.6)
    )
    phase = (time * speed) % 1
    base = rng.uniform(0.85, 1.15)
    if "two" in kind:
        frequency = np.where(phase < 0.5, 650.0, 490.0) * base
    elif "alarm" in kind:
        frequency = np.full(len(time), rng.uniform(700, 2500))
    else:
        top, bottom = (1500, 600) if "police" in kind else (700, 250)
        frequency = base * (bottom + (top - bottom) * (0.5 - 0.5 * np.cos(2 * np.pi * phase)))
    sound = np.tanh(2.5 * _sine(frequency, len(time)))
    if "alarm" in kind:
        rate = rng.uniform(2, 8)
        sound = sound * ((time * rate) % 1 < 0.5)
    return Drawn(
        _low(sound, 4000).astype(np.float32), (kind, kind, "alarm" if "alarm" in kind else "emergency siren")
    )


def whoosh(rng: Random) -> Drawn:
    seconds = rng.uniform(0.3, 1.6)
    count = int(seconds * RATE)
    time = np.linspace(0, 1, count)
    peak = rng.uniform(0.35, 0.7)
    shape = np.where(time < peak, time / peak, (1 - time) / (1 - peak)) ** rng.uniform(1.2, 3)
    noise = _noise(rng, count)
    centre = rng.uniform(400, 2000)
    low, high = _band(noise, centre * 0.5, centre), _band(noise, centre * 1.5, centre * 4)
    sound = (low * (1 - shape) + high * shape) * shape
    word = _pick(seconds, ((0.6, "fast whoosh"), (1.1, "whoosh"), (2, "slow deep whoosh")))
    return Drawn(
        sound.astype(np.float32),
        (word, f"{word} passing by", "swoosh", "air swish", "swipe transition whoosh"),
    )


def riser(rng: Random) -> Drawn:
    seconds = rng.uniform(1.5, 4.8)
    time = _time(seconds)
    part = time / seconds
    up = rng.random() < 0.6
    slope = part if up else part[::-1]
    tone = np.tanh(2 * _sine(80 * 2 ** (slope * rng.uniform(3, 5)), len(time)))
    noise = _band(_noise(rng, len(time)), 1000, 7000)
    sound = (0.5 * tone + 0.5 * noise) * (0.05 + slope**1.5)
    words = (
        ("tension riser", "rising synth sweep", "build-up riser", "uplifter")
        if up
        else ("falling sweep", "downlifter", "dropping synth sweep")
    )
    return Drawn(sound.astype(np.float32), words)


def blip(rng: Random) -> Drawn:
    count = int(rng.integers(1, 4))
    base = rng.uniform(300, 2200)
    steps = np.sort(rng.choice((1, 1.125, 1.25, 1.333, 1.5, 2), count, replace=False))
    down = rng.random() < 0.35
    each = rng.uniform(0.04, 0.12)
    square = rng.random() < 0.4
    events = []
    for i, ratio in enumerate(steps[::-1] if down else steps):
        time = _time(each * 1.5)
        tone = _sine(base * ratio, len(time))
        tone = np.sign(tone) * 0.5 if square else tone
        events.append((i * each, tone * np.minimum(1, time * 400) * 0.5 ** (time / (each / 3))))
    sound = _place(events, each * (count + 1))
    words = (
        ("user interface blip", "menu click blip", "short beep")
        if count == 1
        else (
            ("error blip", "cancel button sound", "falling ui blip")
            if down
            else ("confirm blip", "notification chime", "rising ui blip")
        )
    )
    return Drawn(sound.astype(np.float32), (*words, "ui sound", "8-bit blip" if square else "soft ui blip"))


def coin(rng: Random) -> Drawn:
    base = rng.uniform(800, 1300)
    first, second = _time(0.07), _time(rng.uniform(0.3, 0.7))
    square = rng.random() < 0.7
    tones = [
        _sine(base, len(first)),
        _sine(base * rng.choice((1.335, 1.5)), len(second)) * 0.5 ** (second / 0.12),
    ]
    sound = np.concatenate([np.sign(t) * np.abs(t) ** 0.3 if square else t for t in tones])
    return Drawn(
        _low(sound, 7000).astype(np.float32),
        ("coin pickup", "video game coin", "retro game coin collect", "arcade coin sound"),
    )


def powerup(rng: Random) -> Drawn:
    count = int(rng.integers(5, 12))
    base = rng.uniform(200, 500)
    each = rng.uniform(0.05, 0.09)
    down = rng.random() < 0.35
    ratios = [2 ** (i * rng.choice((2, 3, 4, 5)) / 12) for i in range(count)]
    events = [
        (i * each, np.tanh(4 * _sine(base * r, int(each * RATE))))
        for i, r in enumerate(ratios[::-1] if down else ratios)
    ]
    words = (
        ("game over sound", "power down", "losing a life in a video game")
        if down
        else ("power up", "video game power-up", "level up sound", "retro game bonus")
    )
    return Drawn(_low(_place(events, each * count + 0.05), 6000).astype(np.float32), words)


def footsteps(rng: Random) -> Drawn:
    surface = str(rng.choice(("gravel", "wood", "snow", "concrete")))
    pace = rng.uniform(0.3, 0.8)
    events = []
    for i in range(int(5 / pace)):
        if surface == "wood":
            step = _modes(rng, rng.uniform(90, 160), (1, 2.3, 3.6, 5.1), 0.03, 0.2)
        elif surface == "concrete":
            step = _band(_noise(rng, 1600), 600, 3500) * _decay(0.1, 0.008)
        else:
            band = (1500, 7000) if surface == "gravel" else (700, 3000)
            grains = _band(_noise(rng, 3200), *band) * (
                _noise(rng, 3200) > (1.2 if surface == "gravel" else 0.0)
            )
            step = grains * np.hanning(3200)
        events.append(
            (i * pace + rng.uniform(0, 0.03), rng.uniform(0.6, 1) * step / (np.abs(step).max() + 1e-9))
        )
    speed = _pick(pace, ((0.42, "running footsteps"), (0.6, "walking footsteps"), (1, "slow footsteps")))
    return Drawn(
        _place(events, LENGTH / RATE).astype(np.float32),
        (f"{speed} on {surface}", f"footsteps on {surface}", f"{speed}", "footsteps"),
    )


def impact(rng: Random) -> Drawn:
    material = str(rng.choice(("metal", "glass", "wood", "stone", "plastic")))
    table = {
        "metal": ((1, 2.76, 5.4, 8.93, 1.5, 3.9), (200, 900), 0.5),
        "glass": ((1, 2.32, 4.25, 6.63), (1200, 3000), 0.18),
        "wood": ((1, 2.57, 4.8), (150, 600), 0.03),
        "stone": ((1, 1.7, 3.1), (300, 900), 0.012),
        "plastic": ((1, 2.1, 3.3), (300, 1100), 0.02),
    }
    ratios, (low, high), ring = table[material]
    base = rng.uniform(low, high)
    sound = _modes(rng, base, ratios, ring * rng.uniform(0.6, 1.6), max(0.3, ring * 6))
    sound[:160] += _noise(rng, 160) * np.linspace(1.2, 0, 160)
    size = _pick((base - low) / (high - low), ((0.4, "big"), (1, "small")))
    verbs = {"glass": "clink", "metal": "clang", "wood": "knock", "stone": "hit", "plastic": "tap"}
    return Drawn(
        sound.astype(np.float32),
        (
            f"{size} {material} impact",
            f"{material} {verbs[material]}",
            f"hitting {material}",
            f"{material} hit",
        ),
    )


def glass_break(rng: Random) -> Drawn:
    events = [(0.0, _band(_noise(rng, 2400), 1500, 7500) * _decay(0.15, 0.02) * 3)]
    events += [
        (
            rng.exponential(0.3),
            rng.uniform(0.1, 0.8) * _modes(rng, rng.uniform(2000, 5000), (1, 1.5), 0.03, 0.3),
        )
        for _ in range(int(rng.uniform(15, 50)))
    ]
    return Drawn(
        _place(events, 2.5).astype(np.float32),
        ("glass breaking", "shattering glass", "window smashing", "broken bottle"),
    )


def engine(rng: Random) -> Drawn:
    kind = rng.uniform(0, 1)
    count = LENGTH
    speed = _wander(rng, count, 0.6, 0.7, 1.4) * (18 + 90 * kind)
    phase = np.cumsum(speed) / RATE
    pulse = sum(np.sin(2 * np.pi * phase * h + rng.uniform(0, 6)) / h**0.7 for h in (1, 2, 3, 4, 6, 8, 12))
    sound = np.tanh(pulse * 1.5) + 0.2 * _band(_noise(rng, count), 100, 1500) * (
        0.5 + 0.5 * np.sin(2 * np.pi * phase)
    )
    word = _pick(kind, ((0.35, "idling truck engine"), (0.7, "car engine"), (1, "revving motorcycle engine")))
    return Drawn(_low(sound, 2500).astype(np.float32), (word, "engine running", "motor noise"))


def drone(rng: Random) -> Drawn:
    base = rng.uniform(35, 130)
    dark = rng.random() < 0.5
    total = np.zeros(LENGTH)
    for ratio in rng.choice((1, 1.5, 2, 3, 4, 5, 6, 8), 5, replace=False):
        total += (
            _sine(base * ratio * rng.uniform(0.995, 1.005), LENGTH)
            / ratio**0.8
            * _wander(rng, LENGTH, 0.5, 0.2, 1)
        )
    sound = _low(total + 0.1 * _noise(rng, LENGTH), 500 if dark else 3500)
    word = "dark" if dark else "bright"
    return Drawn(
        sound.astype(np.float32),
        (
            f"{word} ambient drone",
            f"{word} low drone",
            "ominous drone" if dark else "shimmering drone",
            "evolving drone",
        ),
    )


def glitch(rng: Random) -> Drawn:
    events = []
    at = 0.0
    while at < rng.uniform(0.5, 2):
        length = rng.uniform(0.01, 0.09)
        count = int(length * RATE)
        grain = _noise(rng, count) if rng.random() < 0.4 else np.sign(_sine(rng.uniform(80, 5000), count))
        repeats = int(rng.integers(1, 5))
        events += [(at + repeat * length, rng.uniform(0.3, 1) * grain) for repeat in range(repeats)]
        at += length * 4 * rng.uniform(0.5, 2)
    return Drawn(
        _place(events, min(at + 0.5, 4)).astype(np.float32),
        ("digital glitch", "glitchy computer noise", "data error glitch", "stuttering glitch"),
    )


def robot(rng: Random) -> Drawn:
    count = int(rng.integers(3, 10))
    events = []
    at = 0.0
    for _ in range(count):
        length = rng.uniform(0.05, 0.25)
        samples = int(length * RATE)
        start, end = rng.uniform(200, 2500, 2)
        tone = _sine(
            np.linspace(start, end, samples) * (1 + 0.3 * _sine(rng.uniform(10, 60), samples)), samples
        )
        events.append((at, tone * np.hanning(samples) ** 0.3))
        at += length + rng.uniform(0, 0.06)
    return Drawn(
        _place(events, at + 0.1).astype(np.float32),
        ("robot talking in beeps", "cute robot chatter", "droid beeps and chirps", "robot bleeps"),
    )


def insects(rng: Random) -> Drawn:
    frequency = rng.uniform(2500, 5500)
    time = _time(LENGTH / RATE)
    rate, pulses = rng.uniform(0.8, 3), rng.uniform(20, 50)
    gate = ((time * rate) % 1 < rng.uniform(0.3, 0.8)) * (0.5 + 0.5 * np.sin(2 * np.pi * pulses * time))
    return Drawn(
        (_sine(frequency, LENGTH) * gate).astype(np.float32),
        ("cricket chirping", "crickets at night", "insects chirping", "cicada"),
    )


def beam(rng: Random) -> Drawn:
    base = rng.uniform(60, 400)
    modulation = _sine(rng.uniform(3, 30), LENGTH) * rng.uniform(0.01, 0.2)
    sound = np.tanh(3 * _sine(base * (1 + modulation), LENGTH)) + 0.5 * _sine(base * 2.02, LENGTH)
    return Drawn(
        _low(sound, 4000).astype(np.float32),
        ("electric hum", "energy beam hum", "force field buzzing", "electrical buzz"),
    )


def creak(rng: Random) -> Drawn:
    seconds = rng.uniform(0.7, 2.2)
    count = int(seconds * RATE)
    speed = _wander(rng, count, 3, 15, 90)
    clicks = np.diff(np.floor(np.cumsum(speed) / RATE), prepend=0) * rng.uniform(0.5, 1, count)
    base = rng.uniform(300, 900)
    sound = sum(
        np.asarray(lfilter((1.0,), (1, -2 * 0.99 * np.cos(2 * np.pi * base * r / RATE), 0.98), clicks))
        for r in (1, 2.1, 3.4)
    )
    return Drawn(
        (sound * np.hanning(count) ** 0.3).astype(np.float32),
        ("creaking door", "door creak", "squeaky hinge", "old wooden door creaking open"),
    )


GENERATORS: dict[str, Callable[[Random], Drawn]] = {
    "wind": wind,
    "rain": rain,
    "fire": fire,
    "thunder": thunder,
    "water": water,
    "laser": laser,
    "explosion": explosion,
    "siren": siren,
    "whoosh": whoosh,
    "riser": riser,
    "ui blip": blip,
    "coin": coin,
    "power-up": powerup,
    "footsteps": footsteps,
    "impact": impact,
    "glass break": glass_break,
    "engine": engine,
    "drone": drone,
    "glitch": glitch,
    "robot": robot,
    "insects": insects,
    "energy hum": beam,
    "door creak": creak,
}
"""Class name → generator."""


def clips(rng: Random, each: int, captions_each: int) -> Iterator[TrainingClip]:
    """`each` clips of every generator, each with `captions_each` captions (its phrases, plain or framed)."""
    frames = ("{}", "{}", "{}", "the sound of {}", "{} sound effect", "sound of {}")
    for name, generator in GENERATORS.items():
        for _ in range(each):
            drawn = generator(rng)
            weights = np.array([2.0] + [1.0] * (len(drawn.phrases) - 1))
            phrases = rng.choice(drawn.phrases, captions_each, p=weights / weights.sum())
            captions = [" ".join(str(rng.choice(frames)).format(p).split()) for p in phrases]
            yield TrainingClip(drawn.samples, captions, Source("procedural", name, name))
