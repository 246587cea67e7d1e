"""The recipe: everything that determines a sound, checked, immutable, and hashed.

A :class:`Recipe` that exists is valid: its constructor, every decoder and every copy with changes run the
same checks (:mod:`foleyd.values`), put numbers on their grids and normalise text. Two recipes that mean the
same sound are equal and have the same ids.

**Canonical form.** JSON as RFC 8785 defines it (keys sorted, no spaces, numbers and strings in their shortest
spelling, UTF-8), so that a program in any language can compute the ids. Whole numbers have no fraction
(``2``, never ``2.0``), there is no ``-0``, NaN or null. Optional fields are left out while at their default,
which is how fields added later leave older ids alone.

**Ids.** ``recipe-…``, ``sound-…``, ``take-…`` and ``clip-…``, each with 24 characters of base32 in lower
case: the first 120 bits of SHA-256 over a line that names the kind and its version, then the canonical form.
The prefix tells one kind from another and an id from a path, and keeps Pure Data from reading an id as a
number; 31 characters at most fit ``OriginatorReference`` in a ``bext`` chunk; one case is safe as a file name
everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import secrets
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Literal, Protocol

import msgspec

from foleyd import mixture, operation_checks
from foleyd.errors import BadRequest
from foleyd.fields import (
    BY_EAR,
    FIELDS,
    OPERATIONS,
    OWN_FIELDS,
    ROLES,
    SCHEDULERS,
    SEED_LIMIT,
    Field,
    Part,
    Source,
    longest,
)
from foleyd.values import check, read_text

__all__ = [
    "DRAWN_SEEDS",
    "FIELDS",
    "FORMAT",
    "OPERATIONS",
    "OWN_FIELDS",
    "ROLES",
    "SCHEDULERS",
    "SEED_LIMIT",
    "Defaults",
    "Field",
    "Recipe",
    "Source",
    "change",
    "clip_id",
    "finishing",
    "frames_at",
    "from_json",
    "generating",
    "is_resolved",
    "length",
    "make",
    "read_value",
    "recipe_id",
    "resolve",
    "sound_id",
    "steps_taken",
    "take_id",
    "to_json",
]

FORMAT = 1
"""Version of the JSON document; raised only if an old document could no longer be read as it was meant."""

GUIDANCE_BY_EAR = 2.0
"""Guidance of a sound like another, at most, where the recipe names none. A denoiser was trained with where
words lie; what is heard lies beside them, and guided further a short drum falls silent."""
DRAWN_SEEDS = 2**24
"""Seeds that foleyd draws are below this: hosts that only know float32 must be able to send them back."""

LONGEST_DOCUMENT = 65_536
"""Bytes of JSON that :func:`from_json` looks at; the largest recipe is far smaller."""

# raised for one kind alone when its ids must change although no field did, as when finishing sounds different
_ID_VERSIONS: Mapping[str, int] = {"recipe": 1, "sound": 1, "take": 1, "clip": 1}


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that determines a sound. Units, ranges and meanings are in :data:`FIELDS`.

    None (``revision``: empty) stands for "the model's own", and is filled by :func:`resolve`.
    """

    operation: str = "text"
    prompt: str
    negative: str = ""
    seconds: float | Literal["auto"] = "auto"
    bars: float | None = None
    bpm: float | None = None
    beats: int = 4
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_from: float = 0.0
    guidance_to: float = 1.0
    guidance_rescale: float = 0.0
    scheduler: str | None = None
    vocoder: str = "own"
    model: str = "starter"
    revision: str = ""
    adapter: str = ""
    adapter_weight: float = 1.0
    adapter_revision: str = ""
    sources: tuple[Source, ...] = ()
    strength: float | None = None
    centre: int | None = None
    distance: float | None = None
    redo_from: float | None = None
    redo_to: float | None = None
    redo_low: float | None = None
    redo_high: float | None = None
    before: float | None = None
    after: float | None = None
    towards: str | None = None
    towards_seed: int | None = None
    mix: float | None = None
    likeness: float | None = None
    cutoff: float | None = None
    attack: str | None = None
    tail: str | None = None
    attack_until: float | None = None
    tail_from: float | None = None

    trim: bool = True
    fade_in: float = 0.5
    fade_out: float = 10.0
    level: str = "peak"
    ceiling: float = -1.0
    loudness: float = -16.0
    rate: int = 48_000
    width: str = "mono"
    highs: str = "model"

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            msgspec.structs.force_setattr(self, name, check(field, getattr(self, name)))
        if self.guidance_from >= self.guidance_to:
            raise BadRequest(
                f"guidance_from is {self.guidance_from:g}, guidance_to {self.guidance_to:g}: give a smaller "
                "guidance_from, or guidance 1 for none at all."
            )
        self._check_length()
        self._check_adapter()
        for name in ("prompt", "negative", "towards", "attack", "tail"):
            mixture.parts(getattr(self, name) or "", name)
        needed, given = OPERATIONS[self.operation], tuple(source.role for source in self.sources)
        if needed != given:
            raise BadRequest(
                f"sources are {_listing(given)}: operation '{self.operation}' takes {_listing(needed)}."
            )
        for name, value in operation_checks.filled(self.operation, msgspec.structs.asdict(self)).items():
            msgspec.structs.force_setattr(self, name, value)
        operation_checks.check(self, length(self))

    def _check_length(self) -> None:
        high = longest(self.operation)
        if self.bars is None:
            if self.seconds != "auto" and self.seconds > high:
                raise BadRequest(
                    f"seconds is {self.seconds:g}: '{self.operation}' makes {FIELDS['seconds'].low:g} to "
                    f"{high:g} s."
                )
            for name, given in (
                ("bpm", self.bpm is not None),
                ("beats", self.beats != FIELDS["beats"].default),
            ):
                if given:
                    raise BadRequest(f"{name} is given without bars: give bars too, or leave it out.")
            return
        if self.bpm is None:
            raise BadRequest("bars is given without bpm: give the tempo, or seconds instead.")
        if self.seconds != "auto":
            raise BadRequest("both seconds and bars are given: give one of them.")
        low = FIELDS["seconds"].low or 0.0
        lasting = float(length(self) or 0)
        if not low <= lasting <= high:
            raise BadRequest(
                f"{self.bars:g} bars at {self.bpm:g} bpm last {lasting:.3f} s: a sound has {low:g} to "
                f"{high:g} s."
            )

    def _check_adapter(self) -> None:
        if not self.adapter and self.adapter_weight != FIELDS["adapter_weight"].default:
            raise BadRequest(
                "adapter_weight is given without adapter: give the adapter too, or leave it out."
            )
        if not self.adapter and self.adapter_revision:
            raise BadRequest("adapter_revision is given without adapter: give the adapter too.")


class Defaults(Protocol):
    """What :func:`resolve` asks of a model's capabilities."""

    @property
    def steps(self) -> int: ...
    @property
    def guidance(self) -> float: ...
    @property
    def scheduler(self) -> str: ...
    @property
    def revision(self) -> str: ...


def make(**values: object) -> Recipe:
    """A recipe from whatever a wire, a file or a caller has: integral floats for ints, lists for tuples,
    float32.

    Raises BadRequest in one sentence: an unknown field, or which field is wrong, its value and what it takes.
    """
    for name in values:
        if name not in FIELDS:
            raise BadRequest(_unknown(name))
    if "prompt" not in values:
        raise BadRequest("a recipe needs a prompt: say in words what to hear.")
    given: dict[str, Any] = values
    return Recipe(**given)


def change(recipe: Recipe, **values: object) -> Recipe:
    """The recipe with some fields changed, checked as by :func:`make`. An adapter that is named anew is the
    one on this disk; without one there is no weight."""
    if "adapter" in values:
        left = {} if values["adapter"] else {"adapter_weight": 1.0}
        values = {"adapter_revision": "", **left, **values}
    return make(**{**msgspec.structs.asdict(recipe), **values})


def read_value(name: str, text: str) -> object:
    """The value of field ``name`` written as text on a command line or in a table's cell, checked.

    Raises BadRequest, for an unknown name too.
    """
    if name not in FIELDS:
        raise BadRequest(_unknown(name))
    return read_text(FIELDS[name], text)


def to_json(recipe: Recipe) -> str:
    """The recipe as one line of canonical JSON, with ``"format"`` beside its fields; encode it as UTF-8."""
    return _canonical({"format": FORMAT, **generating(recipe), **finishing(recipe)})


def from_json(document: str | bytes) -> Recipe:
    """The recipe written in a JSON object; fields that are missing take their defaults.

    Raises BadRequest for anything else: too long, not JSON, not an object, a newer format, unknown fields,
    values out of range. The document may come from a stranger.
    """
    if len(document) > LONGEST_DOCUMENT:
        raise BadRequest(
            f"the recipe is {len(document)} long: a recipe has at most {LONGEST_DOCUMENT} bytes of JSON."
        )
    try:
        values = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"the recipe is not JSON ({error}): give one JSON object.") from None
    if not isinstance(values, dict):
        raise BadRequest("the recipe is not a JSON object: write its fields in braces.")
    version = values.pop("format", FORMAT)
    if type(version) is not int or version != FORMAT:
        raise BadRequest(f"the recipe has format {version!r:.20}: this foleyd reads {FORMAT} only.")
    return make(**values)


def resolve(recipe: Recipe, defaults: Defaults, *, draw: Callable[[int], int] = secrets.randbelow) -> Recipe:
    """The recipe with nothing left open: what it does not say is taken from the model's capabilities.

    The seed is drawn by ``draw(n)``, which gives an int in ``0 … n - 1``. ``seconds`` stays ``auto``: that is
    a statement of its own. What the recipe says is kept; whether the model can do it is the engine's to
    judge.
    """
    filled: dict[str, object] = {
        "seed": draw(DRAWN_SEEDS) if recipe.seed is None else recipe.seed,
        "steps": defaults.steps if recipe.steps is None else recipe.steps,
        "guidance": _guidance(recipe, defaults) if recipe.guidance is None else recipe.guidance,
        "scheduler": defaults.scheduler if recipe.scheduler is None else recipe.scheduler,
        "revision": recipe.revision or defaults.revision,
    }
    return change(recipe, **filled)


def _guidance(recipe: Recipe, defaults: Defaults) -> float:
    return min(defaults.guidance, GUIDANCE_BY_EAR) if by_ear(recipe) else defaults.guidance


def by_ear(recipe: Recipe) -> float:
    """How much of what is meant is said by the sound of a source, 0 (the words alone) to 1."""
    return (recipe.likeness or 0.0) if recipe.operation in BY_EAR else 0.0


def length(recipe: Recipe) -> Fraction | None:
    """The seconds that the recipe asks for, exactly, in seconds or in bars; None for ``auto``."""
    if recipe.bars is not None and recipe.bpm is not None:
        return Fraction(str(recipe.bars)) * recipe.beats * 60 / Fraction(str(recipe.bpm))
    return None if recipe.seconds == "auto" else Fraction(str(recipe.seconds))


def frames_at(recipe: Recipe, rate: int) -> int | None:
    """The frames that the recipe's :func:`length` has at ``rate`` Hz; None for ``auto``."""
    asked = length(recipe)
    return None if asked is None else round(asked * rate)


def steps_taken(recipe: Recipe) -> int:
    """Of a resolved recipe's steps, how many are computed: 'restyle' leaves out those before its strength,
    'layers' makes them for each layer."""
    steps = recipe.steps or 0
    if recipe.operation == "layers":
        return steps * (1 + (recipe.attack is not None) + (recipe.tail is not None))
    return steps if recipe.strength is None else math.ceil(round(recipe.strength * steps, 6))


def is_resolved(recipe: Recipe) -> bool:
    """Whether the recipe says all that a model needs (a model without revisions leaves that one empty)."""
    return None not in (recipe.seed, recipe.steps, recipe.guidance, recipe.scheduler)


def generating(recipe: Recipe, fields: Mapping[str, Field] = FIELDS) -> dict[str, object]:
    """What the model sees, as the values of the canonical form by field name."""
    return _values(recipe, "generating", fields)


def finishing(recipe: Recipe, fields: Mapping[str, Field] = FIELDS) -> dict[str, object]:
    """What is done to the model's output, as the values of the canonical form by field name."""
    return _values(recipe, "finishing", fields)


def recipe_id(recipe: Recipe) -> str:
    """``recipe-…``: the whole recipe as it stands, filled or not."""
    return _identify("recipe", {**generating(recipe), **finishing(recipe)})


def sound_id(recipe: Recipe) -> str:
    """``sound-…``: the generating part alone. Takes of one sound differ in runtime, precision and bucket
    only.

    Raises ValueError for a recipe that :func:`resolve` has not filled: it names many sounds.
    """
    return _identify("sound", _resolved(recipe))


def take_id(recipe: Recipe, *, runtime: str, precision: str, bucket: str) -> str:
    """``take-…``: the generating part and how the model was run (``runtime`` and ``precision`` by name,
    ``bucket`` the padded shape that it worked on).

    Raises ValueError for a recipe that :func:`resolve` has not filled.
    """
    how = {"runtime": runtime, "precision": precision, "bucket": bucket}
    return _identify("take", {"sound": _resolved(recipe), **how})


def clip_id(take: str, recipe: Recipe) -> str:
    """``clip-…``: a take (by its id) and the recipe's finishing part.

    Raises ValueError if ``take`` is not the id of a take.
    """
    if not take.startswith("take-"):
        raise ValueError(f"{take!r} is not the id of a take")
    return _identify("clip", {"take": take, "finishing": finishing(recipe)})


def _values(recipe: Recipe, part: Part, fields: Mapping[str, Field]) -> dict[str, object]:
    own = ((field, getattr(recipe, name)) for name, field in fields.items() if field.part == part)
    return {
        field.name: _plain(value) for field, value in own if not (field.optional and value == field.default)
    }


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: _plain(item) for name, item in msgspec.to_builtins(value).items()}
    return value


def _canonical(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _identify(kind: str, values: Mapping[str, object]) -> str:
    message = f"foleyd {kind} {_ID_VERSIONS[kind]}\n{_canonical(values)}"
    digest = hashlib.sha256(message.encode()).digest()
    return f"{kind}-{base64.b32encode(digest[:15]).decode().lower()}"


def _resolved(recipe: Recipe) -> dict[str, object]:
    if not is_resolved(recipe):
        raise ValueError("the recipe leaves fields to the model: resolve it first")
    return generating(recipe)


def _listing(roles: tuple[str, ...]) -> str:
    return ", ".join(f"'{role}'" for role in roles) or "none"


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, FIELDS, n=1)
    advice = f"did you mean '{near[0]}'?" if near else "leave it out, or use a foleyd that knows it."
    return f"a recipe has no field '{name:.60}': {advice}"
