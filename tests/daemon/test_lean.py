"""A process that only renders imports less in less time, and all that it wants afterwards."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys

import pytest

from foleyd.daemon import lean
from foleyd.runtime import memory

TRIED = """
import importlib.util, sys
from foleyd.daemon.lean import lean
with lean():
    assert importlib.util.find_spec("scipy") is importlib.util.find_spec("peft") is None
    try:
        import scipy
    except ImportError:
        print("hidden")
import scipy
assert "peft" not in sys.modules
with lean():
    import scipy as again
    assert again is scipy
print("there")
"""


def test_packages_are_hidden_inside_and_there_again_after() -> None:
    done = subprocess.run([sys.executable, "-c", TRIED], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["hidden", "there"], "")


def test_a_failure_inside_leaves_nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "UNCALLED", ("no_such_package", "this"))
    sys.modules.pop("this", None)

    def fail() -> None:
        with lean.lean():
            assert importlib.util.find_spec("this") is None
            assert not gc.isenabled()
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert not {"no_such_package", "this"} & set(sys.modules)
    assert importlib.util.find_spec("this")
    assert gc.isenabled()
    gc.unfreeze()


def test_what_was_made_inside_is_left_alone_until_memory_is_wanted() -> None:
    with lean.lean():
        made = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    assert gc.get_freeze_count() > 1000
    assert not any(one is made for one in gc.get_objects())
    memory.give_back()
    assert gc.get_freeze_count() == 0
