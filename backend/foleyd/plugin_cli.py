"""``foleyd plugin``: build the DAW plugin from its sources and put it where hosts look."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from foleyd import paths
from foleyd.errors import BadRequest, FoleydError

EPILOG = """\b
Examples:
  foleyd plugin check
  foleyd plugin build
  foleyd plugin install
"""

PROGRAMS = {"cmake": "cmake", "c++": "build-essential", "pkg-config": "pkg-config"}
LIBRARIES = {
    "flac": "libflac-dev",
    "soxr": "libsoxr-dev",
    "libsodium": "libsodium-dev",
    "libzmq": "cppzmq-dev",
    "sndfile": "libsndfile1-dev",
}
FILES = {
    "/usr/include/zmq.hpp": "cppzmq-dev",
    "/usr/include/nlohmann/json.hpp": "nlohmann-json3-dev",
    "/usr/share/juce/modules": "juce-modules-source",
}
"""What a build needs, and Debian's package that brings it."""

BUNDLES = {"VST3/foleyd.vst3": ".vst3", "LV2/foleyd.lv2": ".lv2"}
"""What a build makes (below its artefacts), and the folder of the home directory where hosts look for it."""

app = typer.Typer(add_completion=False, no_args_is_help=True, epilog=EPILOG)

Source = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder with the plugin's sources.", show_default="this checkout's"),
]


@app.callback()
def plugin() -> None:
    """Build and install the DAW plugin (VST3 and LV2; GPL-3, see bridge/plugin/README.md)."""


@app.command()
def check() -> None:
    """Say which packages a build lacks."""
    _need_packages()
    print("Everything that a build needs is here.")


@app.command()
def build(source: Source = None) -> None:
    """Build the plugin; about three minutes on two cores."""
    # the presets that it offers are those of the foleyd that builds it
    from foleyd_live.banks import shipped_folder

    sources = _sources(source)
    _need_packages()
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    shipped = shipped_folder()
    banks = [] if shipped is None else [f"-DFOLEYD_PRESETS={shipped}"]
    for command in (
        ["cmake", "-S", str(sources), "-B", str(folder), "-DCMAKE_BUILD_TYPE=Release", *banks],
        ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)],
    ):
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise FoleydError(f"the build failed, for the reason above: {' '.join(command)}.")
    path()


@app.command()
def install() -> None:
    """Copy what was built into the user's plugin folders."""
    for bundle in _built():
        target = Path.home() / BUNDLES[f"{bundle.parent.name}/{bundle.name}"] / bundle.name
        beside = target.with_name(f"{target.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(bundle, beside)
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
        print(target)
    print("Have the DAW scan its plugins, and add the instrument 'foleyd' to a MIDI track.", file=sys.stderr)


@app.command()
def path() -> None:
    """Print where the built plugins are."""
    for bundle in _built():
        print(bundle)


def _folder() -> Path:
    return paths.home("plugin-build")


def _built() -> list[Path]:
    found = [folder / name for folder in _folder().glob("shell/foleyd_artefacts/*") for name in BUNDLES]
    there = [bundle for bundle in found if bundle.is_dir()]
    if len(there) < len(BUNDLES):
        raise BadRequest("the plugin has not been built yet: run 'foleyd plugin build'.")
    return there


def _sources(named: Path | None) -> Path:
    sources = (named or Path(__file__).parents[2] / "bridge" / "plugin").absolute()
    if not (sources / "CMakeLists.txt").is_file():
        raise BadRequest(
            f"{sources} holds no sources of the plugin: name a clone's bridge/plugin with --source."
        )
    return sources


def _need_packages() -> None:
    lacking = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if "pkg-config" not in lacking:
        lacking += [
            package
            for library, package in LIBRARIES.items()
            if subprocess.run(["pkg-config", "--exists", library], check=False).returncode
        ]
    lacking += [package for file, package in FILES.items() if not Path(file).exists()]
    if lacking:
        raise BadRequest(f"packages are missing: apt-get install {' '.join(dict.fromkeys(lacking))}.")
