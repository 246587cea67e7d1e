"""What the starter's ears are for on the command line: ranked renders and the search by sound."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from foleyd import paths
from foleyd.client import Client
from foleyd.daemon import preference
from foleyd.daemon.library import Library
from foleyd.wire import connection as connections
from lent import Lender
from serving import PATIENCE, Served

Run = Callable[..., Any]
RATE = 16_000


def tone(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE) * np.linspace(1, 0, RATE)


SOUNDS = {
    "deep tone": tone(110),
    "high tone": tone(3500),
    "hiss": np.random.default_rng(0).standard_normal(RATE) * 0.2,
}


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, str]:
    """The ids of recorded clips in foleyd's own library, by name."""
    with Library() as library:
        return {
            name: library.take_in(file(tmp_path, name).read_bytes(), name).clip.clip_id for name in SOUNDS
        }


def told(daemon: tuple[str, int], address: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a message over OSC is answered with, up to /done or /fail."""
    builder = OscMessageBuilder(address)
    for one in arguments:
        builder.add_arg(one)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(PATIENCE)
        line.sendto(builder.build().dgram, daemon)
        found: list[tuple[Any, ...]] = []
        while not found or found[-1][0] not in ("/done", "/fail"):
            message = OscMessage(line.recv(65_536))
            found.append((message.address, *message.params))
    return found


def file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.wav"
    soundfile.write(path, SOUNDS[name], RATE, subtype="FLOAT")
    return path


def test_ranked_clips_are_told_nearest_first(run: Run, model: str, tmp_path: Path, lender: Lender) -> None:
    plain = ("render", "a bell", "--count", 3, "--seed", 4, "--seconds", 0.5, "--model", model)
    ran = run(*plain, "--rank", "-o", tmp_path, "--json")
    assert ran.status == 0, ran.err
    near = ran.json["similarity"]
    assert near == sorted(near, reverse=True)
    paths_of = [Path(clip["path"]) for clip in ran.json["clips"]]
    assert {path.name for path in paths_of} == {f"a-bell-{seed}.wav" for seed in (4, 5, 6)}
    heard = lender.ears().of(["a bell"], paths_of)
    by_hand = [float(heard.texts[0] @ one) for one in heard.files if one is not None]
    assert by_hand == pytest.approx(near, abs=1e-3)
    ranks = [line.split()[-1] for line in ran.err.splitlines()[-3:]]
    assert ranks == [path.stem.rsplit("-", 1)[1] for path in paths_of]


def test_of_clips_as_near_the_liked_are_told_first(
    run: Run, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preference, "NEAR_TIE", 2.0)  # all are
    usual = connections.default_path()
    usual.parent.mkdir(parents=True)
    with Served(own_home, "--connection-file", str(usual)):
        line = ("render", "a bell", "--count", 3, "--seed", 4, "--seconds", 0.5, "--steps", 2, "--rank")
        line += ("-o", tmp_path, "--json")
        nearest, second, last = run(*line).json["clips"]
        assert run("library", "favourite", last["clip_id"]).status == 0
        assert run("library", "rate", 2, second["clip_id"]).status == 0
        again = run(*line).json
        told = [clip["clip_id"] for clip in again["clips"]]
        assert told == [last["clip_id"], second["clip_id"], nearest["clip_id"]]
        assert again["similarity"][0] == min(again["similarity"])


def test_a_batch_is_not_ranked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("prompt\na bell\n")
    ran = run("render", "--batch", tmp_path / "rows.csv", "--rank")
    assert (ran.status, ran.out) == (2, "")
    assert "--rank lists the clips of prompts" in ran.err


def test_a_library_is_searched_by_words_file_and_clip(
    run: Run, clips: dict[str, str], own_home: Path, tmp_path: Path
) -> None:
    listed = run("library", "similar", "hissing noise")
    assert (listed.status, listed.err) == (0, "")
    assert next(line.split()[1] for line in listed.out.splitlines()) == clips["hiss"]
    by_file = run("library", "similar", file(tmp_path, "high tone"), "--limit", 1, "--json").json
    assert ([clip["clip_id"] for clip in by_file["clips"]], by_file["total"]) == ([clips["high tone"]], 3)
    assert by_file["similarity"][0] > 0.99
    near = run("library", "similar", clips["hiss"], "--json").json
    assert {clip["clip_id"] for clip in near["clips"]} == {clips["deep tone"], clips["high tone"]}
    refused = run("library", "similar", "  ")
    assert refused.status == 2
    assert "words, one clip, or one file" in refused.err
    assert run("library", "similar", "clip-zzzz").status == 2

    # through a daemon the same
    usual = connections.default_path()
    usual.parent.mkdir(parents=True)
    with Served(own_home, "--connection-file", str(usual)) as served, Client(usual) as client:
        assert run("library", "similar", clips["hiss"], "--json").json["clips"] == near["clips"]
        again = run("library", "similar", file(tmp_path, "high tone"), "--limit", 1, "--json").json
        assert again["similarity"] == by_file["similarity"]
        # over OSC the same, and who likes a clip sees that it is liked
        assert run("library", "rate", 4, clips["high tone"]).status == 0
        over_osc = told(served.osc, "/clip/similar", clips["hiss"], "limit", 1)
        first = near["clips"][0]
        assert over_osc[0][:6] == ("/clip/similar", clips["hiss"], 0, 2, first["clip_id"], first["name"])
        assert over_osc[0][8] == pytest.approx(near["similarity"][0], abs=1e-4)
        assert over_osc[1:] == [("/done", "/clip/similar", clips["hiss"], 2)]
        by_words = told(served.osc, "/clip/similar", "hissing noise")
        assert by_words[0][4] == clips["hiss"]
        assert {one[4]: one[9:] for one in by_words[:-1]}[clips["high tone"]] == (4, 0)
        for bad, said in (
            (("clip-zzzz",), "clip-zzzz"),
            ((3,), "needs the sound as text"),
            (("  ",), "words, one clip, or one file"),
            (("hiss", "limit", 0), "limit"),
        ):
            [(address, command, message, code)] = told(served.osc, "/clip/similar", *bad)
            assert (address, command, code) == ("/fail", "/clip/similar", "bad_request")
            assert said in message
        (tmp_path / "text.wav").write_text("no sound")
        assert run("library", "similar", tmp_path / "text.wav").status == 2
        job = client.render("a deep kick drum", count=3, seed=1, steps=2, seconds=0.5, rank=True)
        ranked = job.result(PATIENCE)
        assert len(ranked.similarity) == 3
        assert list(ranked.similarity) == sorted(ranked.similarity, reverse=True)
        assert [audio.id for audio in ranked.audio] == [clip.clip_id for clip in ranked.clips]
        plain = client.render("a deep kick drum", count=3, seed=1, steps=2, seconds=0.5).result(PATIENCE)
        assert [clip.seed for clip in plain.clips] == [1, 2, 3]
        assert plain.similarity == ()
    assert (paths.home("library") / "hearings.sqlite").is_file()
