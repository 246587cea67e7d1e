"""How the library's clips look on a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foleyd.messages import ClipInfo

_LONGEST_NAME = 44


def print_table(clips: Sequence[ClipInfo]) -> None:
    """Print clips as a table, one a line."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("clip", "name", "seed", "seconds", "rated", "tags", "kept by", box=None, pad_edge=False)
    for clip in clips:
        kept = [*(["favourite"] if clip.favourite else []), *clip.holds, *clip.sets]
        cells = (
            clip.clip_id,
            clip.name if len(clip.name) <= _LONGEST_NAME else clip.name[: _LONGEST_NAME - 1] + "…",
            str(clip.seed) if clip.recipe else "",
            f"{clip.seconds:.2f}",
            "*" * clip.rating,
            ", ".join(clip.tags),
            ", ".join(kept),
        )
        table.add_row(*map(escape, cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a pipe has no width; ids and names must stay whole for grep
    console.print(table)


def in_full(clip: ClipInfo) -> str:
    """All that is known of a clip, one fact a line."""
    import time

    rows = {
        "clip": clip.clip_id,
        "name": clip.name,
        "prompt": clip.prompt,
        "sound": f"{clip.seconds:.3f} s, {clip.rate} Hz, {clip.channels} channel{'s' * (clip.channels > 1)}",
        "seed": str(clip.seed) if clip.recipe else "",
        "model": f"{clip.model} {clip.revision[:12]}".strip(),
        "licence": f"{clip.licence}, {'may' if clip.sellable else 'may not'} be sold" if clip.licence else "",
        "made": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(clip.created)),
        "tags": ", ".join(clip.tags),
        "rating": str(clip.rating or ""),
        "favourite": "yes" if clip.favourite else "",
        "Sets": ", ".join(clip.sets),
        "held by": ", ".join(clip.holds),
        "content": clip.sha256,
        "size": in_words(clip.size),
        "file": clip.path,
    }
    return "\n".join(f"{name:10}{value}" for name, value in rows.items() if value)


def count(number: int) -> str:
    """ "1 clip", "2 clips"."""
    return "1 clip" if number == 1 else f"{number} clips"


def in_words(size: int) -> str:
    """A number of bytes for people."""
    from foleyd.engines import catalog

    return catalog.in_words(size)
