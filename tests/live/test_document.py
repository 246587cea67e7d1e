"""``bridge/live/README.md``: its tables are those of the code."""

from __future__ import annotations

from pathlib import Path

from foleyd import protocol
from foleyd_live import document
from foleyd_live.actions import ACTIONS
from foleyd_live.host import Host
from foleyd_live.properties import PROPERTIES

PATH = Path(__file__).parents[2] / "bridge" / "live" / "README.md"
TEXT = PATH.read_text(encoding="utf-8")


def test_the_document_is_not_stale() -> None:
    assert protocol.renewed(TEXT, document.tables()) == TEXT, "run: python -m foleyd_live.document README.md"
    assert protocol.markers(TEXT) == set(document.tables())


def test_every_control_is_in_the_document() -> None:
    assert all(f"| `{row.address}` |" in TEXT for row in ACTIONS.values())
    assert all(f"| `{row.address}` |" in TEXT for row in PROPERTIES.values())


def test_every_action_has_its_method() -> None:
    from foleyd_live.acts import Acts

    assert all(callable(getattr(Acts, row.method)) for row in ACTIONS.values())
    assert callable(Host.begin)
