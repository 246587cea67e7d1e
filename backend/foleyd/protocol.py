"""The tables of ``bridge/PROTOCOL.md``, made from the command table, so that the document cannot lie.

``python -m foleyd.protocol bridge/PROTOCOL.md`` writes them anew between their markers; a test fails while
the document is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from foleyd import messages
from foleyd.commands import COMMANDS, OSC_ONLY, Command, OscForm
from foleyd.errors import FoleydError
from foleyd.fields import FIELDS
from foleyd.messages import EVENTS, Message
from foleyd.values import accepts

_MARKED = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SHARED: tuple[type[Message], ...] = (
    messages.ClipInfo,
    messages.TakeInfo,
    messages.SetInfo,
    messages.ModelInfo,
    messages.BufferInfo,
    messages.JobInfo,
    messages.WorkerInfo,
    messages.Failure,
)


def tables() -> dict[str, str]:
    """Every generated part of the document, by the name in its marker."""
    return {
        "commands": table(
            ("message type", "sockets", "what it does"),
            (
                (f"`{c.name}_request` → `{c.name}_reply`", ", ".join(c.channels), c.about)
                for c in COMMANDS.values()
            ),
        ),
        "requests": "\n".join(_described(command) for command in COMMANDS.values()),
        "result": _fields(messages.RenderResult),
        "chunk": _fields(messages.RenderChunk),
        "structs": "\n".join(f"### {kind.__name__}\n\n{_said(kind)}\n\n{_fields(kind)}" for kind in _SHARED),
        "events": "\n".join(
            f"### `{topic}_event` (topic `{topic}`)\n\n{_said(kind)}\n\n{_fields(kind)}"
            for topic, kind in EVENTS.items()
        ),
        "recipe": table(
            ("field", "what it takes", "default", "meaning"),
            (
                (f"`{f.name}`", accepts(f), _default(f.default), f.help)
                for f in FIELDS.values()
                if f.kind != "sources"
            ),
        ),
        "osc": table(
            ("message", "arguments", "replies", "notes"), (_osc(form, said) for form, said in _forms())
        ),
        "errors": table(("code", "meaning"), sorted(_errors())),
    }


def renewed(document: str, made: Mapping[str, str]) -> str:
    """The document with the parts in `made` between its markers. Raises KeyError for a marker that is
    unknown."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{made[found[2]].strip()}\n\n{found[3]}", document)


def markers(document: str) -> set[str]:
    """The names of the generated parts that a document has."""
    return {found[2] for found in _MARKED.finditer(document)}


def _described(command: Command) -> str:
    return (
        f"### `{command.name}`\n\n{_said(command.request)}\n\n"
        f"Request:\n\n{_fields(command.request)}\nReply: {_said(command.reply)}\n\n{_fields(command.reply)}"
    )


def _forms() -> Iterator[tuple[OscForm, str]]:
    for command in COMMANDS.values():
        if command.osc is not None:
            yield command.osc, command.osc.about or command.about
        for form in command.more:
            yield form, form.about
    for form in OSC_ONLY:
        yield form, form.about


def _osc(form: OscForm, said: str) -> tuple[str, ...]:
    arguments = [f"{a.tag} {a.name}{'…' if a.repeated else ''}: {a.about}" for a in form.arguments]
    if form.pairs:
        arguments.append("then names and values")
    return f"`{form.address}`", "<br>".join(arguments), "<br>".join(f"`{one}`" for one in form.replies), said


def _errors() -> Iterator[tuple[str, str]]:
    stack: list[type[FoleydError]] = [FoleydError]
    while stack:
        kind = stack.pop()
        stack += kind.__subclasses__()
        if kind.__module__ == "foleyd.errors":
            yield f"`{kind.code}`", _said(kind).split("\n\n")[0].replace("\n", " ")


def _said(kind: type) -> str:
    """A class's docstring, its lines joined."""
    return " ".join((kind.__doc__ or "").split())


def _fields(kind: type[Message]) -> str:
    found = msgspec.inspect.type_info(kind)
    assert isinstance(found, msgspec.inspect.StructType)
    rows = []
    for field in found.fields:
        type_, about = _type(field.type)
        default = "" if field.required else _default(field.default)
        rows.append((f"`{field.encode_name}`", type_, default, about))
    if not rows:
        return "No fields.\n"
    return table(("field", "type", "default", "meaning"), rows)


def _type(found: msgspec.inspect.Type) -> tuple[str, str]:
    """A type in words, and what its annotation says of it."""
    about = ""
    if isinstance(found, msgspec.inspect.Metadata):
        about = str((found.extra_json_schema or {}).get("description", ""))
        found = found.type
    return _word(found), about


def _word(found: Any) -> str:
    inspect = msgspec.inspect
    if isinstance(found, inspect.Metadata):
        return _word(found.type)
    if isinstance(found, inspect.LiteralType):
        return ", ".join(f'"{value}"' for value in found.values)
    if isinstance(found, inspect.UnionType):
        return " or ".join(_word(one) for one in found.types)
    if isinstance(found, inspect.VarTupleType | inspect.ListType):
        return f"list of {_word(found.item_type)}"
    if isinstance(found, inspect.DictType):
        inside = _word(found.value_type)
        return "object" if inside == "any" else f"object of {inside}"
    if isinstance(found, inspect.StructType):
        return found.cls.__name__
    if isinstance(found, inspect.IntType | inspect.FloatType):
        word = "integer" if isinstance(found, inspect.IntType) else "number"
        low, high = found.ge, found.le
        bounds = f" {low:g} to {high:g}" if low is not None and high is not None else ""
        return word + (bounds or (f" from {low:g}" if low is not None else ""))
    return {"StrType": "text", "BoolType": "true or false", "NoneType": "null", "AnyType": "any"}[
        type(found).__name__
    ]


def _default(value: object) -> str:
    if value is None:
        return "null"
    if value is msgspec.NODEFAULT:
        return "[]"
    return f"`{msgspec.json.encode(value).decode()}`"


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in lines)


def renew(path: Path, made: Mapping[str, str]) -> int:
    """Put the parts in `made` into the document at `path`; 1 if it was stale."""
    before = path.read_text(encoding="utf-8")
    after = renewed(before, made)
    path.write_text(after, encoding="utf-8")
    return int(after != before)


def main(arguments: Sequence[str]) -> int:
    """Renew the document at the path that is given; 1 if it was stale."""
    return renew(Path(arguments[0]), tables())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
