"""The sources that are kept: sounds that operations start from, found again by what they sound like.

``<root>/ab/<sha256>.wav`` is a source: foleyd's own WAV with the samples as they came, called by the hash of
its audio (:func:`foleyd.daemon.imports.decode`). Whatever was used as a source is kept here, so that a recipe
means the same when the file that it came from was changed, moved or deleted; that file is only ever read. One
file, one rename: it is there whole or not at all, and needs no lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from foleyd import paths
from foleyd.anew import OWN_SAMPLES, check_band
from foleyd.daemon import imports, label
from foleyd.daemon.imports import Recording
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS, LONG, LONG_S, LONGEST_S, OPERATIONS
from foleyd.recipe import Recipe

MOST_RATE = 192_000
"""What operations take."""

UPSCALED_RATE = 16_000
"""Hz: the least that holds the highs of every model."""
EXTENDED_RATE = 48_000
"""Hz: the least that holds highs beyond those."""

AS_LONG_AS_SOURCE = frozenset({"restyle", "inpaint", "upscale"})
"""Operations whose sound is as long as its source unless seconds are given."""
UNTOUCHED: Mapping[str, object] = {"trim": False, "fade_in": 0, "fade_out": 0, "level": "none"}
"""The finishing of what is a recording but for a part, unless the request has another."""

_SUFFIX = ".wav"
_SHA256 = re.compile("[0-9a-f]{64}")


class Kept(NamedTuple):
    """A source that is kept: the hash of its audio, its file, and its shape."""

    sha256: str
    path: Path
    rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames / self.rate


class Sources:
    """A folder of sources. `root` defaults to the library's own; it is made when the first one is kept."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else paths.home("library") / "sources"

    def path(self, sha256: str) -> Path:
        """Where a source is, or would be. Raises BadRequest for what is no hash."""
        if not _SHA256.fullmatch(sha256):
            raise BadRequest(f"'{sha256[:60]}' is no hash of a source: give 64 hex digits in lower case.")
        return self.root / sha256[:2] / f"{sha256}{_SUFFIX}"

    def find(self, sha256: str) -> Kept | None:
        """A source by its hash; None where it is not kept, or its file is damaged."""
        path = self.path(sha256)
        try:
            with path.open("rb") as file:
                seen = label.look(file)
        except (OSError, BadRequest):
            return None
        return Kept(sha256, path, seen.rate, seen.channels, seen.frames)

    def keep(self, recording: Recording) -> Kept:
        """Keep a source; one that is here already stays as it is. Raises BadRequest for one that no operation
        takes, DiskFull."""
        frames = sum(map(len, recording.blocks)) * 8 // (recording.bits * recording.channels)
        name = recording.origin.name
        if recording.rate > MOST_RATE:
            raise BadRequest(
                f"{name} has {recording.rate} samples a second: convert it to {MOST_RATE} or less."
            )
        if frames > LONG_S * recording.rate:
            raise BadRequest(
                f"{name} lasts {frames / recording.rate:.1f} s: cut it to {LONGEST_S:g} s or less first, "
                f"for 'extend' to {LONG_S:g}."
            )
        sha256 = recording.origin.sha256
        found = self.find(sha256)
        if found is not None:
            return found
        path = self.path(sha256)
        imports.write(path, recording)
        return Kept(sha256, path, recording.rate, recording.channels, frames)

    def of(self, made: Recipe) -> dict[str, Path]:
        """The files of a recipe's sources, by hash. Raises BadRequest for one that is not kept."""
        return {one.sha256: self.need(one.sha256, one.role).path for one in made.sources}

    def need(self, sha256: str, role: str) -> Kept:
        """A source by its hash. Raises BadRequest where it is not kept."""
        found = self.find(sha256)
        if found is None:
            raise missing(sha256, role)
        return found

    def entries(self) -> Iterator[tuple[str, Path, int]]:
        """Every source that is here, in no order, unread: its hash, its file, its bytes."""
        for path in self.root.glob(f"*/*{_SUFFIX}"):
            if _SHA256.fullmatch(path.stem):
                with suppress(FileNotFoundError):
                    yield path.stem, path, path.stat().st_size

    def remove(self, path: Path) -> int:
        """Delete a source that :meth:`entries` named; the bytes that it had, 0 where it was gone."""
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        with suppress(OSError):
            path.parent.rmdir()  # stays while there are others in it
        return size

    def sweep(self) -> None:
        """Delete what killed processes left half-written. Nobody may be writing."""
        for part in self.root.glob(f"*/.*.part{_SUFFIX}"):
            part.unlink(missing_ok=True)


def missing(sha256: str, role: str) -> BadRequest:
    """The refusal of a recipe whose source is not here."""
    return BadRequest(
        f"the {role} that this sound starts from is not in the library (audio {sha256[:12]}…): import it "
        "with 'foleyd library import', or give it again."
    )


def started(fields: Mapping[str, object], given: Mapping[str, Kept]) -> dict[str, object]:
    """The fields of a request with its sources in them, by role, and with what a source decides where the
    request leaves it open."""
    operation = str(fields.get("operation", "text"))
    roles = OPERATIONS.get(operation, ())
    order = [*(role for role in roles if role in given), *(role for role in given if role not in roles)]
    filled: dict[str, object] = {**fields}
    if given:
        filled["sources"] = [{"role": role, "sha256": given[role].sha256} for role in order]
        if filled["sources"] == fields.get("sources"):
            # a recipe that was filled before names the very sources that came: nothing is left open
            return filled
    first = next(iter(given.values()), None)
    if first is not None and operation not in LONG and first.seconds > LONGEST_S:
        raise BadRequest(
            f"the source lasts {first.seconds:.1f} s: cut it to {LONGEST_S:g} s or less first; only 'extend' "
            "takes a longer one."
        )
    if first is not None and operation in AS_LONG_AS_SOURCE and not {"seconds", "bars"} & fields.keys():
        low = FIELDS["seconds"].low
        assert low is not None
        filled["seconds"] = min(max(_length(first), low), LONGEST_S)
    if first is not None and operation == "extend":
        filled["seconds"] = _extended_length(first, fields)
    if first is not None and operation in OWN_SAMPLES:
        filled = {**_own_finishing(first, _least_rate(operation, fields)), **filled}
        begin = filled.get("redo_from")
        if isinstance(begin, int | float) and begin >= first.seconds:
            raise BadRequest(
                f"redo_from is {begin:g}, the source lasts {first.seconds:.3f} s: give a part of it."
            )
        check_band(filled.get("redo_low"), first.rate)
    return filled


def _length(source: Kept) -> float:
    """Its seconds, rounded up to the grid of a recipe."""
    return -(-1000 * source.frames // source.rate) / 1000


def _extended_length(source: Kept, fields: Mapping[str, object]) -> float:
    """The length of an extended source. Raises BadRequest for one that is too long, or given as well."""
    if {"seconds", "bars"} & fields.keys():
        raise BadRequest(
            "'extend' is as long as its source and what is added: give before and after, no length."
        )
    added = [value for name in ("before", "after") if isinstance(value := fields.get(name), int | float)]
    whole = round(_length(source) + sum(added), 3)
    if whole > LONG_S:
        raise BadRequest(
            f"the extended sound would last {whole:g} s: {LONG_S:g} s are the most, so cut the source or add "
            "less."
        )
    return whole


def _least_rate(operation: str, fields: Mapping[str, object]) -> int:
    """The Hz that a sound which keeps its source's samples needs for what is added to them."""
    if fields.get("highs") == "extended":
        return EXTENDED_RATE
    return UPSCALED_RATE if operation == "upscale" else 0


def _own_finishing(source: Kept, least_rate: int = 0) -> dict[str, object]:
    """The finishing that leaves a source's samples, rate and channels as they are; a rate below `least_rate`
    is raised to it."""
    low, high = FIELDS["rate"].low, FIELDS["rate"].high
    assert low is not None
    assert high is not None
    rate = {"rate": max(source.rate, least_rate)} if low <= source.rate <= high else {}
    return {**UNTOUCHED, **rate, "width": "stereo" if source.channels > 1 else "mono"}
