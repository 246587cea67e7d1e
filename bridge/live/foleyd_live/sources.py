"""Which clip a surface means: an id of the library, or the path of a file that surfaces may load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from foleyd.errors import BadRequest
from foleyd.paths import home
from foleyd_live.daemon_line import DaemonLine
from foleyd_live.history import ClipSource

PREFIX = "clip-"
"""What every id of the library begins with."""


class Sources:
    """Finds clips. `folders` gives those beside the library whose files may be loaded by path, `known` the
    clips that pads have, which are found without the daemon too."""

    def __init__(
        self,
        line: DaemonLine,
        folders: Callable[[], Iterable[Path]],
        known: Callable[[], Iterable[ClipSource]],
    ) -> None:
        self._line, self._folders, self._known = line, folders, known

    async def find(self, text: str) -> ClipSource:
        """The clip that `text` names.

        Raises BadRequest for a path outside the folders, NoDaemon for an id that only the daemon knows while
        it is away, and what the daemon says of an id that it does not know.
        """
        if not text.startswith(PREFIX) or "/" in text or "\\" in text:
            return await asyncio.to_thread(self._at, text)
        for source in self._known():
            if source.clip_id == text:
                return source
        result = await self._line.check().clip(text, audio=False)
        if not result.clips:
            raise BadRequest(f"there is no clip {text}: 'foleyd library list' shows all.")
        return ClipSource.of(result.clips[0])

    def _at(self, text: str) -> ClipSource:
        if "\0" in text:
            raise BadRequest("a path holds a NUL character: give the path of a sound file.")
        path = Path(text).expanduser()
        folders = [self._library(), *self._folders()]
        if not path.is_absolute():
            path = next((folder / path for folder in folders if (folder / path).is_file()), path.absolute())
        real = path.resolve()
        if not any(real.is_relative_to(folder.resolve()) for folder in folders):
            raise BadRequest(
                f"{path.name} lies outside the library: 'foleyd library import' takes it in, or start "
                "'foleyd live' with --sounds and its folder."
            )
        return ClipSource(path=str(real), name=real.stem)

    def _library(self) -> Path:
        info = self._line.info
        return Path(info.library) if info is not None else home("library")
