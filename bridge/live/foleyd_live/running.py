"""A live host as a process: from its start to Ctrl-C, with its log on the faces."""

from __future__ import annotations

import asyncio
import collections
import logging
import signal
import time
from collections.abc import Callable

from foleyd_live.host import Host
from foleyd_live.settings import Settings

_log = logging.getLogger("foleyd_live")


class _LogLines(logging.Handler):
    """Keeps the last lines of the log for the faces."""

    def __init__(self, lines: collections.deque[str]) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(
            f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {record.getMessage()}"
        )


async def run(settings: Settings, say: Callable[[Host], None]) -> None:
    """Play until Ctrl-C or SIGTERM. Raises NoDevice and what else keeps the host from beginning."""
    host = Host(settings)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, ended.set)
    handler = _LogLines(host.log)
    _log.addHandler(handler)
    try:
        await host.open()
        say(host)
        if settings.screen:
            from foleyd_live.screen import Screen

            await Screen(host).run(ended)
        else:
            await ended.wait()
    finally:
        await host.close()
        _log.removeHandler(handler)
