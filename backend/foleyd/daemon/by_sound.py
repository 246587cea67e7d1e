"""Search by sound for the daemon: in a thread of its own, with the ears that the first search starts."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foleyd.daemon.decoder import decoded
from foleyd.daemon.ears import Ears
from foleyd.daemon.imports import Recording
from foleyd.daemon.library import Library
from foleyd.daemon.similar import nearness, nearness_of, similar
from foleyd.errors import FoleydError
from foleyd.messages import ClipInfo, LibraryReply, LibraryRequest


class BySound:
    """Answers 'similar'. `call` runs a function in the library's thread."""

    def __init__(self, library: Library, call: Callable[..., Awaitable[Any]]) -> None:
        self._library, self._call = library, call
        self._ears: Ears | None = None
        self._starting = threading.Lock()

    async def search(self, asked: LibraryRequest, buffers: Sequence[bytes]) -> LibraryReply:
        """As :func:`foleyd.daemon.similar.similar`; the loop and the library's thread answer others
        meanwhile."""
        loop = asyncio.get_running_loop()

        def call(work: Callable[..., Any], *arguments: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(_awaited(self._call(work, *arguments)), loop).result()

        def decode(data: bytes, name: str) -> Recording:
            return asyncio.run_coroutine_threadsafe(decoded(data, name), loop).result()

        return await asyncio.to_thread(
            lambda: similar(call, self._library, self._own_ears(), decode, asked, buffers)
        )

    async def rank(self, clips: Sequence[ClipInfo]) -> list[float]:
        """How near each clip is to its own words, -1 to 1; -1 for one in which nothing is heard."""
        return await asyncio.to_thread(lambda: nearness(self._library.root, self._own_ears(), clips))

    def near(self, model: str, words: str, samples: NDArray[np.float32], rate: int) -> float | None:
        """How near samples `[n]` at `rate` Hz are to words, -1 to 1, by the ears of a model (its id and
        revision); None where there are no such ears, or they fail. Blocks while it listens."""
        with contextlib.suppress(FoleydError):
            return nearness_of(self._own_ears(), model, words, samples, rate)
        return None

    async def close(self) -> None:
        """Let the ears go."""
        if self._ears is not None:
            await asyncio.to_thread(self._ears.close)

    def _own_ears(self) -> Ears:
        with self._starting:
            if self._ears is None:
                self._ears = Ears()
            return self._ears


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work
