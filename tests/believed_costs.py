"""A machine that foleyd believes to be slow, before it has rendered anything there."""

from __future__ import annotations

from pathlib import Path

from foleyd.daemon.estimate import CostModel, Work
from foleyd.engines import catalog


def believe(home: Path, step_s: float) -> None:
    """Write into foleyd's home that a step of half a second of the starter's sound takes `step_s` seconds."""
    starter = catalog.resolve("starter")
    cost = CostModel(home / "cache" / "costs.json", device="an abacus")
    for steps in (4, 10, 20, 40):
        for seconds in (0.5, 1.0):
            work = Work(
                model=f"{starter.id} {starter.revision[:12]}", seconds=seconds, steps=steps, guided=True
            )
            cost.observe(work, step_s * steps * seconds / 0.5)
    cost.save()
