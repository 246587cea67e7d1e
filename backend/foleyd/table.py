"""Batch tables: CSV with a header, or TOML with ``[[clip]]`` tables and ``[defaults]``, as rows with line
numbers."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from foleyd.errors import BadRequest
from foleyd.fields import FIELDS

COLUMNS = ("prompt", "file", *(field.name for field in FIELDS.values() if field.flag))
"""What a row may say: the prompt, the file, and every field of a recipe that is an option too."""

_SETTINGS = frozenset(COLUMNS) - {"prompt", "file"}
_LARGEST_FILE = 16 * 1024 * 1024


class Row(msgspec.Struct, frozen=True):
    """One clip of a batch. `line` is where it starts in the file (from 1). `values`: fields by name, text
    where the file has text; `defaults`: those that the whole file gives.
    """

    line: int
    prompt: str
    file: str
    values: dict[str, Any]
    defaults: dict[str, Any]


def read_table(source: Path) -> list[Row]:
    """The rows of a ``.csv`` or ``.toml`` file in order.

    Raises BadRequest with the line for what is not such a table: unknown columns, a row without a prompt or
    with too many cells, broken TOML, text that is not UTF-8. Values are not checked here.
    """
    readers = {".csv": _read_csv, ".toml": _read_toml}
    reader = readers.get(source.suffix.lower())
    if reader is None:
        raise BadRequest(f"{source.name!r} is no batch: give a .csv or a .toml file.")
    try:
        if source.stat().st_size > _LARGEST_FILE:
            raise BadRequest(f"{source.name} is larger than {_LARGEST_FILE >> 20} MiB: split it.")
        text = source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadRequest(f"The batch {source} cannot be read ({error.strerror}): check the path.") from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"{source.name} is not UTF-8 text ({error.reason}): save it as UTF-8.") from error
    rows = list(reader(source.name, text))
    if not rows:
        raise BadRequest(f"{source.name} has no rows: write one for each clip.")
    return rows


def _read_csv(name: str, text: str) -> Iterator[Row]:
    first = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    # spreadsheets write semicolons where the comma is the decimal sign
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(name, start, cells)
                continue
            if len(cells) > len(header):
                raise BadRequest(
                    f"{name} line {start}: it has {len(cells)} cells for {len(header)} columns: put quotes "
                    f"around text with a {delimiter!r} in it."
                )
            given = {
                column: cell.strip() for column, cell in zip(header, cells, strict=False) if cell.strip()
            }
            yield _row(name, start, given, {})
    except csv.Error as error:
        raise BadRequest(f"{name} line {reader.line_num}: it is not CSV ({error}).") from error
    if not header:
        raise BadRequest(f"{name} is empty: begin with a header line, such as prompt,seconds,file.")


def _header(name: str, line: int, cells: list[str]) -> list[str]:
    header = [cell.strip().lower().replace("-", "_") for cell in cells]
    if "prompt" not in header:
        raise BadRequest(f"{name} line {line}: the header has no column 'prompt': add one.")
    for column in header:
        if header.count(column) > 1:
            raise BadRequest(f"{name} line {line}: the header has the column {column!r} twice: drop one.")
    _refuse_unknown(name, line, header)
    return header


def _read_toml(name: str, text: str) -> Iterator[Row]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{name} is not TOML: {error}.") from error
    except RecursionError as error:
        raise BadRequest(f"{name} is not a batch: its tables are nested too deeply.") from error
    tables, defaults = document.pop("clip", []), document.pop("defaults", {})
    if document or not _are_tables(tables) or not isinstance(defaults, dict):
        strange = ", ".join(sorted(document)) or "clip and defaults of another kind"
        raise BadRequest(f"{name} holds {strange:.80}: write a table [[clip]] for each clip, and [defaults].")
    plain = {key.replace("-", "_"): value for key, value in defaults.items()}
    if strange_names := sorted(set(plain) - _SETTINGS):
        raise BadRequest(f"{name}: [defaults] has {strange_names[0]!r:.60}, which is no setting of a clip.")
    lines = _toml_lines(text, len(tables))
    for line, table in zip(lines, tables, strict=True):
        given = {key.replace("-", "_"): value for key, value in table.items()}
        yield _row(name, line, given, plain)


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _toml_lines(text: str, count: int) -> list[int]:
    """The lines on which the ``[[clip]]`` tables start; the parser does not tell.

    A header may also stand inside a multi-line string, or the tables may be written as an array; then the
    numbers of headers and tables differ, and each header is held against what was parsed before it.
    """
    lines = text.splitlines()
    found = [number for number, line in enumerate(lines, 1) if "".join(line.split()).startswith("[[clip]]")]
    if len(found) == count:
        return found
    sure: list[int] = []
    for number in found:
        try:
            before = tomllib.loads("\n".join(lines[: number - 1]))
        except tomllib.TOMLDecodeError:
            continue  # the header is inside something that was not over
        if len(before.get("clip", ())) == len(sure):
            sure.append(number)
    return sure if len(sure) == count else [1] * count


def _row(name: str, line: int, given: dict[str, Any], defaults: dict[str, Any]) -> Row:
    _refuse_unknown(name, line, list(given))
    prompt, file = given.pop("prompt", ""), given.pop("file", "")
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadRequest(f"{name} line {line}: the prompt is missing: say in words what to hear.")
    if not isinstance(file, str):
        raise BadRequest(f"{name} line {line}: file is {file!r:.60}: give a file name.")
    return Row(line, prompt, file.strip(), given, defaults)


def _refuse_unknown(name: str, line: int, columns: list[str]) -> None:
    from difflib import get_close_matches

    for column in columns:
        if column not in COLUMNS:
            near = get_close_matches(column, COLUMNS, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(COLUMNS)}."
            raise BadRequest(f"{name} line {line}: there is no column '{column:.60}': {advice}")
