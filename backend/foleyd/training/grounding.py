"""Grounding: any sentence goes where the captions that are nearest to it lie.

A distilled text tower knows that a kettledrum is a timpani, but puts «a rumbling kettledrum» beside the
captions of timpani, in directions that no caption has and no denoiser was trained on. Here the tower learns
to leave such directions out: a sentence's place becomes the mean of all captions, weighted by a softmax over
their cosine to it (one step of mean shift, Cheng 1995; retrieval-augmented text-to-audio, Yuan et al. 2024,
looks captions up while rendering instead). A caption keeps its own place.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import ClapTextModelWithProjection, PreTrainedTokenizerFast

from foleyd.training import text
from foleyd.training.denoiser import whitening
from foleyd.training.progress import Run, learning_rate, set_rate

SHARPNESS = 40.0
"""Factor on cosines before the softmax: a caption that is nearer by 0.06 counts ten times as much."""
LIBRARY = 60_000
"""Captions that sentences are compared with, at most."""
PEAK_RATE = 3e-4
OWN = 0.3
"""Share of each batch that is captions as they are, whose places are to stay."""
NOTHING = 6
"""How often no words at all are in each batch: guidance turns away from where they lie, so that stays most
of all."""


class Places:
    """Where captions lie, and where other sentences should."""

    def __init__(
        self, tower: ClapTextModelWithProjection, tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]
    ) -> None:
        """`tower` as distilled; at most `LIBRARY` of `captions` are looked at, evenly."""
        self._tower, self._tokenizer = copy.deepcopy(tower).requires_grad_(False).eval(), tokenizer
        chosen = captions[:: -(-len(captions) // LIBRARY)]
        self.known = torch.from_numpy(text.embed_all(self._tower, tokenizer, chosen)).float()
        weight, _ = whitening(self.known.numpy())
        self._scale = torch.from_numpy(weight)

    @torch.no_grad()
    def own(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors `[texts, d]`: where the distilled tower puts `texts`."""
        return text.embed(self._tower, self._tokenizer, texts)

    @torch.no_grad()
    def grounded(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors `[texts, d]`: the mean of the captions near each of `texts`."""
        weight = torch.softmax(SHARPNESS * (self.own(texts) @ self.known.T), dim=1)
        return F.normalize(weight @ self.known, dim=1)

    def distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Mean squared distance of unit vectors `[n, d]` where every direction counts by how far captions
        differ in it, as a denoiser's first layer weighs them: 2 for two captions drawn at random."""
        return ((found - wanted) @ self._scale.T).square().mean()


def ground(
    tower: ClapTextModelWithProjection,
    tokenizer: PreTrainedTokenizerFast,
    captions: Sequence[str],
    run: Run,
    log: Callable[[str], None],
    batch: int = 96,
) -> dict[str, float]:
    """Trains `tower`, as `text.distil` gave it, in place for the steps of `run`, and resumes from there.

    Returns what was reached on sentences unlike any caption, as mean cosine to their grounded places, before
    (`ungrounded_cosine`) and after (`grounded_cosine`).
    """
    places = Places(tower, tokenizer, captions)
    words = text.whole_words(tokenizer.get_vocab())
    learned = text.trainable(tower)
    optimiser = torch.optim.AdamW(learned, lr=PEAK_RATE)
    run.resume({"tower": tower}, optimiser)
    rng = random.Random(run.step + 11)
    tower.eval()
    while not run.finished:
        own = [*rng.choices(captions, k=round(OWN * batch)), *[""] * NOTHING]
        strange = text.sentences(captions, words, rng, batch - len(own))
        wanted = torch.cat([places.own(own), places.grounded(strange)])
        set_rate(optimiser, learning_rate(run.step, run.steps, PEAK_RATE))
        loss = places.distance(text.embed(tower, tokenizer, own + strange), wanted)
        run.learn(loss, optimiser, {"tower": tower}, log)
    wanted = places.grounded(text.PROBES)
    with torch.no_grad():
        found = text.embed(tower, tokenizer, text.PROBES)
    return {
        "ungrounded_cosine": float((places.own(text.PROBES) * wanted).sum(-1).mean()),
        "grounded_cosine": float((found * wanted).sum(-1).mean()),
    }
