"""The table of a recipe's fields: unit, range, grid, default and the words that explain each.

Validation (:mod:`foleyd.values`), the command line's options and the documentation all read :data:`FIELDS`;
nobody repeats its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Part = Literal["generating", "finishing"]
Kind = Literal["text", "name", "number", "integer", "switch", "choice", "sources"]

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

SEED_LIMIT = 2**31
"""Seeds lie in ``0 … SEED_LIMIT - 1``."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a recipe.

    ``part`` says what the field decides: ``generating`` fields are what the model sees, ``finishing`` fields
    are applied to its output. ``low`` and ``high`` are inclusive, in ``unit`` (for text: characters).
    ``grid`` is the step that numbers are rounded to. ``choices`` are the words accepted: the only ones for a
    choice, those allowed besides a number otherwise. A default of None means "the model's own". ``flag`` is
    the command line's option, empty where it has none.

    ``optional`` fields are left out of the canonical form while they are at their default. Every field added
    after the first release is optional, and its default has to mean "as it was before the field existed": so
    the hashes of older recipes hold.
    """

    name: str
    part: Part
    kind: Kind
    help: str
    default: object
    unit: str = ""
    low: float | None = None
    high: float | None = None
    grid: float | None = None
    choices: tuple[str, ...] = ()
    flag: str = ""
    optional: bool = False


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A sound that a recipe starts from.

    ``role`` is what the operation does with it, a name from the operation's own list. ``sha256`` (64
    lowercase hex digits) is the hash of the audio, so that a recipe means the same wherever the file lies and
    whatever its name. Fields added later need a default, and are left out of the canonical form while at it.
    """

    role: str
    sha256: str


OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "text": (),
    "restyle": ("source",),
    "vary": (),
    "inpaint": ("source",),
    "extend": ("source",),
    "loop": (),
    "morph": (),
}
"""The operations that a recipe may name, each with the roles of the sources that it needs, in their order."""

OWN_FIELDS: Mapping[str, Mapping[str, object]] = {
    "restyle": {"strength": 0.5},
    "vary": {"centre": None, "distance": 0.25},
    "inpaint": {"redo_from": None, "redo_to": None},
    "extend": {"before": 0.0, "after": 0.0},
    "morph": {"towards": None, "towards_seed": msgspec.UNSET, "mix": 0.5},
}
"""The fields that belong to some operations alone, by operation, with their values where a recipe gives none;
None where a recipe has to, UNSET where it need not. Any other operation refuses them."""

BOUND_FIELDS: tuple[str, ...] = tuple(dict.fromkeys(name for own in OWN_FIELDS.values() for name in own))
"""Every field that belongs to some operations alone."""

ROLES: frozenset[str] = frozenset(role for roles in OPERATIONS.values() for role in roles)
"""Every role that a source may have."""

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
        "its beginning; 'morph' makes a stage on the way from one sound to another.",
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
        high=30.0,
        grid=0.001,
        choices=("auto",),
        default="auto",
        flag="--seconds",
        help="Length, exact to the sample; 'auto' keeps what sounds and cuts the silence after it.",
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
        help="How strictly to follow the words; 1 is off, the model's own value when absent.",
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
        name="sources",
        part="generating",
        kind="sources",
        default=(),
        optional=True,
        help="The sounds that the operation starts from, by role and content hash.",
    ),
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
        help="Of 'inpaint': where the part begins that is made anew.",
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
        name="before",
        part="generating",
        kind="number",
        unit="s",
        low=0.0,
        high=29.9,
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
        high=29.9,
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
        name="trim",
        part="finishing",
        kind="switch",
        default=True,
        flag="--trim/--no-trim",
        help="Start the clip where the sound starts.",
    ),
    Field(
        name="fade_in",
        part="finishing",
        kind="number",
        unit="ms",
        low=0.0,
        high=10_000.0,
        grid=0.1,
        default=0.5,
        flag="--fade-in",
        help="Fade at the start; the default stops a click and leaves a drum its attack.",
    ),
    Field(
        name="fade_out",
        part="finishing",
        kind="number",
        unit="ms",
        low=0.0,
        high=10_000.0,
        grid=0.1,
        default=10.0,
        flag="--fade-out",
        help="Fade at the end.",
    ),
    Field(
        name="level",
        part="finishing",
        kind="choice",
        choices=("peak", "lufs", "none"),
        default="peak",
        flag="--level",
        help="'peak' brings the true peak to the ceiling, 'lufs' the loudness to its target, 'none' neither.",
    ),
    Field(
        name="ceiling",
        part="finishing",
        kind="number",
        unit="dBTP",
        low=-60.0,
        high=0.0,
        grid=0.01,
        default=-1.0,
        flag="--ceiling",
        help="The true peak that the clip reaches ('peak') or never passes ('lufs').",
    ),
    Field(
        name="loudness",
        part="finishing",
        kind="number",
        unit="LUFS",
        low=-60.0,
        high=-5.0,
        grid=0.01,
        default=-16.0,
        flag="--loudness",
        help="The loudness that level 'lufs' aims at.",
    ),
    Field(
        name="rate",
        part="finishing",
        kind="integer",
        unit="Hz",
        low=8_000,
        high=192_000,
        default=48_000,
        flag="--rate",
        help="Sample rate of the clip.",
    ),
    Field(
        name="width",
        part="finishing",
        kind="choice",
        choices=("mono", "dual", "stereo"),
        default="mono",
        flag="--width",
        help="'mono': one channel; 'dual': the same on two; 'stereo': widened, and mono again when summed.",
    ),
)

FIELDS: Mapping[str, Field] = {row.name: row for row in _ROWS}
"""Every field of a recipe by name, in the order of :class:`foleyd.recipe.Recipe`."""
