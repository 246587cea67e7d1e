"""Clips as WAV files: samples, and everything that samplers, editors and foleyd itself want to know about
them.

Chunks, in this order: ``fmt ``, ``fact`` (float), ``bext`` (EBU Tech 3285 version 2), ``iXML``, ``LIST
INFO``, ``smpl`` (with loops), ``cue `` and ``LIST adtl`` (with cues), ``foly``, ``data``. ``foly`` is ours:
the card of :mod:`foleyd.audio.card`, which holds the whole recipe; the same card stands in iXML as
``FOLEYD/CARD``, for files that passed through a program which drops chunks it does not know. Metadata comes
before the samples, so a reader never has to skip them.

There is no date or time in the file: the same clip is the same bytes. Text is UTF-8, in ``bext`` ASCII.
"""

import os
import struct
import unicodedata
from pathlib import Path
from typing import Any, BinaryIO, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from foleyd.audio import measure, riff
from foleyd.audio.atomic import replacing
from foleyd.audio.card import LONGEST_CARD, ClipMeta, read_card, write_card
from foleyd.errors import BadRequest, RenderFailed

Subtype = Literal["pcm16", "pcm24", "float32"]
Target = str | os.PathLike[str] | BinaryIO

BITS: dict[str, int] = {"pcm16": 16, "pcm24": 24, "float32": 32}
CARD_CHUNK = b"foly"

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_NOT_MEASURED = 0x7FFF
_DITHER_SEED = 17131
_LONGEST_IXML = 4 * LONGEST_CARD


def write_wav(
    target: Target, samples: NDArray[np.floating[Any]], rate: int, subtype: str, meta: ClipMeta
) -> None:
    """Write ``[n]`` or ``[channels, n]`` samples (full scale 1.0) at ``rate`` Hz with ``subtype`` "pcm16",
    "pcm24" or "float32".

    A path is written whole or not at all; an open binary file is written from where it stands. Raises
    BadRequest for an unknown subtype, samples over full scale (whole-number subtypes only: nothing is ever
    clipped), markers outside the sound, or a place that cannot be written; RenderFailed for NaN or Inf;
    DiskFull.
    """
    content = wav_bytes(samples, rate, subtype, meta)
    if isinstance(target, str | os.PathLike):
        with replacing(target) as path:
            path.write_bytes(content)
    else:
        target.write(content)


def wav_bytes(samples: NDArray[np.floating[Any]], rate: int, subtype: str, meta: ClipMeta) -> bytes:
    """The whole WAV file of :func:`write_wav`."""
    sound = measure.planar(samples)
    channels, frames = sound.shape
    if subtype not in BITS:
        raise BadRequest(f"WAV subtype '{subtype}' is unknown: use {', '.join(BITS)}.")
    check_markers(meta, frames)
    data = (
        _float_bytes(sound)
        if subtype == "float32"
        else _packed(quantised(sound, BITS[subtype]), BITS[subtype])
    )
    parts = [
        riff.chunk(b"fmt ", _format(channels, rate, subtype)),
        riff.chunk(b"fact", struct.pack("<I", frames)) if subtype == "float32" or channels > 2 else b"",
        riff.chunk(b"bext", _bext(channels, rate, subtype, meta)),
        riff.chunk(b"iXML", _ixml(channels, rate, subtype, meta)),
        riff.chunk(b"LIST", _info(meta)),
        riff.chunk(b"smpl", _smpl(rate, meta)) if meta.loops else b"",
        riff.chunk(b"cue ", _cue(meta)) if meta.cues else b"",
        riff.chunk(b"LIST", _labels(meta)) if meta.cues else b"",
        riff.chunk(CARD_CHUNK, write_card(meta).encode("ascii")),
        riff.chunk(b"data", data),
    ]
    content = b"WAVE" + b"".join(parts)
    if len(content) > riff.LARGEST_FILE:
        raise BadRequest(
            "the sound is too long for a WAV file (4 GiB): ask for fewer seconds or a lower rate."
        )
    return struct.pack("<4sI", b"RIFF", len(content)) + content


def read_wav_card(source: Target) -> ClipMeta:
    """What a WAV file (a path, or an open binary file) says about its clip.

    Raises BadRequest for a file that is no clip of foleyd's, and for broken or hostile ones.
    """
    if not isinstance(source, str | os.PathLike):
        return _card_in(source)
    try:
        with Path(source).open("rb") as file:
            return _card_in(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadRequest(f"cannot read {source} ({reason}): give the path of a clip.") from error


def _card_in(file: BinaryIO) -> ClipMeta:
    ixml = None
    for found in riff.chunks(file):
        if found.ident == CARD_CHUNK:
            return read_card(riff.body(file, found, LONGEST_CARD))
        if found.ident == b"iXML" and ixml is None:
            ixml = found
    if ixml is not None and (card := _card_in_ixml(riff.body(file, ixml, _LONGEST_IXML))):
        return read_card(card)
    raise BadRequest("the WAV file carries no recipe: give a clip that foleyd wrote.")


def _card_in_ixml(document: bytes) -> str | None:
    try:
        words = document.rstrip(b"\0").decode()
        # iXML needs no document type, and entities are the way to make a small document huge.
        return None if "<!" in words else ElementTree.fromstring(words).findtext("FOLEYD/CARD")
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def check_markers(meta: ClipMeta, frames: int) -> None:
    """Raise BadRequest when a loop or a cue of ``meta`` lies outside ``frames`` frames."""
    for first, last in meta.loops:
        if not 0 <= first <= last < frames:
            raise BadRequest(
                f"the loop from frame {first} to {last} lies outside the sound's {frames} frames: move it "
                "inside."
            )
    for frame, label in meta.cues:
        if not 0 <= frame < frames:
            raise BadRequest(
                f"the cue '{label}' at frame {frame} lies outside the sound's {frames} frames: move it "
                "inside."
            )


def quantised(samples: NDArray[np.floating[Any]], bits: int) -> NDArray[np.int32]:
    """Samples as whole numbers of ``bits`` bits (16 or 24), same shape.

    24 bits are rounded. 16 bits get triangular dither of two steps' width, the same for the same shape, so
    that a fading tail turns to hiss and not to grit; digital silence stays digital silence. Raises
    BadRequest over full scale, RenderFailed for NaN or Inf.
    """
    if reason := measure.flaw(samples):
        raise RenderFailed("the samples hold values that are no finite numbers: render again.", reason=reason)
    sound = np.asarray(samples, dtype=np.float64)
    if (over := float(np.abs(sound).max(initial=0.0))) > 1.0:
        raise BadRequest(
            f"the samples reach {measure.decibels(over):.2f} dB over full scale: set a level, or write "
            "float32."
        )
    scaled = sound * 2.0 ** (bits - 1)
    if bits == 16:
        # RandomState's stream is frozen by NumPy's policy; the newer generators' are not.
        noise = np.random.RandomState(_DITHER_SEED).random_sample((2, *sound.shape))
        scaled = np.where(sound == 0.0, 0.0, scaled + noise[0] - noise[1])
    limit = 2 ** (bits - 1)
    return np.clip(np.rint(scaled), -limit, limit - 1).astype(np.int32)


def _packed(values: NDArray[np.int32], bits: int) -> bytes:
    interleaved = np.ascontiguousarray(values.T, dtype="<i4")
    return interleaved.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def _float_bytes(sound: NDArray[np.float64]) -> bytes:
    if reason := measure.flaw(sound):
        raise RenderFailed("the samples hold values that are no finite numbers: render again.", reason=reason)
    return sound.T.astype("<f4").tobytes()


def _format(channels: int, rate: int, subtype: str) -> bytes:
    bits = BITS[subtype]
    tag = _FLOAT if subtype == "float32" else _PCM
    frame = channels * bits // 8
    plain = struct.pack("<HIIHH", channels, rate, rate * frame, frame, bits)
    if channels > 2:
        return struct.pack("<H", _EXTENSIBLE) + plain + struct.pack("<HHIH", 22, bits, 0, tag) + _GUID_TAIL
    return struct.pack("<H", tag) + plain + (struct.pack("<H", 0) if tag == _FLOAT else b"")


def _bext(channels: int, rate: int, subtype: str, meta: ClipMeta) -> bytes:
    mode = {1: "mono", 2: "stereo"}.get(channels, "multitrack")
    history = f"A=PCM,F={rate},W={BITS[subtype]},M={mode},T={_ascii(meta.software)}\r\n"
    loudness = [
        _hundredths(meta.loudness_lufs),
        _NOT_MEASURED,
        _hundredths(meta.true_peak_dbtp),
        _NOT_MEASURED,
        _NOT_MEASURED,
    ]
    return struct.pack(
        "<256s32s32s10s8sIIH64s5h180x",
        _ascii(meta.name).encode(),
        b"foleyd",
        _ascii(meta.clip_id).encode(),
        b"",
        b"",
        0,
        0,
        2,
        b"",
        *loudness,
    ) + history.encode("ascii")


def _hundredths(value: float | None) -> int:
    if value is None or not -300.0 < value < 300.0:
        return _NOT_MEASURED
    return round(value * 100)


def _ascii(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words)
    kept = (sign for sign in plain if not unicodedata.combining(sign))
    return "".join(sign if " " <= sign <= "~" else "?" if sign.isprintable() else " " for sign in kept)


def _info(meta: ClipMeta) -> bytes:
    recipe = meta.recipe
    settings = {"seed": recipe.seed, "steps": recipe.steps, "guidance": recipe.guidance}
    how = ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
    entries = {
        b"INAM": meta.name,
        b"ICMT": f"{recipe.prompt} ({how})" if how else recipe.prompt,
        b"ICOP": meta.licence,
        b"IPRD": meta.model or recipe.model,
        b"ISFT": meta.software,
    }
    return b"INFO" + b"".join(riff.text(ident, words) for ident, words in entries.items() if words)


def _ixml(channels: int, rate: int, subtype: str, meta: ClipMeta) -> bytes:
    root = ElementTree.Element("BWFXML")
    speed = ElementTree.Element("SPEED")

    def put(name: str, words: object, under: ElementTree.Element = root) -> None:
        # XML has no place for control characters, not even escaped.
        ElementTree.SubElement(under, name).text = "".join(
            sign if sign.isprintable() else " " for sign in str(words)
        )

    put("IXML_VERSION", "2.10")
    put("PROJECT", "foleyd")
    put("NOTE", meta.name)
    put("FILE_UID", meta.clip_id)
    root.append(speed)
    put("FILE_SAMPLE_RATE", rate, speed)
    put("AUDIO_BIT_DEPTH", BITS[subtype], speed)
    tracks = ElementTree.SubElement(root, "TRACK_LIST")
    put("TRACK_COUNT", channels, tracks)
    names = {1: ("Mono",), 2: ("Left", "Right")}.get(
        channels, tuple(f"Channel {n + 1}" for n in range(channels))
    )
    for index, name in enumerate(names, 1):
        track = ElementTree.SubElement(tracks, "TRACK")
        put("CHANNEL_INDEX", index, track)
        put("INTERLEAVE_INDEX", index, track)
        put("NAME", name, track)
    if meta.category:
        put("catId", meta.category, ElementTree.SubElement(root, "ASWG"))
    own = ElementTree.SubElement(root, "FOLEYD")
    put("LICENCE", meta.licence, own)
    put("MODEL", meta.model or meta.recipe.model, own)
    put("CARD", write_card(meta), own)
    document = ElementTree.tostring(root, encoding="unicode")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + document.encode()


def _smpl(rate: int, meta: ClipMeta) -> bytes:
    head = struct.pack("<9I", 0, 0, round(1e9 / rate), meta.note, 0, 0, 0, len(meta.loops), 0)
    return head + b"".join(
        struct.pack("<6I", index, 0, first, last, 0, 0) for index, (first, last) in enumerate(meta.loops)
    )


def _cue(meta: ClipMeta) -> bytes:
    points = (
        struct.pack("<II4sIII", number, frame, b"data", 0, 0, frame)
        for number, (frame, _) in enumerate(meta.cues, 1)
    )
    return struct.pack("<I", len(meta.cues)) + b"".join(points)


def _labels(meta: ClipMeta) -> bytes:
    return b"adtl" + b"".join(
        riff.chunk(
            b"labl", struct.pack("<I", number) + label.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        )
        for number, (_, label) in enumerate(meta.cues, 1)
    )
