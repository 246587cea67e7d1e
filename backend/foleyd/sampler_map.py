"""Maps of a pack for samplers: a key for each prompt, its sounds played in turn.

SFZ version 1 (round robins by `seq_length` and `seq_position`) and DecentSampler's `dspreset`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

FIRST_KEY = 36
"""C1 (MIDI), where drum kits begin."""
KEYS = 128 - FIRST_KEY


class Key(NamedTuple):
    """One key: what it plays in words, and the files that take turns, relative to the map."""

    about: str
    files: tuple[str, ...]


def sfz(title: str, keys: Sequence[Key]) -> str:
    """An SFZ instrument. One-shots: a sound plays to its end."""
    lines = [f"// {title}", "<control>", "default_path=", "<global>", "loop_mode=one_shot"]
    for number, key in enumerate(keys, FIRST_KEY):
        lines += [
            f"// {key.about}",
            f"<group> lokey={number} hikey={number} pitch_keycenter={number} seq_length={len(key.files)}",
        ]
        lines += [f"<region> seq_position={turn} sample={file}" for turn, file in enumerate(key.files, 1)]
    return "\n".join(lines) + "\n"


def decent_sampler(title: str, keys: Sequence[Key]) -> str:
    """A DecentSampler preset."""
    root = ElementTree.Element("DecentSampler", {"minVersion": "1.0.0"})
    groups = ElementTree.SubElement(root, "groups", {"release": "30.0"})
    for number, key in enumerate(keys, FIRST_KEY):
        group = ElementTree.SubElement(groups, "group", {"seqMode": "round_robin", "tags": key.about})
        for turn, file in enumerate(key.files, 1):
            note = str(number)
            ElementTree.SubElement(
                group,
                "sample",
                {
                    "path": file,
                    "rootNote": note,
                    "loNote": note,
                    "hiNote": note,
                    "seqPosition": str(turn),
                },
            )
    ElementTree.indent(root)
    return f"<!-- {title.replace('--', '-')} -->\n{ElementTree.tostring(root, encoding='unicode')}\n"


MAPS: Mapping[str, tuple[str, Callable[[str, Sequence[Key]], str]]] = {
    "sfz": (".sfz", sfz),
    "decent": (".dspreset", decent_sampler),
}
"""The maps by name: ending, and how each is written."""
