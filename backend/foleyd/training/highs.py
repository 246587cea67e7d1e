"""The network of the band extender (`foleyd.audio.highs`): how strong the highs of a sound are, by what it
has below 8 kHz."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch
from safetensors.torch import save_file
from torch import nn

from foleyd.audio import highs
from foleyd.training import clips, samples, soundfont
from foleyd.training.names import DRUM_KEYS, KITS, PRESETS
from foleyd.training.progress import learning_rate, set_rate

KEYS = range(28, 100, 9)
"""Keys of each preset, some of a step higher."""
SECONDS = 4.0
"""Of a recording."""
DULL_DB = -75.0
"""A sound whose recording has less than this above 12 kHz, under its loudest band, teaches nothing: it was
dull before it was sampled."""
WIDTH = 256
BATCH = 2048
PEAK_RATE = 2e-3


class Heard(NamedTuple):
    """What was heard of sounds: `shown` `[n, 330]` and `wanted` `[n, 11]`, as the network has them, and which
    are held out `[n]`."""

    shown: npt.NDArray[np.float16]
    wanted: npt.NDArray[np.float16]
    held_out: npt.NDArray[np.bool_]


def sounds() -> Iterator[tuple[clips.Source, npt.NDArray[np.float64]]]:
    """Notes, drums and recordings at `highs.RATE`, mono, each with its source."""
    font = soundfont.SoundFont(rate=highs.RATE)
    rng = np.random.default_rng(1)
    try:
        for bank, program in PRESETS:
            for step in KEYS:
                key, velocity = step + int(rng.integers(0, 6)), int(rng.integers(60, 125))
                note = soundfont.Note(key, velocity, float(rng.choice([0.2, 0.8, 1.2])), 1.6)
                source = clips.Source(soundfont.PACKAGE, f"{bank}:{program}", "", key)
                yield source, font.play(bank, program, note).astype(np.float64)
        for kit in KITS:
            for key in DRUM_KEYS:
                note = soundfont.Note(key, int(rng.integers(70, 125)), 0.5, 1.2)
                source = clips.Source(soundfont.PACKAGE, f"{soundfont.DRUM_BANK}:{kit}", "", key)
                yield source, font.play(soundfont.DRUM_BANK, kit, note).astype(np.float64)
    finally:
        font.close()
    for file in sorted(samples.FOLDER.glob("*.flac")):
        stereo, rate = soundfile.read(file, dtype="float64", always_2d=True)
        mono = soxr.resample(stereo.mean(axis=1), rate, highs.RATE, "VHQ")
        yield clips.Source("sonic-pi-samples", file.stem, ""), mono[: round(SECONDS * highs.RATE)]


def levels(sound: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """The levels below 8 kHz `[columns, 22]` and above `[columns, 11]` of a sound, in dB under its loudest
    band; None for one that is silent or dull."""
    spectra = highs.analysed(sound)
    below, top = highs.levels_below(spectra)
    above = np.maximum(highs.levels_above(spectra) - top, highs.FLOOR_DB)
    return (below, above) if top >= highs.SILENT_DB and above[:, 4].max() >= DULL_DB else None


def listen() -> Heard:
    """All that is heard of `sounds`; every other spectrum of those that are learned, none that is silent."""
    shown, wanted, held = [], [], []
    for source, sound in sounds():
        found = levels(sound)
        if found is None:
            continue
        below, above = found
        apart = clips.is_held_out(source)
        rows = np.flatnonzero(below.max(axis=1) > DULL_DB)[:: 1 if apart else 2]
        shown.append(highs.inputs(below)[rows].astype(np.float16))
        wanted.append(highs.targets(above)[rows].astype(np.float16))
        held.append(np.full(len(rows), apart))
    return Heard(np.concatenate(shown), np.concatenate(wanted), np.concatenate(held))


def train(output: Path, steps: int, log: Callable[[str], None]) -> dict[str, float]:
    """Trains the network and writes it to `output`; its mean errors in dB on held-out sounds, and those of
    saying for each band what is usual."""
    log("hearing notes, drums and recordings at 48 kHz")
    heard = listen()
    shown, wanted, held = heard
    learned = np.flatnonzero(~held)
    torch.manual_seed(0)
    size = shown.shape[1]
    net = nn.Sequential(
        nn.Linear(size, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, highs.BANDS)
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    rng = np.random.default_rng(2)
    for step in range(steps):
        rows = rng.choice(learned, BATCH)
        given = torch.from_numpy(shown[rows]).float()
        # what a model makes is not quite what was recorded: a little louder here, softer there
        given = given + 0.03 * torch.randn(BATCH, 1) + 0.05 * torch.randn(BATCH, size)
        set_rate(optimiser, learning_rate(step, steps, PEAK_RATE, 100))
        loss = (net(given) - torch.from_numpy(wanted[rows]).float()).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % 200 == 0:
            log(f"highs {step + 1}/{steps} {float(loss.detach()) * highs.SCALE_DB:.2f} dB")
    with torch.no_grad():
        error = net(torch.from_numpy(shown[held]).float()) - torch.from_numpy(wanted[held]).float()
    usual = np.median(wanted[~held].astype(np.float32), axis=0)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, output)
    return {
        "held_out_db": float(error.abs().mean()) * highs.SCALE_DB,
        "usual_db": float(np.abs(wanted[held] - usual).mean()) * highs.SCALE_DB,
    }
