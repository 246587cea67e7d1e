"""The LV2 bundle in a host that foleyd did not write: lilv knows it, and jalv plays it on a JACK server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import jack_server
import programs
from plugin_build import Builds
from plugin_host import FIRST_NOTE, RATE, bundle_of, in_letters, pad_state, tone

URI = "urn:foleyd:plugin"
PREFIXES = """@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .
"""


@pytest.fixture
def environment(builds: Builds, tmp_path: Path) -> dict[str, str]:
    """An environment in which this plugin is the only one."""
    folder = Path(bundle_of(builds)).parents[1] / "LV2"
    return {**os.environ, "LV2_PATH": str(folder), "HOME": str(tmp_path), "FOLEYD_HOME": str(tmp_path)}


def told(environment: dict[str, str], *command: str) -> str:
    """What a program of lilv says, which has no complaint."""
    program = programs.find(command[0], "lilv-utils")
    ended = subprocess.run(
        [program, *command[1:]], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert ended.stderr == ""
    return ended.stdout


def kept(folder: Path, state: bytes) -> Path:
    """A state in the folder of a saved LV2 session."""
    folder.mkdir()
    about = f"a pset:Preset ; lv2:appliesTo <{URI}>"
    (folder / "manifest.ttl").write_text(f"{PREFIXES}<state.ttl> {about} ; rdfs:seeAlso <state.ttl> .\n")
    text = f'state:state [ <{URI}:StateString> "{in_letters(state)}" ]'
    (folder / "state.ttl").write_text(f"{PREFIXES}<> {about} ; {text} .\n")
    return folder


@contextmanager
def client(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A client of the server, which leaves it as it should: the server waits for one that is killed."""
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(jack_server.PATIENCE_S)
            finally:
                process.kill()


def test_lilv_knows_an_instrument_with_notes_and_outputs(environment: dict[str, str]) -> None:
    assert told(environment, "lv2ls").split() == [URI]
    info = told(environment, "lv2info", URI)
    assert info.count("lv2core#AudioPort") == 16
    assert "http://lv2plug.in/ns/ext/atom#AtomPort" in info
    assert "http://lv2plug.in/ns/ext/state#interface" in info


def works(command: tuple[str, ...], environment: dict[str, str]) -> bool:
    return not subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def onset(heard: np.ndarray) -> int:
    """Where a sound begins behind a silence, below 0 where none does."""
    sounding = np.flatnonzero(heard.any(axis=1))
    pauses = np.flatnonzero(np.diff(sounding, prepend=0) > RATE // 10)
    return int(sounding[pauses[0]]) if len(pauses) else -1


def test_a_note_in_jalv_sounds_as_the_pads_clip(environment: dict[str, str], tmp_path: Path) -> None:
    clip = tone()
    state = kept(tmp_path / "kept.lv2", pad_state({"prompt": "a tone"}, clip, gain=-6.0))
    sequencer, connect = (programs.find(name, "jackd2") for name in ("jack_midiseq", "jack_connect"))
    # a note a second
    notes = (sequencer, "notes", str(RATE), "0", str(FIRST_NOTE), "20000")
    host = (programs.find("jalv", "jalv"), "-x", "-n", "jalv", "-l", str(state), URI)
    join = (connect, "notes:out", "jalv:in")
    with jack_server.served(rate=RATE) as server:
        environment |= server.environment
        with client(environment, *notes), client(environment, *host) as jalv:
            # ports can be connected once their owners run
            jack_server.wait(lambda: works(join, environment), "the notes do not reach jalv")
            with jack_server.Recorder(server, 2, seconds=120, ports="jalv:audio_out_[12]$") as ears:
                jack_server.wait(lambda: onset(ears.heard) > 0, "nothing is heard")
                # the clip's own first sample is zero
                first = onset(ears.heard) - 1
                heard = ears.until(first + len(clip))[first : first + len(clip)].copy()
            said, _ = jalv.communicate(timeout=jack_server.PATIENCE_S)  # its input ends, and so does it
            assert (jalv.returncode, b"rror" in said) == (0, False), said
    wanted = clip * 10 ** (-6 / 20) * 64 / 127
    for side in range(2):
        assert np.abs(heard[:, side] - wanted).max() <= 1e-6
