"""Recording, off the audio thread: the main bus and stems while they play, the last seconds of what was
heard, and the device's inputs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from foleyd.errors import BadRequest, FoleydError
from foleyd_live import memory as m
from foleyd_live.desk import Desk
from foleyd_live.sound_file import SoundFile
from foleyd_live.tap import Tap, input_tap, main_tap

STEM_S = 20.0
"""Length of the stems' rings: how long a disk may pause."""
INPUT_MOST_S = 600.0
"""Longest recording of the input: a clip is no longer."""
POLL_S = 0.1
PATIENCE_S = 5.0
"""How long the audio callback may take to begin or to finish what is recorded."""
_CHUNK_S = 1.0

_log = logging.getLogger(__name__)


class Recorded(msgspec.Struct, frozen=True):
    """A recording: its file, those of its stems by pad, its length, and how much of it is silence because the
    disk was too slow. `why` says why it ended, where nobody ended it."""

    path: Path
    seconds: float
    lost_s: float = 0.0
    stems: dict[int, Path] = {}
    why: str = ""


class _Track:
    """A tap on its way into a file, from its frame `begin` on."""

    def __init__(self, tap: Tap, file: SoundFile, begin: int) -> None:
        self.tap, self.file, self.at, self.lost = tap, file, begin, 0

    def catch_up(self, end: int, most: int) -> bool:
        """Write what has come, up to `end`; whether all of it is written."""
        reach = min(end, self.tap.written)
        while self.at < reach:
            step = min(reach, self.at + most)
            part = self.tap.read(self.at, step)
            self.file.write(part.samples)
            self.lost += part.lost
            self.at = step
        return self.at >= end


class _Take:
    """A recording that runs: one thread that follows its tracks. The first is what the others are in step
    with."""

    def __init__(
        self, tracks: dict[int, _Track], rate: int, ended: Callable[[], None], most: int = 0
    ) -> None:
        self._tracks, self._rate, self._ended = tracks, rate, ended
        self._main = tracks[_MAIN]
        self._begin = self._main.at
        self._most_end = self._begin + most if most else None
        self._end: int | None = None
        self._stopped = threading.Event()
        self.why = ""
        self.result: Recorded | None = None
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """Where it will be."""
        return self._main.file.path

    @property
    def seconds(self) -> float:
        """Written so far."""
        return self._main.file.frames / self._rate

    def stop(self) -> Recorded:
        """End it with what has been played by now."""
        if self._end is None:
            self._end = max(self._begin, self._main.tap.written)
        self._stopped.set()
        self._thread.join()
        assert self.result is not None
        return self.result

    def _run(self) -> None:
        try:
            self._follow()
        except FoleydError as error:
            self.why = str(error)
        except Exception as error:
            _log.exception("a recording has failed")
            self.why = f"the recording has failed ({error})."
        finally:
            self.result = self._close()
            if not self._stopped.is_set():
                _log.warning("the recording %s has ended: %s", self.path, self.why)
                self._ended()

    def _follow(self) -> None:
        deadline = None
        while True:
            over = self._main.tap.over
            stopping = self._stopped.wait(0 if over else POLL_S)
            if stopping and deadline is None:
                deadline = time.monotonic() + PATIENCE_S
            end = self._reach(stopping)
            most = int(_CHUNK_S * self._rate)
            whole = [track.catch_up(end - track.tap.behind, most) for track in self._tracks.values()]
            if all(whole) and (stopping or end == self._most_end):
                self.why = "" if stopping else "it is as long as a clip may be."
                return
            if over:
                self.why = "" if stopping else "the audio device has another rate or other channels now."
                return
            # the callback has gone: what it has counted is all there is
            if deadline is not None and time.monotonic() > deadline:
                return

    def _reach(self, stopping: bool) -> int:
        """The frame of the main tap up to which every track may go: a stem is there before the main bus,
        which looks ahead, and must not be longer than it."""
        if stopping and self._end is not None:
            return max(self._end, self._main.at)
        now = self._main.tap.written
        return now if self._most_end is None else min(now, self._most_end)

    def _close(self) -> Recorded:
        paths = {}
        for pad, track in self._tracks.items():
            try:
                paths[pad] = track.file.close()
            except OSError as error:
                self.why = self.why or f"the recording could not be finished ({error})."
                paths[pad] = track.file.path
        lost = max(track.lost for track in self._tracks.values()) / self._rate
        if lost:
            _log.warning("%.3f s of %s are silent: the disk was too slow", lost, self.path)
        main = paths.pop(_MAIN)
        return Recorded(main, self.seconds, lost, paths, self.why)


_MAIN = -1


class Recorder:
    """Records what `desk` plays and hears, into `folder`. `ended` is called, on the loop, with a recording
    that ended by itself: the disk is full, or the device came back with another rate."""

    def __init__(
        self, desk: Desk, folder: Path, ended: Callable[[Recorded], None] = lambda recorded: None
    ) -> None:
        self._desk, self._folder, self._tell = desk, folder, ended
        self._take: _Take | None = None
        self._punched: _Take | None = None

    @property
    def recording(self) -> Path | None:
        """Where the main bus is being recorded to, None while it is not."""
        take = self._take
        return take.path if take is not None and take.result is None else None

    @property
    def punched(self) -> bool:
        """Whether the input is being recorded."""
        return self._punched is not None and self._punched.result is None

    @property
    def seconds(self) -> float:
        """Length of the running recording, 0 without one."""
        return self._take.seconds if self._take is not None and self.recording else 0.0

    async def start(self, pads: Collection[int] = ()) -> Path:
        """Record the main bus from now on, and stems of `pads` (at most 16, from 0) in step with it.

        Raises BadRequest where a recording runs already or the folder cannot be written, DiskFull.
        """
        if self.recording:
            raise BadRequest(f"{self.recording.name} is being recorded already: stop it first.")
        self._take = None
        name = f"{datetime.now():%Y-%m-%d %H.%M.%S}"
        tracks: dict[int, _Track] = {}
        # files first: nothing of what comes next may wait for a disk
        files = await asyncio.to_thread(self._files, name, sorted(pads))
        try:
            main = main_tap(self._desk)
            begin = main.written
            if pads:
                behind = await self._arm(pads)
                begin = behind
                for place, pad in enumerate(sorted(pads)):
                    stem = Tap(self._desk, self._desk.stems[place], m.S_STEM_BEGIN, behind=behind)
                    tracks[pad] = _Track(stem, files[pad], 0)
            tracks = {_MAIN: _Track(main, files[_MAIN], begin), **tracks}
        except BaseException:
            self._desk.disarm_stems()
            for file in files.values():
                file.discard()
            raise
        self._take = self._run(tracks, self._take_ended)
        return self._take.path

    async def stop(self) -> Recorded:
        """End the recording. Raises BadRequest where none runs."""
        take, self._take = self._take, None
        if take is None:
            raise BadRequest("nothing is being recorded: start a recording first.")
        result = await asyncio.to_thread(take.stop)
        self._desk.disarm_stems()
        return result

    async def keep(self, seconds: float) -> Recorded:
        """Write the last `seconds` of the main bus, or as many as there are.

        Raises BadRequest where nothing was played yet or the folder cannot be written, DiskFull.
        """
        return await self._keep(main_tap(self._desk), "kept", seconds)

    async def keep_input(self, seconds: float) -> Recorded:
        """Write the last `seconds` of the inputs, or as many as there are. Raises as :meth:`keep` does, and
        BadRequest without inputs."""
        return await self._keep(input_tap(self._desk), "input", seconds)

    async def punch_in(self) -> Path:
        """Record the inputs from now on, for ten minutes at most."""
        if self._punched is not None and self._punched.result is None:
            raise BadRequest("the input is being recorded already: punch out first.")
        tap = input_tap(self._desk)
        begin = tap.written
        name = f"{datetime.now():%Y-%m-%d %H.%M.%S} input"
        file = await asyncio.to_thread(SoundFile, self._folder, name, self._desk.rate, tap.channels)
        most = int(INPUT_MOST_S * self._desk.rate)
        self._punched = self._run({_MAIN: _Track(tap, file, begin)}, self._punch_ended, most)
        return self._punched.path

    async def punch_out(self) -> Recorded:
        """End that. Raises BadRequest where it was not begun."""
        take, self._punched = self._punched, None
        if take is None:
            raise BadRequest("the input is not being recorded: punch in first.")
        return await asyncio.to_thread(take.stop)

    async def close(self) -> None:
        """End all recordings, and keep them."""
        if self._take is not None:
            await self.stop()
        if self._punched is not None:
            await self.punch_out()

    def _files(self, name: str, pads: Sequence[int]) -> dict[int, SoundFile]:
        rate = self._desk.rate
        made = {_MAIN: SoundFile(self._folder, name, rate, 2)}
        for pad in pads:
            made[pad] = SoundFile(self._folder, f"{made[_MAIN].path.stem} pad {pad + 1}", rate, 2)
        return made

    async def _arm(self, pads: Collection[int]) -> int:
        """Arm the stems; the frame of the main tap at which the first frame of the stems is heard."""
        desk = self._desk
        desk.arm_stems(pads, STEM_S)
        s = desk.memory.s
        apart: list[int] = []
        deadline = time.monotonic() + PATIENCE_S
        blocks = -1
        # within a block the main tap is counted before the stems: the least is the true one
        while len(apart) < 4:
            if s[m.S_STEM_BEGIN] > 0 and s[m.S_BLOCKS] != blocks:
                blocks = int(s[m.S_BLOCKS])
                apart.append(int(s[m.S_MAIN_TAP] - s[m.S_STEM_BEGIN]))
            if time.monotonic() > deadline:
                raise BadRequest("the audio device does not run: record when it does.")
            await asyncio.sleep(0.002)
        return min(apart) + m.DELAY

    def _run(self, tracks: dict[int, _Track], ended: Callable[[_Take], None], most: int = 0) -> _Take:
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(lambda: ended(take))

        take = _Take(tracks, self._desk.rate, tell, most)
        return take

    def _take_ended(self, take: _Take) -> None:
        if self._take is take:
            self._desk.disarm_stems()
        self._punch_ended(take)

    def _punch_ended(self, take: _Take) -> None:
        if take.result is not None:
            self._tell(take.result)

    async def _keep(self, tap: Tap, kind: str, seconds: float) -> Recorded:
        rate = self._desk.rate
        end = tap.written
        begin = max(tap.oldest, end - round(seconds * rate))
        if begin >= end:
            raise BadRequest("nothing was heard yet: let the audio device run first.")
        part = tap.read(begin, end)

        def write() -> Path:
            file = SoundFile(self._folder, f"{datetime.now():%Y-%m-%d %H.%M.%S} {kind}", rate, tap.channels)
            try:
                file.write(part.samples)
            finally:
                path = file.close()
            return path

        path = await asyncio.to_thread(write)
        return Recorded(path, (end - begin) / rate, part.lost / rate)
