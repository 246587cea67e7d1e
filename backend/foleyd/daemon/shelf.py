"""The shelf: clips as files on the disk. What a clip is stands in its file and nowhere else.

``<root>/<two characters of the id>/<clip_id>.wav``. A file gets its name in one rename, so whatever bears the
name of a clip is whole; what a killed process left half-written has another name and is swept away.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.audio.card import ClipMeta
from foleyd.audio.export import read_clip, write_clip
from foleyd.audio.finish import Finished
from foleyd.audio.wav import read_wav_card
from foleyd.daemon import imports, label
from foleyd.daemon.imports import Origin, Recording
from foleyd.errors import BadRequest
from foleyd.messages import ClipInfo
from foleyd.recipe import Recipe

IMPORTED = "file"
"""The operation of a clip that was not rendered."""

_CLIP_ID = re.compile(r"clip-[a-z2-7]{24}")
_SUFFIX = ".wav"
_SUBTYPE = "pcm24"


class Found(NamedTuple):
    """A clip as its file describes it, without marks. `made`: None for imported audio."""

    info: ClipInfo
    made: Recipe | None

    @property
    def recipe_id(self) -> str:
        """The id of its whole recipe, "" where it has none."""
        return "" if self.made is None else recipe.recipe_id(self.made)


class Shelf:
    """The clips below the folder `root`, which is made when the first clip is put there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, clip_id: str) -> Path:
        """Where a clip is, or would be. Raises BadRequest for what is no clip's id."""
        if not _CLIP_ID.fullmatch(clip_id):
            raise BadRequest(f"'{clip_id[:60]}' is no clip's id: 'foleyd library list' shows them.")
        return self.root / clip_id[5:7] / f"{clip_id}{_SUFFIX}"

    def ids(self) -> set[str]:
        """The clips whose files are here, unread."""
        return {
            path.stem
            for path in self.root.glob(f"*/clip-*{_SUFFIX}")
            if _CLIP_ID.fullmatch(path.stem) and path.parent.name == path.stem[5:7]
        }

    def put(self, done: Finished, meta: ClipMeta) -> Found:
        """Write a finished clip. Raises RenderFailed, DiskFull, BadRequest."""
        path = self.path(meta.clip_id)
        self._ready(path.parent)
        write_clip(path, done.samples, done.rate, meta, _SUBTYPE)
        return self.look(meta.clip_id)

    def put_recording(self, recording: Recording) -> Found:
        """Write imported audio. Raises DiskFull, BadRequest."""
        imports.write(self.path(recording.origin.clip_id), recording)
        return self.look(recording.origin.clip_id)

    def look(self, clip_id: str) -> Found:
        """What a clip's file says about it. Raises BadRequest where it is gone, broken or another clip's."""
        path = self.path(clip_id)
        try:
            about = path.stat()
            with path.open("rb") as file:
                seen = label.look(file)
                if imports.CHUNK in seen.chunks:
                    said, made = _of_origin(label.read(file, seen, imports.CHUNK)), None
                else:
                    meta = read_wav_card(file)
                    said, made = _of_card(meta), meta.recipe
        except OSError as error:
            raise BadRequest(
                f"The clip {clip_id} cannot be read ({error.strerror or error}): render or import it again."
            ) from error
        if said["clip_id"] != clip_id:
            raise BadRequest(f"{path} is not the clip that its name says: move it away.")
        info = ClipInfo(
            rate=seen.rate,
            channels=seen.channels,
            frames=seen.frames,
            seconds=round(seen.frames / seen.rate, 6),
            size=about.st_size,
            created=about.st_mtime_ns / 1e9,
            path=str(path),
            **said,
        )
        return Found(info, made)

    def samples(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """The samples ``[channels, frames]`` and the rate in Hz. Raises BadRequest."""
        return read_clip(self.path(clip_id))

    def remove(self, clip_id: str) -> int:
        """Delete a clip's file; the bytes that it had, 0 where it was gone."""
        path = self.path(clip_id)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        with suppress(OSError):
            path.parent.rmdir()  # stays while there are others in it
        return size

    def sweep(self) -> int:
        """Delete what killed processes left half-written; how many files. Nobody may be writing."""
        parts = list(self.root.glob(f"*/.*.part{_SUFFIX}"))
        for part in parts:
            part.unlink(missing_ok=True)
        return len(parts)

    def _ready(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadRequest(
                f"The folder {folder} cannot be made ({error.strerror or error}): see that the library may "
                "be written to."
            ) from error


def _of_card(meta: ClipMeta) -> dict[str, Any]:
    made = meta.recipe
    fields = json.loads(recipe.to_json(made))
    del fields["format"]  # a recipe as requests write it
    return {
        "clip_id": meta.clip_id,
        "take_id": meta.take_id,
        "name": made.prompt,
        "prompt": made.prompt,
        "operation": made.operation,
        "seed": made.seed or 0,
        "model": made.model,
        "revision": made.revision,
        "licence": meta.licence,
        "sellable": bool(meta.sellable),
        "recipe": fields,
        "true_peak_dbtp": meta.true_peak_dbtp,
    }


def _of_origin(text: bytes) -> dict[str, Any]:
    try:
        origin = msgspec.json.decode(text, type=Origin)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadRequest(f"the label inside cannot be read ({error}): import the audio again.") from None
    return {
        "clip_id": origin.clip_id,
        "take_id": origin.take_id,
        "name": origin.name,
        "prompt": origin.name,
        "operation": IMPORTED,
        "seed": 0,
        "model": "",
        "revision": "",
        # nobody knows what a recording may be used for but those who brought it
        "licence": "",
        "sellable": False,
        "recipe": {},
        "sha256": origin.sha256,
    }
