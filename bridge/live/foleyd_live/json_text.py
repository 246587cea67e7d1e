"""JSON that people write by hand, read with the line of every value, so that a mistake can be pointed at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from foleyd.errors import BadRequest

MOST_BYTES = 4 * 1024 * 1024
"""Of a document; the largest bank is far smaller."""

Place = tuple[str | int, ...]
"""Where a value is: the keys and the indices that lead to it."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_NUMBER = frozenset({"NaN", "Infinity", "-Infinity"})


class JsonText:
    """A document of at most `most` bytes. `name` is what messages call it; `value` what it holds, with keys
    in their order.

    Raises BadRequest for what is no JSON (RFC 8259) in UTF-8, for keys that are given twice, and for numbers
    that nothing can hold, with the line.
    """

    def __init__(self, name: str, data: bytes, most: int = MOST_BYTES) -> None:
        self.name = name
        self._lines: dict[Place, int] = {}
        if len(data) > most:
            raise BadRequest(f"{name} is larger than {most >> 20} MiB: split it.")
        text = self._text(data)
        self.value: Any = self._value(text)
        self._look(text)

    def line(self, place: Place) -> int:
        """The line of the value at `place`, or of what is nearest around it where it is missing."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def refusal(self, place: Place, reason: str) -> BadRequest:
        """What to raise where the value at `place` cannot be, for a `reason` that says what to do."""
        return self._at(self.line(place), reason)

    def _at(self, line: int, reason: str) -> BadRequest:
        return BadRequest(f"{self.name}, line {line}: {reason}")

    def _text(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._at(line, "this is not UTF-8: save the file as UTF-8.") from None

    def _value(self, text: str) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise self._at(error.lineno, f"this is not JSON ({error.msg}): correct it there.") from None
        except RecursionError:
            raise self._at(1, "lists and objects lie too deep in each other: make it flatter.") from None
        except ValueError:  # a whole number of thousands of digits
            raise self._at(1, "a number has too many digits: shorten it.") from None

    def _look(self, text: str) -> None:
        for place, line, token in _values(text):
            if place in self._lines:
                raise self._at(line, f"{place[-1]!r:.60} is given twice: keep one of them.")
            self._lines[place] = line
            if token in _NO_NUMBER or (token[0] in "-0123456789" and math.isinf(float(token))):
                raise self._at(line, f"{token:.20} is no number that JSON has: give one.")
            said = (json.loads(token) if token[0] == '"' else "", place[-1] if place else "")
            if any(isinstance(one, str) and _SURROGATE.search(one) for one in said):
                raise self._at(line, "a text holds half a character: write it anew.")


def write(value: Mapping[str, Any]) -> bytes:
    """A document as files have it: two spaces a level, one line feed at the end."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode()


def _values(text: str) -> Iterator[tuple[Place, int, str]]:
    """Every value of a correct document: where it is, its line, and its first token."""
    # one item for each container that is open: the key or the index of its value, None before a key
    place: list[str | int | None] = []
    line, at = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", at, found.start())
        at, token = found.start(), found[0]
        if token == ",":
            last = place[-1]
            place[-1] = last + 1 if isinstance(last, int) else None
        elif token in ("}", "]"):
            place.pop()
        elif token == ":":
            continue
        elif place and place[-1] is None:
            place[-1] = json.loads(token)
        else:
            yield tuple(one for one in place if one is not None), line, token
            if token in ("{", "["):
                place.append(None if token == "{" else 0)
