"""Games, machines that think, and their screens by rule."""

from __future__ import annotations

import numpy as np

from foleyd.training.clips import LENGTH, RATE
from foleyd.training.procedural.synthesis import (
    Drawn,
    Random,
    low_pass,
    placed,
    sine,
    times,
    white_noise,
    word_for,
)


def laser(rng: Random) -> Drawn:
    seconds = rng.uniform(0.12, 0.8)
    high, low = rng.uniform(1500, 6000), rng.uniform(80, 500)
    time = times(seconds)
    curve = rng.uniform(2, 7)
    up = rng.random() < 0.2
    sweep = low + (high - low) * np.exp(-curve * (time[::-1] if up else time) / seconds)
    sound = sine(sweep, len(time))
    if rng.random() < 0.6:
        sound = np.tanh(sound * rng.uniform(1.5, 6))
    sound = sound * (1 - time / seconds) ** rng.uniform(0.4, 1.5)
    kind = (
        "charging laser"
        if up
        else word_for(seconds, ((0.25, "short laser zap"), (0.5, "laser shot"), (1, "long laser blast")))
    )
    return Drawn(
        sound.astype(np.float32), (kind, "sci-fi laser gun", "laser zap", "ray gun shot", "pew pew laser")
    )


def explosion(rng: Random) -> Drawn:
    size = rng.uniform(0, 1)
    seconds = 0.8 + 3.2 * size
    count = int(seconds * RATE)
    time = times(seconds)
    cutoff = np.interp(time, (0, 0.15, seconds), (5000, 900, 120))
    noise = white_noise(rng, count)
    coefficient = np.exp(-2 * np.pi * cutoff / RATE)
    smooth = np.empty(count)
    last = 0.0
    for i in range(count):
        last = coefficient[i] * last + (1 - coefficient[i]) * noise[i]
        smooth[i] = last
    thump = sine(np.interp(time, (0, 0.3, seconds), (110, 40, 30)), count) * 0.5 ** (time / 0.2)
    sound = np.tanh((smooth * 6 + thump) * 0.5 ** (time / (seconds / 4)) * 2)
    word = word_for(size, ((0.35, "small explosion"), (0.7, "explosion"), (1, "huge explosion")))
    return Drawn(sound.astype(np.float32), (word, f"{word} with rumble", "bomb blast", "explosion boom"))


def blip(rng: Random) -> Drawn:
    count = int(rng.integers(1, 4))
    base = rng.uniform(300, 2200)
    steps = np.sort(rng.choice((1, 1.125, 1.25, 1.333, 1.5, 2), count, replace=False))
    down = rng.random() < 0.35
    each = rng.uniform(0.04, 0.12)
    square = rng.random() < 0.4
    events = []
    for i, ratio in enumerate(steps[::-1] if down else steps):
        time = times(each * 1.5)
        tone = sine(base * ratio, len(time))
        tone = np.sign(tone) * 0.5 if square else tone
        events.append((i * each, tone * np.minimum(1, time * 400) * 0.5 ** (time / (each / 3))))
    sound = placed(events, each * (count + 1))
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
    first, second = times(0.07), times(rng.uniform(0.3, 0.7))
    square = rng.random() < 0.7
    tones = [
        sine(base, len(first)),
        sine(base * rng.choice((1.335, 1.5)), len(second)) * 0.5 ** (second / 0.12),
    ]
    sound = np.concatenate([np.sign(t) * np.abs(t) ** 0.3 if square else t for t in tones])
    return Drawn(
        low_pass(sound, 7000).astype(np.float32),
        ("coin pickup", "video game coin", "retro game coin collect", "arcade coin sound"),
    )


def powerup(rng: Random) -> Drawn:
    count = int(rng.integers(5, 12))
    base = rng.uniform(200, 500)
    each = rng.uniform(0.05, 0.09)
    down = rng.random() < 0.35
    ratios = [2 ** (i * rng.choice((2, 3, 4, 5)) / 12) for i in range(count)]
    events = [
        (i * each, np.tanh(4 * sine(base * r, int(each * RATE))))
        for i, r in enumerate(ratios[::-1] if down else ratios)
    ]
    words = (
        ("game over sound", "power down", "losing a life in a video game")
        if down
        else ("power up", "video game power-up", "level up sound", "retro game bonus")
    )
    return Drawn(low_pass(placed(events, each * count + 0.05), 6000).astype(np.float32), words)


def glitch(rng: Random) -> Drawn:
    events = []
    at = 0.0
    while at < rng.uniform(0.5, 2):
        length = rng.uniform(0.01, 0.09)
        count = int(length * RATE)
        grain = white_noise(rng, count) if rng.random() < 0.4 else np.sign(sine(rng.uniform(80, 5000), count))
        repeats = int(rng.integers(1, 5))
        events += [(at + repeat * length, rng.uniform(0.3, 1) * grain) for repeat in range(repeats)]
        at += length * 4 * rng.uniform(0.5, 2)
    return Drawn(
        placed(events, min(at + 0.5, 4)).astype(np.float32),
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
        tone = sine(
            np.linspace(start, end, samples) * (1 + 0.3 * sine(rng.uniform(10, 60), samples)), samples
        )
        events.append((at, tone * np.hanning(samples) ** 0.3))
        at += length + rng.uniform(0, 0.06)
    return Drawn(
        placed(events, at + 0.1).astype(np.float32),
        ("robot talking in beeps", "cute robot chatter", "droid beeps and chirps", "robot bleeps"),
    )


def beam(rng: Random) -> Drawn:
    base = rng.uniform(60, 400)
    modulation = sine(rng.uniform(3, 30), LENGTH) * rng.uniform(0.01, 0.2)
    sound = np.tanh(3 * sine(base * (1 + modulation), LENGTH)) + 0.5 * sine(base * 2.02, LENGTH)
    return Drawn(
        low_pass(sound, 4000).astype(np.float32),
        ("electric hum", "energy beam hum", "force field buzzing", "electrical buzz"),
    )
