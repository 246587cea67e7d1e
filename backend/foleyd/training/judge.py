"""Figures for the model card: does a classifier that has only ever heard real clips recognise the generated
ones?

The classifier (:mod:`foleyd.training.recogniser`) has heard the sound font's melodic presets as FluidSynth
renders them, and the generators. The prompts below were written by hand, not by the caption templates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from foleyd.engines.base import Engine
from foleyd.engines.mel import LogMel
from foleyd.recipe import make, resolve
from foleyd.training import listener
from foleyd.training.clips import RATE, ClipIndex, level
from foleyd.training.neighbours import FRAMES, Neighbours
from foleyd.training.recogniser import Recogniser, shares
from foleyd.training.sheet import Pair, draw
from foleyd.training.soundfont import is_single_note

PROMPTS: tuple[tuple[str, str], ...] = (
    ("someone plays a note on a concert grand", "0:0"),
    ("barroom upright with a twangy detuned sound", "0:3"),
    ("mellow rhodes keys, late night", "0:4"),
    ("plucky baroque keyboard", "0:6"),
    ("funk clav stab", "0:7"),
    ("a bright glockenspiel note", "0:9"),
    ("little wind-up music box tinkling", "0:10"),
    ("jazzy vibraphone tone ringing out", "0:11"),
    ("rosewood marimba being struck", "0:12"),
    ("cartoon skeleton xylophone bones", "0:13"),
    ("gothic pipe organ in a cathedral", "0:19"),
    ("parisian cafe accordion", "0:21"),
    ("bluesman's harmonica wail", "0:22"),
    ("gentle flamenco nylon guitar pluck", "0:24"),
    ("strummed campfire steel guitar", "0:25"),
    ("heavy metal guitar, lots of distortion", "0:30"),
    ("pizzicato from the string players", "0:45"),
    ("angel's harp pluck", "0:46"),
    ("rumbling kettledrum", "0:47"),
    ("monks' choir going aah", "0:52"),
    ("dramatic orchestra hit for a trailer", "0:55"),
    ("fanfare trumpet blast", "0:56"),
    ("low oompah tuba", "0:58"),
    ("smoky tenor sax", "0:66"),
    ("sad oboe melody tone", "0:68"),
    ("goofy bassoon", "0:70"),
    ("airy flute in the distance", "0:73"),
    ("panpipes from the andes", "0:75"),
    ("old video game square wave", "0:80"),
    ("buzzy sawtooth synthesizer lead", "0:81"),
    ("twangy sitar drone from india", "0:104"),
    ("bluegrass banjo picking", "0:105"),
    ("african kalimba thumb keys", "0:108"),
    ("bagpipes from scotland", "0:109"),
    ("caribbean steel drum", "0:114"),
    ("waves rolling in at the seashore", "0:122"),
    ("little bird tweeting", "0:123"),
    ("landline phone ringing", "0:124"),
    ("helicopter overhead", "0:125"),
    ("the audience applauds", "0:126"),
)
"""(prompt, preset as bank:program)."""


class Verdict(msgspec.Struct, frozen=True):
    """For one prompt: how many of `seeds` clips had the preset first, and among the first five."""

    prompt: str
    preset: str
    first: int
    five: int
    seeds: int
    nearest: float


class Judgement(msgspec.Struct, frozen=True):
    """All verdicts, shares of clips recognised, and the classifier's own accuracy on held-out real clips.

    `nearest` is the mean log-mel distance in nats from a generated clip to its nearest training clip;
    `real_nearest` the same from a held-out real clip.
    """

    verdicts: list[Verdict]
    first: float
    five: float
    real_first: float
    real_five: float
    nearest: float
    real_nearest: float


class Judge:
    """A classifier of real sounds, and the training clips to look for copies in."""

    def __init__(
        self,
        mels: npt.NDArray[np.float16],
        index: ClipIndex,
        unheard: npt.NDArray[np.bool_],
        folder: Path,
        log: Callable[[str], None],
        steps: int = listener.STEPS,
    ) -> None:
        """`mels` `[clips, frames, 64]` of the clips of `index`; `unheard` are kept from the classifier, which
        is trained for `steps` in `folder`, or goes on from what lies there."""
        self._recogniser = Recogniser(mels, index.sources, unheard, folder, log, steps)
        self._neighbours = Neighbours(mels, np.flatnonzero(~unheard))
        self._examples = {
            source.name: mels[row, :FRAMES]
            for row, source in enumerate(index.sources)
            if is_single_note(source) and source.key == 63
        }
        self.real_first, self.real_five = shares(self._recogniser.held_ranks)
        self.real_nearest = float(
            np.mean([self._neighbours.nearest(mels[row, :FRAMES]) for row in np.flatnonzero(unheard)[:100]])
        )

    def judge(
        self,
        engine: Engine,
        seeds: int,
        log: Callable[[str], None],
        prompts: Sequence[tuple[str, str]] = PROMPTS,
        sheet: Path | None = None,
        best_of: int | None = None,
    ) -> Judgement:
        """Renders every prompt with seeds 0 … `seeds`−1 at the engine's defaults and classifies what comes
        out. Each clip is the best of so many seeds, of the engine's own number where `best_of` is None."""
        best_of = best_of or engine.capabilities.best_of
        front = LogMel()
        verdicts = []
        pairs: list[Pair] = []
        for prompt, preset in prompts:
            recipes = [
                resolve(make(prompt=prompt, seed=seed, seconds=FRAMES * 160 / RATE), engine.capabilities)
                for seed in range(seeds)
            ]
            waves = [
                level(take.samples) for take in engine.render(recipes, check_silence=False, best_of=best_of)
            ]
            sounding = [wave for wave in waves if wave is not None]
            if not sounding:
                verdicts.append(Verdict(prompt, preset, 0, 0, seeds, 0.0))
                continue
            mels = np.stack([front(torch.from_numpy(w[None, : FRAMES * 160])).numpy()[0] for w in sounding])
            ranks = self._recogniser.ranks(mels, [preset] * len(sounding))
            distance = float(np.mean([self._neighbours.nearest(mel) for mel in mels]))
            pairs.append((prompt, mels[0], self._examples.get(preset)))
            verdicts.append(
                Verdict(prompt, preset, int((ranks == 0).sum()), int((ranks < 5).sum()), seeds, distance)
            )
            last = verdicts[-1]
            log(f"{prompt}: first {last.first}, in five {last.five} of {seeds}, nearest {distance:.2f} nats")
        if sheet is not None:
            draw(sheet, pairs)
        total = seeds * len(verdicts)
        return Judgement(
            verdicts,
            sum(v.first for v in verdicts) / total,
            sum(v.five for v in verdicts) / total,
            self.real_first,
            self.real_five,
            float(np.mean([v.nearest for v in verdicts])),
            self.real_nearest,
        )
