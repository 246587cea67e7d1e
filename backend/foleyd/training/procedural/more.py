"""Bubbles, birds, doors, alarms, drops and pads by rule."""

from __future__ import annotations

import numpy as np

from foleyd.training.clips import LENGTH, RATE
from foleyd.training.procedural.synthesis import (
    Drawn,
    Random,
    band_pass,
    decay,
    low_pass,
    placed,
    sine,
    struck,
    times,
    wander,
    white_noise,
    word_for,
)


def bubbles(rng: Random) -> Drawn:
    """A bubble rings at its own pitch, which rises as it nears the surface (van den Doel 2005)."""
    rate = rng.uniform(2, 30)
    seconds = rng.uniform(1.5, 4)
    events = []
    for _ in range(max(1, int(rate * seconds))):
        length = rng.uniform(0.03, 0.12)
        fading = decay(length, 0.02)
        rise = 1 + rng.uniform(0.5, 4) * np.linspace(0, length, len(fading))
        ring = sine(rng.uniform(350, 1800) * rise, len(fading)) * fading
        events.append((rng.uniform(0, seconds), rng.uniform(0.2, 1) * ring))
    word = word_for(rate, ((7, "slow bubbles"), (16, "bubbling water"), (30, "fast boiling bubbles")))
    return Drawn(
        placed(events, seconds + 0.2).astype(np.float32),
        (word, "bubbles under water", "bubbling liquid", "bubbles rising"),
    )


def bird(rng: Random) -> Drawn:
    """Whistled syllables: short sweeps between 2 and 6 kHz, some repeated."""
    events, at, end = [], 0.0, rng.uniform(0.5, 3.5)
    song = [tuple(rng.uniform(1800, 6500, 3)) for _ in range(int(rng.integers(1, 4)))]
    while at < end:
        start, middle, stop = song[int(rng.integers(len(song)))]
        length = rng.uniform(0.05, 0.22)
        count = int(length * RATE)
        curve = np.interp(np.linspace(0, 1, count), (0, 0.5, 1), (start, middle, stop))
        trill = 1 + rng.choice((0.0, 0.04)) * sine(rng.uniform(20, 45), count)
        events.append((at, sine(curve * trill, count) * np.hanning(count)))
        at += length + rng.choice((0.02, 0.1, 0.4))
    return Drawn(
        placed(events, at + 0.1).astype(np.float32),
        ("bird chirping", "songbird singing", "small bird whistling", "birdsong in a tree"),
    )


def door(rng: Random) -> Drawn:
    """A slam: a thud of the frame, the panel's modes and the latch."""
    metal = rng.random() < 0.4
    heavy = rng.uniform(0, 1)
    base = rng.uniform(50, 110) * (1.6 - heavy)
    ratios = (1, 2.76, 5.4, 8.9, 12.1) if metal else (1, 1.6, 2.3, 3.1)
    panel = struck(rng, base * (4 if metal else 1.5), ratios, 0.35 if metal else 0.05, 1.8)
    thud = low_pass(white_noise(rng, RATE // 2), 250 + 500 * (1 - heavy)) * decay(0.5, 0.04) * 6
    latch = band_pass(white_noise(rng, 800), 1200, 5000) * decay(0.05, 0.006)
    gap = rng.uniform(0.02, 0.09)
    sound = placed([(0.0, thud), (0.0, 0.6 * panel), (gap, 0.5 * latch)], 2.0)
    what = "metal door" if metal else "wooden door"
    how = word_for(heavy, ((0.4, "light"), (1, "heavy")))
    return Drawn(
        sound.astype(np.float32),
        (f"{how} {what} slam", f"{what} closing", "door slam", f"slamming a {how} {what}"),
    )


def alarm(rng: Random) -> Drawn:
    """Tones that alternate or repeat at a stated pace."""
    pace = rng.uniform(1, 8)
    low, high = np.sort(rng.uniform(500, 3200, 2))
    two = rng.random() < 0.5
    time = times(LENGTH / RATE)
    first = (time * pace) % 1 < 0.5
    pitch = np.where(first, high, low) if two else np.full(LENGTH, high)
    tone = sine(pitch, LENGTH)
    sound = np.sign(tone) if rng.random() < 0.5 else tone
    sound = low_pass(sound if two else sound * first, 6000)
    speed = word_for(pace, ((2.5, "slow"), (5, "steady"), (8, "fast")))
    kind = "two-tone alarm" if two else "beeping alarm"
    return Drawn(
        sound.astype(np.float32),
        (f"{speed} {kind}", kind, "warning alarm", f"{speed} electronic alarm beeping"),
    )


def drop(rng: Random) -> Drawn:
    """A falling tone over a bass: what comes after a riser."""
    seconds = rng.uniform(1, 4)
    time = times(seconds)
    fall = rng.uniform(1.5, 4)
    tone = sine(rng.uniform(200, 900) * 2 ** (-fall * (time / seconds) ** 0.6), len(time))
    noise = band_pass(white_noise(rng, len(time)), 300, 5000) * (1 - time / seconds) ** 2
    sub = rng.random() < 0.5
    sound = tone * (1 - time / seconds) ** 0.5 + (0.0 if sub else 0.4) * noise
    word = "sub bass drop" if sub else "downlifter"
    length = word_for(seconds, ((1.8, "short"), (4, "long")))
    return Drawn(
        sound.astype(np.float32),
        (f"{length} {word}", word, "falling pitch drop", f"{length} descending sweep"),
    )


def pad(rng: Random) -> Drawn:
    """Detuned voices on a chord, slowly opened."""
    base = 110 * 2 ** (rng.integers(0, 15) / 12)
    kind, steps = (("major", (0, 4, 7, 12)), ("minor", (0, 3, 7, 12)), ("open", (0, 7, 12, 19)))[
        int(rng.integers(3))
    ]
    time = times(LENGTH / RATE)
    total = np.zeros(LENGTH)
    for step in steps:
        for _ in range(3):
            phase = base * 2 ** (step / 12) * rng.uniform(0.995, 1.005) * time + rng.uniform()
            total += 2 * (phase % 1) - 1
    cutoff = rng.uniform(400, 3000)
    swell = np.minimum(1, time / rng.uniform(0.1, 1.5)) * wander(rng, LENGTH, 0.4, 0.7, 1)
    tone = word_for(cutoff, ((1100, "dark"), (2000, "warm"), (3000, "bright")))
    return Drawn(
        (low_pass(total, cutoff) * swell).astype(np.float32),
        (f"{tone} {kind} synth pad", f"{tone} pad chord", "ambient synth pad", f"slow {tone} {kind} pad"),
    )
