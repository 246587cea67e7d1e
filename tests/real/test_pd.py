"""Pure Data, which sends nothing but floats and symbols, asks for a sound and loads it into a table."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from programs import Program
from serving import Served

Patch = list[tuple[str, tuple[tuple[int, str], ...]]]
"""Boxes in order: what stands in them, and where their outlets lead, as the number of the outlet and the name
of a box, which is what stands in it."""

REQUEST = r"list 21 a\ knock\ on\ wood seconds 0.5 steps 2 seed 77 guidance 2.5 slot 4"
SOCKET = "netsend -u -b"


def boxes(port: int, request: str, listen: int | None) -> Patch:
    """The patch: it connects, sends `request`, and prints what comes back. Answers come out of the socket
    that asked or, with `listen`, at a port of their own."""
    answers = f"netreceive -u -b {listen}" if listen else SOCKET
    outlet = 0 if listen else 1
    patch: Patch = [
        ("obj loadbang", ((0, "obj t b b"),)),
        ("obj t b b", ((1, f"msg connect 127.0.0.1 {port}"), (0, f"msg {request}"))),
        (f"msg connect 127.0.0.1 {port}", ((0, f"obj {SOCKET}"),)),
        (f"msg {request}", ((0, "obj oscformat foleyd render"),)),
        ("obj oscformat foleyd render", ((0, "obj list prepend send"),)),
        ("obj list prepend send", ((0, "obj list trim"),)),
        ("obj list trim", ((0, f"obj {SOCKET}"),)),
        (f"obj {SOCKET}", ()),
        (f"obj {answers}", ()),
        ("obj oscparse", ((0, "obj list trim "),)),
        ("obj list trim ", ((0, "obj route foleyd done fail"),)),
        (
            "obj route foleyd done fail",
            (
                (0, "obj print foleyd"),
                (1, "obj print done"),
                (1, "obj route /foleyd/render"),
                (2, "obj t b a"),
            ),
        ),
        # what came to be, loaded and looked at
        ("obj route /foleyd/render", ((0, "obj unpack f s s f"),)),
        ("obj unpack f s s f", ((2, "obj t b b b s"),)),
        (
            "obj t b b b s",
            (
                (3, "msg read -resize \\$1 clip"),
                (2, "obj array size clip"),
                (1, "obj array max clip"),
                (0, QUIT),
            ),
        ),
        ("msg read -resize \\$1 clip", ((0, "obj soundfiler"),)),
        ("obj soundfiler", ((1, "obj print about"), (0, "obj print frames"))),
        ("obj array size clip", ((0, "obj print size"),)),
        ("obj array max clip", ((1, "obj print place"), (0, "obj print highest"))),
        ("obj t b a", ((1, "obj print fail"), (0, QUIT))),
        *(
            (f"obj print {name}", ())
            for name in ("foleyd", "done", "fail", "about", "frames", "size", "highest", "place")
        ),
        ("obj table clip 8", ()),
        (QUIT, ()),
    ]
    if not listen:
        del patch[8]
    at = next(place for place, (box, _) in enumerate(patch) if box == f"obj {answers}")
    patch[at] = (f"obj {answers}", ((outlet, "obj oscparse"),))
    return patch


QUIT = r"msg \; pd quit"


def written(patch: Patch) -> str:
    """The patch as Pure Data's file."""
    number = {box: place for place, (box, _) in enumerate(patch)}
    lines = ["#N canvas 0 0 700 900 12;"]
    for place, (box, _) in enumerate(patch):
        kind, text = box.strip().split(" ", 1)
        lines.append(f"#X {kind} 20 {20 + 30 * place} {text};")
    for place, (_, leads) in enumerate(patch):
        lines += [f"#X connect {place} {outlet} {number[box]} 0;" for outlet, box in leads]
    return "\n".join(lines) + "\n"


@pytest.fixture
def run(program: Callable[[str, str], str], served: Served, home: Path) -> Callable[..., Program]:
    """``run(request)``: Pure Data with the patch, to its end."""

    def run_patch(request: str, listen: int | None = None) -> Program:
        pd = program("pd", "puredata-core")
        path = home / "foleyd.pd"
        path.write_text(written(boxes(served.osc[1], request, listen)))
        with Program(pd, "-nogui", "-noaudio", "-noprefs", "-stderr", "-open", path, home=home) as running:
            assert running.ended() == 0, running.lines
        return running

    return run_patch


@pytest.mark.parametrize("apart", [False, True], ids=["at the sender", "at reply_port"])
def test_a_sound_is_asked_for_with_floats_and_loaded(
    run: Callable[..., Program], served: Served, apart: bool
) -> None:
    listen = free_port() if apart else None
    ran = run(REQUEST + (f" reply_port {listen}" if listen else ""), listen)
    assert ran.told("fail: ") == [], ran.lines
    queued, *progress = ran.told("foleyd: ")
    assert queued[:3] == ["queued", "21", "0"], ran.lines
    if not apart:
        # a slot that looks like a number is a name all the same; the second time the take is there already
        assert [words[:4] for words in progress] == [
            ["progress", "21", "1", "2"],
            ["progress", "21", "2", "2"],
        ]
    [done] = ran.told("done: ")
    assert done[:2] == ["/foleyd/render", "21"]
    path = Path(done[3])
    assert path.is_relative_to(served.told["library"])
    assert float(done[4]) == 0.5
    samples, rate = soundfile.read(path, dtype="float32")
    assert (samples.shape, rate) == ((24_000,), 48_000)
    assert ran.told("frames: ") == ran.told("size: ") == [["24000"]]
    assert ran.told("about: ")[0][0] == "48000"
    [[highest]], [[place]] = ran.told("highest: "), ran.told("place: ")
    assert float(highest) == pytest.approx(samples.max(), rel=1e-5)
    assert int(place) == np.argmax(samples)


def test_what_cannot_be_done_is_told(run: Callable[..., Program]) -> None:
    [fail] = run("list 22 knock steps 2.5").told("fail: ")
    assert fail[0] == "/foleyd/render"
    assert fail[-2:] == ["22", "bad_request"]
    assert "steps" in " ".join(fail)


def free_port() -> int:
    """A UDP port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
