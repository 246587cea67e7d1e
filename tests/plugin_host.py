"""The built plugin in a host that foleyd did not write (minihost), and what tests do with it."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soundfile

from plugin_build import RELEASE, Builds, juce, module

RATE = 48_000
FIRST_NOTE = 36
_DIGITS = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"

Opened = Callable[..., Any]
"""Opens an instance at a sample rate."""


def bundle_of(builds: Builds) -> str:
    """The path of the VST3 bundle, built where it is not yet."""
    juce()
    return str(next(builds("shell", *RELEASE).glob("shell/foleyd_artefacts/*/VST3/foleyd.vst3")))


@contextmanager
def opened(builds: Builds) -> Iterator[Opened]:
    """Opens instances, and closes them at the end of the block."""
    minihost = module("minihost")
    bundle = bundle_of(builds)
    instances = []

    def open_(rate: int = RATE) -> Any:
        plugin = minihost.Plugin(
            bundle, sample_rate=rate, max_block_size=4096, in_channels=0, out_channels=16
        )
        instances.append(plugin)
        return plugin

    try:
        yield open_
    finally:
        for plugin in instances:
            plugin.close()


def pad_state(recipe: dict[str, Any], clip: np.ndarray | None = None, **play: float) -> bytes:
    """The state of a plugin whose first pad has a recipe, and a clip where one is given: one channel at
    48 kHz within -1 … 1."""
    pad: dict[str, Any] = {"pad": 0, "recipe": recipe, "play": play}
    flac = b""
    if clip is not None:
        file = io.BytesIO()
        soundfile.write(file, clip, RATE, format="FLAC", subtype="PCM_24")
        flac = file.getvalue()
        pad["clip"] = {"id": "", "bytes": len(flac), "scale": 1.0}
    text = json.dumps({"pads": [pad]}).encode()
    return b"foleyd1\n" + struct.pack("<I", len(text)) + text + flac


def session(recipe: dict[str, Any], clip: np.ndarray | None = None, **play: float) -> bytes:
    """The same as a VST3 host's file."""
    kept = in_letters(pad_state(recipe, clip, **play))
    xml = f"<VST3PluginState><IComponent>{kept}</IComponent></VST3PluginState>".encode()
    return struct.pack("<II", 0x21324356, len(xml)) + xml + b"\0"


def vst3_preset(class_id: str, state: bytes) -> bytes:
    """A state in the form of VST3's preset files, which hosts keep in their sessions too."""
    begin = struct.calcsize("<4si32sq")
    head = struct.pack("<4si32sq", b"VST3", 1, class_id.encode(), begin + len(state))
    return head + state + struct.pack("<4si4sqq", b"List", 1, b"Comp", begin, len(state))


def in_letters(state: bytes) -> str:
    """JUCE's own text form of bytes: six bits a character, lowest first."""
    bits = int.from_bytes(state, "little")
    count = (len(state) * 8 + 5) // 6
    return f"{len(state)}." + "".join(_DIGITS[bits >> 6 * k & 63] for k in range(count))


def tone(frames: int = 4800) -> np.ndarray:
    """A clip for a pad, which comes out of silence and goes back."""
    place = np.arange(frames)
    return (0.5 * np.sin(place / 20) * np.sin(np.pi * place / frames)).astype(np.float32)


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
