"""A session whose sounds the running daemon makes: the model is in memory there already."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from foleyd import recipe
from foleyd.daemon.haste import in_steps
from foleyd.daemon.job import Session, Stepped
from foleyd.daemon.takes import Take
from foleyd.errors import Cancelled, FoleydError, TooSlow

if TYPE_CHECKING:
    from collections.abc import Callable

    from foleyd.client import BlockingHandle as Handle
    from foleyd.client import Client
    from foleyd.daemon.estimate import CostModel
    from foleyd.daemon.haste import Deadline
    from foleyd.daemon.job import Event
    from foleyd.daemon.models import Request
    from foleyd.daemon.takes import Takes
    from foleyd.messages import JobEvent


class DaemonSession(Session):
    """As :class:`foleyd.daemon.job.Session`, by way of `client`, which is closed with it.

    What the daemon cannot do runs in a private worker as there: models in folders (their paths never go over
    a wire), and takes in a precision or by a runtime that is not the daemon's.
    """

    def __init__(
        self,
        client: Client,
        *,
        takes: Takes | None,
        precision: str | None = None,
        runtime: str | None = None,
        listen: Callable[[Event], None],
        sellable: bool = False,
        cost: CostModel | None = None,
    ) -> None:
        super().__init__(
            takes=takes, precision=precision, runtime=runtime, listen=listen, sellable=sellable, cost=cost
        )
        self._client = client
        self._handle: Handle | None = None
        self._killed = False

    def _render(
        self, request: Request, check_silence: bool, deadline: Deadline | None
    ) -> tuple[Request, Take]:
        if request.model.source == "folder" or not check_silence:
            return super()._render(request, check_silence, deadline)
        fields = msgspec.json.decode(recipe.to_json(request.recipe))
        within_s = None if deadline is None else deadline.left
        if within_s == 0:
            raise TooSlow("The time given was over before the daemon was asked: give it more.")
        if deadline is not None and deadline.open:
            del fields["steps"]  # the daemon takes as many as fit
        self._handle = self._client.render(
            deliver="take",
            source=self._brought(request),
            within_s=within_s,
            best_of=request.best_of,
            **fields,
        )
        steps = self._handle.reply.recipes[0].get("steps")
        if isinstance(steps, int) and steps != request.recipe.steps:
            request = in_steps(request, steps)
        try:
            self.check_interrupt()  # it may have come before there was a job to cancel
            result = self._handle.result(progress=self._progress)
        except Cancelled:
            if not self._killed:
                _cancel(self._handle)
            raise
        finally:
            self._handle = None
        if not (result.takes and result.audio and result.audio[0].kind == "take"):
            raise FoleydError("The daemon sent no sound: see its log, or render with --no-daemon.")
        about = result.takes[0]
        request = request.took(about.seed)
        if self._precision not in (None, about.precision) or self._runtime not in (None, about.runtime):
            return super()._render(request, check_silence, deadline)
        return request, Take(identity=about, samples=result.audio[0].samples[0])

    def _brought(self, request: Request) -> dict[str, tuple[bytes, int, int]]:
        """The samples of the recipe's sources that are here and fit into a frame; the daemon may have the
        others, as it has those that this library keeps."""
        from foleyd.audio.export import read_clip
        from foleyd.wire.envelope import MOST_FRAME_BYTES

        brought = {}
        for one in request.recipe.sources:
            kept = self.sources.find(one.sha256)
            if kept is not None and 4 * kept.frames * kept.channels <= MOST_FRAME_BYTES:
                samples, rate = read_clip(kept.path)
                brought[one.role] = samples.tobytes(), kept.channels, rate
        return brought

    def _progress(self, event: JobEvent) -> None:
        if event.state == "running" and event.step:
            self._listen(Stepped(event.step, event.steps))

    def interrupt(self) -> None:
        """As in a session of one's own. Safe in a signal handler."""
        super().interrupt()
        handle = self._handle
        if handle is not None:
            # the answer needs the thread that the signal interrupted
            threading.Thread(target=_cancel, args=(handle,), daemon=True).start()

    def kill(self) -> None:
        """As in a session of one's own: a daemon that does not answer is not waited for. Safe in a signal
        handler of the main thread, where it raises Cancelled."""
        super().kill()
        self._killed = True
        if self._handle is not None:
            raise Cancelled("Cancelled.")

    def close(self) -> None:
        """Let the daemon go, and the private worker where there was one."""
        self._client.close()
        super().close()


def _cancel(handle: Handle) -> None:
    try:
        handle.cancel()
    except FoleydError:
        return  # gone with the daemon
