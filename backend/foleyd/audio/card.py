"""What a clip says about itself, and the JSON card that carries it inside every audio file.

The card is one JSON object in ASCII, so that it passes through XML, comment tags and any program that keeps
text: ``{"card": 1, "recipe": {...}, "take_id": ..., "clip_id": ..., "title": ..., "licence": ..., "model":
..., "software": ..., "made": {...}, "loops": [[first, last]], "cues": [[frame, label]], ...}``. Readers
ignore keys they do not know. There is no time of day in it: the same clip is the same bytes.
"""

import json
from typing import Annotated, Any

import msgspec

from foleyd import __version__
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe, from_json, to_json

CARD_VERSION = 1
LONGEST_CARD = 256 * 1024
"""Bytes; a card that claims to be longer is not read."""

_Frame = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]


class ClipMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a clip's file beside its samples. Only the recipe is needed."""

    recipe: Recipe
    take_id: str = ""
    clip_id: str = ""
    title: str = ""
    """Empty: the prompt."""
    licence: str = ""
    """The licence of the model's weights, as its entry in the catalog says it."""
    sellable: bool | None = None
    """Whether that licence lets people sell the sound; None in files that do not say."""
    model: str = ""
    """The model's title for people; empty: the recipe's model."""
    software: str = f"foleyd {__version__}"
    made: dict[str, str | int | float | bool] = {}
    """How the take was rendered: runtime, precision, bucket, threads, batch."""
    loops: tuple[tuple[int, int], ...] = ()
    """First and last frame of each loop, both included."""
    cues: tuple[tuple[int, str], ...] = ()
    """Frame and label of each marker."""
    note: int = 60
    """The MIDI note at which a sampler plays the clip as it is."""
    category: str = ""
    """A Universal Category System id such as "WATRDrip", or empty."""
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None

    @property
    def name(self) -> str:
        """The title, or the prompt where there is none."""
        return self.title or self.recipe.prompt


class _Card(msgspec.Struct):
    card: int
    recipe: msgspec.Raw
    take_id: _Text = ""
    clip_id: _Text = ""
    title: _Text = ""
    licence: _Text = ""
    sellable: bool | None = None
    model: _Text = ""
    software: _Text = ""
    made: dict[_Text, _Text | int | float | bool] = {}
    loops: Annotated[tuple[tuple[_Frame, _Frame], ...], msgspec.Meta(max_length=1024)] = ()
    cues: Annotated[tuple[tuple[_Frame, _Text], ...], msgspec.Meta(max_length=4096)] = ()
    note: Annotated[int, msgspec.Meta(ge=0, le=127)] = 60
    category: _Text = ""
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None


def write_card(meta: ClipMeta) -> str:
    """The card of a clip: one line of ASCII JSON, keys sorted, empty fields left out."""
    fields: dict[str, Any] = {
        name: value
        for name, value in msgspec.structs.asdict(meta).items()
        if name != "recipe" and value not in ("", (), {}, None)
    }
    fields |= {"card": CARD_VERSION, "recipe": json.loads(to_json(meta.recipe))}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_card(text: bytes | str) -> ClipMeta:
    """The clip that a card describes. It may come from a stranger: raises BadRequest for whatever is not a
    card.
    """
    if len(text) > LONGEST_CARD:
        raise BadRequest(
            f"the card inside is {len(text)} long, over {LONGEST_CARD}: give a clip that foleyd wrote."
        )
    try:
        card = msgspec.json.decode(text, type=_Card)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadRequest(
            f"the card inside cannot be read ({str(error)[:200]}): give a clip that foleyd wrote."
        ) from None
    if card.card != CARD_VERSION:
        raise BadRequest(
            f"the clip carries card version {card.card!s:.20}, this foleyd reads {CARD_VERSION}: use a "
            "newer foleyd."
        )
    fields = {name: getattr(card, name) for name in card.__struct_fields__ if name not in ("card", "recipe")}
    return ClipMeta(recipe=from_json(bytes(card.recipe)), **fields)
