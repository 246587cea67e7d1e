"""What an import costs: nothing that plays, queues or parses may load a network library.

Each case is a fresh interpreter, because what one import loaded stays loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "backend" / "foleyd"
NETWORKS = {"torch", "diffusers", "transformers", "openvino", "tokenizers"}
ARRAYS = {"numpy", "scipy", "matplotlib", "soundfile", "soxr", "pyloudnorm"}

# rooms, and modules of other rooms, that the daemon, the live host and the command line import
LIGHT_ROOMS = ("audio", "client", "daemon", "messages", "wire")
HEAVY_ROOMS = ("engines", "diffusion", "runtime", "training", "bench")
LIGHT_MODULES = ("foleyd.engines.catalog", "foleyd.engines.hub")

PROBE = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
json.dump(sorted({name.partition(".")[0] for name in sys.modules}), sys.stdout)
"""


def loaded_by(*modules: str, path: Path | None = None) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter that imported ``modules``."""
    search = [str(PACKAGE.parent), *([str(path)] if path else [])]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *modules],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def modules_of(folder: Path, prefix: str) -> list[str]:
    files = sorted(folder.rglob("*.py"))
    dotted = [".".join(file.relative_to(folder).with_suffix("").parts) for file in files]
    return [f"{prefix}.{name}".removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def top_level_modules() -> list[str]:
    return [f"foleyd.{file.stem}" for file in sorted(PACKAGE.glob("*.py")) if file.stem[:2] != "__"]


@pytest.mark.parametrize("module", ["foleyd", "foleyd.errors", "foleyd.recipe"])
def test_the_words_load_neither_networks_nor_arrays(module: str) -> None:
    assert not loaded_by(module) & (NETWORKS | ARRAYS)


def test_the_command_line_loads_neither_networks_nor_arrays() -> None:
    loaded = loaded_by("foleyd.cli")
    assert "typer" in loaded
    assert not loaded & (NETWORKS | ARRAYS)


def test_every_light_module_loads_no_network() -> None:
    found = [name for room in LIGHT_ROOMS for name in modules_of(PACKAGE / room, f"foleyd.{room}")]
    modules = [*top_level_modules(), *found, *LIGHT_MODULES]
    assert {"foleyd.recipe", "foleyd.audio.finish", "foleyd.daemon.worker"} <= set(modules)
    assert not loaded_by(*modules) & NETWORKS


def test_the_probe_sees_what_hides_two_imports_deep(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "middle.py").write_text("import torch")
    (tmp_path / "outer.py").write_text("import middle, foleyd.recipe")
    assert loaded_by("outer", path=tmp_path) & NETWORKS == {"torch"}


def test_every_room_is_a_package() -> None:
    # setuptools packs folders with an __init__.py only: a room without one works here and is missing there
    rooms = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [room.name for room in sorted(rooms) if not (room / "__init__.py").is_file()] == []


def test_every_room_is_known_here() -> None:
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    assert rooms <= {*LIGHT_ROOMS, *HEAVY_ROOMS, "starter"}
