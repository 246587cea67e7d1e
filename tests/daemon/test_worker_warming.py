"""What a worker does while nobody wants anything of it: lengths are made ready, beside renders."""

from __future__ import annotations

from pathlib import Path

import warming_worker as warming
from foleyd import recipe
from foleyd.daemon import frames
from foleyd.daemon.blocking_worker import Worker
from foleyd.recipe import Recipe


def rendered(worker: Worker, made: Recipe) -> int:
    return sum(isinstance(one, frames.Audio) for one in worker.render([made]))


def test_a_render_never_waits_for_what_is_made_ready(tmp_path: Path, own_home: Path) -> None:
    made = recipe.make(
        prompt="a bell", seed=1, steps=4, guidance=2.0, scheduler="ddim", seconds=0.5, model="m", revision="1"
    )
    with Worker(command=warming.COMMAND) as worker:
        worker.load(tmp_path)
        for number in range(1, warming.LENGTHS + 1):
            warming.until_there(warming.begun(own_home, number))
            # it is in the middle of it, and answers all the same
            assert rendered(worker, made) == 1
            assert not warming.begun(own_home, number + 1).exists()
            warming.gate(own_home, number).touch()
        warming.until_there(warming.begun(own_home, warming.LENGTHS + 1))
        assert rendered(worker, made) == 1
        # the next model has lengths of its own
        warming.begun(own_home, 1).unlink()
        worker.load(tmp_path)
        warming.until_there(warming.begun(own_home, 1))
