"""The live host over OSC: actions, and get, set, start_listen and stop_listen for every property.

The conventions are those of the daemon (``/done``, ``/fail``, replies to the sender or to its ``reply_port``)
and of AbletonOSC for properties: ``/pad/get/gain 3`` is answered on its own address, ``/pad/start_listen/gain
3`` by the same message at every change. A bundle's timetag places a press to the sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from foleyd.errors import BadRequest
from foleyd.wire.osc import Message
from foleyd.wire.osc_endpoint import DONE, Endpoint, Handler, PortTaken, Sender, open_endpoint
from foleyd_live import properties
from foleyd_live.actions import ACTIONS, Action
from foleyd_live.desk import NOW
from foleyd_live.performer import Outcome, Performer
from foleyd_live.properties import PROPERTIES, Property, Value

PORT = 17140
"""UDP port of the live host; taken, the next free one of ten."""
EARLY_S = 1.0
"""Seconds before a bundle's time at which it goes to the mixer, which places it to the sample."""
LISTENERS = 64
"""Programs that may listen to properties."""
VERBS = ("get", "set", "start_listen", "stop_listen")


class Osc:
    """The host's OSC endpoint; `allow` are the other machines that may talk."""

    def __init__(self, host: Performer, allow: Sequence[str] = ()) -> None:
        self._host = host
        self._listening: dict[tuple[str, int | None], set[Sender]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoint = Endpoint(self._handlers(), allow=allow, early_s=EARLY_S)
        self._transport: asyncio.DatagramTransport | None = None
        self._ended = host.listen(self._changed)

    async def open(self, bind: str, port: int | None) -> None:
        """Listen at `bind`; at any of ten ports from :data:`PORT` on where `port` is None. Raises as
        :func:`foleyd.wire.osc_endpoint.open_endpoint` does."""
        if port is not None:
            self._transport = await open_endpoint(bind, port, self.endpoint)
            return
        for number in range(PORT, PORT + 10):
            try:
                self._transport = await open_endpoint(bind, number, self.endpoint)
                return
            except PortTaken:
                if number == PORT + 9:
                    raise

    async def close(self) -> None:
        """End listening and what was begun."""
        self._ended()
        if self._transport is not None:
            self._transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """The UDP port, 0 while closed."""
        return self.endpoint.own.port if self.endpoint.own is not None else 0

    def _handlers(self) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {row.address: partial(self._act, row) for row in ACTIONS.values()}
        for row in PROPERTIES.values():
            for verb in VERBS:
                handlers[f"/{row.scope}/{verb}/{row.name}"] = partial(getattr(self, f"_{verb}"), row)
        return handlers

    def _act(self, row: Action, said: Message, sender: Sender) -> None:
        due = self.endpoint.due
        arguments, pairs = split(row, said.arguments)
        answer_to = sender.at(pairs.pop("reply_port")) if "reply_port" in pairs else sender
        outcome = self._host.begin(
            row.name,
            arguments,
            pairs,
            frame=self._host.frame_at(due) if due is not None and row.timed else NOW,
            told=partial(self.endpoint.send, answer_to, spare=True),
        )
        if isinstance(outcome, tuple):
            self._tell(row, outcome, answer_to)
            return
        task = asyncio.ensure_future(self._await(row, outcome, answer_to, _about(row, arguments)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _await(
        self, row: Action, outcome: Awaitable[Outcome], sender: Sender, about: tuple[int | float | str, ...]
    ) -> None:
        try:
            self._tell(row, await outcome, sender)
        except Exception as error:
            self.endpoint.fail(sender, row.address, error, *about)

    def _tell(self, row: Action, outcome: Outcome, sender: Sender) -> None:
        if row.query:
            self.endpoint.send(sender, f"{row.address}.reply", *outcome)
        else:
            self.endpoint.send(sender, DONE, row.address, *outcome)

    def _get(self, row: Property, said: Message, sender: Sender) -> None:
        pad, _ = _place(row, said.arguments, 0)
        self._say(row, pad, self._host.get(row.address, pad), sender)

    def _set(self, row: Property, said: Message, sender: Sender) -> None:
        pad, (value,) = _place(row, said.arguments, 1)
        self._host.set(row.address, pad, value)

    def _start_listen(self, row: Property, said: Message, sender: Sender) -> None:
        pad, _ = _place(row, said.arguments, 0)
        known = {one for senders in self._listening.values() for one in senders}
        if sender not in known and len(known) >= LISTENERS:
            raise BadRequest(f"{LISTENERS} programs listen already: end one of them.")
        self.endpoint.subscribe(sender)
        self._listening.setdefault((row.address, pad), set()).add(sender)
        self._say(row, pad, self._host.get(row.address, pad), sender)

    def _stop_listen(self, row: Property, said: Message, sender: Sender) -> None:
        pad, _ = _place(row, said.arguments, 0)
        self._listening.get((row.address, pad), set()).discard(sender)
        if not any(sender in senders for senders in self._listening.values()):
            self.endpoint.unsubscribe(sender)

    def _changed(self, address: str, pad: int | None, value: Value) -> None:
        for sender in self._listening.get((address, pad), ()):
            self._say(PROPERTIES[address], pad, value, sender)

    def _say(self, row: Property, pad: int | None, value: Value, sender: Sender) -> None:
        place = () if pad is None else (pad + 1,)
        self.endpoint.send(sender, f"/{row.scope}/get/{row.name}", *place, value)


def split(row: Action, said: Sequence[object]) -> tuple[list[object], dict[str, Any]]:
    """The positional arguments and the name–value pairs of a message. Raises BadRequest.

    An optional argument is left out where a name (text that is no number's place) follows instead.
    """
    count = len(row.arguments)
    while count and row.arguments[count - 1].optional and (len(said) - count) % 2:
        count -= 1
    arguments, rest = list(said[:count]), list(said[count:])
    if not row.pairs and rest[0::2] == ["reply_port"] and len(rest) == 2:
        return arguments, {"reply_port": rest[1]}
    if len(rest) % 2 or not all(isinstance(name, str) for name in rest[0::2]) or (rest and not row.pairs):
        wanted = " ".join(f"[{one.name}]" if one.optional else one.name for one in row.arguments)
        more = " and pairs of name and value" if row.pairs else ""
        raise BadRequest(f"{row.address} has {len(said)} arguments: it takes {wanted or 'none'}{more}.")
    pairs = {str(name): value for name, value in zip(rest[0::2], rest[1::2], strict=True)}
    return arguments, pairs


def _place(row: Property, said: Sequence[object], values: int) -> tuple[int | None, list[object]]:
    """The pad, where the property belongs to one, and what follows. Raises BadRequest."""
    pads = 1 if row.scope == "pad" else 0
    if len(said) != pads + values:
        wanted = " ".join(["pad"] * pads + ["value"] * values) or "no arguments"
        raise BadRequest(f"{row.address} takes {wanted} and got {len(said)}: see bridge/live/README.md.")
    return (properties.index(said[0]) if pads else None), list(said[pads:])


def _about(row: Action, arguments: Sequence[object]) -> tuple[int | float | str, ...]:
    """What a failure is about: the pad as the sender counts it."""
    if not row.arguments or row.arguments[0].name != "pad" or not arguments:
        return ()
    return (arguments[0],) if isinstance(arguments[0], int | float | str) else ()
