"""Things that move, break, ring and drone by rule."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

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


def siren(rng: Random) -> Drawn:
    kind = rng.choice(("wailing police siren", "two-tone ambulance siren", "air raid siren", "alarm beeping"))
    time = times(LENGTH / RATE)
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
    sound = np.tanh(2.5 * sine(frequency, len(time)))
    if "alarm" in kind:
        rate = rng.uniform(2, 8)
        sound = sound * ((time * rate) % 1 < 0.5)
    return Drawn(
        low_pass(sound, 4000).astype(np.float32),
        (kind, kind, "alarm" if "alarm" in kind else "emergency siren"),
    )


def whoosh(rng: Random) -> Drawn:
    seconds = rng.uniform(0.3, 1.6)
    count = int(seconds * RATE)
    time = np.linspace(0, 1, count)
    peak = rng.uniform(0.35, 0.7)
    shape = np.where(time < peak, time / peak, (1 - time) / (1 - peak)) ** rng.uniform(1.2, 3)
    noise = white_noise(rng, count)
    centre = rng.uniform(400, 2000)
    low, high = band_pass(noise, centre * 0.5, centre), band_pass(noise, centre * 1.5, centre * 4)
    sound = (low * (1 - shape) + high * shape) * shape
    word = word_for(seconds, ((0.6, "fast whoosh"), (1.1, "whoosh"), (2, "slow deep whoosh")))
    return Drawn(
        sound.astype(np.float32),
        (word, f"{word} passing by", "swoosh", "air swish", "swipe transition whoosh"),
    )


def riser(rng: Random) -> Drawn:
    seconds = rng.uniform(1.5, 4.8)
    time = times(seconds)
    part = time / seconds
    up = rng.random() < 0.6
    slope = part if up else part[::-1]
    tone = np.tanh(2 * sine(80 * 2 ** (slope * rng.uniform(3, 5)), len(time)))
    noise = band_pass(white_noise(rng, len(time)), 1000, 7000)
    sound = (0.5 * tone + 0.5 * noise) * (0.05 + slope**1.5)
    words = (
        ("tension riser", "rising synth sweep", "build-up riser", "uplifter")
        if up
        else ("falling sweep", "downlifter", "dropping synth sweep")
    )
    return Drawn(sound.astype(np.float32), words)


def footsteps(rng: Random) -> Drawn:
    surface = str(rng.choice(("gravel", "wood", "snow", "concrete")))
    pace = rng.uniform(0.3, 0.8)
    events = []
    for i in range(int(5 / pace)):
        if surface == "wood":
            step = struck(rng, rng.uniform(90, 160), (1, 2.3, 3.6, 5.1), 0.03, 0.2)
        elif surface == "concrete":
            step = band_pass(white_noise(rng, 1600), 600, 3500) * decay(0.1, 0.008)
        else:
            band = (1500, 7000) if surface == "gravel" else (700, 3000)
            grains = band_pass(white_noise(rng, 3200), *band) * (
                white_noise(rng, 3200) > (1.2 if surface == "gravel" else 0.0)
            )
            step = grains * np.hanning(3200)
        events.append(
            (i * pace + rng.uniform(0, 0.03), rng.uniform(0.6, 1) * step / (np.abs(step).max() + 1e-9))
        )
    speed = word_for(pace, ((0.42, "running footsteps"), (0.6, "walking footsteps"), (1, "slow footsteps")))
    return Drawn(
        placed(events, LENGTH / RATE).astype(np.float32),
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
    sound = struck(rng, base, ratios, ring * rng.uniform(0.6, 1.6), max(0.3, ring * 6))
    sound[:160] += white_noise(rng, 160) * np.linspace(1.2, 0, 160)
    size = word_for((base - low) / (high - low), ((0.4, "big"), (1, "small")))
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
    events = [(0.0, band_pass(white_noise(rng, 2400), 1500, 7500) * decay(0.15, 0.02) * 3)]
    events += [
        (
            rng.exponential(0.3),
            rng.uniform(0.1, 0.8) * struck(rng, rng.uniform(2000, 5000), (1, 1.5), 0.03, 0.3),
        )
        for _ in range(int(rng.uniform(15, 50)))
    ]
    return Drawn(
        placed(events, 2.5).astype(np.float32),
        ("glass breaking", "shattering glass", "window smashing", "broken bottle"),
    )


def engine(rng: Random) -> Drawn:
    kind = rng.uniform(0, 1)
    count = LENGTH
    speed = wander(rng, count, 0.6, 0.7, 1.4) * (18 + 90 * kind)
    phase = np.cumsum(speed) / RATE
    pulse = sum(np.sin(2 * np.pi * phase * h + rng.uniform(0, 6)) / h**0.7 for h in (1, 2, 3, 4, 6, 8, 12))
    sound = np.tanh(pulse * 1.5) + 0.2 * band_pass(white_noise(rng, count), 100, 1500) * (
        0.5 + 0.5 * np.sin(2 * np.pi * phase)
    )
    word = word_for(
        kind, ((0.35, "idling truck engine"), (0.7, "car engine"), (1, "revving motorcycle engine"))
    )
    return Drawn(low_pass(sound, 2500).astype(np.float32), (word, "engine running", "motor noise"))


def drone(rng: Random) -> Drawn:
    base = rng.uniform(35, 130)
    dark = rng.random() < 0.5
    total = np.zeros(LENGTH)
    for ratio in rng.choice((1, 1.5, 2, 3, 4, 5, 6, 8), 5, replace=False):
        total += (
            sine(base * ratio * rng.uniform(0.995, 1.005), LENGTH)
            / ratio**0.8
            * wander(rng, LENGTH, 0.5, 0.2, 1)
        )
    sound = low_pass(total + 0.1 * white_noise(rng, LENGTH), 500 if dark else 3500)
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


def creak(rng: Random) -> Drawn:
    seconds = rng.uniform(0.7, 2.2)
    count = int(seconds * RATE)
    speed = wander(rng, count, 3, 15, 90)
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
