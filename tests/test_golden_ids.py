"""Ids and canonical documents, written down: they must hold for ever, under every Python.

A failure here means that every library out there would lose its clips. Do not touch the expected values; a
field added later belongs in the table as ``optional``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd.fields import FIELDS, OPERATIONS, OWN_FIELDS, Field
from foleyd.recipe import (
    Recipe,
    clip_id,
    finishing,
    from_json,
    generating,
    make,
    recipe_id,
    sound_id,
    take_id,
    to_json,
)

HOW: dict[str, str] = {"runtime": "torch", "precision": "float32", "bucket": "t64"}


class Golden(msgspec.Struct):
    values: dict[str, object]
    document: str
    recipe: str
    sound: str = ""
    take: str = ""
    clip: str = ""


GOLDEN = [
    Golden(
        {"prompt": "a deep kick drum"},
        '{"ceiling":-1,"fade_in":0.5,"fade_out":10,"format":1,"level":"peak","loudness":-16,"model":"starter",'
        '"negative":"","operation":"text","prompt":"a deep kick drum","rate":48000,"seconds":"auto",'
        '"trim":true,"width":"mono"}',
        "recipe-bhzyq6dbhzgofp4fc5tzrqse",
    ),
    Golden(
        {
            "prompt": "a deep kick drum",
            "seed": 7.0,
            "steps": 20,
            "guidance": 2.5,
            "scheduler": "dpmpp-2m",
            "revision": "0123abcd",
        },
        '{"ceiling":-1,"fade_in":0.5,"fade_out":10,"format":1,"guidance":2.5,"level":"peak","loudness":-16,'
        '"model":"starter","negative":"","operation":"text","prompt":"a deep kick drum","rate":48000,'
        '"revision":"0123abcd","scheduler":"dpmpp-2m","seconds":"auto","seed":7,"steps":20,"trim":true,'
        '"width":"mono"}',
        "recipe-rurals2v7zoxi5e526dxkuik",
        "sound-5iu6hx6wokaczyqbtkxs7lnj",
        "take-7icoxa47o73kvi3mwndr6b7i",
        "clip-fyxrh4laakkuajpaywh5qo7n",
    ),
    Golden(
        {
            "prompt": "wind over a “metal” roof\n– 雨 🎹 e\u0301",
            "negative": 'voices \\ "music"',
            "seconds": 2.757,
            "seed": 2**31 - 1,
            "steps": 200,
            "guidance": 20,
            "scheduler": "euler-a",
            "model": "cvssp/audioldm-s-full-v2",
            "revision": "f" * 40,
            "trim": False,
            "fade_in": 0,
            "fade_out": 10_000,
            "level": "lufs",
            "ceiling": -0.30000001192092896,
            "loudness": -23,
            "rate": 44_100,
            "width": "stereo",
        },
        '{"ceiling":-0.3,"fade_in":0,"fade_out":10000,"format":1,"guidance":20,"level":"lufs","loudness":-23,'
        '"model":"cvssp/audioldm-s-full-v2","negative":"voices \\\\ \\"music\\"","operation":"text",'
        '"prompt":"wind over a “metal” roof – 雨 🎹 é","rate":44100,'
        '"revision":"ffffffffffffffffffffffffffffffffffffffff","scheduler":"euler-a","seconds":2.757,'
        '"seed":2147483647,"steps":200,"trim":false,"width":"stereo"}',
        "recipe-mvtctrx6v5mhaqde4w2pmtpn",
        "sound-t5a7o5cqi7rrzzkw5wljuf4m",
        "take-ac4wrkatq4em2vtiexeqxphm",
        "clip-7mzgpfcvpbrj5jvap3o6oust",
    ),
    Golden(
        {
            "prompt": "x",
            "seconds": 0.3,
            "seed": 0,
            "steps": 1,
            "guidance": 1,
            "scheduler": "ddim",
            "fade_in": 0.1,
            "fade_out": 0.1,
            "level": "none",
            "ceiling": 0,
            "rate": 8_000,
            "width": "dual",
        },
        '{"ceiling":0,"fade_in":0.1,"fade_out":0.1,"format":1,"guidance":1,"level":"none","loudness":-16,'
        '"model":"starter","negative":"","operation":"text","prompt":"x","rate":8000,"scheduler":"ddim",'
        '"seconds":0.3,"seed":0,"steps":1,"trim":true,"width":"dual"}',
        "recipe-2oy6wehj47qh6i3k45qc4bzm",
        "sound-wzwmnj4rna3ct2lbic4dmry5",
        "take-2iwvgkw3kvxsbhira3minvkr",
        "clip-6kirjjntxunu7e5onskpkbfp",
    ),
]


def independent_id(kind: str, values: object) -> str:
    """The rule in the module's own words, computed without it."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(f"foleyd {kind} 1\n{canonical}".encode()).digest()
    return f"{kind}-" + base64.b32encode(digest[:15]).decode().lower()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.recipe)
def test_documents_and_ids_hold(golden: Golden) -> None:
    recipe = make(**golden.values)
    assert to_json(recipe) == golden.document
    assert from_json(golden.document) == recipe
    assert recipe_id(recipe) == golden.recipe
    if golden.sound:
        assert sound_id(recipe) == golden.sound
        assert take_id(recipe, **HOW) == golden.take
        assert clip_id(golden.take, recipe) == golden.clip


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.recipe)
def test_ids_follow_from_the_document_alone(golden: Golden) -> None:
    values = json.loads(golden.document)
    assert values.pop("format") == 1
    finish = {name: values[name] for name in values if FIELDS[name].part == "finishing"}
    generate = {name: values[name] for name in values if FIELDS[name].part == "generating"}
    assert independent_id("recipe", values) == golden.recipe
    if golden.sound:
        assert independent_id("sound", generate) == golden.sound
        assert independent_id("take", {"sound": generate, **HOW}) == golden.take
        assert independent_id("clip", {"take": golden.take, "finishing": finish}) == golden.clip


def test_ids_fit_where_they_go() -> None:
    for golden in GOLDEN:
        for name in (golden.recipe, golden.sound, golden.take, golden.clip):
            assert len(name) <= 32
            assert name == name.lower()
            assert name.isascii()


# which field moves which id

FILLED: dict[str, object] = {
    "prompt": "a bell",
    "seed": 7,
    "steps": 20,
    "guidance": 2.5,
    "scheduler": "dpmpp-2m",
    "revision": "0123abcd",
}
ANOTHER: dict[str, object] = {
    "operation": "morph",
    "prompt": "a gong",
    "negative": "voices",
    "seconds": 1.5,
    "bars": 2,
    "bpm": 121,
    "beats": 3,
    "seed": 8,
    "steps": 21,
    "guidance": 2.51,
    "guidance_from": 0.21,
    "guidance_to": 0.79,
    "guidance_rescale": 0.71,
    "scheduler": "ddim",
    "vocoder": "fast",
    "model": "other",
    "revision": "0123abce",
    "adapter": "another",
    "adapter_weight": 0.81,
    "adapter_revision": "0123abcf",
    "sources": [{"role": "from", "sha256": "1" * 64}],
    "strength": 0.25,
    "centre": 9,
    "distance": 0.5,
    "redo_from": 0.1,
    "redo_to": 12,
    "redo_low": 300,
    "redo_high": 5000,
    "before": 0.75,
    "after": 1.25,
    "towards": "a bell",
    "towards_seed": 9,
    "mix": 0.25,
    "likeness": 0.75,
    "cutoff": 4000,
    "attack": "a click",
    "tail": "a long ring",
    "attack_until": 0.05,
    "tail_from": 0.75,
    "trim": False,
    "fade_in": 0.6,
    "fade_out": 10.1,
    "level": "lufs",
    "ceiling": -1.01,
    "loudness": -16.01,
    "rate": 44_100,
    "width": "dual",
    "highs": "extended",
}


def test_every_field_is_tried_below() -> None:
    assert set(ANOTHER) == set(FIELDS)


@pytest.mark.parametrize("name", [name for name in ANOTHER if name not in ("operation", "sources")])
def test_a_field_moves_the_ids_of_its_part_only(name: str) -> None:
    base = {**FILLED, **_home(name)}
    before, after = make(**base), make(**{**base, name: ANOTHER[name]})
    assert recipe_id(before) != recipe_id(after)
    generates = FIELDS[name].part == "generating"
    assert (sound_id(before) != sound_id(after)) == generates
    assert (take_id(before, **HOW) != take_id(after, **HOW)) == generates
    take = take_id(before, **HOW)
    assert (clip_id(take, before) != clip_id(take, after)) == (not generates)


BESIDE: dict[str, dict[str, object]] = {
    "inpaint": {"redo_from": 8, "redo_to": 9},
    "extend": {"seconds": 5, "after": 1},
    "layers": {"attack": "a knock", "tail": "a hum"},
}
"""What an operation cannot do without beside what its table of fields says."""


def _home(name: str) -> dict[str, object]:
    """What the field needs beside it: for a field of some operations alone, one that has it."""
    if name in ("bars", "bpm", "beats"):
        return {"seconds": "auto", "bars": 1, "bpm": 120}
    if name.startswith("adapter"):
        return {"adapter": "one", "adapter_revision": "0123abcd"}
    for operation, own in OWN_FIELDS.items():
        if name in own:
            sources = [{"role": role, "sha256": "1" * 64} for role in OPERATIONS[operation]]
            needed: dict[str, object] = {
                field: "rain" if FIELDS[field].kind == "text" else 8 + k
                for k, (field, value) in enumerate(own.items())
                if value is None
            }
            return {"operation": operation, "sources": sources, **needed, **BESIDE.get(operation, {})}
    return {}


def test_operation_and_sources_move_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    row = FIELDS["operation"]
    monkeypatch.setitem(OPERATIONS, "shuffle", ("from",))
    monkeypatch.setitem(FIELDS, "operation", msgspec.structs.replace(row, choices=(*row.choices, "shuffle")))
    ids = {
        sound_id(make(**FILLED)),
        *(
            sound_id(make(**FILLED, operation="shuffle", sources=[{"role": "from", "sha256": digit * 64}]))
            for digit in "12"
        ),
    }
    assert len(ids) == 3


def test_how_the_model_was_run_moves_the_take() -> None:
    recipe = make(**FILLED)
    takes = {take_id(recipe, **{**HOW, name: "other"}) for name in HOW} | {take_id(recipe, **HOW)}
    assert len(takes) == 4
    # a value cannot slide from one field into its neighbour
    assert take_id(recipe, runtime="ab", precision="c", bucket="d") != take_id(
        recipe, runtime="a", precision="bc", bucket="d"
    )


def test_ids_of_an_open_recipe_are_not_given() -> None:
    for name in ("seed", "steps", "guidance", "scheduler"):
        unfilled = make(**{**FILLED, name: None})
        with pytest.raises(ValueError, match="resolve it first"):
            sound_id(unfilled)
        with pytest.raises(ValueError, match="resolve it first"):
            take_id(unfilled, **HOW)
    with pytest.raises(ValueError, match="not the id of a take"):
        clip_id(sound_id(make(**FILLED)), make(**FILLED))


# fields that do not exist yet


class Later(Recipe, frozen=True, kw_only=True):
    """A recipe as a later foleyd may know it: verses in a key, more prompts, a finishing step."""

    verses: int = 0
    key: float = 0.0
    also: tuple[tuple[str, float], ...] = ()
    reverse: bool = False


LATER: Mapping[str, Field] = {
    **FIELDS,
    "verses": Field(
        name="verses", part="generating", kind="integer", help="Verses.", default=0, optional=True
    ),
    "key": Field(name="key", part="generating", kind="number", help="Key.", default=0.0, optional=True),
    "also": Field(name="also", part="generating", kind="sources", help="More.", default=(), optional=True),
    "reverse": Field(
        name="reverse", part="finishing", kind="switch", help="Backwards.", default=False, optional=True
    ),
}


@given(
    changed=st.fixed_dictionaries(
        {},
        optional={
            "verses": st.integers(1, 8),
            "key": st.sampled_from([87.5, 174.0]),
            "also": st.just((("rain", 0.5),)),
            "reverse": st.just(True),
        },
    )
)
def test_fields_to_come_leave_old_hashes_alone(changed: dict[str, Any]) -> None:
    values: dict[str, Any] = dict(FILLED)
    old, new = Recipe(**values), Later(**values, **changed)
    part_changed = {LATER[name].part for name in changed}
    assert (generating(new, LATER) == generating(old)) == ("generating" not in part_changed)
    assert (finishing(new, LATER) == finishing(old)) == ("finishing" not in part_changed)
    for name in changed:
        assert name in {**generating(new, LATER), **finishing(new, LATER)}


def test_the_first_fields_are_always_written() -> None:
    # so that a default may change for new recipes without changing what an old document means
    always = {name for name, field in FIELDS.items() if not field.optional}
    first = json.loads(GOLDEN[0].document)
    assert always == set(first) - {"format"}
