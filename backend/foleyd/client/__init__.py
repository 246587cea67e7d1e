"""The client of the daemon: :class:`Client` blocks, :class:`AsyncClient` is for asyncio.

with Client() as client:
    handle = client.render(prompt="rain on a tin roof", seconds=3)
    result = handle.result(progress=lambda event: print(event.step, event.steps))
    print(result.clips[0].path, result.audio[0].samples.shape)
"""

from __future__ import annotations

from foleyd.client.asynchronous import AsyncClient, Handle
from foleyd.client.blocking import BlockingHandle, BlockingStream, Client
from foleyd.client.events import Gap, Stream
from foleyd.client.result import Audio, Chunk, Result

__all__ = [
    "AsyncClient",
    "Audio",
    "BlockingHandle",
    "BlockingStream",
    "Chunk",
    "Client",
    "Gap",
    "Handle",
    "Result",
    "Stream",
]
