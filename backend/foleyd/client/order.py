"""What a client waits for: the answer to a request, and a job from its admission to its result."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import TypeVar

from foleyd.client.events import Mailbox
from foleyd.commands import Channel
from foleyd.errors import FoleydError
from foleyd.messages import (
    ClipReply,
    JobEvent,
    Message,
    RenderChunk,
    RenderReply,
    RenderRequest,
    RenderResult,
)
from foleyd.wire import envelope
from foleyd.wire.envelope import Header, Malformed, Parcel

M = TypeVar("M", bound=Message)
_LAST_EVENTS_S = 0.5
"""Seconds that a job's events may come after its result."""


class Asked:
    """A request that waits for its answer. `repeatable`: whether another daemon may get it too."""

    def __init__(
        self,
        name: str,
        header: Header,
        content: bytes,
        buffers: Sequence[bytes],
        channel: Channel,
        repeatable: bool,
    ) -> None:
        self.name, self.header, self.content, self.buffers = name, header, content, buffers
        self.channel, self.repeatable = channel, repeatable
        self.sent = False
        self._answer: asyncio.Future[Parcel | FoleydError] = asyncio.get_running_loop().create_future()

    def settle(self, answer: Parcel | FoleydError) -> None:
        """This is the answer; the first one counts."""
        if not self._answer.done():
            self._answer.set_result(answer)

    async def read(self, kind: type[M]) -> tuple[M, tuple[bytes, ...]]:
        """The answer and its buffers, as soon as it is there. Raises the error that it is."""
        answer = await self._answer
        if isinstance(answer, FoleydError):
            raise answer
        try:
            return envelope.read_reply(answer.content, kind), answer.buffers
        except Malformed as error:
            raise FoleydError(
                f"The daemon's answer to {self.name}_request is not understood ({error}): use the same "
                "version of foleyd on both sides."
            ) from None


class Order:
    """A job that was asked for: its admission, its events, and in the end its result."""

    def __init__(self, request: RenderRequest) -> None:
        self.request = request
        self.message_id = uuid.uuid4().hex
        self.reply: RenderReply | None = None
        self.events: Mailbox[JobEvent] = Mailbox(lambda dropped: None)
        self.chunks: Mailbox[tuple[RenderChunk, tuple[bytes, ...]]] = Mailbox(lambda dropped: None)
        self.since = 0
        """Events up to this number are older than the order."""
        self.key = ""
        """The key of the daemon that admitted it: another daemon has other jobs."""
        self.overdue = False
        """Whether the job has ended, or may have, and its result did not come by itself."""
        self.outcome: asyncio.Future[tuple[ClipReply, tuple[bytes, ...]] | FoleydError] = (
            asyncio.get_running_loop().create_future()
        )

    def settle(self, outcome: tuple[ClipReply, tuple[bytes, ...]] | FoleydError) -> None:
        """This is how it ended; the first word counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)
        self.chunks.close()
        if isinstance(outcome, FoleydError):
            self.events.close()
        else:
            # events have a socket of their own, so that the last of them may come after the result
            asyncio.get_running_loop().call_later(_LAST_EVENTS_S, self.events.close)

    def hear(self, event: JobEvent) -> None:
        """An event of some job came."""
        if self.reply is None or event.job_id != self.reply.job_id or event.number <= self.since:
            return
        self.events.put(event)
        if event.state not in ("queued", "running"):
            self.overdue = True
            self.events.close()

    def is_mine(self, found: RenderResult) -> bool:
        """Whether a restarted daemon's job of the same id can be this one, going by what was rendered."""
        recipes = self.reply.recipes if self.reply is not None else ()
        wanted = {(one.get("prompt", ""), one.get("seed")) for one in recipes}
        return all((clip.prompt, clip.seed) in wanted for clip in found.clips)
