"""What the plugin's core knows of recipes and of pads in presets, written for C++ from foleyd's own tables.

``python -m foleyd_live.plugin_fields bridge/plugin/core/preset_fields.inc`` writes it anew.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path

from foleyd.fields import FIELDS
from foleyd_live.again import ANEW
from foleyd_live.presets import PLAY

Row = tuple[str, str, float | None, float | None, bool, tuple[str, ...], bool]
"""Name, kind, least, most (None: any), whether null stands for nothing, choices, and whether what is made of
a sound takes the field over from its recipe."""


_MOST_TEXT = 200
_LENGTH = "seconds"
"""What is made of a sound says its length by itself, as it does for the other fields of `ANEW`."""


def text() -> str:
    """The rows of both tables, for ``#include`` in the core."""
    recipe = [
        (
            field.name,
            field.kind,
            field.low,
            field.high,
            field.default is None,
            tuple(field.choices),
            field.name not in (*ANEW, _LENGTH),
        )
        for field in FIELDS.values()
    ]
    play = [
        (
            row.name,
            row.kind,
            row.low,
            _MOST_TEXT if row.kind == "text" else row.high,
            False,
            row.choices,
            False,
        )
        for row in PLAY.values()
    ]
    return (
        "// Written by python -m foleyd_live.plugin_fields from foleyd's own tables: do not change it here.\n"
        f"const FieldRule recipe_rules[] = {{\n{_rows(recipe)}}};\n"
        f"const FieldRule play_rules[] = {{\n{_rows(play)}}};\n"
    )


def _rows(rows: Iterable[Row]) -> str:
    return "".join(
        f'    {{"{name}", FieldKind::is_{kind}, {_number(low, -math.inf)}, {_number(high, math.inf)}, '
        f"{str(nothing).lower()}, {{{', '.join(f'{chr(34)}{one}{chr(34)}' for one in choices)}}}, "
        f"{str(manner).lower()}}},\n"
        for name, kind, low, high, nothing, choices, manner in rows
    )


def _number(value: float | None, otherwise: float) -> str:
    number = otherwise if value is None else float(value)
    if math.isinf(number):
        return "-anything" if number < 0 else "anything"
    return repr(number)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
