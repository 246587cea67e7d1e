"""What a field of a recipe is: unit, range, grid, default and the words that explain it."""

from __future__ import annotations

from typing import Literal

import msgspec

Part = Literal["generating", "finishing"]
Kind = Literal["text", "name", "number", "integer", "switch", "choice", "sources"]


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
