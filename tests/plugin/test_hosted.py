"""The built plugin in a host that foleyd did not write: notes to the frame, generating with a real daemon,
and sessions that sound the same when they are opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foleyd.audio.export import read_clip
from foleyd.client import Client
from plugin_build import Builds, module
from plugin_host import RATE, Opened, bundle_of, opened, play, session
from serving import PATIENCE, Served

RECIPE = {"prompt": "glass breaking", "seconds": 0.5, "seed": 7, "steps": 4}


@pytest.fixture(scope="module")
def bundle(builds: Builds) -> str:
    return bundle_of(builds)


@pytest.fixture
def host(builds: Builds) -> Iterator[Opened]:
    with opened(builds) as host:
        yield host


@pytest.fixture(scope="module")
def generated(bundle: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, np.ndarray]:
    """The session of a plugin that asked a real daemon, and the sound as the library keeps it."""
    minihost = module("minihost")
    home = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLEYD_HOME", str(home))
        (home / "runtime").mkdir(mode=0o700)
        with Served(home) as daemon:
            (home / "runtime" / "foleyd.json").symlink_to(daemon.file)
            plugin = minihost.Plugin(
                bundle, sample_rate=RATE, max_block_size=512, in_channels=0, out_channels=16
            )
            try:
                plugin.set_state(session(RECIPE))
                with Client(daemon.file, timeout_s=PATIENCE) as client:
                    events = client.events("job")
                    plugin.set_param_by_name("Generate", 1.0)
                    play(plugin, 512, note_at=-1)  # parameters travel with a block
                    event = next(event for event in events if event.state not in ("queued", "running"))
                    assert event.state == "done", event
                    clip = client.clip(event.clips[0], audio=False)
                    samples, rate = read_clip(Path(clip.clips[0].path))
                    assert rate == RATE
                    while not play(plugin, 4096).any():
                        pass
                return plugin.get_state(), np.asarray(samples, dtype=np.float32)
            finally:
                plugin.close()


def test_a_request_to_a_real_daemon_puts_its_clip_on_the_pad_sample_for_sample(
    host: Any, generated: tuple[bytes, np.ndarray]
) -> None:
    state, clip = generated
    plugin = host()
    plugin.set_state(state)
    heard = play(plugin, clip.shape[-1] + 1000, note_at=123)
    wanted = np.atleast_2d(clip)
    assert not heard[:, :123].any()
    for side in range(2):
        # both are the model's samples on the grid of 24 bits
        got = heard[side, 123 : 123 + clip.shape[-1]]
        assert np.abs(got - wanted[min(side, len(wanted) - 1)]).max() <= 2**-22
    assert not heard[:, 123 + clip.shape[-1] :].any()


@pytest.mark.parametrize("block", [1, 64, 333, 4096])
def test_blocks_of_any_size_sound_the_same(
    host: Any, generated: tuple[bytes, np.ndarray], block: int
) -> None:
    first, other = host(), host()
    first.set_state(generated[0])
    other.set_state(generated[0])
    wanted = play(first, 8192, note_at=1000)
    assert wanted.any()
    assert np.array_equal(play(other, 8192, note_at=1000, block=block), wanted)


@pytest.mark.parametrize("rate", [44_100, 88_200, 96_000, 192_000])
def test_other_rates_keep_the_note_where_it_was(
    host: Any, generated: tuple[bytes, np.ndarray], rate: int
) -> None:
    plugin = host(rate)
    plugin.set_state(generated[0])
    heard = play(plugin, rate, note_at=777)
    assert not heard[:, :777].any()
    assert np.flatnonzero(heard[0]).size > 0.3 * rate


def test_a_session_saved_again_is_the_same_session(host: Any, generated: tuple[bytes, np.ndarray]) -> None:
    first, other = host(), host()
    first.set_state(generated[0])
    first.set_param_by_name("Pad 1 gain", 0.5)
    play(first, 512, note_at=-1)
    other.set_state(first.get_state())
    assert other.get_param_by_name("Pad 1 gain") == pytest.approx(0.5, abs=1e-3)
    assert other.get_param_by_name("Generate") == 0.0
    assert np.array_equal(play(other, 8192), play(first, 8192))


def test_many_without_a_daemon_load_play_and_leave(host: Any) -> None:
    plugins = [host() for _ in range(20)]
    assert not any(play(plugin, 512).any() for plugin in plugins)


def test_the_lv2_bundle_loads_with_the_same_parameters(bundle: str, host: Any) -> None:
    minihost = module("minihost")
    lv2 = Path(bundle).parents[1] / "LV2" / "foleyd.lv2"
    plugin = minihost.Plugin(str(lv2), sample_rate=RATE, max_block_size=4096, in_channels=0, out_channels=16)
    try:
        known = {host().get_param_info(k)["name"] for k in range(3)}
        assert known <= {plugin.get_param_info(k)["name"] for k in range(plugin.num_params)}
        assert not play(plugin, 512).any()
    finally:
        plugin.close()
