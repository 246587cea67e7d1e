"""Where foleyd keeps things."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from foleyd.paths import home


def test_foleyd_home_moves_everything_below_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path))
    assert home("models") == tmp_path / "models"
    assert home("cache") == tmp_path / "cache"
    assert not home("models").exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLEYD_HOME", "here")
    assert home("takes") == tmp_path / "here" / "takes"


def test_without_it_the_operating_system_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLEYD_HOME", " ")
    assert home("models") == platformdirs.user_data_path("foleyd", appauthor=False) / "models"
    assert home("cache") == platformdirs.user_cache_path("foleyd", appauthor=False)


def test_a_machine_without_a_desktop_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLEYD_HOME", "")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    # warnings are errors here
    assert home("runtime") == home("runtime")
    assert home("runtime").is_absolute()


@pytest.mark.parametrize("kind", ["..", "../x", "a/b", "", "Takes"])
def test_a_kind_is_a_plain_word(kind: str) -> None:
    with pytest.raises(ValueError, match="plain lower-case word"):
        home(kind)
