"""The table of a recipe's fields: unit, range, grid, default and the words that explain each.

Validation (:mod:`foleyd.values`), the command line's options and the documentation all read :data:`FIELDS`;
nobody repeats its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from foleyd.field import Field, Kind, Part, Source
from foleyd.finishing_fields import FINISHING
from foleyd.operation_fields import (
    BOUND_FIELDS,
    BY_EAR,
    LEAST_BAND,
    LONG,
    LONG_S,
    LONGEST_S,
    OPERATIONS,
    OWN,
    OWN_FIELDS,
    SEED_LIMIT,
)

__all__ = [
    "BOUND_FIELDS",
    "BY_EAR",
    "FIELDS",
    "LEAST_BAND",
    "LONG",
    "LONGEST_S",
    "LONG_S",
    "OPERATIONS",
    "OWN_FIELDS",
    "ROLES",
    "SCHEDULERS",
    "SEED_LIMIT",
    "Field",
    "Kind",
    "Part",
    "Source",
    "longest",
]

SCHEDULERS: tuple[str, ...] = (
    "ddim",
    "dpmpp-2m",
    "dpmpp-2m-sde",
    "unipc",
    "euler",
    "euler-a",
    "heun",
    "lcm",
)
"""The samplers that a recipe may name; a model's capabilities say which of them it takes."""

ROLES: frozenset[str] = frozenset(role for roles in OPERATIONS.values() for role in roles)
"""Every role that a source may have."""


def longest(operation: str) -> float:
    """The most seconds that a sound of the operation has."""
    return LONG_S if operation in LONG else LONGEST_S


_ROWS: tuple[Field, ...] = (
    Field(
        name="operation",
        part="generating",
        kind="choice",
        choices=tuple(OPERATIONS),
        default="text",
        flag="--operation",
        help="What is done: 'text' makes a sound from words alone; 'restyle' makes a source sound like the "
        "words; 'vary' makes sounds near one that was made from words; 'inpaint' makes a part of a source "
        "anew; 'extend' makes what comes before and after a source; 'loop' makes a sound whose end runs into "
        "its beginning; 'morph' makes a stage on the way from one sound to another; 'like' makes sounds of "
        "the kind of a source, by ear and by words; 'upscale' makes the highs of a dull source anew; "
        "'layers' puts an attack before a sound, and a tail behind it.",
    ),
    Field(
        name="prompt",
        part="generating",
        kind="text",
        unit="characters",
        low=1,
        high=1000,
        default="",
        help="What to hear, in words; several with weights as in 'rain:0.7 | fire:0.3'.",
    ),
    Field(
        name="negative",
        part="generating",
        kind="text",
        unit="characters",
        low=0,
        high=1000,
        default="",
        flag="--negative",
        help="What not to hear, in words; works when the guidance is above 1.",
    ),
    Field(
        name="seconds",
        part="generating",
        kind="number",
        unit="s",
        low=0.3,
        high=LONG_S,
        grid=0.001,
        choices=("auto",),
        default="auto",
        flag="--seconds",
        help="Length, exact to the sample; 'auto' keeps what sounds and cuts the silence after it. More than "
        "30 s, made in windows, for 'text' and 'extend' alone.",
    ),
    Field(
        name="bars",
        part="generating",
        kind="number",
        low=0.001,
        high=64.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--bars",
        help="Length in bars instead of seconds, exact to the sample; needs bpm.",
    ),
    Field(
        name="bpm",
        part="generating",
        kind="number",
        low=20.0,
        high=400.0,
        grid=0.001,
        default=None,
        optional=True,
        flag="--bpm",
        help="Tempo of the bars, in beats a minute.",
    ),
    Field(
        name="beats",
        part="generating",
        kind="integer",
        low=1,
        high=32,
        default=4,
        optional=True,
        flag="--beats",
        help="Beats of a bar.",
    ),
    Field(
        name="seed",
        part="generating",
        kind="integer",
        low=0,
        high=SEED_LIMIT - 1,
        default=None,
        optional=True,
        flag="--seed",
        help="Chooses one of the many sounds that fit the words; drawn when absent, and always told.",
    ),
    Field(
        name="steps",
        part="generating",
        kind="integer",
        low=1,
        high=200,
        default=None,
        optional=True,
        flag="--steps",
        help="Sampling steps: more take longer and are cleaner; the model's own number when absent.",
    ),
    Field(
        name="guidance",
        part="generating",
        kind="number",
        low=1.0,
        high=20.0,
        grid=0.01,
        default=None,
        optional=True,
        flag="--guidance",
        help="How strictly to follow the words; 1 is off; when absent the model's own value, for 'like' at "
        "most 2.",
    ),
    Field(
        name="guidance_from",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.01,
        default=0.0,
        optional=True,
        flag="--guidance-from",
        help="The share of the steps after which guidance begins: a step without it takes half the time.",
    ),
    Field(
        name="guidance_to",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.01,
        default=1.0,
        optional=True,
        flag="--guidance-to",
        help="The share of the steps after which guidance ends.",
    ),
    Field(
        name="guidance_rescale",
        part="generating",
        kind="number",
        low=0.0,
        high=1.0,
        grid=0.01,
        default=0.0,
        optional=True,
        flag="--guidance-rescale",
        help="How far strong guidance is brought back to the loudness and contrast that it had without.",
    ),
    Field(
        name="scheduler",
        part="generating",
        kind="choice",
        choices=SCHEDULERS,
        default=None,
        optional=True,
        flag="--scheduler",
        help="The sampler, by name; the model's own when absent.",
    ),
    Field(
        name="vocoder",
        part="generating",
        kind="choice",
        choices=("own", "fast"),
        default="own",
        optional=True,
        flag="--vocoder",
        help="What turns the spectrogram into sound: the model's own vocoder, or the starter's, which takes "
        "a hundredth of a big model's time.",
    ),
    Field(
        name="model",
        part="generating",
        kind="name",
        unit="characters",
        low=1,
        high=255,
        default="starter",
        flag="--model",
        help="The model, by the name that 'foleyd models list' shows.",
    ),
    Field(
        name="revision",
        part="generating",
        kind="name",
        unit="characters",
        low=0,
        high=64,
        default="",
        optional=True,
        help="Which version of the model's files; the one on this disk when absent.",
    ),
    Field(
        name="adapter",
        part="generating",
        kind="name",
        unit="characters",
        low=0,
        high=64,
        default="",
        optional=True,
        flag="--adapter",
        help="What the model was taught of your own sounds, by the name that 'foleyd models adapters list' "
        "shows.",
    ),
    Field(
        name="adapter_weight",
        part="generating",
        kind="number",
        low=0.0,
        high=1.5,
        grid=0.01,
        default=1.0,
        optional=True,
        flag="--adapter-weight",
        help="How much of the adapter: 0 is the model without it, 1 as it was trained.",
    ),
    Field(
        name="adapter_revision",
        part="generating",
        kind="name",
        unit="characters",
        low=0,
        high=64,
        default="",
        optional=True,
        help="Which version of the adapter; the one on this disk when absent.",
    ),
    Field(
        name="sources",
        part="generating",
        kind="sources",
        default=(),
        optional=True,
        help="The sounds that the operation starts from, by role and content hash.",
    ),
    *OWN,
    *FINISHING,
)

FIELDS: Mapping[str, Field] = {row.name: row for row in _ROWS}
"""Every field of a recipe by name, in the order of :class:`foleyd.recipe.Recipe`."""
