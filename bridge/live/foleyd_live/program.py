"""What comes onto the pads from files: presets and banks, the setlist, a log that is played again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from foleyd.errors import BadRequest, Cancelled, FoleydError
from foleyd_live import trigger_log
from foleyd_live.banks import Banks
from foleyd_live.open_show import OpenShow
from foleyd_live.page_host import BankCard, PresetCard
from foleyd_live.presets import Bank, Preset
from foleyd_live.properties import BANK, PADS

if TYPE_CHECKING:
    from foleyd_live.host import Host

EARLY_S = 1.0
"""Seconds before their time at which the presses of a replayed log go to the mixer."""
_log = logging.getLogger("foleyd_live")
Told = Callable[..., object]


class Program:
    """The presets, the show and the setlist of `host`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.banks = Banks()
        self.show = OpenShow(host)
        self._turns: dict[str, int] = {}
        self._cards: tuple[BankCard, ...] = ()
        self._broken: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def title(self) -> str:
        """What the open show is called."""
        return self.show.title

    @property
    def entries(self) -> tuple[str, ...]:
        """The setlist's names."""
        return tuple(one.name for one in self.show.setlist)

    async def open(self) -> None:
        """Open the show and the bank that the settings name, and play a log again where they name one.
        Raises BadRequest for what cannot be read; a clip that is missing leaves its pad empty and is
        told."""
        await self.show.open()
        if self._host.settings.bank:
            self.banks.find(self._host.settings.bank)
            self._begin(self._told(self.load(self._host.settings.bank, 0)))
        if self._host.settings.replay is not None:
            lines = list(await asyncio.to_thread(trigger_log.read, self._host.settings.replay))
            self._begin(self._told(self._replay(lines)))

    async def close(self) -> None:
        """End what was begun, and close the show."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.show.close()

    # presets

    async def load(self, label: str, first: int, told: Told | None = None) -> list[int]:
        """Put a preset, or a bank from pad `first` on, on pads; the pads. Waits for their clips.

        Raises BadRequest before anything is changed where the presets cannot be read or do not fit; after
        that, the first failure of a render when all are over.
        """
        bank, preset = await asyncio.to_thread(self.banks.find, label)
        presets = bank.presets[:BANK] if preset is None else (preset,)
        if first + len(presets) > PADS:
            raise BadRequest(f"{len(presets)} presets do not fit from pad {first + 1} on: choose another.")
        pads = list(range(first, first + len(presets)))
        made = await asyncio.gather(
            *(self._put(pad, bank, one) for pad, one in zip(pads, presets, strict=True)),
            return_exceptions=True,
        )
        self._host.prefetch.poke()
        for result in made:
            if isinstance(result, BaseException) and not isinstance(result, Cancelled):
                raise result
        return pads

    async def step(self, pad: int, by: int) -> str:
        """The preset `by` places after the pad's own in its bank, around the bank's ends; its label."""
        now = str(self._host.get("pad/preset", pad))
        if not now:
            raise BadRequest(f"pad {pad + 1} has no preset to step on from: load one first.")
        bank, preset = await asyncio.to_thread(self.banks.find, now)
        place = bank.presets.index(preset) + by if preset is not None else 0
        found = bank.presets[place % len(bank.presets)]
        await self._put(pad, bank, found)
        self._host.prefetch.poke()
        return _label(bank, found)

    async def _put(self, pad: int, bank: Bank, preset: Preset) -> None:
        label = _label(bank, preset)
        turn = self._turns.get(label, 0)
        self._turns[label] = turn + 1
        for name, value in preset.play.items():
            self._host.set(f"pad/{name}", pad, value)
        fields = preset.fields(turn)
        prompt = str(fields.pop("prompt"))
        await self._host.orders.render(pad, prompt, fields, preset=label)

    def neighbours(self) -> list[Mapping[str, Any]]:
        """Recipes worth making while the daemon is idle: the presets before and after those on pads, what
        the setlist's next entry loads, and the bank after those on pads."""
        found: dict[str, Mapping[str, Any]] = {}
        for bank, preset in self._near():
            label = _label(bank, preset)
            if preset.seeds and label not in found:
                found[label] = preset.fields(self._turns.get(label, 0))
        return list(found.values())

    def _near(self) -> Iterator[tuple[Bank, Preset]]:
        on_pads = [found for label in self._labels() if (found := self._found(label)) is not None]
        for bank, preset in on_pads:
            place = bank.presets.index(preset) if preset is not None else 0
            for by in (1, -1):
                yield bank, bank.presets[(place + by) % len(bank.presets)]
        place = int(self._host.get("host/setlist"))
        later = [label for entry in self.show.setlist[place : place + 1] for label in entry.load]
        names = [bank.name for bank in self.banks.all()]
        used = sorted({bank.name for bank, _ in on_pads} & set(names))
        later += [names[(names.index(name) + 1) % len(names)] for name in used]
        for label in later:
            if (found := self._found(label)) is not None:
                bank, preset = found
                yield from ((bank, one) for one in ((preset,) if preset is not None else bank.presets[:BANK]))

    def _labels(self) -> list[str]:
        """The presets on pads, each once."""
        return [
            label
            for label in dict.fromkeys(str(self._host.get("pad/preset", n)) for n in range(PADS))
            if label
        ]

    def _found(self, label: str) -> tuple[Bank, Preset | None] | None:
        try:
            return self.banks.find(label)
        except FoleydError:
            return None

    def cards(self) -> tuple[BankCard, ...]:
        """The banks as a browser shows them; broken ones are left out, and told once."""
        cards = tuple(
            BankCard(
                name=bank.name,
                title=bank.title,
                about=bank.about,
                presets=tuple(
                    PresetCard(
                        preset=_label(bank, one),
                        name=one.name,
                        category=one.category,
                        tags=one.tags,
                        prompt=one.prompt,
                    )
                    for one in bank.presets
                ),
            )
            for bank in self.banks.all()
        )
        for name, why in self.banks.broken().items():
            if name not in self._broken:
                _log.warning("%s", why)
                self._broken.add(name)
        if cards != self._cards:
            self._cards = cards
        return self._cards

    # setlist

    async def go(self, place: int) -> str:
        """Load an entry of the setlist, counted from 1; its name. Raises BadRequest."""
        if not 1 <= place <= len(self.show.setlist):
            raise BadRequest(f"there is no place {place} in the setlist: it has {len(self.show.setlist)}.")
        entry = self.show.setlist[place - 1]
        self._host.keep("host/setlist", place)
        await self.show.put(entry.pads, entry.values)
        await asyncio.gather(*(self.load(label, pad - 1) for label, pad in entry.load.items()))
        return entry.name

    def want(self, place: int) -> None:
        """Begin to load an entry; 0 is before the first, and loads nothing."""
        if place == 0:
            self._host.keep("host/setlist", 0)
        else:
            self._begin(self._told(self.go(place)))

    # replay

    async def _replay(self, lines: list[tuple[float, trigger_log.Line]]) -> None:
        host = self._host
        begin = host.desk.frame + int(EARLY_S * host.desk.rate)
        for seconds, line in lines:
            frame = begin + round(seconds * host.desk.rate)
            ahead = (frame - host.desk.frame) / host.desk.rate - EARLY_S
            if ahead > 0:
                await asyncio.sleep(ahead)
            try:
                host.begin(line.do, line.args, line.pairs, frame=frame)
            except FoleydError as error:
                _log.warning("replay: %s", error)
        _log.info("the trigger log was played again: %d presses", len(lines))

    def _begin(self, doing: Any) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, doing: Any) -> None:
        """Do something that nobody waits for; what goes wrong is logged."""
        try:
            await doing
        except FoleydError as error:
            _log.warning("%s", error)


def _label(bank: Bank, preset: Preset) -> str:
    return f"{bank.name}/{preset.name}"
