"""Sessions: what is checked before a render, and what is never rendered twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from faulty_worker import command, tone
from foleyd import recipe
from foleyd.bench import random_model as tiny
from foleyd.daemon import workers
from foleyd.daemon.job import Loading, Session, Stepped
from foleyd.daemon.takes import Takes
from foleyd.errors import BadRequest, Cancelled, ModelMissing, NotSellable, WorkerDied

Open = Callable[..., Session]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of a model that may not be sold, with limits of its own."""
    card = {"seconds": [0.5, 8.0], "auto_seconds": 2.0, "steps": 4, "scheduler": "ddim", "title": "Tiny"}
    return str(tiny.build(tmp_path_factory.mktemp("models") / "tiny", card=card))


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Open]:
    """Opens sessions whose worker has the fault of that name."""
    opened: list[Session] = []

    def start(fault: str = "none", **options: object) -> Session:
        monkeypatch.setattr(workers, "COMMAND", command(fault))
        opened.append(Session(**{"takes": Takes(tmp_path / "takes"), **options}))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_a_request_has_nothing_open_and_no_path_in_it(session: Open, model: str) -> None:
    request = session().prepare(recipe.make(prompt="a bell"), model)
    assert recipe.is_resolved(request.recipe)
    assert (request.recipe.model, request.recipe.steps, request.recipe.scheduler) == (
        "folder:tiny",
        4,
        "ddim",
    )
    assert request.recipe.revision == request.model.revision != ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seconds": 9, "operation": "loop"}, "Tiny makes 0.5 to 8 s"),
        ({"seconds": 0.4}, "Tiny makes 0.5 to 600 s"),
        ({"scheduler": "lcm"}, "takes ddim"),
    ],
)
def test_what_the_model_cannot_do_is_refused_before_a_worker_starts(
    session: Open, model: str, values: dict[str, object], said: str
) -> None:
    one = session()
    with pytest.raises(BadRequest, match=said):
        one.prepare(recipe.make(prompt="a bell", **values), model)
    assert one.worker_pid is None


def test_sellable_refuses_the_others(session: Open, model: str) -> None:
    with pytest.raises(NotSellable, match="CC-BY-NC-SA"):
        session(sellable=True).prepare(recipe.make(prompt="a bell"), model)


def test_a_recipe_of_another_revision_is_not_rendered_with_this_one(session: Open, model: str) -> None:
    one = session()
    other = recipe.make(prompt="a bell", model="starter", revision="0" * 16)
    with pytest.raises(ModelMissing, match="revision"):
        one.prepare(other)
    assert one.prepare(other, model).recipe.revision != "0" * 16


def test_a_recipe_cannot_name_a_place_on_this_machine(session: Open, model: str) -> None:
    one = session()
    with pytest.raises(BadRequest, match="is no model"):
        one.prepare(recipe.make(prompt="a bell", model=model))
    assert one.prepare(recipe.make(prompt="a bell"), model).model.source == "folder"


def test_a_sound_is_rendered_once(session: Open, model: str) -> None:
    events: list[object] = []
    one = session(listen=events.append)
    request = one.prepare(recipe.make(prompt="a bell", seed=7), model)
    made = one.sound(request)
    assert not made.kept
    np.testing.assert_array_equal(made.take.samples, tone(7, 3.0))
    assert events == [Loading("Tiny"), *(Stepped(step, 4) for step in range(1, 5))]
    events.clear()
    other_finish = one.prepare(recipe.make(prompt="a bell", seed=7, rate=8_000), model)
    again = session("dies").sound(other_finish)
    assert again.kept
    assert again.take.identity == made.take.identity
    assert events == []


def test_a_pinned_precision_renders_again(session: Open, model: str) -> None:
    one = session()
    request = one.prepare(recipe.make(prompt="a bell", seed=7), model)
    one.sound(request)
    assert session(precision="float32").sound(request).kept
    assert not session(precision="bfloat16").sound(request).kept


def test_without_takes_everything_is_rendered(session: Open, model: str) -> None:
    one = session(takes=None)
    request = one.prepare(recipe.make(prompt="a bell", seed=7), model)
    assert not one.sound(request).kept
    assert not one.sound(request).kept


def test_after_a_death_the_next_sound_gets_a_new_worker(session: Open, model: str) -> None:
    one = session("raises_once", takes=None)
    request = one.prepare(recipe.make(prompt="a bell", seed=7), model)
    with pytest.raises(Exception, match="boom"):
        one.sound(request)
    first = one.worker_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        one.sound(request)
    with pytest.raises(Exception, match="boom"):
        one.sound(request)
    assert one.worker_pid not in (None, first)


def test_an_interrupt_before_a_sound_stops_it_before_a_worker_starts(session: Open, model: str) -> None:
    one = session()
    request = one.prepare(recipe.make(prompt="a bell", seed=7), model)
    one.interrupt()
    with pytest.raises(Cancelled):
        one.sound(request)
    assert one.worker_pid is None
