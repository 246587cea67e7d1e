"""The table of actions: everything that can be done to the live host.

OSC, MIDI learn, the page and the documentation all read :data:`ACTIONS`; nobody repeats its names,
arguments or words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from foleyd.errors import BadRequest
from foleyd_live.properties import Value, index, whole

Tag = Literal["i", "f", "s"]


class Argument(msgspec.Struct, frozen=True):
    """An argument of an action: its name, its OSC type tag (i also takes a whole f, s also a number), its
    meaning. ``optional`` ones may be left out from the end."""

    name: str
    tag: Tag
    about: str
    optional: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be done; its name is its OSC address without the first slash.

    ``pairs``: names and values may follow the arguments. ``timed``: a bundle's timetag places it to the
    sample. ``learn``: a MIDI note or controller can be bound to it. ``method`` is the one of
    :class:`foleyd_live.host.Host` that does it.
    """

    name: str
    method: str
    about: str
    arguments: tuple[Argument, ...] = ()
    pairs: str = ""
    timed: bool = False
    learn: bool = False
    replies: str = ""

    @property
    def address(self) -> str:
        """The OSC address."""
        return f"/{self.name}"

    @property
    def query(self) -> bool:
        """Whether it is answered on its own address instead of with ``/done``."""
        return self.replies.startswith(f"{self.address}.reply")


_P = Argument("pad", "i", "1 to 64.")
_PADS_PAIRS = (
    "fields of a recipe, count, bars, by (bar): the pad's clip is ready by the next bar, best_of: seeds that "
    "the sound is chosen from, draft: steps of a first version that plays until the sound takes over at its "
    "loop point, within_s: seconds it may take, early (1): presses play it while it is still being made, "
    "source: the clip, by its id, that an operation starts from"
)

_ROWS: tuple[Action, ...] = (
    Action(
        name="pad/render",
        method="render",
        about="Ask the daemon for a sound; the old clip plays until it is there.",
        arguments=(_P, Argument("prompt", "s", "What to hear, in words.")),
        pairs=_PADS_PAIRS,
        replies='/pad/progress pad share eta · /done "/pad/render" pad clipID | '
        '/fail "/pad/render" message pad code',
    ),
    Action(
        name="pad/vary",
        method="vary",
        about="Make a sound near the one that the pad has, which was made from words.",
        arguments=(_P, Argument("distance", "f", "0 to 1; 0.25 when left out.", optional=True)),
        pairs=_PADS_PAIRS,
        learn=True,
    ),
    Action(
        name="pad/like",
        method="like",
        about="Make a sound of the kind of the one that the pad has, by ear.",
        arguments=(_P, Argument("likeness", "f", "0 to 1; 0.5 when left out.", optional=True)),
        pairs=_PADS_PAIRS,
        learn=True,
    ),
    Action(
        name="pad/loop",
        method="loop",
        about="Make the pad's sound anew as a loop without a seam.",
        arguments=(_P,),
        pairs=_PADS_PAIRS,
        learn=True,
    ),
    Action(
        name="pad/restyle",
        method="restyle",
        about="Make the pad's sound say other words.",
        arguments=(
            _P,
            Argument("prompt", "s", "What it should sound like."),
            Argument("strength", "f", "0 to 1; 0.5 when left out.", optional=True),
        ),
        pairs=_PADS_PAIRS,
    ),
    Action(
        name="pad/morph",
        method="morph",
        about="Make the way from the pad's sound, which was made from words, to other words; pad/fader goes "
        "along it.",
        arguments=(
            _P,
            Argument("towards", "s", "What is at its other end."),
            Argument("stages", "i", "Sounds on the way, 2 to 16; 5 when left out.", optional=True),
        ),
        pairs=_PADS_PAIRS,
    ),
    Action(
        name="pad/load",
        method="load",
        about="Put a clip on a pad.",
        arguments=(
            _P,
            Argument("clip", "s", "The id of a clip of the library, or the path of a file in it."),
        ),
        replies='/done "/pad/load" pad clip | /fail "/pad/load" message pad code',
    ),
    Action(
        name="pad/play",
        method="play",
        about="Press a pad.",
        arguments=(_P, Argument("velocity", "f", "0 to 1; 1 when left out.", optional=True)),
        pairs="quantise, tune: for this press alone",
        timed=True,
        learn=True,
    ),
    Action(
        name="pad/release",
        method="release",
        about="Let a pad go; ends a gate.",
        arguments=(_P,),
        timed=True,
    ),
    Action(
        name="pad/stop",
        method="stop",
        about="End what the pad plays.",
        arguments=(_P, Argument("fade", "f", "Seconds; the pad's release when left out.", optional=True)),
        timed=True,
        learn=True,
    ),
    Action(
        name="pad/undo",
        method="undo",
        about="The clip that the pad had before (16 deep).",
        arguments=(_P,),
        learn=True,
    ),
    Action(name="pad/redo", method="redo", about="Undo the undo.", arguments=(_P,), learn=True),
    Action(
        name="pad/clear",
        method="clear",
        about="Take the clip off a pad; undo brings it back.",
        arguments=(_P,),
    ),
    Action(name="pad/cancel", method="cancel", about="Cancel the pad's render.", arguments=(_P,), learn=True),
    Action(
        name="pad/choose",
        method="choose",
        about="Put a candidate of the pad's last render on it.",
        arguments=(_P, Argument("candidate", "i", "1 is the first.")),
    ),
    Action(
        name="cue/play",
        method="audition",
        about="Play a clip on the cue bus alone.",
        arguments=(Argument("clip", "s", "The id of a clip of the library, or the path of a file in it."),),
    ),
    Action(name="cue/stop", method="end_audition", about="End what the cue bus plays."),
    Action(
        name="preset/load",
        method="load_preset",
        about="Put a preset, or a whole bank from the pad on, on pads.",
        arguments=(
            Argument("preset", "s", "bank/name, or the name of a bank."),
            Argument("pad", "i", "The first pad; the first of the shown bank when left out.", optional=True),
        ),
        replies='/done "/preset/load" preset pads | /fail "/preset/load" message code',
    ),
    Action(
        name="preset/next", method="next_preset", about="The bank's next preset.", arguments=(_P,), learn=True
    ),
    Action(
        name="preset/previous",
        method="previous_preset",
        about="The bank's preset before.",
        arguments=(_P,),
        learn=True,
    ),
    Action(
        name="setlist/go",
        method="go",
        about="Load an entry of the show's setlist.",
        arguments=(Argument("place", "i", "1 is the first."),),
    ),
    Action(name="setlist/next", method="go_next", about="The setlist's next entry.", learn=True),
    Action(name="setlist/previous", method="go_previous", about="The setlist's entry before.", learn=True),
    Action(name="clock/tap", method="tap", about="Tap the tempo.", timed=True, learn=True),
    Action(
        name="clock/align", method="align", about="Now is the first beat of a bar.", timed=True, learn=True
    ),
    Action(
        name="record/start",
        method="start_recording",
        about="Record the main bus, and stems of pads, to WAV.",
        arguments=(Argument("stems", "s", "Pads, such as 1,2,5; none when left out.", optional=True),),
        replies='/done "/record/start" path',
        learn=True,
    ),
    Action(
        name="record/stop",
        method="stop_recording",
        about="End the recording.",
        learn=True,
        replies='/done "/record/stop" path seconds',
    ),
    Action(
        name="record/keep",
        method="keep_main",
        about="Write the last seconds of the main bus to a WAV.",
        arguments=(Argument("seconds", "f", "1 to 30; 30 when left out.", optional=True),),
        replies='/done "/record/keep" path seconds',
        learn=True,
    ),
    Action(
        name="input/keep",
        method="keep_input",
        about="Make a clip of the last seconds of the input.",
        arguments=(Argument("seconds", "f", "1 to 30; 10 when left out.", optional=True),),
        replies='/done "/input/keep" clipID seconds',
        learn=True,
    ),
    Action(
        name="input/restyle",
        method="restyle_input",
        about="Make the last seconds of the input say other words, on a pad.",
        arguments=(
            _P,
            Argument("prompt", "s", "What it should sound like."),
            Argument("seconds", "f", "1 to 30; 4 when left out.", optional=True),
        ),
        pairs=_PADS_PAIRS,
    ),
    Action(name="input/in", method="punch_in", about="Begin to record the input.", learn=True),
    Action(
        name="input/out",
        method="punch_out",
        about="End it, and make a clip of it.",
        replies='/done "/input/out" clipID seconds',
        learn=True,
    ),
    Action(
        name="midi/learn",
        method="learn",
        about="Bind the next MIDI message to a property or an action.",
        arguments=(
            Argument("target", "s", "Its address, such as pad/gain or pad/play."),
            Argument("pad", "i", "The pad, where the target belongs to one.", optional=True),
        ),
    ),
    Action(
        name="midi/forget",
        method="forget",
        about="Unbind a property or an action.",
        arguments=(
            Argument("target", "s", "Its address."),
            Argument("pad", "i", "The pad, where the target belongs to one.", optional=True),
        ),
    ),
    Action(
        name="show/save",
        method="save_show",
        about="Save the show where it was opened from.",
        replies='/done "/show/save" path',
        learn=True,
    ),
    Action(name="host/panic", method="panic", about="End everything that sounds, at once.", learn=True),
    Action(
        name="host/status",
        method="status",
        about="How the host is.",
        replies="/host/status.reply device rate block xruns load voices daemon queued recording tempo",
    ),
)
ACTIONS: Mapping[str, Action] = {row.name: row for row in _ROWS}
"""All actions by name."""


def find(name: str) -> Action:
    """The action of that name. Raises BadRequest."""
    row = ACTIONS.get(name)
    if row is None:
        raise BadRequest(f"there is no action {name!r}: see bridge/live/README.md for all of them.")
    return row


def read(row: Action, arguments: Sequence[object]) -> list[Value]:
    """`arguments` as `row` takes them, pads counted from 0. Raises BadRequest naming the argument."""
    needed = sum(not one.optional for one in row.arguments)
    if not needed <= len(arguments) <= len(row.arguments):
        wanted = ", ".join(f"{one.name} (optional)" if one.optional else one.name for one in row.arguments)
        raise BadRequest(f"{row.name} takes {wanted or 'no arguments'}, and got {len(arguments)}.")
    return [_read(row, one, value) for one, value in zip(row.arguments, arguments, strict=False)]


def _read(row: Action, one: Argument, value: object) -> Value:
    if one.name == "pad":
        return index(value)
    if one.tag == "s":
        if isinstance(value, str) and value and len(value) <= 1000:
            return value
        raise BadRequest(f"{one.name} of {row.name} is {value!r:.40}: give text of 1 to 1000 characters.")
    if one.tag == "i":
        number = whole(value)
        if number is None:
            raise BadRequest(f"{one.name} of {row.name} is {value!r:.40}: give a whole number.")
        return number
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{one.name} of {row.name} is {value!r:.40}: give a number.")
    return float(value)
