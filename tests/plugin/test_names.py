"""Names of the plugin's files are those that foleyd's Python side gives, sign for sign."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest

from foleyd.pack import Naming
from foleyd_live import plugin_names
from plugin_build import SOURCE, Desk

TABLE = SOURCE / "core" / "name_signs.inc"
SIGNS = [
    chr(code)
    for code in range(0x20, 0x20000)
    # signs that every Unicode since has alike
    if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Co", "Cs")
]


def stem(words: str, category: str, number: int) -> str:
    return Naming("plugin", category).stem(words, number)


def test_the_table_is_the_one_that_is_written() -> None:
    told = TABLE.read_text(encoding="utf-8").splitlines()[0]
    if f"Unicode {unicodedata.unidata_version}:" not in told:
        pytest.skip(f"this Python has Unicode {unicodedata.unidata_version}")
    assert TABLE.read_text(encoding="utf-8") == plugin_names.text(), (
        "run: python -m foleyd_live.plugin_names bridge/plugin/core/name_signs.inc"
    )


def test_every_sign_is_named_alike(desk: Desk) -> None:
    given = [(f"a{sign}b {sign}{sign}", category, 7) for sign in SIGNS for category in ("", "RAINMetl")]
    named = desk("names", given=given)
    different = {row: name for row, name in zip(given, named, strict=True) if name != stem(*row)}
    assert not different


def test_signs_beside_each_other_are_named_alike(desk: Desk) -> None:
    draw = random.Random(8)
    given = [
        ("".join(draw.choices(pool, k=draw.randrange(80))), draw.choice(("", "WIND")), draw.randrange(1, 200))
        for pool in (SIGNS[:95], SIGNS[:500], SIGNS)
        for _ in range(2000)
    ]
    named = desk("names", given=given)
    different = {row: name for row, name in zip(given, named, strict=True) if name != stem(*row)}
    assert not different


def test_a_name_is_one_harmless_piece_of_a_path(desk: Desk) -> None:
    (name,) = desk("names", given=[["../../etc: passwd\0", "RAINMetl", 1]])
    assert Path(name).name == name == "RAINMetl_Etc Passwd 01_foleyd_plugin"
