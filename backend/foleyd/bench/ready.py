"""A model made ready to be measured: found or built, and prepared, so that nothing is compiled meanwhile."""

from __future__ import annotations

import sys
from typing import Any

from foleyd.bench import random_model
from foleyd.engines import base, catalog, prepare
from foleyd.engines.catalog import Entry
from foleyd.runtime import AUTO, prepared
from foleyd.runtime.eager import device_of


def entry(model: str) -> Entry:
    """The model of that name; "full" is the published size with random weights. Raises as
    `catalog.resolve`."""
    return catalog.resolve(str(random_model.full()) if model == random_model.FULL else model)


def get_ready(model: Entry, device: str, runtime: str) -> None:
    """Prepare the model for OpenVINO where that is what would run it; says on standard error what it does."""
    if runtime in (AUTO, "openvino") and device_of(device).type == "cpu" and prepared.version():
        prepare.prepare(model.folder, lambda line: print(f"prepares {line}", file=sys.stderr, flush=True))


def load(
    model: Entry, *, device: str, precision: str = AUTO, runtime: str = AUTO, threads: int | None = None
) -> Any:
    """Its engine, every length made ready. Raises as `base.load`."""
    engine: Any = base.load(
        model.folder,
        device=device,
        precision=precision,
        runtime=runtime,
        threads=threads,
        revision=model.revision,
    )
    while engine.warm_up():
        print("compiled a length", file=sys.stderr, flush=True)
    return engine
