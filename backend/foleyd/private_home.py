"""An empty folder of foleyd's own, so that a measurement neither finds nor leaves clips."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from foleyd import paths
from foleyd.environment import surroundings


@contextlib.contextmanager
def private_home() -> Iterator[Path]:
    """FOLEYD_HOME in an empty folder that goes with the block; models that were pulled are there too."""
    with tempfile.TemporaryDirectory(prefix="foleyd-") as name:
        folder = Path(name)
        pulled = paths.home("models")
        if pulled.is_dir():
            (folder / "models").symlink_to(pulled)
        with surroundings({"FOLEYD_HOME": name}):
            yield folder
