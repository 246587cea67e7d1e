"""What a command says while it works: sentences on standard error, and a progress bar where that is a
terminal."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from foleyd.daemon.job import Event

_WIDEST = 40


class Talk:
    """The voice of one command. A context manager: what it draws is gone when it is left.

    The bar stands only while events come: it goes before anything is said, so that it never runs into lines,
    those of standard output on the same terminal included.
    """

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._doing = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rest()

    def say(self, sentence: str) -> None:
        """One line on standard error."""
        self._rest()
        print(sentence, file=sys.stderr, flush=True)

    def begin(self, doing: str) -> None:
        """Name the work whose events come next."""
        self._doing = doing if len(doing) <= _WIDEST else doing[: _WIDEST - 1] + "…"

    def listen(self, event: Event) -> None:
        """Show an event of a session."""
        if not sys.stderr.isatty():
            return
        from foleyd.daemon.job import Loading

        bars, task = self._drawn()
        if isinstance(event, Loading):
            bars.reset(task, description=f"loading {event.title}", total=None)
        elif event.step == 1:
            bars.reset(task, description=self._doing, total=event.steps, completed=1)
        else:
            bars.update(task, completed=event.step)

    def _drawn(self) -> tuple[Progress, TaskID]:
        if self._bars is None or self._task is None:
            # imported here: rich costs a tenth of a second that a pipe does not need
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                # paths on standard output must not be caught and drawn on standard error
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bars.add_task("", total=None)
            self._bars.start()
        return self._bars, self._task

    def _rest(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = self._task = None


class Interrupts:
    """Ctrl-C while a command works: the first asks it to stop, the second makes it, the third is Python's
    own.

    Outside the main thread, where signals cannot be caught, it does nothing.
    """

    def __init__(self, stop: Callable[[], None], force: Callable[[], None]) -> None:
        self._actions = [stop, force]
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._actions:
            raise KeyboardInterrupt
        self._actions.pop(0)()
