"""Strangers' files in a process of their own: the same samples, and whatever happens there is a sentence."""

from __future__ import annotations

import asyncio
import sys

import pytest

from foleyd.daemon import decoder, imports
from foleyd.errors import BadRequest
from recordings import encoded, noise, wav

FAULTS = {
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "ends early": "import sys; sys.exit(0)",
    "talks nonsense": "import sys; sys.stdin.buffer.read(); print('nonsense')",
    "says nothing of the sound": "import sys, msgspec; sys.stdout.buffer.write(msgspec.msgpack.encode({}))",
}


@pytest.mark.parametrize("data", [wav(), wav(channels=2), encoded(noise(), format="OGG")])
def test_it_decodes_as_the_library_does(data: bytes) -> None:
    assert asyncio.run(decoder.decoded(data, "door.wav")) == imports.decode(data, "door.wav")


def test_what_it_refuses_is_told() -> None:
    with pytest.raises(BadRequest, match=r"^notes\.txt cannot be read as audio"):
        asyncio.run(decoder.decoded(b"buy milk", "notes.txt"))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_process_that_fails_is_a_file_that_cannot_be_read(fault: str) -> None:
    with pytest.raises(BadRequest, match=r"^door\.wav cannot be read as audio: export it again as WAV\.$"):
        asyncio.run(decoder.decoded(wav(), "door.wav", (sys.executable, "-c", fault)))


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "TIMEOUT_S", 0.5)
    hangs = (sys.executable, "-c", "import threading; threading.Event().wait()")
    with pytest.raises(BadRequest, match="takes too long to read"):
        asyncio.run(decoder.decoded(wav(), "door.wav", hangs))


def test_a_name_is_no_option() -> None:
    recording = asyncio.run(decoder.decoded(wav(), "--help"))
    assert recording.origin.name == "--help"
