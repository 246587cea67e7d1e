"""What an OSC client is told of its job."""

from __future__ import annotations

from collections.abc import Callable

from foleyd.commands import COMMANDS
from foleyd.daemon.dispatch import results
from foleyd.daemon.jobs import Job
from foleyd.wire.osc_endpoint import DONE, FAIL, Sender

UNKNOWN_S = -1.0
"""What a time is in OSC where it is not known: OSC hosts know no null."""
_FORM = COMMANDS["render"].osc
assert _FORM is not None
RENDER = _FORM.address


class Told:
    """What one client has been told of its job: admission first, each step once, then how it ended."""

    def __init__(self, send: Callable[..., None], to: Sender) -> None:
        self._send = send
        self._to = to
        self._step = self._drafts = 0
        self._place: tuple[int, int] | None = None
        self._before: list[tuple[Job, float]] | None = []

    def admitted(self, number: int, position: int, eta: float | None) -> None:
        """Say where the job stands, and then what has happened meanwhile."""
        self._queued(number, position, UNKNOWN_S if eta is None else eta)
        held, self._before = self._before or [], None
        for job, then in held:
            self.changed(job, then)

    def _queued(self, number: int, position: int, eta: float) -> None:
        if self._place != (number, position):
            self._place = (number, position)
            self._send(self._to, "/foleyd/queued", number, position, eta)

    def changed(self, job: Job, eta: float) -> None:
        """The job changed."""
        if self._before is not None:
            self._before.append((job, eta))
            return
        self._draft(job)
        if job.active:
            self._going(job, eta)
        else:
            self._over(job)

    def _going(self, job: Job, eta: float) -> None:
        if job.state == "queued":
            self._queued(job.id, job.position, eta)
        elif job.step > self._step:
            self._send(self._to, "/foleyd/progress", job.id, job.step, job.steps, eta, spare=True)
        self._step = job.step

    def _draft(self, job: Job) -> None:
        drafts = results(job, drafts=True)
        for made in drafts[self._drafts :]:
            clip = made.clip
            self._send(self._to, "/foleyd/draft", job.id, clip.clip_id, clip.path, clip.seconds)
        self._drafts = len(drafts)

    def _over(self, job: Job) -> None:
        for made in results(job):
            clip = made.clip
            self._send(self._to, DONE, RENDER, job.id, clip.clip_id, clip.path, clip.seconds)
        if job.error is not None or job.state != "done":
            error = job.error
            code = error.code if error is not None and job.state == "failed" else job.state
            if job.state == "done" and error is not None:
                code = error.code
            self._send(self._to, FAIL, RENDER, str(error or "The job was ended."), job.id, code)
