"""The command line's options for how a model is run, the same for every command that runs one."""

from __future__ import annotations

from typing import Annotated

import typer

from foleyd.choice import MOST

AUTO = "auto"

Device = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="'auto' takes a GPU where there is one; or 'cpu', 'mps', 'cuda', 'cuda:1'."
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What to compute in: 'float32', 'bfloat16' or 'float16'; 'auto' takes what suits the device "
        "and lets a kept take of any precision serve.",
    ),
]
Runtime = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        envvar="FOLEYD_RUNTIME",
        help="What runs the networks: 'torch', 'openvino', or 'compiled' (torch, compiled for each length "
        "when it is first wanted); 'auto' takes the fastest that is ready (see 'foleyd models prepare'), "
        "never waits for a compiler, and lets a kept take of any serve.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="NUMBER", help="CPU threads.", show_default="all cores")
]
BestOf = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST,
        metavar="NUMBER",
        help="Seeds that each clip is chosen from; the model's own number when absent.",
        show_default=False,
    ),
]


def pinned(name: str) -> str | None:
    """A precision or runtime that was asked for, None for "auto"."""
    return None if name == AUTO else name
