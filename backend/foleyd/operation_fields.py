"""The operations that a recipe may name: the sources that each needs, and the fields that are its own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from foleyd.field import Field

SEED_LIMIT = 2**31
"""Seeds lie in ``0 … SEED_LIMIT - 1``."""

REACH_HZ = 7_600.0
"""As high as a model at 16 kHz can make a band anew: what is left up to 8 kHz its resampler needs."""

LEAST_BAND = 1.26
"""A band that is made anew ends at least this many times its beginning, a third of an octave: both of its
joints lie inside it."""

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "text": (),
    "restyle": ("source",),
    "vary": (),
    "inpaint": ("source",),
    "extend": ("source",),
    "loop": (),
    "morph": (),
    "like": ("source",),
    "upscale": ("source",),
    "layers": (),
}
"""The operations that a recipe may name, each with the roles of the sources that it needs, in their order."""

LONGEST_S = 30.0
"""Seconds of a sound that is made in one piece."""

LONG_S = 600.0
"""Seconds of a sound that is made in windows."""

LONG: frozenset[str] = frozenset({"text", "extend"})
"""The operations that go on in windows where a model's longest piece ends."""

BY_EAR: frozenset[str] = frozenset({"like"})
"""The operations that hear their source by the audio tower, not by the autoencoder."""

OWN_FIELDS: Mapping[str, Mapping[str, object]] = {
    "restyle": {"strength": 0.5},
    "vary": {"centre": None, "distance": 0.25},
    "inpaint": {
        "redo_from": msgspec.UNSET,
        "redo_to": msgspec.UNSET,
        "redo_low": msgspec.UNSET,
        "redo_high": msgspec.UNSET,
    },
    "extend": {"before": 0.0, "after": 0.0},
    "morph": {"towards": None, "towards_seed": msgspec.UNSET, "mix": 0.5},
    "like": {"likeness": 0.5},
    "upscale": {"cutoff": msgspec.UNSET},
    "layers": {
        "attack": msgspec.UNSET,
        "tail": msgspec.UNSET,
        "attack_until": 0.08,
        "tail_from": 0.5,
    },
}
"""The fields that belong to some operations alone, by operation, with their values where a recipe gives none;
None where a recipe has to, UNSET where it need not. Any other operation refuses them."""

BOUND_FIELDS: tuple[str, ...] = tuple(dict.fromkeys(name for own in OWN_FIELDS.values() for name in own))
"""Every field that belongs to some operations alone."""

OWN: tuple[Field, ...] = (
    Field(
        name="strength",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--strength",
        help="Of 'restyle': how far to go from the source (0) to what the words alone give (1), in as many "
        "stages as there are steps; 0.5 when absent.",
    ),
    Field(
        name="centre",
        part="generating",
        kind="integer",
        low=0,
        high=SEED_LIMIT - 1,
        default=None,
        optional=True,
        flag="--centre",
        help="Of 'vary': the seed of the sound to stay near; its other fields are those of the recipe.",
    ),
    Field(
        name="distance",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--distance",
        help="Of 'vary': how far to go from that sound: 0 is the sound itself, 1 any other one; 0.25 when "
        "absent.",
    ),
    Field(
        name="redo_from",
        part="generating",
        kind="number",
        unit="s",
        low=0.0,
        high=30.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--redo-from",
        help="Of 'inpaint': where the part begins that is made anew; needed unless a band is given.",
    ),
    Field(
        name="redo_to",
        part="generating",
        kind="number",
        unit="s",
        low=0.0,
        high=30.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--redo-to",
        help="Of 'inpaint': where it ends; everything outside stays the source's own.",
    ),
    Field(
        name="redo_low",
        part="generating",
        kind="number",
        unit="Hz",
        low=50.0,
        high=6000.0,
        grid=1.0,
        default=None,
        optional=True,
        flag="--redo-low",
        help="Of 'inpaint': the lowest frequency that is made anew, in the part or all along; all from 0 Hz "
        "on when absent.",
    ),
    Field(
        name="redo_high",
        part="generating",
        kind="number",
        unit="Hz",
        low=100.0,
        high=REACH_HZ,
        grid=1.0,
        default=None,
        optional=True,
        flag="--redo-high",
        help="Of 'inpaint': the highest frequency that is made anew; as high as models reach when absent.",
    ),
    Field(
        name="before",
        part="generating",
        kind="number",
        unit="s",
        low=0.0,
        high=LONG_S - 0.1,
        grid=0.001,
        default=None,
        optional=True,
        flag="--before",
        help="Of 'extend': how much is made before the source; none when absent.",
    ),
    Field(
        name="after",
        part="generating",
        kind="number",
        unit="s",
        low=0.0,
        high=LONG_S - 0.1,
        grid=0.001,
        default=None,
        optional=True,
        flag="--after",
        help="Of 'extend': how much is made after it; none when absent.",
    ),
    Field(
        name="towards",
        part="generating",
        kind="text",
        unit="characters",
        low=1,
        high=1000,
        default=None,
        optional=True,
        flag="--towards",
        help="Of 'morph': the other sound in words.",
    ),
    Field(
        name="towards_seed",
        part="generating",
        kind="integer",
        low=0,
        high=SEED_LIMIT - 1,
        default=None,
        optional=True,
        flag="--towards-seed",
        help="Of 'morph': the other sound's seed; the same as this one's when absent.",
    ),
    Field(
        name="mix",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--mix",
        help="Of 'morph': how far on the way: 0 is this sound, 1 the other; several clips go from 0 to 1 in "
        "even stages, and 0.5 is the middle where one is asked for and this is absent.",
    ),
    Field(
        name="likeness",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--likeness",
        help="Of 'like': how much of what is meant is said by the source's sound (1) and how much by the "
        "words (0); 0.5 when absent.",
    ),
    Field(
        name="cutoff",
        part="generating",
        kind="number",
        unit="Hz",
        low=500.0,
        high=7200.0,
        grid=1.0,
        default=None,
        optional=True,
        flag="--cutoff",
        help="Of 'upscale': above it the sound is made anew, below it the source's own; where the source's "
        "highs end when absent.",
    ),
    Field(
        name="attack",
        part="generating",
        kind="text",
        unit="characters",
        low=1,
        high=1000,
        default=None,
        optional=True,
        flag="--attack",
        help="Of 'layers': how it begins, in words; the prompt is its body.",
    ),
    Field(
        name="tail",
        part="generating",
        kind="text",
        unit="characters",
        low=1,
        high=1000,
        default=None,
        optional=True,
        flag="--tail",
        help="Of 'layers': how it ends, in words.",
    ),
    Field(
        name="attack_until",
        part="generating",
        kind="number",
        unit="s",
        low=0.01,
        high=5.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--attack-until",
        help="Of 'layers': where the attack gives way to the body; 0.08 when absent.",
    ),
    Field(
        name="tail_from",
        part="generating",
        kind="number",
        unit="s",
        low=0.02,
        high=30.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--tail-from",
        help="Of 'layers': where the tail takes over; 0.5 when absent.",
    ),
)
"""The rows of those fields."""
