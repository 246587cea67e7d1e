"""A show: pads with their clips, values of mixer, clock and host, MIDI bindings, the setlist, in one file.

Clips lie where they lay; :func:`collect` copies them beside the show, so that the folder is all that has to
be taken along. Paths below the show's folder are written relative to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from foleyd.audio.atomic import replacing
from foleyd.errors import BadRequest
from foleyd_live import json_text, properties
from foleyd_live.history import ClipSource
from foleyd_live.json_text import JsonText, Place
from foleyd_live.midi_map import Binding, MidiMap
from foleyd_live.pad import PadState
from foleyd_live.properties import PROPERTIES, Value

FORMAT = 1
"""Version of the file; raised only if an older one could no longer be read as it was meant."""
MOST_BYTES = 32 * 1024 * 1024

T = TypeVar("T")
Change = Callable[[ClipSource], ClipSource]
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place of the setlist: banks and presets (bank/name) to load, each with its first pad (1 to 64); pads
    as they were kept, by their numbers; and values of properties by their addresses."""

    name: str
    load: dict[str, int] = {}
    pads: dict[str, PadState] = {}
    values: dict[str, Value] = {}


class Setup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The device that the show was played on: Hz, frames, channels; 0 and empty where that does not
    matter."""

    device: str = ""
    host_api: str = ""
    rate: int = 0
    block: int = 0
    outputs: int = 0
    inputs: int = 0


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """A show. `pads` by their numbers as people count them, "1" to "64"; `values` of properties that belong
    to no pad, by address; `files`: SHA-256 of the clips that were collected, by the path in the file.

    The paths of clips are absolute here.
    """

    format: int = FORMAT
    title: str = ""
    pads: dict[str, PadState] = {}
    values: dict[str, Value] = {}
    setlist: tuple[Entry, ...] = ()
    bindings: tuple[Binding, ...] = ()
    setup: Setup = Setup()
    files: dict[str, str] = {}

    def clips(self) -> Iterator[tuple[str, ClipSource]]:
        """Every clip, each stage by itself, with the words for where it is."""
        for number, pad in self.pads.items():
            for source in pad.clip.each() if pad.clip is not None else ():
                yield f"pad {number}", source
        for entry in self.setlist:
            for number, pad in entry.pads.items():
                for source in pad.clip.each() if pad.clip is not None else ():
                    yield f"pad {number} of {entry.name!r}", source

    def clip_ids(self) -> tuple[str, ...]:
        """The clips of the library that it needs, each once."""
        return tuple(dict.fromkeys(source.clip_id for _, source in self.clips() if source.clip_id))

    def labels(self) -> tuple[str, ...]:
        """The banks and presets that it names, each once."""
        pads = [pad for pads in (self.pads, *(one.pads for one in self.setlist)) for pad in pads.values()]
        found = [pad.clip.preset for pad in pads if pad.clip is not None and pad.clip.preset]
        return tuple(dict.fromkeys([*(label for one in self.setlist for label in one.load), *found]))

    def changed(self, change: Change) -> Show:
        """The show with other clips in the place of its own."""
        pads = _changed(self.pads, change)
        setlist = tuple(
            msgspec.structs.replace(entry, pads=_changed(entry.pads, change)) for entry in self.setlist
        )
        return msgspec.structs.replace(self, pads=pads, setlist=setlist)


def read(path: Path) -> Show:
    """The show in a file. Raises BadRequest with the file, the line and the reason."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {path} ({error.strerror or error}): give a show's file.") from None
    text = JsonText(str(path), data, MOST_BYTES)
    show = _checked(text)
    folder = path.absolute().parent
    return show.changed(lambda source: _moved(source, lambda place: str(folder / place)))


def write(path: Path, show: Show) -> None:
    """Put a show into a file, in one step. Raises BadRequest where nothing can be written there, DiskFull
    where there is no room."""
    folder = path.absolute().parent
    kept = show.changed(lambda source: _moved(source, lambda place: relative(folder, place)))
    data = json_text.write(msgspec.to_builtins(kept))
    with replacing(path) as beside:
        beside.write_bytes(data)


def collect(path: Path) -> list[Path]:
    """Copy the clips of a show beside it, see that the copies are whole, and let the show name them; the
    files.

    Raises FoleydError, when all others are copied, naming what is missing or is no longer what was collected.
    """
    from foleyd_live.show_clips import collected

    show = read(path)
    changed, files, complaint = collected(path, show)
    write(path, changed)
    if complaint is not None:
        raise complaint
    return files


def relative(folder: Path, place: str) -> str:
    """A path as the file of a show in `folder` has it: relative, with slashes, where it lies below."""
    path = Path(place)
    return str(PurePosixPath(path.relative_to(folder))) if path.is_relative_to(folder) else place


def _changed(pads: Mapping[str, PadState], change: Change) -> dict[str, PadState]:
    return {
        number: pad if pad.clip is None else msgspec.structs.replace(pad, clip=pad.clip.changed(change))
        for number, pad in pads.items()
    }


def _moved(source: ClipSource, move: Callable[[str], str]) -> ClipSource:
    return msgspec.structs.replace(source, path=move(source.path)) if source.path else source


# checks


def _checked(text: JsonText) -> Show:
    raw = text.value
    if not isinstance(raw, dict):
        raise text.refusal((), "a show is an object in braces: this is none.")
    version = raw.get("format", FORMAT)
    if type(version) is not int or version != FORMAT:
        raise text.refusal(("format",), f"format is {version!r:.20}: this foleyd reads {FORMAT} only.")
    parts = {name: _part(text, (name,), raw[name], kind) for name, kind in _PARTS.items() if raw.get(name)}
    setlist = raw.get("setlist", [])
    if not isinstance(setlist, list):
        raise text.refusal(("setlist",), "setlist is no list: give one.")
    entries = tuple(_entry(text, ("setlist", place), one) for place, one in enumerate(setlist))
    pads = _pads(text, ("pads",), raw.get("pads", {}))
    _check_values(text, ("values",), parts.get("values", {}))
    _tried(text, ("bindings",), partial(MidiMap, bindings=parts.get("bindings", ())))
    for place, digest in parts.get("files", {}).items():
        if not _SHA256.fullmatch(digest):
            raise text.refusal(("files", place), "this is no SHA-256: collect the show again.")
    return Show(**{**parts, "pads": pads, "setlist": entries})


_PARTS: Mapping[str, Any] = {
    "title": str,
    "values": dict[str, Value],
    "bindings": tuple[Binding, ...],
    "setup": Setup,
    "files": dict[str, str],
}


def _entry(text: JsonText, at: Place, raw: object) -> Entry:
    entry = _part(text, at, raw, Entry)
    for label, pad in entry.load.items():
        _tried(text, (*at, "load", label), properties.index, pad)
    _check_values(text, (*at, "values"), entry.values)
    pads = _pads(text, (*at, "pads"), raw.get("pads", {}) if isinstance(raw, dict) else {})
    return msgspec.structs.replace(entry, pads=pads)


def _pads(text: JsonText, at: Place, raw: object) -> dict[str, PadState]:
    if not isinstance(raw, dict):
        raise text.refusal(at, "pads are no object: give one with the pads' numbers.")
    return {number: _pad(text, (*at, number), number, one) for number, one in raw.items()}


def _pad(text: JsonText, at: Place, number: str, raw: object) -> PadState:
    _tried(text, at, properties.index, int(number) if number.isdecimal() else number)
    state = _part(text, at, raw, PadState)
    for name, value in state.values.items():
        _tried(text, (*at, "values", name), _check, f"pad/{name}", value)
    return state


def _check_values(text: JsonText, at: Place, values: Mapping[str, Value]) -> None:
    for address, value in values.items():
        if PROPERTIES.get(address) is not None and PROPERTIES[address].scope == "pad":
            raise text.refusal((*at, address), f"{address} belongs to a pad: give it there.")
        _tried(text, (*at, address), _check, address, value)


def _check(address: str, value: Value) -> Value:
    return properties.check(properties.find(address), value)


def _tried(text: JsonText, at: Place, check: Callable[..., object], *values: object) -> None:
    try:
        check(*values)
    except BadRequest as error:
        raise text.refusal(at, str(error)) from None


def _part(text: JsonText, at: Place, raw: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise text.refusal(at, f"{error}: correct it, or take it out.") from None
