"""What surfaces ask of the recorder: files of the main bus, and clips of the input."""

from __future__ import annotations

import asyncio
import re

from foleyd.errors import BadRequest, FoleydError
from foleyd.messages import LibraryRequest
from foleyd.wire.envelope import describe
from foleyd_live import properties
from foleyd_live.daemon_line import DaemonLine
from foleyd_live.properties import Value
from foleyd_live.recorder import Recorded, Recorder

_PADS = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*")


class Recordings:
    """Recordings by `recorder`; those of the input go into the library over `line`."""

    def __init__(self, recorder: Recorder, line: DaemonLine) -> None:
        self._recorder, self._line = recorder, line

    async def start(self, stems: str) -> str:
        """Record the main bus, and the pads of `stems` such as "1,2,5"; the file."""
        pads = [properties.index(int(one)) for one in stems.split(",")] if _PADS.fullmatch(stems) else []
        if stems.strip() and not pads:
            raise BadRequest(f"stems are {stems!r:.40}: give pads such as 1,2,5.")
        return str(await self._recorder.start(sorted(set(pads))))

    async def stop(self) -> tuple[Value, ...]:
        """End it: file and seconds."""
        return _told(await self._recorder.stop())

    async def keep(self, seconds: float) -> tuple[Value, ...]:
        """The last seconds of the main bus: file and seconds."""
        return _told(await self._recorder.keep(seconds))

    async def keep_input(self, seconds: float) -> tuple[Value, ...]:
        """The last seconds of the input as a clip: its id and seconds."""
        return await self._imported(await self._recorder.keep_input(seconds))

    async def punch_in(self) -> None:
        """Begin to record the input."""
        await self._recorder.punch_in()

    async def punch_out(self) -> tuple[Value, ...]:
        """End it: the clip's id and seconds."""
        return await self._imported(await self._recorder.punch_out())

    async def _imported(self, recorded: Recorded) -> tuple[Value, ...]:
        """A recording in the library; the file's path where no daemon takes it: nothing is lost."""
        try:
            client = self._line.check()
            data = await asyncio.to_thread(recorded.path.read_bytes)
            about = describe(data, "source", format="file", id=recorded.path.name)
            reply = await client.library(LibraryRequest(action="import", buffers=(about,)), (data,))
            return reply.clips[0].clip_id, recorded.seconds
        except (FoleydError, IndexError):
            return str(recorded.path), recorded.seconds


def _told(recorded: Recorded) -> tuple[Value, ...]:
    return str(recorded.path), recorded.seconds
