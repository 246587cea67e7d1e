"""The presets that are to be rendered and measured, as plain values for whoever renders them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foleyd.audio.atomic import replacing
from foleyd.errors import BadRequest
from foleyd_live import json_text, presets
from foleyd_live.banks import SUFFIX, Banks
from foleyd_live.presets import Bank

SEEDS = 3
"""Seeds of a preset that has none of its own."""

Row = tuple[str, str, Mapping[str, Any], tuple[int, ...]]
"""Bank, preset, the recipe's fields without the seed, seeds."""


def wanted(banks: Sequence[str], seeds: int) -> list[Row]:
    """The presets of `banks` (names, or files that end in .json; all that are here when empty), each with
    its own seeds, or with 0 … `seeds`−1. Raises BadRequest."""
    found = [_bank(name) for name in banks] or list(Banks().all())
    return [
        (bank.name, one.name, one.recipe, tuple(range(seeds)) or one.seeds or tuple(range(SEEDS)))
        for bank in found
        for one in bank.presets
    ]


def pin(banks: Sequence[str], seeds: Mapping[tuple[str, str], int]) -> list[str]:
    """Give presets of `banks`, named as for :func:`wanted`, the seeds of `seeds`, by bank and preset; the
    files that were written. A bank that ships becomes one of the user's. Raises as saving a bank does."""
    written = []
    for bank, name in [(_bank(name), name) for name in banks] or [(one, "") for one in Banks().all()]:
        if not any((bank.name, one.name) in seeds for one in bank.presets):
            continue
        rows = [
            {**row, "recipe": {**row["recipe"], "seed": seeds[bank.name, one.name]}}
            if (bank.name, one.name) in seeds
            else row
            for row, one in zip(bank.document["presets"], bank.presets, strict=True)
        ]
        changed = presets.make(bank.name, {**bank.document, "presets": rows}, bank)
        if name.endswith(SUFFIX):
            with replacing(name) as beside:
                beside.write_bytes(json_text.write(changed.document))
            written.append(name)
        else:
            written.append(Banks().save(changed).path)
    return written


def _bank(name: str) -> Bank:
    if not name.endswith(SUFFIX):
        return Banks().get(name)
    file = Path(name)
    try:
        return presets.read(file.stem, file.read_bytes(), label=name)
    except OSError as error:
        raise BadRequest(f"cannot read {name}: {error.strerror}.") from error
