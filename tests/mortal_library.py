"""Processes that fill a library until they are killed, for the test that kills them.

``python mortal_library.py ROOT``: for each number on standard input a child is forked (forking costs nothing
where starting Python anew costs seconds) that adds clips with seeds from that number on. Lines on standard
output: ``pid N`` of the child; ``clip ID SEED``, ``marked ID`` and ``set ID`` for what the library has
confirmed; dots in between, about as many in equal times and one for each piece that is written to a file;
``end`` when the child is dead.

Files are written in small pieces, as on a slow disk: else a kill would seldom come in the middle of one.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path

import msgspec

from foleyd.daemon.library import Library
from library_sounds import sound

PIECE_BYTES = 8192


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def tick() -> None:
    pause = threading.Event()
    while True:
        say(".")
        pause.wait(0.0005)


def write_in_pieces(path: Path, data: bytes) -> int:
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), PIECE_BYTES):
            file.write(data[start : start + PIECE_BYTES])
            say(".")
    return len(data)


def fill(root: Path, first: int) -> None:
    say(f"pid {os.getpid()}")
    Path.write_bytes = write_in_pieces  # type: ignore[method-assign,assignment]
    sys.setswitchinterval(0.0005)
    threading.Thread(target=tick, daemon=True).start()
    with Library(root) as library:
        before = ""
        for seed in itertools.count(first):
            clip = library.add(sound(seed, takes=library.takes)).clip.clip_id
            say(f"clip {clip} {seed}")
            library.mark([clip], lambda mark: msgspec.structs.replace(mark, favourite=True, tags=("kept",)))
            say(f"marked {clip}")
            if before:
                say(f"set {library.add_set('a pair', [before, clip]).set_id}")
            before = clip


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                fill(Path(sys.argv[1]), int(line))
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        say("end")


if __name__ == "__main__":
    main()
