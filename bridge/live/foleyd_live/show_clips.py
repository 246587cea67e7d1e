"""The clips of a show: copied beside it, and found or made again where they are missing."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from foleyd.audio.atomic import replacing
from foleyd.client import AsyncClient
from foleyd.errors import BadRequest, FoleydError
from foleyd.messages import LibraryRequest
from foleyd_live import show as shows
from foleyd_live.history import ClipSource
from foleyd_live.show import Show

MOST_NAMED = 5
"""Of the clips that are wrong, in one sentence."""


def folder_of(path: Path) -> Path:
    """Where the clips of the show at `path` are collected."""
    return path.absolute().parent / f"{path.stem} clips"


def collected(path: Path, show: Show) -> tuple[Show, list[Path], FoleydError | None]:
    """Copy the clips of a show beside its file: the show that names the copies, the copies, and what is wrong
    with the clips that could not be copied; they stay as they were."""
    collector = _Collector(path, show)
    changed = show.changed(collector.copy)
    words = {source.label: where for where, source in reversed(list(show.clips()))}
    wrong = [f"{words[label]} ({Path(label).name} {why})" for label, why in collector.wrong.items()]
    files = {shows.relative(path.absolute().parent, str(copy)): sha for copy, sha in collector.copies.items()}
    kept = {
        name: sha for name, sha in show.files.items() if name not in files and _names(changed, path, name)
    }
    return (
        msgspec.structs.replace(changed, files={**kept, **files}),
        list(collector.copies),
        FoleydError(f"{_listed(wrong)}: open the show beside a daemon, which makes clips anew, and save it.")
        if wrong
        else None,
    )


def fault(path: Path, show: Show, source: ClipSource) -> str:
    """What is wrong with the file of a clip of the show at `path`, in a few words; empty where nothing is."""
    place = Path(source.path)
    if not source.path or not place.is_file():
        return "is missing"
    expected = show.files.get(shows.relative(path.absolute().parent, source.path))
    if expected is not None and digest(place) != expected:
        return "is no longer what was collected"
    return ""


async def recovered(source: ClipSource, client: AsyncClient) -> ClipSource:
    """A clip whose file, or that of one of its stages, is gone: from the library by its id, else made again
    from its recipe.

    Raises FoleydError for a clip without either, and what asking and rendering raise.
    """
    if source.stages:
        return ClipSource.staged([await recovered(one, client) for one in source.each()])
    if source.clip_id:
        with contextlib.suppress(BadRequest):
            found = (await client.clip(source.clip_id, audio=False)).clips
            if found and Path(found[0].path).is_file():
                return ClipSource.of(found[0], preset=source.preset, bpm=source.bpm)
    if not source.recipe:
        name = Path(source.path).name or source.clip_id
        raise FoleydError(f"{name} is missing and nobody knows how it was made: put the file back.")
    handle = await client.render(deliver="none", priority="live", **source.recipe)
    made = (await handle.result()).clips
    if not made:
        raise FoleydError("The render gave no clip: try again.")
    return ClipSource.of(made[0], preset=source.preset, bpm=source.bpm)


async def hold(name: str, clips: Iterable[str], client: AsyncClient) -> None:
    """Let the library keep these clips, and no others, in the name of a show. Raises what asking raises."""
    wanted = set(clips)
    held = set((await client.library(LibraryRequest(action="holds", name=name))).holds.get(name, ()))
    requests = [LibraryRequest(action="hold", name=name, clips=(clip,)) for clip in sorted(wanted - held)]
    requests += [LibraryRequest(action="release", name=name, clips=(clip,)) for clip in sorted(held - wanted)]
    for request in requests:
        # a clip that the library no longer has is not worth the others
        with contextlib.suppress(BadRequest):
            await client.library(request)


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Collector:
    """Copies files. `copies` are the copies with their hashes, `wrong` the clips that could not be copied and
    why."""

    def __init__(self, path: Path, show: Show) -> None:
        self._path, self._show = path, show
        self._folder = folder_of(path)
        self._done: dict[str, Path] = {}
        self.copies: dict[Path, str] = {}
        self.wrong: dict[str, str] = {}

    def copy(self, source: ClipSource) -> ClipSource:
        """The clip in its new place."""
        if source.path not in self._done and source.label not in self.wrong:
            why = fault(self._path, self._show, source)
            if why:
                self.wrong[source.label] = why
            else:
                self._done[source.path] = self._copied(source)
        copy = self._done.get(source.path)
        return source if copy is None else msgspec.structs.replace(source, path=str(copy))

    def _copied(self, source: ClipSource) -> Path:
        original = Path(source.path)
        sha = digest(original)
        copy = self._free(original, sha)
        if not copy.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(copy) as beside:
                shutil.copyfile(original, beside)
        if digest(copy) != sha:
            raise FoleydError(
                f"the copy of {original.name} is not what was copied: check the disk, and again."
            )
        self.copies[copy] = sha
        return copy

    def _free(self, original: Path, sha: str) -> Path:
        """A name that is free, or has this very sound already."""
        number, copy = 1, self._folder / original.name
        while copy.exists() and digest(copy) != sha:
            number += 1
            copy = self._folder / f"{original.stem}-{number}{original.suffix}"
        return copy


def _names(show: Show, path: Path, name: str) -> bool:
    place = str(path.absolute().parent / name)
    return any(source.path == place for _, source in show.clips())


def _listed(wrong: list[str]) -> str:
    more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
    return f"not all clips could be collected: {', '.join(wrong[:MOST_NAMED])}{more}"
