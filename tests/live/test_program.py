"""What is worth making ahead: the banks that ship, seen from a host whose pads are a table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from foleyd_live import show as shows
from foleyd_live.program import Program
from foleyd_live.settings import Settings


def program(pads: dict[int, str], setlist: tuple[shows.Entry, ...] = (), place: int = 0) -> Program:
    def get(address: str, pad: int | None = None) -> Any:
        return place if address == "host/setlist" else pads.get(pad or 0, "")

    made = Program(SimpleNamespace(settings=Settings(), get=get))  # type: ignore[arg-type]
    made.show._show = shows.Show(setlist=setlist)
    return made


def prompts(made: Program) -> list[Any]:
    return [fields["prompt"] for fields in made.neighbours()]


def bank(made: Program, name: str) -> list[str]:
    return [preset.prompt for preset in made.banks.get(name).presets]


def test_nothing_on_the_pads_wants_nothing(own_home: object) -> None:
    assert prompts(program({})) == []


def test_the_presets_beside_those_on_pads_come_first_and_the_next_bank_after(own_home: object) -> None:
    drums = program({3: "drums/Snare"})
    names = [preset.name for preset in drums.banks.get("drums").presets]
    place = names.index("Snare")
    found = prompts(drums)
    all_drums = bank(drums, "drums")
    assert found[:2] == [all_drums[place + 1], all_drums[place - 1]]
    assert found[2:] == bank(drums, "game")


def test_the_last_bank_is_followed_by_the_first(own_home: object) -> None:
    made = program({0: "weather/Light rain"})
    assert prompts(made)[2:] == bank(made, "ambience")


def test_the_setlist_s_next_entry_is_made_before_the_next_bank(own_home: object) -> None:
    entries = (shows.Entry(name="One"), shows.Entry(name="Two", load={"weather/Thunder clap": 5}))
    made = program({3: "drums/Snare"}, entries, 1)
    assert prompts(made)[2] == made.banks.get("weather").preset("Thunder clap").prompt
    assert prompts(made)[3:] == bank(made, "game")


def test_a_preset_that_is_gone_wants_nothing(own_home: object) -> None:
    assert prompts(program({0: "drums/No such thing", 1: "nobody/Knows"})) == []
