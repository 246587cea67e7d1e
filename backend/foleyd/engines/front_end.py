"""The log-mel that AudioLDM checkpoints speak, in numbers; `foleyd.engines.mel` makes it.

Nothing here imports torch, so that a catalog can tell which checkpoints can hear a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

RATE = 16_000
HOP = 160
WINDOW = 1024
BANDS = 64


class FrontEnd(NamedTuple):
    """What the sounds were like that a checkpoint was trained on: whether their mel frames were `centred`
    (`foleyd.engines.mel`), and their `peak` (full scale is 1)."""

    centred: bool
    peak: float


FRONT_ENDS: Mapping[str, FrontEnd] = {
    # AudioLDM's own code brings every training sound to half of full scale
    "SpeechT5HifiGan": FrontEnd(centred=True, peak=0.5),
    "FrameVocoder": FrontEnd(centred=False, peak=0.7),
}
"""By the class of the checkpoint's vocoder, as in `foleyd.engines.audioldm.VOCODERS`."""


def find(vocoder: str, rate: int, hop: int, bands: int) -> FrontEnd | None:
    """The front end of a checkpoint with this vocoder and these sizes; None where foleyd has none, so that
    the checkpoint cannot hear sources."""
    return FRONT_ENDS.get(vocoder) if (rate, hop, bands) == (RATE, HOP, BANDS) else None
