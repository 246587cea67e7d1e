"""Answers that were given, kept so that a repeated request gets the same one.

A client that does not know whether its request arrived sends it again under the same ``msg_id``. The last
1 000 answers of a session are kept for that, by session and id, whatever the channel.

Memory is bounded too. Where the answers come to more bytes than allowed, those to requests that only ask
(:func:`asks_only`; clips with their samples and long lists among them) are forgotten first, the oldest first:
such a request is simply asked again when it is repeated. Answers to requests that change something go last,
with the session that was silent for longest.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from foleyd.messages import LibraryRequest, Message

_QUERIES = frozenset({"info", "clip", "models", "status", "metrics"})
_LIBRARY_QUERIES = frozenset({"list", "search", "show", "sets", "holds", "usage"})


def asks_only(name: str, request: Message) -> bool:
    """Whether the command `name` with this request changes nothing, so that it may be asked twice."""
    if isinstance(request, LibraryRequest):
        return request.action in _LIBRARY_QUERIES
    return name in _QUERIES


class Kept(msgspec.Struct, frozen=True):
    """An answer as it was sent, but for its header. `query`: whether its request only asked."""

    message_type: str
    content: bytes
    buffers: tuple[bytes, ...] = ()
    query: bool = False

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.content) + sum(map(len, self.buffers))


class Answers:
    """The kept answers: `a_session` for each of `sessions` sessions, `most_bytes` in all."""

    def __init__(
        self, *, a_session: int = 1000, sessions: int = 256, most_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self._a_session, self._most_sessions, self._most_bytes = a_session, sessions, most_bytes
        self._sessions: OrderedDict[str, OrderedDict[str, Kept]] = OrderedDict()
        self._queries: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._sessions.values()))

    @property
    def size(self) -> int:
        """Bytes of all answers."""
        return self._bytes

    def get(self, session: str, message_id: str) -> Kept | None:
        """The answer that was given, None where none is known any more."""
        found = self._sessions.get(session)
        return None if found is None else found.get(message_id)

    def keep(self, session: str, message_id: str, answer: Kept) -> None:
        """Keep an answer, and forget what is too much."""
        self._forget(session, message_id)
        self._sessions.setdefault(session, OrderedDict())[message_id] = answer
        self._sessions.move_to_end(session)
        self._bytes += answer.size
        if answer.query:
            self._queries[session, message_id] = None
        while len(self._sessions[session]) > self._a_session:
            self._forget(session, next(iter(self._sessions[session])))
        while len(self._sessions) > self._most_sessions:
            self._forget_session()
        while self._bytes > self._most_bytes:
            self._make_room()

    def _make_room(self) -> None:
        if self._queries:
            self._forget(*next(iter(self._queries)))
        elif len(self._sessions) > 1:
            self._forget_session()
        else:
            session, answers = next(iter(self._sessions.items()))
            self._forget(session, next(iter(answers)))

    def _forget_session(self) -> None:
        session = next(iter(self._sessions))
        for message_id in list(self._sessions[session]):
            self._forget(session, message_id)

    def _forget(self, session: str, message_id: str) -> None:
        answers = self._sessions.get(session, OrderedDict())
        gone = answers.pop(message_id, None)
        if gone is None:
            return
        self._bytes -= gone.size
        self._queries.pop((session, message_id), None)
        if not answers:
            del self._sessions[session]
