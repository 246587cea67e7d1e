"""The built plugin in a second host that foleyd did not write (pedalboard): a session of the first one, notes
to the frame, and many instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plugin_build import Builds, module
from plugin_host import FIRST_NOTE, RATE, bundle_of, opened, play, session, tone

Load = Callable[[], Any]
NOTE_AT = 480 / RATE


@pytest.fixture
def load(builds: Builds) -> Load:
    """Opens an instance."""
    host, bundle = module("pedalboard"), bundle_of(builds)
    return lambda: host.load_plugin(bundle, initialization_timeout=0)


@pytest.fixture
def with_clip(builds: Builds) -> bytes:
    """A session whose first pad has a clip, as the other host saves it."""
    with opened(builds) as host:
        plugin = host()
        plugin.set_state(session({"prompt": "a tone"}, clip=tone(), gain=-6.0))
        return bytes(plugin.get_state())


def hear(plugin: Any, rate: int = RATE, block: int = 512) -> np.ndarray:
    """Half a second with a note at 10 ms, float32 (2, frames)."""
    note = (bytes((0x90, FIRST_NOTE, 127)), NOTE_AT)
    return np.asarray(plugin([note], 0.5, rate, buffer_size=block))


def test_a_session_of_another_host_sounds_the_same_here(load: Load, builds: Builds, with_clip: bytes) -> None:
    plugin = load()
    assert not hear(plugin).any()
    plugin.raw_state = with_clip
    heard = hear(plugin)
    with opened(builds) as host:
        other = host()
        other.set_state(with_clip)
        wanted = play(other, heard.shape[1], note_at=480)
    assert wanted.any()
    assert np.array_equal(heard[:2], wanted)


@pytest.mark.parametrize("block", [1, 63, 4096])
def test_blocks_of_any_size_sound_the_same_here_too(load: Load, with_clip: bytes, block: int) -> None:
    first, other = load(), load()
    first.raw_state = with_clip
    other.raw_state = with_clip
    wanted = hear(first)
    assert wanted.any()
    assert np.array_equal(hear(other, block=block), wanted)


@pytest.mark.parametrize("rate", [44_100, 88_200, 96_000, 192_000])
def test_other_rates_sound_as_long_here_too(load: Load, with_clip: bytes, rate: int) -> None:
    plugin = load()
    plugin.raw_state = with_clip
    heard = hear(plugin, rate)[0]
    (sounding,) = np.nonzero(np.abs(heard) > 1e-3)
    assert round(NOTE_AT * rate) <= sounding[0]
    assert sounding[-1] - sounding[0] == pytest.approx(0.1 * rate, rel=0.05)


def test_a_state_goes_through_a_fresh_instance_unchanged(load: Load, with_clip: bytes) -> None:
    first, other = load(), load()
    first.raw_state = with_clip
    first.pad_2_gain_db = -12.0
    other.raw_state = first.raw_state
    assert other.raw_state == first.raw_state
    # the host knows a parameter's values as words, rounded to what those say
    assert float(other.pad_2_gain_db) == float(first.pad_2_gain_db) == pytest.approx(-12.0, abs=0.05)


def test_twenty_instances_load_and_leave(load: Load) -> None:
    plugins = [load() for _ in range(20)]
    assert not any(hear(plugin).any() for plugin in plugins[::5])
