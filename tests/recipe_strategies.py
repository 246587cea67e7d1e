"""Strategies for recipes and their values, made from the table of fields."""

from __future__ import annotations

import struct

import msgspec
from hypothesis import strategies as st

from foleyd.fields import BOUND_FIELDS, FIELDS, OPERATIONS, OWN_FIELDS, Field, longest
from foleyd.recipe import Recipe, make
from foleyd.values import normalise

NUMBERS = [field for field in FIELDS.values() if field.kind == "number"]
INTEGERS = [field for field in FIELDS.values() if field.kind == "integer"]
PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda text: bool(normalise(text))
)


def float32(value: float) -> float:
    single: float
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    return single


def grid_points(field: Field) -> st.SearchStrategy[float]:
    assert field.low is not None
    assert field.high is not None
    assert field.grid is not None
    per_unit = round(1 / field.grid)
    return st.integers(round(field.low * per_unit), round(field.high * per_unit)).map(lambda n: n / per_unit)


def value_of(field: Field) -> st.SearchStrategy[object]:
    """Any stored value of a field, as the table describes it."""
    if field.kind == "number":
        words = st.sampled_from(field.choices) if field.choices else st.nothing()
        found: st.SearchStrategy[object] = grid_points(field) | words
    elif field.kind == "integer":
        assert field.low is not None
        assert field.high is not None
        found = st.integers(int(field.low), int(field.high))
    elif field.kind == "choice":
        found = st.sampled_from(field.choices)
    elif field.kind == "switch":
        found = st.booleans()
    elif field.kind == "text":
        found = PLAIN.map(normalise)
    elif field.kind == "name":
        found = st.from_regex(r"[a-z0-9][a-z0-9./-]{0,40}", fullmatch=True)
    else:
        found = st.just(())
    return found | st.none() if field.default is None else found


LENGTH = ("seconds", "bars", "bpm", "beats")
"""The fields that say how long, of which some exclude others."""


def lengths(operation: str) -> st.SearchStrategy[dict[str, object]]:
    """Values of :data:`LENGTH` that agree with each other: none, seconds, or bars at a tempo."""
    bars = {
        "bars": st.integers(500, 2000).map(lambda thousandths: thousandths / 1000),
        "bpm": st.integers(60_000, 200_000).map(lambda thousandths: thousandths / 1000),
    }
    seconds = msgspec.structs.replace(FIELDS["seconds"], high=longest(operation))
    return (
        st.just({})
        | st.fixed_dictionaries({"seconds": value_of(seconds)})
        | st.fixed_dictionaries(bars, optional={"beats": st.integers(2, 8)})
    )


SHA256 = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")


def _required(operation: str) -> list[str]:
    """The fields that the operation cannot do without."""
    return [name for name, value in OWN_FIELDS.get(operation, {}).items() if value is None]


def _given(value: object) -> bool:
    return value is not None


def _fits(values: dict[str, object]) -> bool:
    """Whether the values agree with each other."""
    start, stop = (values.get(name, FIELDS[name].default) for name in ("guidance_from", "guidance_to"))
    assert isinstance(start, float)
    assert isinstance(stop, float)
    if values["operation"] == "layers" and not _layered(values):
        return False
    return start < stop and (values["operation"] != "inpaint" or _redone(values))


def _redone(values: dict[str, object]) -> bool:
    start, stop, low, high = (values.get(f"redo_{name}") for name in ("from", "to", "low", "high"))
    if (start is None) != (stop is None) or (start, low, high).count(None) == 3:
        return False
    in_order = start is None or start < stop  # type: ignore[operator]
    return in_order and (None in (low, high) or high >= 1.26 * low)  # type: ignore[operator]


def _adapted(values: dict[str, object]) -> dict[str, object]:
    """The values without those of an adapter where they name none."""
    alone = () if values.get("adapter") else ("adapter_weight", "adapter_revision")
    return {name: value for name, value in values.items() if name not in alone}


def _layered(values: dict[str, object]) -> bool:
    both = [values.get(name) is not None for name in ("attack", "tail")]
    until, start = (values.get(name) or OWN_FIELDS["layers"][name] for name in ("attack_until", "tail_from"))
    return any(both) and (not all(both) or until * 1.5 <= start * 0.75)  # type: ignore[operator]


def any_recipe() -> st.SearchStrategy[Recipe]:
    return st.sampled_from(tuple(OPERATIONS)).flatmap(_of_operation)


def _of_operation(operation: str) -> st.SearchStrategy[Recipe]:
    foreign = set(BOUND_FIELDS) - OWN_FIELDS.get(operation, {}).keys()
    left_out = {"prompt", "operation", "sources", *LENGTH, *foreign, *_required(operation)}
    optional = {name: value_of(field) for name, field in FIELDS.items() if name not in left_out}
    sources = [
        st.fixed_dictionaries({"role": st.just(role), "sha256": SHA256}) for role in OPERATIONS[operation]
    ]
    own = {name: value_of(FIELDS[name]).filter(_given) for name in _required(operation)}
    needed = {**own, "prompt": PLAIN, "operation": st.just(operation), "sources": st.tuples(*sources)}
    given = st.fixed_dictionaries(needed, optional=optional).map(_adapted).filter(_fits)
    if operation == "extend":
        tenths = st.integers(0, 100).map(lambda count: count / 10)
        added = st.fixed_dictionaries({"before": tenths, "after": tenths}).filter(
            lambda one: any(one.values())
        )
        return st.tuples(given, added).map(lambda parts: make(**parts[0] | parts[1], seconds=25))
    return st.tuples(given, lengths(operation)).map(lambda parts: make(**parts[0], **parts[1]))
