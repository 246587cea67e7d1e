"""The real clips that a model is held against, and the networks that look at both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foleyd.engines.front_end import HOP
from foleyd.errors import FoleydError
from foleyd.training import clips, finished, hearing, listener, starter, text
from foleyd.training.neighbours import FRAMES, Neighbours
from foleyd.training.recogniser import Recogniser, class_of

PAUSE = hearing.SECONDS * clips.RATE
"""Samples that the audio tower hears."""


class World:
    """The clips of a training's work folder, those that no network has heard, and a finished model's own
    towers and codec."""

    def __init__(
        self, folder: Path, model: Path, log: Callable[[str], None], steps: int = listener.STEPS
    ) -> None:
        """`folder` is that of 'foleyd train starter'. Raises FoleydError for one without clips, for a model
        without an audio tower, and for one that cannot be taken apart."""
        try:
            self.model = finished.load(model)
            self.waves, index = clips.load(folder / "clips")
        except FileNotFoundError as error:
            raise FoleydError(f"{error}.") from error
        if self.model.ear is None:
            raise FoleydError(
                f"{model} has no audio tower, which retrieval is measured with: choose a model that has one."
            )
        self.sources, self.captions = index.sources, index.captions
        if not (folder / "mels.npy").is_file():
            starter.Work(folder, starter.Plan(), log).mels()
        # two gigabytes, of which most is looked at once
        self.mels: npt.NDArray[np.float16] = np.load(folder / "mels.npy", mmap_mode="r")
        self.unheard = starter.held_out(self.sources)
        self.labels = np.array([class_of(source) for source in self.sources])
        self.recogniser = Recogniser(self.mels, self.sources, self.unheard, folder, log, steps)
        self.neighbours = Neighbours(self.mels, np.flatnonzero(~self.unheard))

    def held(self) -> npt.NDArray[np.intp]:
        """The held-out clips whose class is known, class by class."""
        rows = np.flatnonzero(self.unheard & (self.labels != ""))
        return rows[np.argsort(self.labels[rows], kind="stable")]

    def mel(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Log-mels `[rows, 256, 64]`."""
        return np.asarray(self.mels[rows, :FRAMES], np.float32)

    def wave(self, row: int) -> npt.NDArray[np.float32]:
        """The first 2.56 s of a clip, float32 samples."""
        return (self.waves[row, : FRAMES * HOP] / np.float32(32767)).astype(np.float32)

    def said(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """Where the text tower puts texts, `[texts, d]`."""
        return text.embed_all(self.model.tower, self.model.tokenizer, texts)

    def heard(self, waves: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float16]:
        """The audio tower's features of samples at 16 kHz, silence after them."""
        whole = np.zeros((len(waves), PAUSE), np.int16)
        for place, wave in enumerate(waves):
            whole[place, : len(wave)] = np.clip(wave, -1, 1)[:PAUSE] * 32767
        return hearing.features(whole)
