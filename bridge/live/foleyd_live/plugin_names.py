"""The signs of file names for the plugin's core, written for C++ from `foleyd.destination.folded`.

``python -m foleyd_live.plugin_names bridge/plugin/core/name_signs.inc`` writes it anew.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from foleyd.destination import SEPARATOR, folded


class Run(NamedTuple):
    """Signs from `first` to `last`, each `step` apart, that become the one `shift` further on."""

    first: int
    last: int
    step: int
    shift: int


def text() -> str:
    """The rows of all tables, for ``#include`` in the core."""
    signs = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    made = {sign: folded(sign) for sign in signs}
    letters = sorted(set("".join(made.values())) - {SEPARATOR})
    single = (sign for sign in signs if len(made[sign]) == 1 and made[sign] != SEPARATOR)
    dropped = (sign for sign in signs if not made[sign])
    cased = [letter for letter in letters if _is_cased(letter)]
    titled = (letter for letter in cased if len(letter.title()) == 1)
    tables = {
        "SignRun folded_runs": _rows(runs(single, made.__getitem__)),
        "SignRun dropped_runs": _rows(runs(dropped, str)),
        "SpeltSign spelt_signs": _spelt({sign: made[sign] for sign in signs if len(made[sign]) > 1}),
        "SignRun title_runs": _rows(runs(titled, str.title)),
        "SpeltSign spelt_titles": _spelt({one: one.title() for one in cased if len(one.title()) > 1}),
    }
    return (
        f"// Written by python -m foleyd_live.plugin_names from Unicode {unicodedata.unidata_version}: "
        "do not change it here.\n"
    ) + "".join(f"const {name}[] = {{\n{_lines(rows)}}};\n" for name, rows in tables.items())


def runs(signs: Iterable[str], become: Callable[[str], str]) -> list[Run]:
    """The signs in their order as runs, which begin in order too. Two that follow each other may go on in
    turns, as capitals and small letters do."""
    made: list[Run] = []
    for sign in signs:
        code, shift = ord(sign), ord(become(sign)) - ord(sign)
        for place in range(max(0, len(made) - 2), len(made)):
            run = made[place]
            step = code - run.last
            if shift == run.shift and (step == run.step or (run.first == run.last and step <= 2)):
                made[place] = Run(run.first, code, step, shift)
                break
        else:
            made.append(Run(code, code, 1, shift))
    return made


def _is_cased(letter: str) -> bool:
    # what titles tell apart: a letter behind one that has cases stays small
    return (letter + "a").title()[-1] == "a"


def _rows(found: Iterable[Run]) -> Iterator[str]:
    return (f"{{{run.first},{run.last},{run.step},{run.shift}}}" for run in found)


def _spelt(spellings: Mapping[str, str]) -> Iterator[str]:
    for sign, spelling in spellings.items():
        escaped = "".join(f"\\{byte:03o}" if byte > 0x7E else chr(byte) for byte in spelling.encode())
        yield f'{{{ord(sign)},"{escaped}"}}'


def _lines(rows: Iterable[str]) -> str:
    line, made = "   ", []
    for row in rows:
        if len(line) + len(row) > 126:
            made.append(line)
            line = "   "
        line += f" {row},"
    return "".join(f"{line}\n" for line in [*made, line])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
