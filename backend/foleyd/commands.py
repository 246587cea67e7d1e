"""The table of commands: every request that the daemon takes, where, what answers it, and its OSC form.

:data:`COMMANDS` is the one source for dispatch, for the checks of what a request holds (its struct in
:mod:`foleyd.messages`) and for the tables of ``bridge/PROTOCOL.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from foleyd import messages as m
from foleyd.errors import BadRequest
from foleyd.messages import Message

PROTOCOL = "1.1"
"""Version of the protocol, apart from that of the package: the first number changes when an old client
breaks."""

SHELL_PORT, CONTROL_PORT, EVENTS_PORT, OSC_PORT = 17131, 17132, 17133, 17130
Channel = Literal["shell", "control"]


class Argument(msgspec.Struct, frozen=True):
    """A positional argument of an OSC message: its name, its type tag (i also takes a whole f), its
    meaning."""

    name: str
    tag: Literal["i", "s", "f"]
    about: str
    repeated: bool = False


class OscForm(msgspec.Struct, frozen=True):
    """How a command looks in OSC. `pairs`: whether names and values follow the positional arguments;
    `replies`: what comes back."""

    address: str
    arguments: tuple[Argument, ...] = ()
    pairs: bool = False
    replies: tuple[str, ...] = ()
    about: str = ""


class Command(msgspec.Struct, frozen=True):
    """One command: its structs, where ZeroMQ takes it (empty: nowhere), its OSC form (None: it has none), and
    `more` OSC forms of parts of it."""

    name: str
    request: type[Message]
    reply: type[Message]
    channels: tuple[Channel, ...]
    about: str
    osc: OscForm | None = None
    more: tuple[OscForm, ...] = ()


_ID = Argument("id", "i", "The job; -1 lets the daemon choose. Replies carry the same id.")
_ROWS: tuple[Command, ...] = (
    Command(
        "info", m.InfoRequest, m.InfoReply, ("shell", "control"), "Version and limits; renews the lease."
    ),
    Command(
        "render",
        m.RenderRequest,
        m.RenderReply,
        ("shell",),
        "Make sounds.",
        OscForm(
            "/foleyd/render",
            (_ID, Argument("prompt", "s", "What to hear, in words.")),
            pairs=True,
            replies=(
                "/foleyd/queued id position eta",
                "/foleyd/progress id step steps eta",
                "/foleyd/draft id clipID path seconds",
                '/done "/foleyd/render" id clipID path seconds',
                '/fail "/foleyd/render" message id code',
            ),
            about="Pairs: fields of a recipe and of render_request, client, reply_port; as 'source' a clip's "
            "id, or the path of a file in the library or the daemon's --osc-sources. One /done a clip.",
        ),
    ),
    Command(
        "clip",
        m.ClipRequest,
        m.ClipReply,
        ("shell",),
        "A clip, or a job's result, again.",
        OscForm(
            "/clip/info",
            (Argument("clipID", "s", "The id of a clip."),),
            replies=("/clip/info clipID name seconds rate channels path", '/fail "/clip/info" message code'),
        ),
    ),
    Command(
        "library",
        m.LibraryRequest,
        m.LibraryReply,
        ("shell",),
        "Search, tag, rate, hold, import, prune.",
        OscForm(
            "/clip/search",
            (Argument("text", "s", "Words to find in names, prompts and tags."),),
            pairs=True,
            replies=(
                "/clip/search text number total clipID name seconds path",
                '/done "/clip/search" text total',
            ),
            about="Pairs: limit, tag, favourites. One reply for each clip, then /done.",
        ),
        (
            OscForm(
                "/clip/similar",
                (Argument("sound", "s", "A clip by its id, or what to hear, in words."),),
                pairs=True,
                replies=(
                    "/clip/similar sound number total clipID name seconds path similarity rating favourite",
                    '/done "/clip/similar" sound total',
                    '/fail "/clip/similar" message code',
                ),
                about="Clips that sound like it, the nearest first (similarity 1 is the same sound); of "
                "those equally near, favourites and higher ratings. Pairs: limit, tag, favourites. The first "
                "search listens to every clip, which takes its time; what is sent meanwhile is done.",
            ),
        ),
    ),
    Command("models", m.ModelsRequest, m.ModelsReply, ("shell",), "The models on this disk."),
    Command(
        "status",
        m.StatusRequest,
        m.StatusReply,
        ("shell", "control"),
        "Queue, worker, library, failures.",
        OscForm(
            "/foleyd/status",
            replies=("/foleyd/status.reply ready phase model waiting running clips failures version",),
        ),
    ),
    Command(
        "metrics", m.MetricsRequest, m.MetricsReply, ("shell", "control"), "Figures in Prometheus' format."
    ),
    Command(
        "cancel",
        m.CancelRequest,
        m.CancelReply,
        ("shell", "control"),
        "Stop jobs.",
        OscForm(
            "/foleyd/cancel",
            (Argument("id", "i", "A job, or the name of a slot; -1: all of this client.", repeated=True),),
            replies=('/done "/foleyd/cancel" id…',),
        ),
    ),
    Command("shutdown", m.ShutdownRequest, m.ShutdownReply, ("control",), "End the daemon."),
)
COMMANDS: Mapping[str, Command] = {row.name: row for row in _ROWS}
"""All commands by name."""

OSC_ONLY: tuple[OscForm, ...] = (
    OscForm(
        "/foleyd/version", replies=("/foleyd/version.reply name version protocol",), about="Who are you?"
    ),
    OscForm(
        "/foleyd/notify",
        (Argument("on", "i", "1: send me the states of all jobs; 0: no more."),),
        replies=('/done "/foleyd/notify" on', "/foleyd/job id state client slot step steps clipID"),
        about="Until 0 is sent, or ten minutes pass without a message.",
    ),
    OscForm(
        "/foleyd/sync",
        (Argument("id", "i", "Comes back when everything before it has been looked at."),),
        replies=("/foleyd/synced id",),
    ),
)
"""OSC's own conventions, which have no counterpart in ZeroMQ."""

OSC_EXTRAS = ("client", "reply_port")
"""Names of pairs that belong to OSC itself."""


def read(command: Command, content: object) -> Message:
    """The request that `content` (decoded JSON) holds. Raises BadRequest naming the field."""
    if not isinstance(content, dict):
        raise BadRequest(
            f"the content of {command.name}_request is no JSON object: send the fields in braces."
        )
    try:
        return msgspec.convert(content, command.request, strict=True)
    except msgspec.ValidationError as error:
        raise BadRequest(_refusal(command.name, str(error))) from None
    except RecursionError:
        raise BadRequest(
            f"the content of {command.name}_request is nested too deep: send plain fields."
        ) from None


def _refusal(name: str, said: str) -> str:
    """msgspec's sentence, as ours: which field, what is wrong, where to look."""
    what, _, where = said.rpartition(" - at `$")
    field = where.rstrip("`").lstrip(".") if what else ""
    problem = (what or said).rstrip(".")
    place = f"{field}: " if field else ""
    problem = f"{place}{problem[:1].lower()}{problem[1:]}"
    return f"{name}_request is not understood ({problem}): see bridge/PROTOCOL.md."
