"""The tables of ``bridge/live/README.md``, made from the tables of actions and properties.

``python -m foleyd_live.document bridge/live/README.md`` writes them anew between their markers; a test fails
while the document is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from foleyd import protocol
from foleyd_live.actions import ACTIONS, Action
from foleyd_live.properties import PROPERTIES, Property


def tables() -> dict[str, str]:
    """Every generated part of the document, by the name in its marker."""
    return {
        "actions": protocol.table(
            ("message", "arguments", "what it does", "MIDI", "replies beside /done and /fail"),
            (_action(row) for row in ACTIONS.values()),
        ),
        "properties": protocol.table(
            ("property", "takes", "default", "meaning", "MIDI"),
            (_property(row) for row in PROPERTIES.values()),
        ),
    }


def _action(row: Action) -> Sequence[str]:
    arguments = [
        f"{one.tag} {one.name}{' (optional)' if one.optional else ''}: {one.about}" for one in row.arguments
    ]
    if row.pairs:
        arguments.append(f"names and values: {row.pairs}")
    timed = " A timetag places it to the sample." if row.timed else ""
    replies = "<br>".join(f"`{one}`" for one in _replies(row))
    return f"`{row.address}`", "<br>".join(arguments), row.about + timed, "yes" if row.learn else "", replies


def _replies(row: Action) -> Iterator[str]:
    for one in row.replies.replace(" · ", " | ").split(" | "):
        if one:
            yield one


def _property(row: Property) -> Sequence[str]:
    takes = {
        "number": f"{row.low:g} to {row.high:g} {row.unit}".strip(),
        "integer": f"whole, {row.low:g} to {row.high:g} {row.unit}".strip(),
        "switch": "1 or 0",
        "choice": ", ".join(row.choices),
        "text": "text",
        "colour": "#rrggbb",
    }[row.kind]
    takes = "read only" if row.read_only else takes
    return f"`{row.address}`", takes, f"`{row.default}`", row.about, "yes" if row.learn else ""


if __name__ == "__main__":
    sys.exit(protocol.renew(Path(sys.argv[1]), tables()))
