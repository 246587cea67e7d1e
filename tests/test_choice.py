"""Of how many seeds a sound is chosen."""

from __future__ import annotations

import msgspec
import pytest

from foleyd import choice
from foleyd.engines import catalog, checkpoint
from foleyd.errors import BadRequest
from foleyd.recipe import make

ABLE = msgspec.structs.replace(checkpoint.read(catalog.STARTER).capabilities, best_of=5)
BELL = make(prompt="a bell")
DEAF = msgspec.structs.replace(ABLE, audio_tower=False)


def test_a_model_chooses_by_itself_where_the_seed_is_open_and_time_is_not_short() -> None:
    assert choice.best_of(None, BELL, ABLE) == 5
    assert choice.best_of(None, make(prompt="a bell", operation="loop"), ABLE) == 5
    assert choice.best_of(None, BELL, ABLE, hurried=True) == 1
    for one in (
        make(prompt="a bell", seed=7),
        make(prompt="a bell", operation="vary", centre=7),
        make(prompt="a bell", seconds=ABLE.seconds[1] + 1),
    ):
        assert choice.best_of(None, one, ABLE) == 1


def test_what_was_asked_for_goes_before_the_models_own_number() -> None:
    assert choice.best_of(1, BELL, ABLE) == 1
    for one in (BELL, make(prompt="a bell", seed=7)):
        assert choice.best_of(8, one, ABLE) == 8
    assert choice.best_of(8, BELL, ABLE, hurried=True) == 8
    # one is no choice, which everything allows
    assert choice.best_of(1, make(prompt="a bell", seed=7), DEAF) == 1


@pytest.mark.parametrize(
    ("fields", "able", "said"),
    [
        (
            {"operation": "vary", "centre": 7},
            ABLE,
            "operation is 'vary': give best_of for loop or text alone",
        ),
        ({}, DEAF, "no audio tower to listen with"),
        ({"seconds": 60}, ABLE, "a choice is made up to 30 s"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(fields: dict[str, object], able: object, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        choice.best_of(3, make(prompt="a bell", **fields), able)  # type: ignore[arg-type]
