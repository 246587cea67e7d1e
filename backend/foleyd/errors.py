"""What can go wrong in foleyd, one class a kind.

``str(error)`` is the whole message: one sentence that says what is wrong and what to do about it. ``code`` is
the word that programs compare (replies on every wire carry it, and it never changes), ``exit_status`` is what
the command line ends with: 1 for work that failed, 2 for a request that could never work, 130 for Ctrl-C.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

FailureReason = Literal["nan", "inf", "silence", "memory", "error"]
"""Why a render came to nothing; see :class:`RenderFailed`."""

DeathReason = Literal["signal", "memory", "exit"]
"""How a worker ended; see :class:`WorkerDied`."""


class FoleydError(Exception):
    """Base of everything that foleyd reports to a user on purpose.

    ``retry_after_s``: seconds after which the same request may succeed; ``eta_s``: seconds it would have
    needed. None where there is no telling.
    """

    code: str = "error"
    exit_status: ClassVar[int] = 1
    retry_after_s: float | None = None
    eta_s: float | None = None


class BadRequest(FoleydError):
    """The request itself cannot be met: a field out of its range, an unknown name, a file that cannot be
    read."""

    code = "bad_request"
    exit_status = 2


class ModelMissing(FoleydError):
    """The model is not on this disk; the sentence names the command that brings it."""

    code = "model_missing"


class ModelBroken(FoleydError):
    """The model's folder is there but unusable: a file missing, a hash that differs, pickled weights only."""

    code = "model_broken"


class NotSellable(FoleydError):
    """The request asks for sounds that may be sold, and the model's licence does not allow it."""

    code = "not_sellable"
    exit_status = 2


class RenderFailed(FoleydError):
    """The model ran and gave nothing that may be called a sound.

    ``reason`` is one of ``nan``, ``inf`` (the samples or the latents are not numbers), ``silence``,
    ``memory`` (the device had no room), ``error`` (anything else; the sentence says what).
    """

    code = "render_failed"
    reason: FailureReason

    def __init__(self, message: str, reason: FailureReason = "error") -> None:
        if reason not in get_args(FailureReason):
            raise ValueError(f"reason is {reason!r}: give one of {', '.join(get_args(FailureReason))}")
        # both go to Exception, so that an instance survives a copy or a pickle with its reason
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


class Cancelled(FoleydError):
    """The user, or a newer job on the same slot, asked for the work to stop."""

    code = "cancelled"
    exit_status = 130


class WorkerDied(FoleydError):
    """The process that held the model ended before its work did.

    ``reason`` is one of ``signal``, ``memory`` (the system is known to have run out of it), ``exit`` (it
    ended by itself, or was never there).
    """

    code = "worker_died"
    reason: DeathReason

    def __init__(self, message: str, reason: DeathReason = "exit") -> None:
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDown(FoleydError):
    """The worker died too often in a row and is not started again by itself."""

    code = "worker_down"


class DiskFull(FoleydError):
    """There was no room to write; nothing half-written was left."""

    code = "disk_full"


class Offline(FoleydError):
    """The network was needed and is switched off or out of reach."""

    code = "offline"


class Busy(FoleydError):
    """The queue has no place for the job. ``retry_after_s``: seconds after which one is expected."""

    code = "busy"

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return str(self.args[0])


class TooSlow(FoleydError):
    """The job cannot be there in the time it was given; the sentence says what could. ``eta_s``: seconds it
    would need, None where that is not known."""

    code = "too_slow"

    def __init__(self, message: str, eta_s: float | None = None) -> None:
        super().__init__(message, eta_s)
        self.eta_s = eta_s

    def __str__(self) -> str:
        return str(self.args[0])


class NoDaemon(FoleydError):
    """No daemon answers; the sentence names the command that starts one."""

    code = "no_daemon"


class JobLost(FoleydError):
    """The daemon was restarted, or has forgotten, and no longer knows the job."""

    code = "job_lost"


class LibraryHeld(FoleydError):
    """Another process has the library open; the sentence names it."""

    code = "library_held"


def render_failed(message: str, reason: str) -> RenderFailed:
    """A failed render as it was told; a reason that is not known here counts as "error"."""
    known: FailureReason = next((one for one in get_args(FailureReason) if one == reason), "error")
    return RenderFailed(message, known)


def from_code(
    code: str, message: str, *, retry_after_s: float | None = None, eta_s: float | None = None
) -> FoleydError:
    """The error that a reply with `code` stands for; a code that is new here makes a FoleydError that
    carries it."""
    error = _kinds(FoleydError).get(code, FoleydError)(message)
    error.code = code
    error.retry_after_s, error.eta_s = retry_after_s, eta_s
    return error


def _kinds(base: type[FoleydError]) -> dict[str, type[FoleydError]]:
    """The classes below `base` by their codes; those without a code of their own are left out, and those of
    other modules, which may use a code for errors that no daemon sends."""
    found: dict[str, type[FoleydError]] = {}
    for kind in base.__subclasses__():
        if kind.__module__ != __name__:
            continue
        own = {kind.code: kind} if kind.code != base.code else {}
        found = {**_kinds(kind), **found, **own}
    return found
