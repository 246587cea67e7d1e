"""What a request gives as sources, made into sources that are kept: clips, files, buffers, hashes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from foleyd import values
from foleyd.daemon import imports
from foleyd.daemon.decoder import decoded
from foleyd.daemon.library import Library
from foleyd.daemon.sources import Kept, missing
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS, ROLES, Source
from foleyd.messages import BufferInfo, RenderRequest

Call = Callable[..., Coroutine[Any, Any, Any]]
"""Runs a function in the library's thread."""


class Intake:
    """Takes in what renders start from. `call` runs work in the library's thread; `folder` is where files may
    lie that a wire names by a path, beside the library's own clips."""

    def __init__(self, library: Library, call: Call, folder: Path | None = None) -> None:
        self._library, self._call = library, call
        self._folders = [folder.expanduser().absolute()] if folder is not None else []
        self._folders.append(library.root / "clips")

    async def given(
        self, request: RenderRequest, buffers: Sequence[bytes], *, paths: bool
    ) -> dict[str, Kept]:
        """The sources of a request by role, kept. `paths`: whether it may name files by their paths, inside
        the folders. Raises BadRequest, DiskFull."""
        found: dict[str, Kept] = {}
        brought = {*request.sources, *(about.id for about in request.buffers)}
        for source in values.sources(FIELDS["sources"], request.recipe.get("sources", ())):
            if source.role not in brought:
                found[source.role] = await self._call(self._of_hash, source)
        for role, text in request.sources.items():
            if text.startswith("clip-"):
                found[role] = await self._call(self._of_clip, text)
            elif paths:
                found[role] = await self._of_path(role, text)
            else:
                raise BadRequest(
                    f"the {role:.40} is '{text:.60}': give a clip's id, or send the file as a buffer."
                )
        for about, data in zip(request.buffers, buffers, strict=True):
            found[about.id] = await self._of_buffer(about, data)
        return found

    def _of_hash(self, source: Source) -> Kept:
        kept = self._library.sources.find(source.sha256)
        if kept is not None:
            return kept
        clip = self._library.source(source.sha256)
        if clip is None:
            raise missing(source.sha256, source.role)
        return self._of_clip(clip.clip_id)

    def _of_clip(self, clip_id: str) -> Kept:
        [clip] = self._library.resolve([clip_id])
        return self._library.sources.keep(imports.decode(self._library.path(clip).read_bytes(), clip))

    async def _of_path(self, role: str, text: str) -> Kept:
        path = await asyncio.to_thread(self._inside, role, text)
        data = await asyncio.to_thread(_contents, path)
        return await self._keep(data, path.name)

    def _inside(self, role: str, text: str) -> Path:
        """The file that a path means, links followed. Raises BadRequest for one outside the folders."""
        for folder in self._folders if "\0" not in text else ():
            within = Path(os.path.realpath(folder))
            path = Path(os.path.realpath(within / text))
            if path.is_relative_to(within) and path.is_file():
                return path
        where = " or ".join(map(str, self._folders))
        raise BadRequest(
            f"the {role:.40} is '{text:.60}': give a clip's id, or a file in {where} (see 'foleyd serve "
            "--osc-sources')."
        )

    async def _of_buffer(self, about: BufferInfo, data: bytes) -> Kept:
        if about.kind != "source" or about.id not in ROLES:
            raise BadRequest(
                f"a buffer is of kind '{about.kind}' with id '{about.id:.40}': send kind 'source' and as id "
                f"its role, {' or '.join(sorted(ROLES))}."
            )
        if about.format == "file":
            return await self._keep(data, about.id)
        if about.format != "<f4":
            raise BadRequest(f"the {about.id} has format '{about.format:.20}': send 'file' or '<f4'.")
        recording = await asyncio.to_thread(imports.of_samples, data, about.rate, about.channels, about.id)
        return await self._stored(recording)

    async def _keep(self, data: bytes, name: str) -> Kept:
        return await self._stored(await decoded(data, name))

    async def _stored(self, recording: imports.Recording) -> Kept:
        kept: Kept = await self._call(self._library.sources.keep, recording)
        return kept


def _contents(path: Path) -> bytes:
    """A file's bytes, one more than imports take at most. Raises BadRequest."""
    try:
        with path.open("rb") as file:
            return file.read(imports.MOST_BYTES + 1)
    except OSError as error:
        raise BadRequest(
            f"cannot read {path.name} ({error.strerror or error}): give another file."
        ) from error
