"""The built plugin in a host that foleyd did not write: notes to the frame, generating with a real daemon,
and sessions that sound the same when they are opened again."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foleyd.audio.export import read_clip
from foleyd.client import Client
from plugin_build import Builds, juce
from serving import PATIENCE, Served

RATE = 48_000
FIRST_NOTE = 36
RECIPE = {"prompt": "glass breaking", "seconds": 0.5, "seed": 7, "steps": 4}
_DIGITS = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"


@pytest.fixture(scope="module")
def bundle(builds: Builds) -> str:
    juce()
    return str(next(builds("shell").glob("shell/foleyd_artefacts/*/VST3/foleyd.vst3")))


@pytest.fixture
def host(bundle: str) -> Iterator[Any]:
    """Opens instances and closes them in the end."""
    minihost = pytest.importorskip("minihost")
    opened = []

    def open_(rate: int = RATE) -> Any:
        plugin = minihost.Plugin(
            bundle, sample_rate=rate, max_block_size=4096, in_channels=0, out_channels=16
        )
        opened.append(plugin)
        return plugin

    yield open_
    for plugin in opened:
        plugin.close()


def session(recipe: dict[str, Any], **play: float) -> bytes:
    """A VST3 host's file of a plugin whose first pad has a recipe and no clip."""
    text = json.dumps({"pads": [{"pad": 0, "recipe": recipe, "play": play}]}).encode()
    return _hosted(b"foleyd1\n" + struct.pack("<I", len(text)) + text)


def _hosted(state: bytes) -> bytes:
    # JUCE's own text form of bytes: six bits a character, lowest first
    bits = int.from_bytes(state, "little")
    count = (len(state) * 8 + 5) // 6
    digits = "".join(_DIGITS[bits >> 6 * k & 63] for k in range(count))
    xml = f"<VST3PluginState><IComponent>{len(state)}.{digits}</IComponent></VST3PluginState>".encode()
    return struct.pack("<II", 0x21324356, len(xml)) + xml + b"\0"


def play(plugin: Any, frames: int, note_at: int = 0, block: int = 512, note: int = FIRST_NOTE) -> np.ndarray:
    """Both channels of the first output, float32 (2, frames), with a loud note at a frame."""
    heard = []
    for at in range(0, frames, block):
        size = min(block, frames - at)
        output = np.zeros((plugin.num_output_channels, size), dtype=np.float32)
        events = [(note_at - at, 0x90, note, 127)] if at <= note_at < at + size else []
        plugin.process_midi(np.zeros((0, size), dtype=np.float32), output, events)
        heard.append(output[:2])
    return np.concatenate(heard, axis=1)


@pytest.fixture(scope="module")
def generated(bundle: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, np.ndarray]:
    """The session of a plugin that asked a real daemon, and the sound as the library keeps it."""
    minihost = pytest.importorskip("minihost")
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


@pytest.mark.parametrize("rate", [44_100, 192_000])
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
    minihost = pytest.importorskip("minihost")
    lv2 = Path(bundle).parents[1] / "LV2" / "foleyd.lv2"
    plugin = minihost.Plugin(str(lv2), sample_rate=RATE, max_block_size=4096, in_channels=0, out_channels=16)
    try:
        known = {host().get_param_info(k)["name"] for k in range(3)}
        assert known <= {plugin.get_param_info(k)["name"] for k in range(plugin.num_params)}
        assert not play(plugin, 512).any()
    finally:
        plugin.close()
