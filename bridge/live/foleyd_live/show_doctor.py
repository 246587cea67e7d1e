"""``foleyd doctor --show``: can the show go on, here and now? One line a check.

foleyd's own doctor prints these checks after its own, which cover the machine, the model and a render.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from foleyd.client import Client
from foleyd.doctor import Check
from foleyd.errors import FoleydError
from foleyd.paths import home
from foleyd_live import show as shows
from foleyd_live.banks import Banks
from foleyd_live.decoding import Decoder
from foleyd_live.desk import Desk
from foleyd_live.history import ClipSource
from foleyd_live.settings import Settings
from foleyd_live.show import Show
from foleyd_live.show_clips import MOST_NAMED, fault
from foleyd_live.stream import Stream

DEADLINE_S = 10.0
"""How long the device may take to ask for its first samples."""
LOOK_S = 0.02
USUAL_RATE = 48_000
"""Hz, where the show does not say."""
ROOM_WISHED = 2_000_000_000
"""Bytes: an hour and a half of recording in 24 bit at 48 kHz, and some stems."""


def examine(path: Path) -> Iterator[Check]:
    """The checks of the show at `path`, one after the other."""
    try:
        show = shows.read(path)
    except FoleydError as error:
        yield Check("show", "failed", str(error))
        return
    pads = sum(pad.clip is not None for pad in show.pads.values())
    yield Check(
        "show", "ok", f"{show.title or path.stem}: {pads} pads with clips, {len(show.setlist)} in the setlist"
    )
    yield check_clips(path, show)
    yield check_presets(show)
    yield check_device(show)
    yield check_daemon()
    yield check_room(path)


def check_clips(path: Path, show: Show) -> Check:
    """Whether every clip is there, is what was collected, and can be decoded as the host will."""
    sources: dict[str, tuple[str, ClipSource]] = {}
    for where, source in show.clips():
        sources.setdefault(source.path or source.clip_id, (where, source))
    wrong = asyncio.run(_wrong_clips(path, show, sources.values()))
    if wrong:
        named = "; ".join(wrong[:MOST_NAMED])
        more = f"; and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        return Check("clips", "failed", f"{len(wrong)} of {len(sources)}: {named}{more}")
    outside = sum(
        not Path(source.path).is_relative_to(path.absolute().parent) for _, source in sources.values()
    )
    said = f"{len(sources)} are there and can be played"
    if outside:
        return Check(
            "clips",
            "warning",
            f"{said}; {outside} lie outside the show's folder: 'foleyd live --show {path.name} --collect' "
            "copies them beside it",
        )
    return Check("clips", "ok", said)


async def _wrong_clips(path: Path, show: Show, sources: Iterable[tuple[str, ClipSource]]) -> list[str]:
    decoder, rate = Decoder(), show.setup.rate or USUAL_RATE
    wrong: list[str] = []
    try:
        for where, source in sources:
            name = Path(source.path).name or source.label
            if why := fault(path, show, source):
                again = "; the host makes it again beside a daemon" if source.recipe else ""
                wrong.append(f"{where}: {name} {why}{again}")
                continue
            try:
                await decoder.decode(source.path, rate)
            except FoleydError as error:
                wrong.append(f"{where}: {error}")
    finally:
        await decoder.close()
    return wrong


def check_presets(show: Show, banks: Banks | None = None) -> Check:
    """Whether the banks and presets that the show names are there."""
    banks, wrong = banks or Banks(), []
    labels = show.labels()
    for label in labels:
        try:
            banks.find(label)
        except FoleydError as error:
            wrong.append(f"{label}: {error}")
    needed = {label for entry in show.setlist for label in entry.load}
    if not labels:
        return Check("presets", "skipped", "the show names none")
    if wrong:
        # what pads already play sounds without its preset too
        fatal = any(line.partition(":")[0] in needed for line in wrong)
        return Check("presets", "failed" if fatal else "warning", "; ".join(wrong[:MOST_NAMED]))
    return Check("presets", "ok", f"{len(labels)} are there")


def check_device(show: Show) -> Check:
    """Whether the show's device opens at its rate and block, and asks for samples."""
    setup = show.setup
    settings = Settings(
        device=setup.device,
        host_api=setup.host_api,
        rate=setup.rate,
        block=setup.block,
        outputs=setup.outputs,
        inputs=setup.inputs,
        mixer="numpy",
    )
    try:
        return asyncio.run(_played(settings))
    except FoleydError as error:
        return Check("audio device", "failed", str(error))


async def _played(settings: Settings) -> Check:
    desk = Desk(settings.rate or USUAL_RATE, max(2, settings.outputs), mixer=settings.mixer)

    async def unheard() -> None:
        """Nothing is loaded."""

    stream = Stream(desk, settings, unheard)
    stream.open()
    try:
        async with asyncio.timeout(DEADLINE_S):
            while desk.frame == 0:
                await asyncio.sleep(LOOK_S)
        state = stream.state
    except TimeoutError:
        return Check("audio device", "failed", "it opened and asked for nothing: see its own settings")
    finally:
        await stream.close()
    said = (
        f"{state.device} ({state.host_api}), {state.rate} Hz, blocks of {state.block}, "
        f"{state.outputs} outputs"
    )
    wrong = [
        f"{name} is {found}, not {wanted}"
        for name, found, wanted in (
            ("the rate", state.rate, settings.rate),
            ("the block", state.block, settings.block),
            ("the number of outputs", state.outputs, settings.outputs),
        )
        if wanted and found != wanted
    ]
    if wrong:
        return Check("audio device", "warning", f"{said}: {', '.join(wrong)} as when the show was saved")
    return Check("audio device", "ok", said)


def check_daemon() -> Check:
    """Whether a daemon answers; without one pads play, and nothing new is made."""
    try:
        client = Client.connect_running(name="doctor")
        if client is None:
            return Check(
                "daemon", "warning", "none runs: start 'foleyd serve' if the show is to make new sounds"
            )
        with client:
            worker = client.status().worker
    except FoleydError as error:
        return Check("daemon", "warning", str(error))
    return Check("daemon", "ok", f"it answers; its worker is {worker.phase}")


def check_room(path: Path) -> Check:
    """Whether there is room to record the show, and the folder of the show may be written."""
    place = home("recordings")
    standing = next(parent for parent in (place, *place.parents) if parent.exists())
    free = shutil.disk_usage(standing).free
    said = f"{free / 1e9:.1f} GB free for recordings in {place}"
    return Check("recordings", "ok" if free >= ROOM_WISHED else "warning", said)
