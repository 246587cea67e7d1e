"""The plugin in Ardour without a window: scanned, on a track, heard, saved and opened again."""

from __future__ import annotations

import base64
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import soundfile

import programs
from plugin_build import Builds
from plugin_host import RATE, bundle_of, pad_state, tone, vst3_preset

SCRIPTS = Path(__file__).with_name("ardour")
LIBRARIES = Path("/usr/lib/ardour7")
NOTE_AT = 4800
EXPORTED = 4 / 32768  # 16 bits, dithered
MOST_SCANS = 5
FPU_FLAGS = "15"
"""What Ardour is told that the processor has: SSE and SSE2. Its routines for AVX-512 (7.3) write past the end
of a buffer: once in three times an export ends in an abort, with no plugin at all."""
_CHUNK = re.compile("(<chunk>)([^<]*)(</chunk>)")


class Studio:
    """An Ardour of its own, and its one session."""

    def __init__(self, home: Path, bundle: str) -> None:
        self._lua = programs.find("ardour7-lua", "ardour")
        self._home, self.folder = home, home / "session"
        self._environment = {"FOLEYD_HOME": str(home / "foleyd"), "ARDOUR_FPU_FLAGS": FPU_FLAGS}
        self.exports = home / "exports"
        self.exports.mkdir()
        (home / ".vst3").mkdir()
        self.plugin = home / ".vst3" / "foleyd.vst3"
        self.plugin.symlink_to(bundle)
        mine = home / "xdg_config_home" / "ardour7" / "scripts"
        mine.mkdir(parents=True)
        shutil.copy(SCRIPTS / "one_note.lua", mine)

    def scan(self) -> list[str]:
        """Have the plugin looked at, as the window's 'Scan for plugins' does; what the scanner says of it."""
        environment = {**self._environment, "LD_LIBRARY_PATH": str(LIBRARIES)}
        command = (LIBRARIES / "ardour-vst3-scanner", "-f", "-v", self.plugin)
        with programs.Program(*command, home=self._home, environment=environment) as scanner:
            assert scanner.ended() == 0, scanner.lines
        return scanner.lines

    def make(self) -> None:
        """Make the session, with the plugin on a track. Once in many times Ardour does not know a plugin that
        was scanned a moment ago: then both again."""
        for _ in range(MOST_SCANS):
            shutil.rmtree(self.folder, ignore_errors=True)
            ended, lines = self._run("make.lua")
            if ended == 0:
                break
            assert any("no part 2" in line for line in lines), lines
            self.scan()
        assert (ended, "done" in lines) == (0, True), lines

    def run(self, script: str, *words: object) -> list[str]:
        """What a script says that opens the session."""
        ended, lines = self._run(script, *words)
        assert (ended, "done" in lines) == (0, True), lines
        return lines

    def _run(self, script: str, *words: object) -> tuple[int, list[str]]:
        command = (self._lua, str(SCRIPTS / script), str(self.folder), *map(str, words))
        with programs.Program(*command, home=self._home, environment=self._environment) as lua:
            return lua.ended(), lua.lines

    def heard(self, name: str, **wanted: float) -> tuple[np.ndarray, dict[str, float]]:
        """What the session sounds like when it is opened and the parameters that are named are set, and the
        values of all."""
        named = [word for key, value in wanted.items() for word in (key.replace("_", " "), value)]
        lines = self.run("hear.lua", self.exports, name, *named)
        rows = (line.split("\t")[1:] for line in lines if line.startswith("parameter\t"))
        samples, rate = soundfile.read(self.exports / f"{name}.wav")
        assert rate == RATE
        return samples, {key: float(value) for key, value in rows}

    @property
    def state(self) -> str:
        """The plugin's state as the session keeps it."""
        found = _CHUNK.search((self.folder / "session.ardour").read_text(encoding="utf-8"))
        assert found is not None
        return found[2]

    @state.setter
    def state(self, state: str) -> None:
        file = self.folder / "session.ardour"
        text, count = _CHUNK.subn(rf"\g<1>{state}\g<3>", file.read_text(encoding="utf-8"))
        assert count == 1
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def studio(builds: Builds, tmp_path: Path) -> Studio:
    return Studio(tmp_path, bundle_of(builds))


def known(studio: Studio, home: Path) -> dict[str, str]:
    """What the scanner has written down of the plugin."""
    said = studio.scan()
    assert not [line for line in said if "[ERROR]" in line or "[WARNING]" in line]
    (cache,) = (home / "xdg_cache_home" / "ardour7" / "vst").glob("*.v3i")
    found = ElementTree.parse(cache).find("VST3Info")
    assert found is not None
    return found.attrib


def test_the_scanner_finds_an_instrument_with_eight_stereo_outputs(studio: Studio, tmp_path: Path) -> None:
    told = known(studio, tmp_path)
    assert (told["name"], told["category"]) == ("foleyd", "Instrument|Sampler")
    assert (told["n_outputs"], told["n_midi_inputs"], told["n_inputs"]) == ("16", "1", "0")


def test_a_session_opened_again_has_its_pads_its_gain_and_its_sound(studio: Studio, tmp_path: Path) -> None:
    class_id = known(studio, tmp_path)["uid"]
    studio.make()
    clip = tone()
    kept = vst3_preset(class_id, pad_state({"prompt": "a tone"}, clip, gain=-12.0, release=50.0))
    studio.state = base64.b64encode(kept).decode()

    # -6 of -60 ... 12 dB; pad 2 has nothing but its gain
    first, values = studio.heard("first", Pad_1_gain=0.75, Pad_2_gain=0.5)
    assert values["Generate"] == 0.0
    wanted = np.zeros(len(first))
    wanted[NOTE_AT : NOTE_AT + len(clip)] = clip * 10 ** (-6 / 20)
    for side in range(2):
        assert np.abs(first[:, side] - wanted).max() <= EXPORTED
    saved = studio.state

    again, values = studio.heard("again")
    assert (values["Pad 1 gain"], values["Pad 2 gain"]) == pytest.approx((0.75, 0.5), abs=1e-5)
    assert values["Pad 1 pan"] == 0.5
    assert np.abs(again - first).max() <= EXPORTED
    assert studio.state == saved
    inside = base64.b64decode(saved)
    assert b'"prompt":"a tone"' in inside
    assert b'"release":50' in inside
    assert b"fLaC" in inside
