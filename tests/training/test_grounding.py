"""The text tower learns to put any sentence where the captions lie that are nearest to it."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from foleyd.engines import catalog
from foleyd.training import finished, grounding, text
from foleyd.training.progress import Run

DISHES = ("tomato soup", "roast potatoes", "an apple pie", "fried fish", "a green salad", "rice pudding")
CAPTIONS = [f"{how} {dish}" for dish in DISHES for how in ("hot", "cold", "a plate of", "grandmother's")]
"""Nothing that the starter's own training has heard of."""


@pytest.fixture(scope="module")
def known() -> finished.Finished:
    return finished.load(catalog.STARTER)


def test_a_sentence_is_meant_to_lie_at_the_weighted_mean_of_the_captions(known: finished.Finished) -> None:
    places = grounding.Places(known.tower, known.tokenizer, CAPTIONS)
    said = ["soup of tomatoes on a rainy day"]
    own, at = places.own(said)[0].numpy(), places.known.numpy()
    weight = np.exp(grounding.SHARPNESS * (at @ own))
    mean = (weight[:, None] * at).sum(0) / weight.sum()
    wanted = places.grounded(said)[0].numpy()
    assert wanted == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert CAPTIONS[int((at @ wanted).argmax())].endswith("tomato soup")


def test_directions_count_by_how_far_captions_differ_in_them(known: finished.Finished) -> None:
    places = grounding.Places(known.tower, known.tokenizer, CAPTIONS)
    at = places.known
    assert places.distance(at, at) == 0
    spread = np.linalg.eigh(np.cov(at.numpy().T))[1].astype(np.float32)
    most, least = torch.from_numpy(spread[:, -1]), torch.from_numpy(spread[:, 0])
    assert places.distance(at + 0.1 * least, at) > 3 * places.distance(at + 0.1 * most, at)


def test_captions_stay_and_other_sentences_come(
    known: finished.Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "PROBES", ("tomato noodle soup blue", "quick potatoes", "pie of the village"))
    tower = copy.deepcopy(known.tower)
    lines: list[str] = []
    figures = grounding.ground(
        tower, known.tokenizer, CAPTIONS, Run(tmp_path, "grounding", 48, every=12), lines.append, batch=24
    )
    assert all(0 < figures[name] <= 1 for name in ("ungrounded_cosine", "grounded_cosine"))
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines]
    assert losses[-1] < 0.7 * losses[0], losses
    places = grounding.Places(known.tower, known.tokenizer, CAPTIONS)
    with torch.no_grad():
        moved = text.embed(tower, known.tokenizer, CAPTIONS)
    assert (moved * places.own(CAPTIONS)).sum(-1).min() > 0.7
