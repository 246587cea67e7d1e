"""The daemon as OSC shows it: addresses and arguments to requests, and what becomes of jobs to replies.

A job goes by the number that its client gave it, else by the daemon's own. Messages of one sender are looked
at one after the other, each in a task, since some need longer than a moment (admission looks at the disk).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from foleyd import __version__, commands
from foleyd.commands import COMMANDS
from foleyd.daemon.errands import Errands
from foleyd.daemon.jobs import Job
from foleyd.daemon.report import Report
from foleyd.daemon.service import Service
from foleyd.daemon.told import UNKNOWN_S, Told
from foleyd.errors import BadRequest, Busy, FoleydError
from foleyd.fields import FIELDS, ROLES
from foleyd.messages import CancelRequest, Event, JobEvent, LibraryRequest, RenderRequest
from foleyd.wire.osc import Message, pairs, whole
from foleyd.wire.osc_endpoint import DONE, Endpoint, Handler, Sender

LEASE_S = 600.0
"""Seconds that an OSC client counts as present after a message: it sends none just to be there."""
MOST_FOUND = 100
"""Clips in the answer to one search."""
MOST_TASKS = 256
"""Messages that are being worked on; beyond, they are refused."""

RENDER, CANCEL, CLIP, SEARCH, STATUS = (
    form.address
    for name in ("render", "cancel", "clip", "library", "status")
    if (form := COMMANDS[name].osc) is not None
)
[SIMILAR] = (form.address for form in COMMANDS["library"].more)
VERSION, NOTIFY, SYNC = (form.address for form in commands.OSC_ONLY)
_WORDS = frozenset({"slot", "priority", "runtime"})
_OWN = frozenset(RenderRequest.__struct_fields__) - {"recipe", "deliver", "sources", "buffers"}


class OscFace:
    """Answers OSC messages by way of the service. :attr:`dispatch` is for the endpoint, which is set with
    :meth:`attach`."""

    def __init__(self, service: Service, report: Report) -> None:
        self._service = service
        self._report = report
        self._endpoint: Endpoint | None = None
        self.errands = Errands()
        """Messages that are being worked on."""
        self._last: dict[Sender, asyncio.Task[None]] = {}
        self._notified: dict[Sender, str] = {}
        self.dispatch: dict[str, Handler] = {
            RENDER: self._in_turn(self._render),
            CANCEL: self._in_turn(self._cancel),
            CLIP: self._in_turn(self._clip),
            SEARCH: self._in_turn(self._search),
            SIMILAR: self._in_turn(self._similar, aside=True),
            STATUS: self._in_turn(self._status),
            VERSION: self._in_turn(self._version),
            NOTIFY: self._in_turn(self._notify),
            SYNC: self._in_turn(self._sync),
        }
        service.events.listen(self._event)

    def attach(self, endpoint: Endpoint) -> None:
        """The endpoint that replies go through."""
        self._endpoint = endpoint

    def client_left(self, client: str) -> None:
        """A lease ended: its notifications end too."""
        for sender in [sender for sender, owner in self._notified.items() if owner == client]:
            self._unsubscribe(sender)

    def _send(self, to: Sender, address: str, *arguments: int | float | str, spare: bool = False) -> None:
        if self._endpoint is not None:
            self._endpoint.send(to, address, *arguments, spare=spare)

    def _in_turn(
        self, work: Callable[[Message, Sender], Coroutine[Any, Any, None]], *, aside: bool = False
    ) -> Handler:
        """Work that begins when all before it from the same sender is done: a cancel must not overtake the
        render that it means. What takes long is done `aside`, and nothing waits for it. What it raises goes
        back as ``/fail``."""

        async def guarded(message: Message, sender: Sender, before: asyncio.Task[None] | None) -> None:
            if before is not None:
                await asyncio.wait([before])
            try:
                await work(message, sender)
            except Exception as error:
                self._fail(message, sender, error)

        def handle(message: Message, sender: Sender) -> None:
            if len(self.errands) >= MOST_TASKS:
                self._fail(message, sender, Busy("Too many messages at once: send them more slowly."))
                return
            last = self.errands.begin(guarded(message, sender, self._last.get(sender)))
            if aside:
                return
            self._last[sender] = last
            last.add_done_callback(lambda done: self._forget(sender, done))

        return handle

    def _forget(self, sender: Sender, done: asyncio.Task[None]) -> None:
        if self._last.get(sender) is done:
            del self._last[sender]

    def _fail(self, message: Message, sender: Sender, error: Exception) -> None:
        if self._endpoint is not None:
            to, *about = _concerned(message, sender)
            self._endpoint.fail(to, message.address, error, *about)

    def _here(self, command: str, sender: Sender, given: Mapping[str, object]) -> tuple[Sender, str]:
        """Where replies go, and who asks, whose lease begins anew."""
        to, client = _listening(sender, given), _client(sender, given)
        self._service.arrived(command, client, "osc", LEASE_S)
        return to, client

    # commands

    async def _render(self, message: Message, sender: Sender) -> None:
        if len(message.arguments) < 2:
            raise BadRequest("a render needs an id (-1 to have one chosen) and a prompt: send both.")
        number, prompt, *rest = message.arguments
        given = pairs(rest)
        asked = whole(number, "id")
        to, client = self._here("render", sender, given)
        request = _render_request(prompt, given)
        told = Told(self._send, to)

        def watch(job: Job) -> None:
            told.changed(job, self._eta(job))
            if not job.active and len(job.wanted) > 1:
                self.errands.begin(self._keep_set(job))

        job, reply = await self._service.render(
            request,
            client,
            "osc",
            watch,
            None if asked < 0 else asked,
            paths=True,
        )
        told.admitted(job.id, reply.position, reply.eta_s)

    async def _keep_set(self, job: Job) -> None:
        # a Set is made with the result, which nobody asks for here
        with contextlib.suppress(FoleydError):
            await self._service.result(job)

    def _eta(self, job: Job) -> float:
        eta = self._service.queue.eta_s(job)
        return UNKNOWN_S if eta is None else round(eta, 3)

    async def _cancel(self, message: Message, sender: Sender) -> None:
        names, rest = _split(message.arguments, _ANYWHERE)
        given = pairs(rest)
        to, client = self._here("cancel", sender, given)
        if not names:
            raise BadRequest("cancel names nothing: send ids, names of slots, or -1 for all.")
        cancelled: list[int] = []
        for request in [_cancel_request(name) for name in names]:
            cancelled += self._service.cancel(request, client, "osc").cancelled
        self._send(to, DONE, CANCEL, *cancelled)

    async def _clip(self, message: Message, sender: Sender) -> None:
        clip_id, given = _word(message, "clipID")
        to, client = self._here("clip", sender, given)
        reply = await self._service.shelf(LibraryRequest(action="show", clips=(clip_id,)), (), client, "osc")
        clip = reply.clips[0]
        self._send(
            to,
            CLIP,
            clip.clip_id,
            clip.name,
            clip.seconds,
            clip.rate,
            clip.channels,
            clip.path,
        )

    async def _search(self, message: Message, sender: Sender) -> None:
        text, given = _word(message, "text")
        to, client = self._here("library", sender, given)
        request = _library_request(given, action="search", text=text)
        reply = await self._service.shelf(request, (), client, "osc")
        for number, clip in enumerate(reply.clips):
            self._send(
                to, SEARCH, text, number, reply.total, clip.clip_id, clip.name, clip.seconds, clip.path
            )
        self._send(to, DONE, SEARCH, text, reply.total)

    async def _similar(self, message: Message, sender: Sender) -> None:
        sound, given = _word(message, "sound")
        to, client = self._here("library", sender, given)
        asked = {"clips": [sound]} if sound.startswith("clip-") else {"text": sound}
        request = _library_request(given, action="similar", **asked)
        reply = await self._service.shelf(request, (), client, "osc")
        for number, (clip, near) in enumerate(zip(reply.clips, reply.similarity, strict=True)):
            found = (clip.clip_id, clip.name, clip.seconds, clip.path)
            liked = (clip.rating, int(clip.favourite))
            self._send(to, SIMILAR, sound, number, reply.total, *found, near, *liked)
        self._send(to, DONE, SIMILAR, sound, reply.total)

    async def _status(self, message: Message, sender: Sender) -> None:
        to, _ = self._here("status", sender, pairs(message.arguments))
        status = self._report.status()
        self._send(
            to,
            f"{STATUS}.reply",
            int(status.ready),
            status.worker.phase,
            status.worker.model,
            status.queue["waiting"],
            status.queue["running"],
            status.library["clips"],
            len(status.failures),
            status.version,
        )

    async def _version(self, message: Message, sender: Sender) -> None:
        to, _ = self._here("version", sender, pairs(message.arguments))
        self._send(to, f"{VERSION}.reply", "foleyd", __version__, commands.PROTOCOL)

    async def _sync(self, message: Message, sender: Sender) -> None:
        if not message.arguments:
            raise BadRequest("sync needs a number: it comes back.")
        number = whole(message.arguments[0], "id")
        to, _ = self._here("sync", sender, pairs(message.arguments[1:]))
        self._send(to, "/foleyd/synced", number)

    async def _notify(self, message: Message, sender: Sender) -> None:
        if not message.arguments:
            raise BadRequest("notify needs 1 (send me events) or 0 (no more).")
        on = whole(message.arguments[0], "on")
        to, client = self._here("notify", sender, pairs(message.arguments[1:]))
        if on:
            if self._endpoint is not None:
                self._endpoint.subscribe(to)
            self._notified[to] = client
        else:
            self._unsubscribe(to)
        self._send(to, DONE, NOTIFY, int(bool(on)))

    def _unsubscribe(self, sender: Sender) -> None:
        self._notified.pop(sender, None)
        if self._endpoint is not None:
            self._endpoint.unsubscribe(sender)

    def _event(self, topic: str, event: Event) -> None:
        if not isinstance(event, JobEvent):
            return
        for sender in self._notified:
            self._send(
                sender,
                "/foleyd/job",
                event.job_id,
                event.state,
                event.client,
                event.slot,
                event.step,
                event.steps,
                event.clips[-1] if event.clips else "",
                spare=True,
            )


_ANYWHERE = frozenset(commands.OSC_EXTRAS)


def _split(arguments: tuple[Any, ...], names: frozenset[str]) -> tuple[list[Any], list[Any]]:
    """Arguments before the first that is one of `names`, and the rest."""
    for place, one in enumerate(arguments):
        if isinstance(one, str) and one in names:
            return list(arguments[:place]), list(arguments[place:])
    return list(arguments), []


def _concerned(message: Message, sender: Sender) -> tuple[Sender, *tuple[int, ...]]:
    """Where a `/fail` about a message goes, and the job that it is about, as far as the message says so."""
    to = sender
    for name, value in itertools.pairwise(message.arguments):
        if name == "reply_port":
            with contextlib.suppress(BadRequest):
                to = sender.at(value)
    if message.address != RENDER:
        return (to,)
    try:
        return to, whole(message.arguments[0], "id")
    except (BadRequest, IndexError):
        return to, -1


def _cancel_request(name: object) -> CancelRequest:
    """What is meant by the name of a slot, a job's id, or -1. Raises BadRequest."""
    if isinstance(name, str):
        return CancelRequest(slot=name)
    number = whole(name, "id")
    return CancelRequest(all=True) if number < 0 else CancelRequest(jobs=(number,))


def _word(message: Message, name: str) -> tuple[str, Mapping[str, object]]:
    """The one text that a message begins with, and its pairs."""
    if not message.arguments or not isinstance(message.arguments[0], str):
        raise BadRequest(f"{message.address} needs the {name} as text: send it first.")
    return message.arguments[0], pairs(message.arguments[1:])


def _library_request(given: Mapping[str, object], **fields: object) -> LibraryRequest:
    """A request to the library, with what the pairs say of it. Raises BadRequest."""
    request = commands.read(
        COMMANDS["library"],
        {
            **fields,
            "limit": min(whole(given.get("limit", 20), "limit"), MOST_FOUND),
            "tags": [given["tag"]] if "tag" in given else [],
            "favourites": bool(whole(given.get("favourites", 0), "favourites")),
        },
    )
    assert isinstance(request, LibraryRequest)
    return request


def _listening(sender: Sender, given: Mapping[str, object]) -> Sender:
    """Where replies go: the sender, or `reply_port` on its machine."""
    port = given.get("reply_port")
    return sender if port is None else sender.at(port)


def _client(sender: Sender, given: Mapping[str, object]) -> str:
    """Who asks: the pair `client`, else the sender. Raises BadRequest."""
    if "client" not in given:
        return sender.key
    name = str(given["client"])
    if not 0 < len(name) <= 80:
        raise BadRequest("client is no name: give a text of 1 to 80 characters.")
    return name


def _render_request(prompt: object, given: Mapping[str, object]) -> RenderRequest:
    """The request that a prompt and pairs make. Raises BadRequest naming the pair."""
    sources: dict[str, object] = {}
    own: dict[str, object] = {"deliver": "none", "sources": sources}
    fields: dict[str, object] = {"prompt": prompt}
    for name, value in {"prompt": prompt, **given}.items():
        if isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value)):
            raise BadRequest(f"{name:.60} is no text and no number: give one that can be written down.")
    for name, value in given.items():
        if name in commands.OSC_EXTRAS:
            continue
        if name in _OWN:
            # Pure Data turns a slot that looks like a number into one
            own[name] = str(value) if name in _WORDS else value
        elif name in ROLES:
            sources[name] = value
        elif name in FIELDS and FIELDS[name].kind != "sources":
            fields[name] = value
        else:
            raise BadRequest(f"'{name:.60}' is no field of a render: see bridge/PROTOCOL.md.")
    request = commands.read(COMMANDS["render"], {**own, "recipe": fields})
    assert isinstance(request, RenderRequest)
    return request
