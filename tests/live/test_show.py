"""Shows: what their file keeps, clips that are collected beside it, clips that are missing, and the doctor's
look at all of it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

import gated_worker
from foleyd.client import AsyncClient
from foleyd.errors import BadRequest, FoleydError
from foleyd.messages import LibraryRequest
from foleyd_live import devices, json_text, show_clips, show_doctor, stream
from foleyd_live import show as shows
from foleyd_live.banks import Banks
from foleyd_live.history import ClipSource
from foleyd_live.midi_map import Binding
from foleyd_live.pad import PadState
from foleyd_live.show import Entry, Setup, Show
from serving import PATIENCE, Served

RATE = 48_000


def sound(path: Path, seed: int = 1, frames: int = 4800) -> Path:
    """A file of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, frames), RATE, subtype="PCM_24")
    return path


def pad(path: Path | str, **keys: Any) -> PadState:
    return PadState(values={"gain": -3.0}, clip=ClipSource(path=str(path), **keys))


@pytest.fixture
def show(tmp_path: Path) -> Show:
    """A show with clips in two other folders, two of them of one name."""
    rain, kick = sound(tmp_path / "a" / "rain.wav", 1), sound(tmp_path / "b" / "rain.wav", 2)
    return Show(
        title="Friday",
        pads={"1": pad(rain, preset="weather/Tin roof"), "64": pad(kick, clip_id="clip-abc"), "2": pad(rain)},
        values={"clock/tempo": 96.0, "clock/source": "midi"},
        setlist=(
            Entry(name="Intro", load={"weather": 1, "drums/Snare": 17}, values={"mixer/gain": -6.0}),
            Entry(
                name="Storm", pads={"3": pad(sound(tmp_path / "c.wav", 3), recipe={"prompt": "x", "seed": 1})}
            ),
        ),
        bindings=(Binding(kind="note", target="pad/play", number=36, pad=1),),
        setup=Setup(device="system", rate=RATE, block=256),
    )


def friday(tmp_path: Path) -> Path:
    (tmp_path / "shows").mkdir(exist_ok=True)
    return tmp_path / "shows" / "friday.json"


# the file


def test_a_show_comes_back_as_it_was(show: Show, tmp_path: Path) -> None:
    path = friday(tmp_path)
    shows.write(path, show)
    assert shows.read(path) == show
    shows.write(path, Show())
    assert shows.read(path) == Show()
    assert [one.name for one in path.parent.iterdir()] == ["friday.json"]


def test_it_names_its_clips_and_presets(show: Show) -> None:
    assert [where for where, _ in show.clips()] == ["pad 1", "pad 64", "pad 2", "pad 3 of 'Storm'"]
    assert show.clip_ids() == ("clip-abc",)
    assert show.labels() == ("weather", "drums/Snare", "weather/Tin roof")


def test_what_lies_beside_it_is_written_relative_and_moves_with_it(tmp_path: Path) -> None:
    path = friday(tmp_path)
    inside, outside = sound(path.parent / "x y" / "rain.wav"), sound(tmp_path / "rain.wav")
    shows.write(path, Show(pads={"1": pad(inside), "2": pad(outside)}))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["pads"]["1"]["clip"]["path"] == "x y/rain.wav"
    assert written["pads"]["2"]["clip"]["path"] == str(outside)
    moved = path.parent.rename(tmp_path / "elsewhere") / path.name
    found = shows.read(moved)
    assert found.pads["1"].clip == ClipSource(path=str(tmp_path / "elsewhere" / "x y" / "rain.wav"))


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"format": 9}, "format", "format is 9: this foleyd reads 1 only."),
    ({"pads": {"65": {}}}, '"65"', "pad is 65: give 1 to 64."),
    ({"pads": {"one": {}}}, '"one"', "pad is 'one': give 1 to 64."),
    ({"pads": {"1": {"values": {"gain": 90}}}}, '"gain"', "pad/gain is 90: give -60 to 12 dB."),
    ({"pads": {"1": {"values": {"grain": 9}}}}, '"grain"', "there is no property 'pad/grain'"),
    ({"pads": {"1": {"values": {"state": "x"}}}}, '"state"', "pad/state can only be read."),
    ({"pads": {"1": {"clip": {"path": 4}}}}, '"1"', "Expected `str`, got `int`"),
    ({"pads": []}, '"pads"', "pads are no object"),
    ({"values": {"clock/tempo": 1}}, '"clock/tempo"', "clock/tempo is 1: give 20 to 400 bpm."),
    ({"values": {"pad/gain": 0}}, '"pad/gain"', "pad/gain belongs to a pad"),
    ({"setlist": {}}, '"setlist"', "setlist is no list"),
    ({"setlist": [{}]}, "{}", "missing required field `name`"),
    ({"setlist": [{"name": "a", "load": {"drums": 0}}]}, '"drums"', "pad is 0: give 1 to 64."),
    ({"setlist": [{"name": "a", "pads": {"1": {"values": {"pan": 3}}}}]}, '"pan"', "pad/pan is 3"),
    ({"setlist": [{"name": "a", "values": {"mixer/gain": 90}}]}, '"mixer/gain"', "mixer/gain is 90"),
    ({"bindings": [{"kind": "note", "target": "pad/play"}]}, '"bindings"', "pad/play belongs to a pad"),
    ({"files": {"a.wav": "123"}}, '"a.wav"', "this is no SHA-256"),
]


@pytest.mark.parametrize(("document", "where", "reason"), MISTAKES, ids=[one[2] for one in MISTAKES])
def test_a_mistake_is_told_with_its_line(
    document: dict[str, Any], where: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(json_text.write({"title": "x", **document}))
    with pytest.raises(BadRequest) as refused:
        shows.read(path)
    said = str(refused.value)
    assert said.startswith(f"{path}, line ")
    assert reason in said
    line = int(said.removeprefix(f"{path}, line ").partition(":")[0])
    assert where in path.read_text(encoding="utf-8").splitlines()[line - 1]


@pytest.mark.parametrize("data", [b"[]", b"", b"{", b"\x00\xff"])
def test_what_is_no_show_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(BadRequest, match=r"bad\.json, line 1: "):
        shows.read(path)
    with pytest.raises(BadRequest, match="cannot read"):
        shows.read(tmp_path / "nowhere.json")


# its clips


def test_clips_are_collected_beside_it(show: Show, tmp_path: Path) -> None:
    path = friday(tmp_path)
    shows.write(path, show)
    files = shows.collect(path)
    folder = path.parent / "friday clips"
    assert files == [folder / "rain.wav", folder / "rain-2.wav", folder / "c.wav"]
    for copy, original in zip(files, ("a/rain.wav", "b/rain.wav", "c.wav"), strict=True):
        assert copy.read_bytes() == (tmp_path / original).read_bytes()
    found = shows.read(path)
    assert [Path(source.path) for _, source in found.clips()] == [files[0], files[1], files[0], files[2]]
    assert found.files == {f"friday clips/{copy.name}": show_clips.digest(copy) for copy in files}
    assert found.pads["64"] == pad(files[1], clip_id="clip-abc")
    assert msgspec.structs.replace(found, pads=show.pads, setlist=show.setlist, files={}) == show
    # again: nothing is copied, and the originals are needed no more
    for folder_name in ("a", "b"):
        shutil.rmtree(tmp_path / folder_name)
    (tmp_path / "c.wav").unlink()
    stamps = [copy.stat().st_mtime_ns for copy in files]
    assert shows.collect(path) == files
    assert [copy.stat().st_mtime_ns for copy in files] == stamps
    assert shows.read(path) == found


def test_the_stages_of_a_morph_are_kept_collected_and_looked_at_one_by_one(tmp_path: Path) -> None:
    paths = [sound(tmp_path / "sounds" / f"{at}.wav", at) for at in range(3)]
    stages = [ClipSource(path=str(one), clip_id=f"clip-{at}") for at, one in enumerate(paths)]
    morph = Show(pads={"4": PadState(values={"fader": 0.25}, clip=ClipSource.staged(stages))})
    path = tmp_path / "show" / "friday.json"
    path.parent.mkdir()
    shows.write(path, morph)
    assert shows.read(path) == morph
    assert morph.clip_ids() == ("clip-0", "clip-1", "clip-2")
    copies = shows.collect(path)
    assert len(copies) == 3
    shutil.rmtree(paths[0].parent)
    clip = shows.read(path).pads["4"].clip
    assert clip is not None
    assert [one.path for one in clip.each()] == [str(copy) for copy in copies]
    assert show_doctor.check_clips(path, shows.read(path)).status == "ok"
    copies[1].unlink()
    found = show_doctor.check_clips(path, shows.read(path))
    assert (found.status, found.detail) == ("failed", "1 of 3: pad 4: 1.wav is missing")


def test_missing_clips_are_named_and_the_others_collected(show: Show, tmp_path: Path) -> None:
    path = friday(tmp_path)
    (tmp_path / "a" / "rain.wav").unlink()
    shows.write(path, show)
    with pytest.raises(
        FoleydError, match=r"not all clips could be collected: pad 1 \(rain\.wav is missing\): "
    ):
        shows.collect(path)
    found = shows.read(path)
    assert found.pads["1"] == show.pads["1"]
    assert sorted(found.files) == ["friday clips/c.wav", "friday clips/rain.wav"]


def test_a_collected_clip_that_has_changed_is_said_and_not_taken_for_good(show: Show, tmp_path: Path) -> None:
    path = friday(tmp_path)
    shows.write(path, show)
    first = shows.collect(path)[0]
    known = shows.read(path).files
    first.write_bytes(first.read_bytes()[:-1] + b"\x55")
    for _ in range(2):
        with pytest.raises(FoleydError, match=r"pad 1 \(rain\.wav is no longer what was collected\)"):
            shows.collect(path)
    assert shows.read(path).files == known


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon that makes tones."""
    with Served(tmp_path_factory.mktemp("daemon"), worker=gated_worker.COMMAND) as served:
        yield served


def test_a_missing_clip_comes_from_the_library_or_is_made_again(daemon: Served, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with AsyncClient(daemon.file, name="show", timeout_s=PATIENCE) as client:
            handle = await client.render("a tone", seconds=0.5, steps=2, seed=5, deliver="none")
            (made,) = (await handle.result(PATIENCE)).clips
            gone = str(tmp_path / "gone.wav")
            kept = ClipSource(path=gone, clip_id=made.clip_id, preset="a/b", bpm=90.0)
            found = await show_clips.recovered(kept, client)
            assert (found.path, found.clip_id) == (made.path, made.clip_id)
            assert (found.preset, found.bpm) == ("a/b", 90.0)
            other = {**made.recipe, "prompt": "another tone"}
            unknown = ClipSource(path=gone, clip_id="clip-" + "a" * 24, recipe=other)
            again = await show_clips.recovered(unknown, client)
            assert Path(again.path).is_file()
            assert again.recipe == other
            with pytest.raises(FoleydError, match=r"gone\.wav is missing and nobody knows how it was made"):
                await show_clips.recovered(ClipSource(path=gone), client)

    asyncio.run(scenario())


def test_the_library_keeps_what_a_show_needs_and_no_more(daemon: Served) -> None:
    async def scenario() -> None:
        async with AsyncClient(daemon.file, name="show", timeout_s=PATIENCE) as client:
            handle = await client.render("a pair", seconds=0.5, steps=2, count=2, deliver="none")
            left, right = ((await handle.result(PATIENCE)).clips)[:2]

            async def held() -> set[str]:
                reply = await client.library(LibraryRequest(action="holds", name="Friday"))
                return set(reply.holds.get("Friday", ()))

            await show_clips.hold("Friday", [left.clip_id, "clip-" + "b" * 24], client)
            assert await held() == {left.clip_id}
            await show_clips.hold("Friday", [right.clip_id], client)
            assert await held() == {right.clip_id}
            await show_clips.hold("Friday", [], client)
            assert await held() == set()

    asyncio.run(scenario())


# the doctor


def test_the_doctor_finds_sound_clips(show: Show, tmp_path: Path) -> None:
    path = friday(tmp_path)
    shows.write(path, show)
    found = show_doctor.check_clips(path, shows.read(path))
    assert found.status == "warning"
    assert "3 are there and can be played; 3 lie outside the show's folder" in found.detail
    shows.collect(path)
    found = show_doctor.check_clips(path, shows.read(path))
    assert (found.status, found.detail) == ("ok", "3 are there and can be played")


def test_the_doctor_names_clips_that_are_missing_changed_or_broken(show: Show, tmp_path: Path) -> None:
    path = friday(tmp_path)
    shows.write(path, show)
    rain, _, storm = shows.collect(path)
    rain.write_bytes(rain.read_bytes()[:-1] + b"\x55")
    storm.unlink()
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"RIFF nothing of the kind")
    kept = shows.read(path)
    shows.write(path, msgspec.structs.replace(kept, pads={**kept.pads, "9": pad(noise)}))
    found = show_doctor.check_clips(path, shows.read(path))
    assert found.status == "failed"
    assert found.detail.startswith("3 of 4: pad 1: rain.wav is no longer what was collected; ")
    assert "pad 3 of 'Storm': c.wav is missing; the host makes it again beside a daemon" in found.detail
    assert "pad 9: noise.wav" in found.detail


def test_the_doctor_looks_for_presets(show: Show, tmp_path: Path) -> None:
    shipped, user = tmp_path / "shipped", tmp_path / "user"
    for name, preset in (("weather", "Tin roof"), ("drums", "Snare")):
        shipped.mkdir(exist_ok=True)
        document = {"presets": [{"name": preset, "recipe": {"prompt": "x"}}]}
        (shipped / f"{name}.json").write_bytes(json_text.write(document))
    banks = Banks(user, shipped)
    assert show_doctor.check_presets(show, banks).status == "ok"
    (shipped / "drums.json").unlink()
    found = show_doctor.check_presets(show, banks)
    assert found.status == "failed"
    assert "drums/Snare: there is no bank 'drums'" in found.detail
    # what a pad was made from is wanted no more: it has its clip
    alone = Show(pads={"1": pad("a.wav", preset="gone/Gong")})
    assert show_doctor.check_presets(alone, banks).status == "warning"
    assert show_doctor.check_presets(Show(), banks).status == "skipped"


def test_the_doctor_says_that_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(wanted: str, host_api: str) -> None:
        raise devices.NoDevice("no audio device with outputs was found: connect one.")

    monkeypatch.setattr(stream, "choose", none)
    found = show_doctor.check_device(Show())
    assert (found.status, found.detail) == ("failed", "no audio device with outputs was found: connect one.")


def test_the_doctor_looks_at_everything_in_order(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(wanted: str, host_api: str) -> None:
        raise devices.NoDevice("there is none.")

    monkeypatch.setattr(stream, "choose", none)
    path = friday(tmp_path)
    shows.write(path, show)
    found = {check.name: check.status for check in show_doctor.examine(path)}
    assert list(found) == ["show", "clips", "presets", "audio device", "daemon", "recordings"]
    assert found["show"] == "ok"
    assert found["daemon"] == "warning"
    path.write_text("{")
    (alone,) = show_doctor.examine(path)
    assert (alone.name, alone.status) == ("show", "failed")
    assert "line 1" in alone.detail
