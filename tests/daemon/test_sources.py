"""Operations on both wires, and the sounds they start from: what is taken in, refused, left alone."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

import gated_worker
from foleyd.bench import random_model
from foleyd.client import Client, Result
from foleyd.daemon import imports
from foleyd.daemon.library import Library
from foleyd.daemon.sources import Sources
from foleyd.errors import BadRequest
from foleyd.fields import OPERATIONS
from foleyd.library_access import described
from foleyd.messages import LibraryRequest
from recordings import RATE, encoded, noise, wav
from serving import PATIENCE, Served

RENDER = "/foleyd/render"
HOW = {"operation": "restyle", "seed": 1, "steps": 4, "scheduler": "ddim"}
FRAMES = 22_050
FIELDS_OF: dict[str, dict[str, Any]] = {
    "text": {},
    "restyle": {"strength": 0.5},
    "vary": {"centre": 3},
    "inpaint": {"redo_low": 1000, "redo_high": 3000},
    "extend": {"after": 0.25},
    "loop": {},
    "morph": {"towards": "fire"},
    "like": {"likeness": 0.75},
    "upscale": {"cutoff": 2000},
    "layers": {"tail": "a long ring", "tail_from": 0.25},
}
"""What each operation is asked for with."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon with the starter, that may read one folder."""
    home = tmp_path_factory.mktemp("served")
    (home / "sounds").mkdir()
    with Served(home, "--osc-sources", str(home / "sounds")) as daemon:
        yield daemon


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.file, timeout_s=PATIENCE) as one:
        yield one


def made(client: Client, source: Any, prompt: str = "rain", **fields: Any) -> Result:
    return client.render(prompt, source=source, **{**HOW, **fields}).result(PATIENCE)


def hash_in(result: Result) -> str:
    [source] = result.clips[0].recipe["sources"]
    assert source["role"] == "source"
    return str(source["sha256"])


def test_a_clip_a_file_its_bytes_and_its_samples_are_one_source(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "door.wav"
    path.write_bytes(wav(FRAMES))
    before = path.stat()
    samples, rate = soundfile.read(path, dtype="float32")
    first = made(client, path)
    assert hash_in(first) == imports.decode(path.read_bytes(), "door").origin.sha256
    [clip] = first.clips
    assert (clip.recipe["operation"], clip.recipe["strength"], clip.recipe["seconds"]) == (
        "restyle",
        0.5,
        0.5,
    )
    assert float(np.abs(first.audio[0].samples).max()) > 0.1
    others = (path.read_bytes(), encoded(samples, format="FLAC"), (samples.tobytes(), 1, rate))
    for other in others:
        again = made(client, other)
        assert again.kept == (True,)
        assert again.clips[0].clip_id == clip.clip_id
    after = path.stat()
    assert (path.read_bytes(), after.st_mtime_ns, after.st_ino) == (
        wav(FRAMES), before.st_mtime_ns, before.st_ino,
    )  # fmt: skip


def test_a_clip_of_the_library_is_a_source_and_stays_as_it_is(client: Client) -> None:
    [clip] = client.render("a bell", seed=3, steps=4, seconds=0.6).result(PATIENCE).clips
    before = Path(clip.path).read_bytes()
    result = made(client, clip.clip_id)
    assert result.clips[0].clip_id != clip.clip_id
    assert result.clips[0].recipe["seconds"] == 0.6
    assert Path(clip.path).read_bytes() == before
    assert client.clip(clip.clip_id).clips[0].recipe == clip.recipe


def test_the_recipe_alone_brings_a_source_back(client: Client) -> None:
    """By its hash: one that is kept, and an imported clip that never was one."""
    sources = [{"role": "source", "sha256": hash_in(made(client, wav(FRAMES, seed=7)))}]
    again = client.render("rain", sources=sources, seconds=0.5, **HOW).result(PATIENCE)
    assert again.kept == (True,)
    data = wav(FRAMES, seed=8)
    request = LibraryRequest(action="import", buffers=(described(data, "knock.wav"),))
    [clip] = client.library(request, [data]).clips
    assert clip.sha256 == imports.decode(data, "knock.wav").origin.sha256
    result = client.render(
        "rain", sources=[{"role": "source", "sha256": clip.sha256}], seconds=0.5, **HOW
    ).result(PATIENCE)
    assert result.state == "done"


BROKEN = np.full((FRAMES, 1), 0.1)
BROKEN[100] = np.nan

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: b"this is no sound at all", "source cannot be read as audio"),
    "empty": (lambda: b"", "source cannot be read as audio"),
    "no frames": (lambda: wav(0), "source holds no sound"),
    "too long": (lambda: wav(31 * RATE), "lasts 31.0 s: cut it to 30 s or less"),
    "three channels": (lambda: wav(100, 3), "has 3 channels"),
    "not numbers": (lambda: encoded(BROKEN, subtype="FLOAT"), "samples that are not numbers"),
    "samples that are not numbers": (
        lambda: (BROKEN.astype("<f4").tobytes(), 1, RATE),
        "samples that are not numbers",
    ),
    "half a sample": (lambda: (b"\0" * 6, 1, RATE), "has 6 bytes: send whole samples"),
    "no samples": (lambda: (b"", 1, RATE), "has 0 bytes"),
    "no channels": (lambda: (b"\0" * 8, 3, RATE), "has 3 channels"),
    "no rate": (lambda: (b"\0" * 8, 1, 1), "has 1 samples a second"),
    "too fine": (lambda: encoded(noise(), rate=384_000), "convert it to 192000 or less"),
    "another clip": (lambda: "clip-" + "a" * 24, "clip-a"),
    "a path": (lambda: "/etc/hostname", "give a clip's id, or send the file as a buffer"),
    "another role": (lambda: {"ghost": wav()}, "buffer is of kind 'source' with id 'ghost'"),
    "a file that is gone": (lambda: Path("/nowhere/door.wav"), "cannot read /nowhere/door.wav"),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_source_is_refused(client: Client, source: Callable[[], Any], said: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        made(client, source())
    sentence = str(refusal.value)
    assert said in sentence
    assert ":" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert client.status().jobs == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"operation": "text"}, "operation 'text' takes"),
        ({"operation": "text", "strength": 0.5}, "operation 'text' takes"),
        ({"strength": 1.5}, "strength"),
        ({"strength": "much"}, "strength"),
        ({"sources": [{"role": "source", "sha256": "0" * 63}]}, "sources"),
    ],
)
def test_fields_that_do_not_fit_are_refused(client: Client, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        made(client, wav(FRAMES), **fields)


def test_a_restyle_without_a_source_and_a_strength_without_a_restyle(client: Client) -> None:
    with pytest.raises(BadRequest, match="operation 'restyle' takes"):
        client.render("rain", **HOW)
    with pytest.raises(BadRequest, match="strength is given: it belongs to 'restyle', not to 'text'"):
        client.render("rain", strength=0.3)
    lost = [{"role": "source", "sha256": "0" * 64}]
    with pytest.raises(BadRequest, match="is not in the library"):
        client.render("rain", sources=lost, **HOW)


def test_fewer_steps_are_told_where_only_some_are_taken(client: Client) -> None:
    steps: set[tuple[int, int]] = set()
    handle = client.render("hail", source=wav(FRAMES, seed=4), strength=0.5, **HOW)
    handle.result(PATIENCE, progress=lambda event: steps.add((event.step, event.steps)))
    assert (2, 2) in steps
    assert max(steps)[0] == 2


class Host:
    """A program that speaks OSC."""

    def __init__(self, daemon: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE)
        self._daemon = daemon

    def restyle(self, source: object, *more: object) -> tuple[Any, ...]:
        """As :meth:`render`, of a source."""
        return self.render("rain", "operation", "restyle", "source", source, "seed", 1, "steps", 4, *more)

    def render(self, *arguments: object) -> tuple[Any, ...]:
        """Ask for a sound as number 5; /done or /fail, with its arguments."""
        builder = OscMessageBuilder(RENDER)
        for one in (5, *arguments):
            builder.add_arg(one)
        self._socket.sendto(builder.build().dgram, self._daemon)
        while True:
            message = OscMessage(self._socket.recv(65_536))
            if message.address in ("/done", "/fail"):
                return message.address, *message.params

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def host(served: Served) -> Iterator[Host]:
    one = Host(served.osc)
    yield one
    one.close()


def test_osc_names_a_clip_or_a_file_in_the_folder(host: Host, client: Client, served: Served) -> None:
    folder = served.home / "sounds" / "doors"
    folder.mkdir(exist_ok=True)
    door = folder / "door.wav"
    door.write_bytes(wav(FRAMES, seed=5))
    answer, _, number, clip_id, path, seconds = host.restyle("doors/door.wav", "strength", 0.25)
    assert (answer, number, seconds) == ("/done", 5, 0.5)
    assert client.clip(clip_id).clips[0].recipe["strength"] == 0.25
    assert host.restyle(str(door), "strength", 0.25)[3] == clip_id
    assert host.restyle(clip_id)[0] == "/done"
    assert host.restyle(path)[0] == "/done"  # a clip of the library, by its path
    assert door.read_bytes() == wav(FRAMES, seed=5)


@pytest.mark.parametrize(
    "where",
    [
        "{home}/outside.wav",
        "../outside.wav",
        "doors/../../outside.wav",
        "link.wav",
        "linked/outside.wav",
        "missing.wav",
        "",
        "/etc/hostname",
        "~/outside.wav",
        ".",
    ],
)
def test_osc_reaches_no_file_outside(host: Host, served: Served, where: str) -> None:
    outside = served.home / "outside.wav"
    outside.write_bytes(wav(FRAMES))
    folder = served.home / "sounds"
    for name, target in (("link.wav", outside), ("linked", served.home)):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
    answer, command, said, number, code = host.restyle(where.format(home=served.home))
    assert (answer, command, number, code) == ("/fail", RENDER, 5, "bad_request")
    assert "give a clip's id, or a file in" in said


def test_osc_is_told_of_a_file_that_is_no_sound(host: Host, served: Served) -> None:
    (served.home / "sounds" / "notes.wav").write_text("buy milk")
    answer, _, said, _, code = host.restyle("notes.wav")
    assert (answer, code) == ("/fail", "bad_request")
    assert "notes.wav cannot be read as audio" in said
    answer, _, said, *_ = host.restyle(3)
    assert answer == "/fail"


def test_a_source_that_was_damaged_is_not_heard(client: Client, served: Served) -> None:
    sha256 = hash_in(made(client, wav(FRAMES, seed=11)))
    path = Sources(served.home / "library" / "sources").path(sha256)
    assert path.is_file()
    raw = bytearray(path.read_bytes())
    raw[-8:] = struct.pack("<4h", 9, 9, 9, 9)
    path.write_bytes(raw)
    with pytest.raises(BadRequest, match="damaged on the disk"):
        made(client, wav(FRAMES, seed=11), "another prompt")


def test_prune_takes_sources_that_no_clip_needs(tmp_path: Path) -> None:
    with Library(tmp_path) as library:
        kept = library.sources.keep(imports.decode(wav(FRAMES), "door.wav"))
        assert library.sources.keep(imports.decode(wav(FRAMES), "again.wav")) == kept
        assert library.usage().bytes == kept.path.stat().st_size
        assert library.prune(kept.path.stat().st_size) == (0, 0, 0, ())
        assert library.sources.find(kept.sha256) == kept
        assert library.prune(0)[2] > 0
        assert library.sources.find(kept.sha256) is None
        assert not kept.path.exists()


def test_half_a_source_is_none_and_is_swept(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    kept = sources.keep(imports.decode(wav(FRAMES), "door.wav"))
    part = kept.path.with_name(f".{kept.sha256}.1.part.wav")
    part.write_bytes(b"RIFF")
    kept.path.write_bytes(kept.path.read_bytes()[:20])
    assert sources.find(kept.sha256) is None
    sources.sweep()
    assert not part.exists()
    for bad in ("", "../../etc/passwd", "A" * 64, "0" * 63):
        with pytest.raises(BadRequest, match="no hash of a source"):
            sources.path(bad)


def test_variations_over_both_wires(host: Host, client: Client) -> None:
    how = {"operation": "vary", "centre": 3, "distance": 0.2, "steps": 4, "seconds": 0.5}
    result = client.render("a bell", count=2, seed=1, **how).result(PATIENCE)
    assert [(clip.seed, clip.recipe["centre"]) for clip in result.clips] == [(1, 3), (2, 3)]
    assert result.set_id
    pairs = [one for pair in how.items() for one in pair]
    told = host.render("a bell", "seed", 2, *pairs)
    assert (told[0], told[3]) == ("/done", result.clips[1].clip_id)
    refused = host.render("a bell", "operation", "vary")
    assert (refused[0], refused[4]) == ("/fail", "bad_request")
    assert refused[2].startswith("centre is missing")


def test_a_part_is_made_anew_over_both_wires(host: Host, client: Client, served: Served) -> None:
    samples = (0.3 * noise(FRAMES, 2, seed=6)).astype(np.float32)
    data = encoded(samples, subtype="FLOAT")
    how = {"operation": "inpaint", "seed": 1, "steps": 4, "redo_from": 0.1, "redo_to": 0.3}
    result = client.render("rain", source=data, **how).result(PATIENCE)
    [audio] = result.audio
    assert (audio.rate, audio.channels, audio.frames) == (RATE, 2, FRAMES)
    first, end = round(0.1 * RATE), round(0.3 * RATE)
    np.testing.assert_allclose(audio.samples[:, :first], samples.T[:, :first], atol=2**-23)
    np.testing.assert_allclose(audio.samples[:, end:], samples.T[:, end:], atol=2**-23)
    assert np.abs(audio.samples[:, first:end] - samples.T[:, first:end]).max() > 0.1
    (served.home / "sounds" / "street.wav").write_bytes(data)
    pairs = [one for pair in how.items() for one in pair]
    assert host.render("rain", "source", "street.wav", *pairs)[3] == result.clips[0].clip_id
    answer, _, said, *_ = host.render(
        "rain", "operation", "inpaint", "source", "street.wav", "redo_from", 0.1
    )
    assert answer == "/fail"
    assert said.startswith("redo_to is missing")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_the_same_on_both_wires_and_from_every_kind_of_source(
    host: Host, client: Client, served: Served, operation: str
) -> None:
    fields = {"operation": operation, "seed": 1, "steps": 2, **FIELDS_OF[operation]}
    pairs = [one for pair in fields.items() for one in pair]
    if not OPERATIONS[operation]:
        [clip] = client.render("rain", seconds=0.5, **fields).result(PATIENCE).clips
        assert host.render("rain", *pairs, "seconds", 0.5)[3] == clip.clip_id
        assert clip.recipe["operation"] == operation
        return
    data = encoded((0.3 * noise(FRAMES, 2, seed=8)).astype(np.float32), subtype="FLOAT")
    (served.home / "sounds" / "yard.wav").write_bytes(data)
    [own] = client.render("a bell", seed=3, steps=2, seconds=0.5).result(PATIENCE).clips
    found = {}
    for kind, over_zmq, over_osc in (("sound", data, "yard.wav"), ("id", own.clip_id, own.clip_id)):
        [clip] = client.render("rain", source=over_zmq, **fields).result(PATIENCE).clips
        assert host.render("rain", *pairs, "source", over_osc)[3] == clip.clip_id
        assert clip.recipe["operation"] == operation
        found[kind] = clip.clip_id
    assert found["sound"] != found["id"]
    refused = host.render("rain", *pairs)
    assert (refused[0], refused[4]) == ("/fail", "bad_request")
    assert f"operation '{operation}' takes 'source'" in refused[2]


def test_a_recipe_that_was_filled_elsewhere_is_taken_as_it_is(client: Client) -> None:
    """As a command does that has a daemon render: the whole recipe, and the sound of its source."""
    data = wav(48_000)
    fields = {"operation": "extend", "after": 0.5, "steps": 2, "seed": 1}
    first = client.render("wind", source=data, **fields).result(PATIENCE)
    [made] = first.clips
    again = client.render(source=data, **made.recipe).result(PATIENCE)
    assert [clip.clip_id for clip in again.clips] == [made.clip_id]
    # of another source it is not the whole recipe
    with pytest.raises(BadRequest, match="as long as its source and what is added"):
        client.render(source=wav(72_000), **made.recipe)


def test_a_model_that_cannot_hear_refuses_like_on_both_wires(tmp_path: Path) -> None:
    deaf, sounds = random_model.build(tmp_path / "deaf"), tmp_path / "sounds"
    sounds.mkdir()
    (sounds / "door.wav").write_bytes(wav(FRAMES))
    arguments = ("--model", str(deaf), "--osc-sources", str(sounds))
    with Served(tmp_path / "home", *arguments, worker=gated_worker.COMMAND) as daemon:
        asking = Host(daemon.osc)
        said = asking.render("rain", "operation", "like", "source", "door.wav")
        asking.close()
        assert (said[0], said[-1]) == ("/fail", "bad_request")
        assert "deaf came without the audio half of its text encoder" in said[2]
        with Client(daemon.file) as client, pytest.raises(BadRequest, match="the audio half of its text"):
            made(client, sounds / "door.wav", operation="like")


def test_a_sound_far_from_its_words_is_replaced_where_that_is_allowed(client: Client) -> None:
    how = {"steps": 4, "seconds": 1.0, "seed": 4}
    plain = client.render("pizzicato strings", **how).result(PATIENCE)
    assert [clip.seed for clip in plain.clips] == [4]
    assert not plain.notes
    gated = client.render("pizzicato strings", **how, retries=2).result(PATIENCE)
    [note] = gated.notes
    assert re.search(r"far from its words for seed 4 \(similarity 0\.\d\d, usually above 0\.20\)", note)
    near = client.render("a glockenspiel", **how, retries=2).result(PATIENCE)
    assert ([clip.seed for clip in near.clips], near.notes) == ([4], ())
