"""The live host: what belongs to it, how it begins and ends, and the one door to its controls.

Everything but the audio callback runs on one asyncio loop. The way of a press: surfaces
(:mod:`~foleyd_live.osc`, :mod:`~foleyd_live.midi`, :mod:`~foleyd_live.page`) → :meth:`Host.begin` and
:meth:`Host.set` → :mod:`~foleyd_live.acts` → pads and tempo → desk → mixer.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from foleyd.errors import BadRequest
from foleyd.messages import JobInfo
from foleyd.paths import home
from foleyd_live import actions, properties
from foleyd_live.acts import Acts, Ask
from foleyd_live.audition import Audition
from foleyd_live.clips import Clip, ClipStore
from foleyd_live.clockmap import ClockMap
from foleyd_live.daemon_line import DaemonLine
from foleyd_live.decoding import Decoder
from foleyd_live.desk import NOW, Desk, factor
from foleyd_live.history import ClipSource
from foleyd_live.keeping import Recordings
from foleyd_live.levels import Levels
from foleyd_live.link import LinkClock
from foleyd_live.midi import Midi, MidiSettings
from foleyd_live.midi_clock import MidiClock
from foleyd_live.orders import Orders
from foleyd_live.osc import Osc
from foleyd_live.pads import Pads
from foleyd_live.page import Page
from foleyd_live.page_host import BankCard, Health
from foleyd_live.performer import Outcome, Told
from foleyd_live.prefetch import Prefetch
from foleyd_live.program import Program
from foleyd_live.properties import PROPERTIES, Value
from foleyd_live.readings import Meters, VoiceState
from foleyd_live.recorder import Recorded, Recorder
from foleyd_live.settings import Settings
from foleyd_live.sources import Sources
from foleyd_live.stream import Stream
from foleyd_live.tempo import Tempo
from foleyd_live.trigger_log import Line, TriggerLog

LOG_LINES = 200
"""Lines of the log that the page and the screen can show."""
LOOK_S = 0.05
"""How often clocks, voices and memory are looked after."""
WRITE_S = 1.0
"""How often the trigger log is written."""

_log = logging.getLogger("foleyd_live")
Listener = Callable[[str, int | None, Value], None]


class Host:
    """A live host with `settings`; :meth:`open` begins to play, :meth:`close` ends all that it began."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log: collections.deque[str] = collections.deque(maxlen=LOG_LINES)
        """The last lines of the log, for the faces; :mod:`~foleyd_live.running` fills it."""
        self._values = {row.address: row.default for row in PROPERTIES.values() if row.scope != "pad"}
        self._listeners: list[Listener] = []
        self.desk = Desk(settings.rate or 48_000, max(2, settings.outputs), mixer=settings.mixer)
        self.stream = Stream(self.desk, settings, self._reload)
        self.clockmap = ClockMap(self.desk)
        self.tempo = Tempo(lambda: self.desk.frame, self.desk.rate)
        self.midi_clock = MidiClock(self.tempo, self.clockmap.frame_at)
        self.tempo.lead("midi", self.midi_clock)
        self.tempo.lead("link", LinkClock(self.tempo, self.clockmap.frame_at))
        self.clips = ClipStore(self.desk, Decoder())
        self.pads = Pads(self.desk, self.clips, self._pad_changed, self.tempo)
        self.line = DaemonLine(settings.connection_file, changed=self._daemon_changed)
        self.orders = Orders(
            self.pads, self.line, self.tempo, lambda: self.desk.frame, lambda: str(self.get("host/promise"))
        )
        self.sources = Sources(self.line, self._folders, self._known)
        self.audition = Audition(self.desk, self.clips)
        self.recorder = Recorder(self.desk, settings.recordings or home("recordings"), self._recording_ended)
        self.recordings = Recordings(self.recorder, self.line)
        self.program = Program(self)
        self.prefetch = Prefetch(self.line, self.program.neighbours)
        self.midi = Midi(
            self, MidiSettings(inputs=settings.midi_in, outputs=settings.midi_out), self.midi_clock
        )
        self.osc = Osc(self, settings.osc_allow)
        self.page = Page(self, allow=settings.page_allow)
        self.levels = Levels(self.desk.meters)
        self.triggers = TriggerLog(home("logs"))
        self._acts = Acts(self)
        self._tasks: set[asyncio.Task[None]] = set()
        self.tempo.listen(lambda address, value: self._changed(address, None, value))

    # life

    async def open(self) -> None:
        """Play, and listen on all surfaces. Raises NoDevice and what else stands in the way."""
        self.stream.open()
        self._rate_changed()
        self.line.start()
        if self.settings.prefetch:
            self.prefetch.start()
        await self.osc.open(self.settings.osc_bind, self.settings.osc_port)
        await self.midi.start()
        if self.settings.page:
            await self.page.open(self.settings.page_bind, self.settings.page_port)
        if self.settings.link:
            self.tempo.set_source("link")
        self._begin(self._look())
        self._begin(self._write())
        await self.program.open()

    async def close(self) -> None:
        """End all that :meth:`open` began; what sounds fades."""
        self.desk.panic()
        await self.program.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in (self.page, self.osc, self.midi, self.prefetch, self.orders, self.recorder):
            await part.close()
        await self.line.close()
        self.tempo.set_source("internal")
        await self.pads.close()
        await self.stream.close()
        await self.clips.close()
        await asyncio.to_thread(self.triggers.write)

    def where(self) -> dict[str, str | int]:
        """What a person or a program needs to reach the host."""
        stream = self.stream.state
        return {
            "device": stream.device,
            "host_api": stream.host_api,
            "rate": stream.rate,
            "outputs": stream.outputs,
            "osc": f"{self.settings.osc_bind}:{self.osc.port}",
            "page": self.page.url if self.settings.page else "",
        }

    def _begin(self, doing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        while True:
            self.clockmap.look()
            self.pads.hear(self.desk.voices())
            self.desk.collect()
            await asyncio.sleep(LOOK_S)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(WRITE_S)
            await asyncio.to_thread(self.triggers.write)

    async def _reload(self) -> None:
        self._rate_changed()
        for failure in await self.clips.reload(self.desk.rate):
            _log.warning("%s", failure.error)

    def _rate_changed(self) -> None:
        self.tempo.set_rate(self.desk.rate)
        self.desk.set_main(factor(float(self.get("mixer/gain"))))
        self.desk.set_cue(factor(float(self.get("mixer/cue"))))

    # the door

    def begin(
        self,
        action: str,
        arguments: Sequence[object],
        pairs: Mapping[str, object],
        *,
        frame: int = NOW,
        told: Told | None = None,
    ) -> Outcome | Awaitable[Outcome]:
        """Do an action of the table, or begin it where it takes time; what ``/done`` carries after the
        address. Pads in `arguments` are counted from 1. Raises BadRequest."""
        row = actions.find(action)
        values = actions.read(row, arguments)
        if pairs and not row.pairs:
            raise BadRequest(f"{row.name} takes no pairs: leave {next(iter(pairs))} out.")
        ask = Ask(dict(pairs), frame, told or _nobody)  # type: ignore[arg-type]
        if row.timed:
            at = self.desk.frame if frame == NOW else frame
            self.triggers.add(Line(at, self.desk.rate, action, tuple(arguments), dict(pairs)))  # type: ignore[arg-type]
        outcome: Outcome | Awaitable[Outcome] = getattr(self._acts, row.method)(ask, *values)
        return outcome

    def get(self, address: str, pad: int | None = None) -> Value:
        """The value of a property. Raises BadRequest."""
        row = properties.find(address)
        if row.scope == "pad":
            return self.pads.get(_needed(pad, address), row.name)
        return self.tempo.beat() if address == "clock/beat" else self._values[address]

    def set(self, address: str, pad: int | None, value: object) -> None:
        """Set a property; pads are 0 … 63. Raises BadRequest."""
        row = properties.find(address)
        checked = properties.check(row, value)
        if row.scope == "pad":
            self.pads.set(_needed(pad, address), row.name, checked)
            return
        _SETTERS.get(address, _keep)(self, address, checked)

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Call back at every change of a property; what is returned ends it."""
        self._listeners.append(callback)
        return partial(_discard, self._listeners, callback)

    def frame_at(self, unix: float) -> int:
        """The frame that is heard at a time in seconds since 1970."""
        return self.clockmap.frame_at(unix)

    def panic(self) -> None:
        """End everything that sounds."""
        self.desk.panic()
        _log.info("panic: everything was ended")

    def keep(self, address: str, value: Value) -> None:
        """Keep a value that is not a pad's, and tell of it."""
        if self._values[address] != value:
            self._values[address] = value
            self._changed(address, None, value)

    # looking

    def status(self) -> Outcome:
        """What ``/host/status.reply`` carries."""
        stream = self.stream.state
        return (
            stream.device,
            stream.rate,
            stream.block,
            stream.xruns,
            round(stream.load, 4),
            len(self.desk.voices()),
            self.line.state,
            len(self.orders.waiting),
            int(self.recorder.recording is not None),
            self.tempo.bpm,
        )

    def health(self) -> Health:
        """How the host is."""
        midi = self.midi.state()
        return Health(
            stream=self.stream.state,
            voices=len(self.desk.voices()),
            daemon="connected" if self.line.state == "connected" else "away",
            why=self.line.why,
            cue=self.desk.cue_pair is not None,
            recording=self.recorder.seconds if self.recorder.recording else None,
            punched=self.recorder.punched,
            show=self.program.title,
            midi=", ".join(midi.inputs) or midi.why,
            osc=f"{self.settings.osc_bind}:{self.osc.port}",
        )

    def jobs(self) -> list[JobInfo]:
        """The renders of pads, and what else the daemon is asked for, by others too."""
        pads = [
            JobInfo(
                job_id=-1,
                client=self.line.name,
                slot=f"pad-{one.pad + 1}",
                priority="live",
                state="running" if one.state == "rendering" else "queued",
                prompt=one.prompt,
                count=1,
                position=place,
                eta_s=one.eta or None,
                step=0,
                steps=0,
            )
            for place, one in enumerate(self.orders.waiting)
        ]
        slots = {(self.line.name, one.slot) for one in pads}
        return pads + [job for job in self.line.jobs if (job.client, job.slot) not in slots]

    def meter(self) -> Callable[[], Meters]:
        """A reader of the levels."""
        return self.levels.reader()

    def voices(self) -> list[VoiceState]:
        """The voices that are heard."""
        return self.desk.voices()

    def clip(self, pad: int) -> Clip | None:
        """The clip that the pad's next press plays."""
        return self.pads.clip(pad)

    def candidates(self, pad: int) -> list[ClipSource]:
        """The clips of the pad's last render."""
        return list(self.pads.candidates(pad))

    async def clip_of(self, source: ClipSource) -> Clip:
        """The clip of a source that has a path."""
        return await self.clips.load(source.path, clip_id=source.clip_id)

    def banks(self) -> Sequence[BankCard]:
        """All banks of presets."""
        return self.program.cards()

    def setlist(self) -> Sequence[str]:
        """Names of the show's entries."""
        return self.program.entries

    # what parts tell

    def _changed(self, address: str, pad: int | None, value: Value) -> None:
        if pad is None and address in self._values:
            self._values[address] = value
        for listener in tuple(self._listeners):
            listener(address, pad, value)

    def _pad_changed(self, pad: int, name: str, value: Value) -> None:
        self._changed(f"pad/{name}", pad, value)

    def _daemon_changed(self, state: str, why: str) -> None:
        _log.info("the daemon is %s%s", state, f": {why}" if why else "")

    def _recording_ended(self, recorded: Recorded) -> None:
        _log.warning("the recording %s has ended: %s", recorded.path.name, recorded.why)

    def _folders(self) -> Iterator[Path]:
        yield from self.settings.sounds
        yield self.settings.recordings or home("recordings")
        if self.settings.show is not None:
            yield self.settings.show.absolute().parent

    def _known(self) -> Iterator[ClipSource]:
        return (source for source in self.pads.sources() if source.path)


def _nobody(*told: object) -> None:
    """Nobody is told."""


def _needed(pad: int | None, address: str) -> int:
    if pad is None:
        raise BadRequest(f"{address} belongs to a pad: say which.")
    return pad


def _discard(listeners: list[Listener], callback: Listener) -> None:
    if callback in listeners:
        listeners.remove(callback)


def _keep(host: Host, address: str, value: Value) -> None:
    host.keep(address, value)


def _set_main(host: Host, address: str, value: Value) -> None:
    host.desk.set_main(factor(float(value)))
    host.keep(address, value)


def _set_cue(host: Host, address: str, value: Value) -> None:
    host.desk.set_cue(factor(float(value)))
    host.keep(address, value)


_SETTERS: dict[str, Callable[[Host, str, Value], None]] = {
    "mixer/gain": _set_main,
    "mixer/cue": _set_cue,
    "clock/tempo": lambda host, address, value: host.tempo.set_tempo(float(value)),
    "clock/beats": lambda host, address, value: host.tempo.set_beats(int(value)),
    "clock/source": lambda host, address, value: host.tempo.set_source(str(value)),
    "host/setlist": lambda host, address, value: host.program.want(int(value)),
}
