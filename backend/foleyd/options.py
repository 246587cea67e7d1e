"""The command line's options for the fields of a recipe, made from the one table of them.

:func:`recipe_options` gives a command an option for every field that has a flag; what was given arrives
checked.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from foleyd import recipe
from foleyd.fields import FIELDS, Field
from foleyd.values import accepts

_METAVARS = {"s": "SECONDS", "ms": "MS", "Hz": "HZ", "dBTP": "DB", "LUFS": "LUFS", "characters": "TEXT"}
_NAMES = {"choice": "NAME", "name": "NAME", "number": "NUMBER", "integer": "NUMBER"}


def help_text(field: Field) -> str:
    """The field's help, then what it takes and what it is when left out."""
    limits = "" if field.kind in ("text", "name", "switch") else accepts(field).removeprefix("a ")
    default = "" if field.default in (None, "") else f"default {_shown(field.default)}"
    notes = "; ".join(note for note in (limits, default) if note)
    return f"{field.help} [{notes}]" if notes else field.help


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options of the recipe's fields.

    It has a parameter ``given: dict[str, Any]`` for them: the fields that were on the command line, as text
    by name; :func:`read` turns them into values.
    """
    own = inspect.signature(command, eval_str=True)
    fields = [field for field in FIELDS.values() if field.flag]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        given = {field.name: values.pop(field.name) for field in fields}
        command(given={name: value for name, value in given.items() if value is not None}, **values)

    parameters = [one for one in own.parameters.values() if one.name != "given"]
    parameters += [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(field)
        )
        for field in fields
    ]
    wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    del wrapper.__wrapped__  # or its annotations would be looked at instead
    return wrapper


def read(given: Mapping[str, Any]) -> dict[str, object]:
    """The values of fields that were given as text, checked. Raises BadRequest.

    The model stays as it is: it may be a path, which text in a recipe never is.
    """
    as_is = {name for name, value in given.items() if name == "model" or not isinstance(value, str)}
    return {name: value if name in as_is else recipe.read_value(name, value) for name, value in given.items()}


def _annotation(field: Field) -> Any:
    metavar = _METAVARS.get(field.unit) or _NAMES.get(field.kind, "TEXT")
    if field.kind == "switch":
        return Annotated[bool | None, typer.Option(field.flag, help=help_text(field), show_default=False)]
    if field.name == "model":
        metavar = "NAME|FOLDER"
    return Annotated[
        str | None, typer.Option(field.flag, help=help_text(field), metavar=metavar, show_default=False)
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
