"""What a client hears: events with their gaps, in queues that never grow without end."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

from foleyd.errors import BadRequest
from foleyd.messages import EVENTS, Event, JobEvent

MOST_WAITING = 10_000
"""Events that wait for a reader; beyond, the oldest go and a :class:`Gap` stands for them."""

_RECENT = 256
T = TypeVar("T")


class Gap(msgspec.Struct, frozen=True):
    """Events are missing here: so many, or None where the daemon was restarted and nobody knows."""

    missed: int | None


class Mailbox(Generic[T]):
    """A queue for one reader. `lost` makes the item that stands for what was dropped, None for nothing."""

    def __init__(self, lost: Callable[[int], T | None], most: int = MOST_WAITING) -> None:
        self._items: deque[T] = deque()
        self._lost, self._most, self._dropped = lost, most, 0
        self._changed = asyncio.Event()
        self.closed = False

    def put(self, item: T) -> None:
        """Add an item, at the cost of the oldest where there is no room."""
        if self.closed:
            return
        if len(self._items) >= self._most:
            self._items.popleft()
            self._dropped += 1
        self._items.append(item)
        self._changed.set()

    def close(self) -> None:
        """Nothing comes any more; what is there can still be read."""
        self.closed = True
        self._changed.set()

    async def get(self) -> T:
        """The next item. Raises StopAsyncIteration when it is closed and empty."""
        while not self._items:
            if self.closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            item = self._lost(dropped)
            if item is not None:
                return item
        return self._items.popleft()


class Stream:
    """Events of some topics, in order: ``async for event in stream``. Entered with ``async with``, it hears
    all that happens from then on; left alone, it begins with the first event asked for."""

    def __init__(self, topics: frozenset[str], listen: Callable[[], Awaitable[None]]) -> None:
        self.topics = topics
        self._listen = listen
        self.box: Mailbox[Event | Gap] = Mailbox(Gap)

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.box.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | Gap:
        if not self.box.closed:
            await self._listen()
        return await self.box.get()


class Ears:
    """Reads events, sees gaps, and hands both to the streams that are still held by somebody.

    `job` is called with every job event.
    """

    def __init__(self, job: Callable[[JobEvent], None]) -> None:
        self._job = job
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._publisher = ""
        self.last = 0
        self.recent: deque[JobEvent] = deque(maxlen=_RECENT)

    def stream(self, topics: tuple[str, ...], listen: Callable[[], Awaitable[None]]) -> Stream:
        """A new stream of `topics`, of all where none is given. Raises BadRequest for an unknown one."""
        for topic in topics:
            if topic not in EVENTS:
                raise BadRequest(f"there are no events called {topic!r}: name {', '.join(EVENTS)}.")
        made = Stream(frozenset(topics or EVENTS), listen)
        self._streams.add(made)
        return made

    def welcome(self, publisher: str, number: int) -> None:
        """The daemon says that `number` was its last event."""
        self._follow(publisher, number + 1)
        self.last = number

    def take(self, publisher: str, topic: str, raw: bytes) -> None:
        """An event came. What cannot be read counts as missing; topics of newer daemons are passed over."""
        try:
            event = msgspec.json.decode(raw, type=EVENTS.get(topic, Event))
        except (ValueError, RecursionError):
            return
        self._follow(publisher, event.number)
        self.last = event.number
        if isinstance(event, JobEvent):
            self.recent.append(event)
            self._job(event)
        for stream in list(self._streams):
            if topic in stream.topics:
                stream.box.put(event)

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._streams):
            stream.box.close()

    def _follow(self, publisher: str, number: int) -> None:
        if publisher != self._publisher:
            known, self._publisher = self._publisher, publisher
            self.recent.clear()
            gap = Gap(None) if known else None
        else:
            gap = Gap(number - self.last - 1) if number > self.last + 1 else None
        if gap is not None:
            for stream in list(self._streams):
                stream.box.put(gap)
