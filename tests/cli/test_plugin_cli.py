"""``foleyd plugin``, as far as nothing has to be built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foleyd import paths, plugin_cli

Run = Callable[..., Any]


def _bundles() -> list[Path]:
    folder = paths.home("plugin-build") / "shell" / "foleyd_artefacts" / "Release"
    made = [folder / name for name in plugin_cli.BUNDLES]
    for bundle in made:
        bundle.mkdir(parents=True)
        (bundle / "binary").write_text(bundle.name)
    return made


def test_before_a_build_there_is_nothing_to_install(run: Run) -> None:
    for command in ("install", "path"):
        ran = run("plugin", command)
        assert ran.status == 2
        assert "foleyd plugin build" in ran.err


def test_install_replaces_what_was_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = _bundles()
    old = tmp_path / ".vst3" / "foleyd.vst3" / "old"
    old.parent.mkdir(parents=True)
    old.touch()
    ran = run("plugin", "install")
    assert ran.paths == [tmp_path / ".vst3" / "foleyd.vst3", tmp_path / ".lv2" / "foleyd.lv2"]
    assert (tmp_path / ".vst3" / "foleyd.vst3" / "binary").read_text() == "foleyd.vst3"
    assert not old.exists()
    assert run("plugin", "path").paths == made


def test_missing_packages_are_named_in_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugin_cli.FILES, "/nonexistent/header.h", "a-package-dev")
    ran = run("plugin", "check")
    assert ran.status == 2
    assert "apt-get install" in ran.err
    assert "a-package-dev" in ran.err


def test_a_folder_without_sources_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("plugin", "build", "--source", str(tmp_path))
    assert ran.status == 2
    assert "--source" in ran.err
