"""The JSON Schema of banks, made from the tables that check them.

``python -m foleyd_live.preset_schema presets/schema.json`` writes it anew; a test fails while it is stale.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foleyd.fields import FIELDS, SEED_LIMIT, Field
from foleyd_live import json_text, presets
from foleyd_live.presets import Text
from foleyd_live.properties import Property

Schema = dict[str, Any]


def schema() -> Schema:
    """The schema (draft 2020-12). What it does not name is allowed, and kept by foleyd."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A bank of foleyd presets",
        "type": "object",
        "required": ["presets"],
        "properties": {
            "$schema": {"type": "string"},
            "format": {"const": presets.FORMAT, "description": "Version of the file."},
            **{one.name: _text(one) for one in presets.BANK_TEXTS},
            "presets": {
                "type": "array",
                "maxItems": presets.MOST_PRESETS,
                "items": {"$ref": "#/$defs/preset"},
                "description": "In the order in which pads get them.",
            },
        },
        "$defs": {"preset": _preset(), "recipe": _recipe(), "play": _play()},
    }


def _preset() -> Schema:
    texts = {one.name: _text(one) for one in presets.PRESET_TEXTS}
    texts["name"]["minLength"] = 1
    return {
        "type": "object",
        "required": ["name", "recipe"],
        "properties": {
            **texts,
            "tags": {
                "type": "array",
                "maxItems": presets.MOST_TAGS,
                "items": {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[^,]*$"},
                "description": "Words to find it by.",
            },
            "recipe": {"$ref": "#/$defs/recipe"},
            "play": {"$ref": "#/$defs/play"},
        },
    }


def _recipe() -> Schema:
    fields = {name: _field(row) for name, row in FIELDS.items()}
    seed = {"type": "integer", "minimum": 0, "maximum": SEED_LIMIT - 1}
    fields["seed"] = {
        "anyOf": [
            seed,
            {"const": presets.RANDOM},
            {"type": "array", "minItems": 1, "maxItems": presets.MOST_SEEDS, "items": seed},
        ],
        "description": "One sound; another one each time ('random'); or several, one after the other.",
    }
    return {
        "type": "object",
        "required": ["prompt"],
        "properties": fields,
        "description": "Fields of a recipe; what is left out is the model's own.",
    }


def _play() -> Schema:
    return {
        "type": "object",
        "properties": {name: _property(row) for name, row in presets.PLAY.items()},
        "description": "Properties of the pad that it is put on; the others stay as they are.",
    }


def _text(one: Text) -> Schema:
    form = {"pattern": f"^({one.form})?$"} if one.form else {}
    return {"type": "string", "maxLength": one.most, **form, "description": one.about}


def _field(row: Field) -> Schema:
    return {**_FIELDS[row.kind](row), "description": row.help}


def _number_field(row: Field) -> Schema:
    span = {"type": "number", "minimum": row.low, "maximum": row.high}
    return {"anyOf": [span, {"enum": [*row.choices]}]} if row.choices else span


_FIELDS: Mapping[str, Callable[[Field], Schema]] = {
    "text": lambda row: {"type": "string", "minLength": int(row.low or 0), "maxLength": int(row.high or 0)},
    "name": lambda row: {"type": "string", "minLength": int(row.low or 0), "maxLength": int(row.high or 0)},
    "number": _number_field,
    "integer": lambda row: {"type": "integer", "minimum": row.low, "maximum": row.high},
    "switch": lambda row: {"type": "boolean"},
    "choice": lambda row: {"enum": [*row.choices]},
    "sources": lambda row: {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["role", "sha256"],
            "additionalProperties": False,
            "properties": {
                "role": {"type": "string"},
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
        },
    },
}


def _property(row: Property) -> Schema:
    unit = f" In {row.unit}." if row.unit else ""
    return {**_PROPERTIES[row.kind](row), "default": row.default, "description": row.about + unit}


def _span(row: Property) -> Schema:
    bounds = {"minimum": row.low, "maximum": row.high}
    return {name: value for name, value in bounds.items() if math.isfinite(value)}


_PROPERTIES: Mapping[str, Callable[[Property], Schema]] = {
    "number": lambda row: {"type": "number", **_span(row)},
    "integer": lambda row: {"type": "integer", **_span(row)},
    "switch": lambda row: {"enum": [0, 1, False, True]},
    "choice": lambda row: {"enum": [*row.choices]},
    "text": lambda row: {"type": "string", "maxLength": 200},
    "colour": lambda row: {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
}


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(json_text.write(schema()))
