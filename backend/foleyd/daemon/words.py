"""Words to search by: how text goes into the full-text index, and how a question is put to it.

The same folding makes both, so that what was indexed is found: case and accents do not count, every
ideograph, kana and emoji is a word of its own (their scripts put no spaces between words), signs separate.
The index sees nothing but such words with spaces between them.
"""

from __future__ import annotations

import re
import unicodedata

MOST_WORDS = 64
"""Words of a question that are looked at."""

_ACCENTS = re.compile("[\u0300-\u036f\ufe00-\ufe0f]")
# scripts that are written without spaces: South-East Asian, then Chinese and Japanese
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def indexed(text: str) -> str:
    """The words of a text, one space between two."""
    return " ".join(word for run in _runs(text) for word in run)


def question(text: str) -> str:
    """What to ask FTS5 for the texts that hold all of these words, or words that begin so; "" where there
    is no word in it.

    Words that nothing separates ("玻璃", "drum🥁") have to follow each other.
    """
    kept: list[list[str]] = []
    for run in _runs(text):
        room = MOST_WORDS - sum(map(len, kept))
        if room > 0:
            kept.append(run[:room])
    # words hold letters, digits, marks and pictures only: nothing in them ends the quotes
    return " ".join(f'"{" ".join(run)}"*' for run in kept)


def _runs(text: str) -> list[list[str]]:
    """The words of a text, those together that nothing separates."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    spaced = "".join(_spaced(sign) for sign in _ACCENTS.sub("", folded))
    return [[word for word in run.split("\0") if word] for run in spaced.split()]


def _spaced(sign: str) -> str:
    category = unicodedata.category(sign)
    if category == "So" or (_UNSPACED.match(sign) and category[0] == "L"):
        return f"\0{sign}\0"
    return sign if category[0] in "LNM" else " "
