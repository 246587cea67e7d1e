"""A worker as the daemon starts it: how long until it can render, its first render, and its memory."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec

from foleyd.daemon.blocking_worker import Worker
from foleyd.engines.catalog import Entry
from foleyd.recipe import Recipe

_KIB = 1024


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """One worker. `ready_seconds`: from the start of its process until the model is loaded; `first_seconds`
    and `second_seconds`: its first two renders, of other words; `loaded_bytes`, `rendered_bytes`: resident
    memory after loading and after those; `peak_bytes`: the most it ever was, None where the system keeps no
    count.
    """

    ready_seconds: float
    first_seconds: float
    second_seconds: float
    loaded_bytes: int | None
    rendered_bytes: int | None
    peak_bytes: int | None


def measure(
    entry: Entry, wanted: Recipe, *, device: str, precision: str, runtime: str, threads: int | None
) -> Footprint:
    """Start a worker, load the model, render `wanted` (resolved), and once more with other words. Raises what
    the worker raises."""
    with Worker() as worker:
        began = time.perf_counter()
        loaded = worker.load(
            entry.folder,
            revision=entry.revision,
            device=device,
            precision=precision,
            runtime=runtime,
            threads=threads,
        )
        ready = time.perf_counter() - began
        before = _memory(loaded.pid, "VmRSS")
        took = []
        for recipe in (wanted, msgspec.structs.replace(wanted, prompt=f"{wanted.prompt}, again")):
            began = time.perf_counter()
            for _ in worker.render([recipe], check_silence=False):
                pass
            took.append(time.perf_counter() - began)
        return Footprint(
            ready_seconds=ready,
            first_seconds=took[0],
            second_seconds=took[1],
            loaded_bytes=before,
            rendered_bytes=_memory(loaded.pid, "VmRSS"),
            peak_bytes=_memory(loaded.pid, "VmHWM"),
        )


def _memory(pid: int, field: str) -> int | None:
    try:
        found = re.search(rf"^{field}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * _KIB if found else None
