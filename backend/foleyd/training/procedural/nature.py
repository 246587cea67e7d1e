"""Weather, water and animals by rule."""

from __future__ import annotations

import numpy as np

from foleyd.training.clips import LENGTH, RATE
from foleyd.training.procedural.synthesis import (
    Drawn,
    Random,
    band_pass,
    low_pass,
    placed,
    sine,
    struck,
    times,
    wander,
    white_noise,
    word_for,
)


def wind(rng: Random) -> Drawn:
    strength = rng.uniform(0, 1)
    count = LENGTH
    gust = wander(rng, count, 0.5 + strength, 0.3, 1)
    noise = white_noise(rng, count)
    body = low_pass(noise, 300 + 500 * strength)
    whistle = sum(band_pass(noise, f, f * 1.08) for f in rng.uniform(350, 900 + 900 * strength, 3))
    sound = (body + (0.4 + strength) * whistle * gust) * gust**1.5
    word = word_for(strength, ((0.33, "gentle"), (0.66, "gusty"), (1, "howling")))
    return Drawn(
        sound.astype(np.float32),
        (f"{word} wind", f"{word} wind blowing", "wind noise", f"{word} wind outdoors"),
    )


def rain(rng: Random) -> Drawn:
    heavy = rng.uniform(0, 1)
    tin = rng.random() < 0.35
    hiss = band_pass(white_noise(rng, LENGTH), 1200, 7000) * (0.05 + 0.5 * heavy)
    drops = []
    for _ in range(int(40 + 500 * heavy)):
        base = rng.uniform(500, 1800) if tin else rng.uniform(1500, 6000)
        ring = 0.015 if tin else 0.003
        drops.append(
            (rng.uniform(0, 5.1), rng.exponential(0.8) * struck(rng, base, (1, 1.9, 2.7), ring, 0.06))
        )
    sound = hiss + placed(drops, LENGTH / RATE)
    word = word_for(heavy, ((0.3, "light"), (0.65, "steady"), (1, "heavy")))
    where = "on a tin roof" if tin else rng.choice(("", "on leaves", "falling outside"))
    return Drawn(
        sound.astype(np.float32), (f"{word} rain {where}", f"{word} rain", "rain falling", "rainfall")
    )


def fire(rng: Random) -> Drawn:
    size = rng.uniform(0, 1)
    roar = low_pass(white_noise(rng, LENGTH), 150 + 250 * size) * wander(rng, LENGTH, 3, 0.5, 1)
    cracks = []
    for _ in range(int(rng.uniform(25, 90))):
        burst = band_pass(white_noise(rng, 400), rng.uniform(800, 2500), rng.uniform(3500, 7500)) * 0.5 ** (
            np.arange(400) / rng.uniform(15, 60)
        )
        cracks.append((rng.uniform(0, 5), rng.exponential(2.5) * burst))
    word = word_for(size, ((0.4, "small crackling fire"), (0.75, "campfire"), (1, "big roaring fire")))
    return Drawn(
        (roar * (0.5 + 2 * size) + placed(cracks, LENGTH / RATE)).astype(np.float32),
        (word, "crackling fire", "fire burning", "crackling flames"),
    )


def thunder(rng: Random) -> Drawn:
    near = rng.uniform(0, 1)
    rumble = (
        low_pass(white_noise(rng, LENGTH), 80 + 200 * near)
        * wander(rng, LENGTH, 3, 0.1, 1)
        * 0.5 ** (np.arange(LENGTH) / RATE / rng.uniform(0.7, 1.6))
    )
    crack = (
        band_pass(white_noise(rng, LENGTH), 300, 6000) * 0.5 ** (np.arange(LENGTH) / RATE / 0.12) * near * 0.5
    )
    word = word_for(
        near, ((0.4, "distant rolling thunder"), (0.7, "thunder rumble"), (1, "close thunder clap"))
    )
    return Drawn((rumble * 3 + crack).astype(np.float32), (word, "thunder", "thunderstorm rumble"))


def water(rng: Random) -> Drawn:
    rate = rng.uniform(0, 1)
    bubbles = []
    for _ in range(int(30 + 250 * rate)):
        time = times(rng.uniform(0.02, 0.09))
        base = rng.uniform(400, 2600)
        chirp = np.sin(2 * np.pi * np.cumsum(base * (1 + 6 * time)) / RATE) * np.exp(-time * 50)
        bubbles.append((rng.uniform(0, 5), rng.uniform(0.2, 1) * chirp))
    sound = placed(bubbles, LENGTH / RATE) + band_pass(white_noise(rng, LENGTH), 500, 3000) * 0.1 * rate
    word = word_for(
        rate, ((0.3, "slow bubbles underwater"), (0.65, "babbling brook"), (1, "rushing stream of water"))
    )
    return Drawn(sound.astype(np.float32), (word, "bubbling water", "water bubbles", "water flowing"))


def insects(rng: Random) -> Drawn:
    frequency = rng.uniform(2500, 5500)
    time = times(LENGTH / RATE)
    rate, pulses = rng.uniform(0.8, 3), rng.uniform(20, 50)
    gate = ((time * rate) % 1 < rng.uniform(0.3, 0.8)) * (0.5 + 0.5 * np.sin(2 * np.pi * pulses * time))
    return Drawn(
        (sine(frequency, LENGTH) * gate).astype(np.float32),
        ("cricket chirping", "crickets at night", "insects chirping", "cicada"),
    )
