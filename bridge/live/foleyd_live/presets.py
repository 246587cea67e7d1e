"""Presets and banks: partial recipes with how to play them, as JSON files keep them.

A :class:`Bank` that exists is right: every value of it was checked. What this version does not know is kept,
told in :attr:`Bank.notes`, and written again in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec

from foleyd import recipe as recipes
from foleyd import values
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS
from foleyd_live import json_text, properties
from foleyd_live.json_text import JsonText, Place
from foleyd_live.properties import PROPERTIES, Property, Value

FORMAT = 1
"""Version of the file; raised only if an older one could no longer be read as it was meant."""
MOST_PRESETS = 1000
MOST_TAGS = 32
MOST_SEEDS = 64
RANDOM = "random"
"""A seed that is drawn each time."""

BANK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""What banks are called; their files add ``.json``."""
CATEGORY = r"[A-Z]{2,6}[A-Za-z]{0,6}"
"""The form of a CatID of the Universal Category System, such as MUSCPerc or THUN."""

Origin = Literal["user", "shipped", "file"]


class Text(NamedTuple):
    """A text of a bank or a preset: its key, the most characters, what it says, its form where it has one."""

    name: str
    most: int
    about: str
    form: str = ""
    wanted: str = "text"


BANK_TEXTS: tuple[Text, ...] = (
    Text("title", 80, "What people call the bank; its file's name when left out.", ".*", "one line of text"),
    Text("about", 1000, "What is in it."),
    Text("author", 200, "Who made it."),
    Text("licence", 200, "On what terms it may be passed on, best as an SPDX identifier."),
    Text("comment", 2000, "Anything else."),
)
PRESET_TEXTS: tuple[Text, ...] = (
    Text(
        "name", 80, "What people call the preset; no two of a bank alike.", r"[^/\n]*", "a line without a '/'"
    ),
    Text("about", 1000, "What it sounds like, and what it is for."),
    Text(
        "category",
        12,
        "CatID of the Universal Category System.",
        CATEGORY,
        "a CatID of the Universal Category System, such as MUSCPerc",
    ),
    Text("author", 200, "Who made it, where that is not the bank's author."),
    Text("licence", 200, "Its terms, where they are not the bank's."),
    Text("comment", 2000, "Anything else."),
)
PLAY: Mapping[str, Property] = {
    row.name: row for row in PROPERTIES.values() if row.scope == "pad" and not row.read_only
}
"""The properties of a pad that a preset may set."""

_BANK_KEYS = frozenset(("$schema", "format", "presets", *(one.name for one in BANK_TEXTS)))
_PRESET_KEYS = frozenset(("tags", "recipe", "play", *(one.name for one in PRESET_TEXTS)))


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A partial recipe and how to play it.

    `recipe` holds the fields that are given, checked, but for the seed: `seeds` are those that it takes in
    turn, none where one is drawn each time. `play` are properties of a pad by name.
    """

    name: str
    about: str = ""
    category: str = ""
    author: str = ""
    licence: str = ""
    comment: str = ""
    tags: tuple[str, ...] = ()
    recipe: dict[str, Any]
    seeds: tuple[int, ...] = ()
    play: dict[str, Value] = {}

    @property
    def prompt(self) -> str:
        """The words."""
        return str(self.recipe["prompt"])

    def fields(self, turn: int = 0) -> dict[str, Any]:
        """The recipe to ask for when it is loaded for the `turn`-th time, counted from 0."""
        return {**self.recipe, "seed": self.seeds[turn % len(self.seeds)]} if self.seeds else {**self.recipe}

    def fixed(self) -> Iterator[dict[str, Any]]:
        """All recipes that it can ask for; none where its seed is drawn."""
        return (self.fields(turn) for turn in range(len(self.seeds)))


class Bank(msgspec.Struct, frozen=True, kw_only=True):
    """An ordered file of presets.

    `document` is the file as it stands; `stamp` the SHA-256 of the user's file, empty where there is none;
    `notes` name what this version does not know.
    """

    name: str
    title: str
    about: str = ""
    author: str = ""
    licence: str = ""
    comment: str = ""
    presets: tuple[Preset, ...]
    document: dict[str, Any]
    origin: Origin = "file"
    path: str = ""
    stamp: str = ""
    notes: tuple[str, ...] = ()

    def preset(self, name: str) -> Preset:
        """The preset of that name, upper and lower case alike. Raises BadRequest."""
        for one in self.presets:
            if one.name.casefold() == name.casefold():
                return one
        raise BadRequest(
            f"bank {self.name} has no preset {name!r:.60}: 'foleyd presets show {self.name}' lists them."
        )

    def place(self, name: str) -> int:
        """Where in the bank a preset is, from 0. Raises as :meth:`preset` does."""
        return self.presets.index(self.preset(name))


def check_name(name: str) -> str:
    """The name of a bank. Raises BadRequest."""
    if not BANK_NAME.fullmatch(name) or name == "schema":
        raise BadRequest(
            f"{name!r:.60} is no name of a bank: use up to 40 lower-case letters, digits, '-' and '_'."
        )
    return name


def read(
    name: str, data: bytes, *, label: str = "", origin: Origin = "file", path: str = "", stamp: str = ""
) -> Bank:
    """The bank in a file. Raises BadRequest with the file (`label`), the line and the reason."""
    source = JsonText(label or f"{name}.json", data)
    reader = _Reader(source)
    return reader.bank(name, origin, path, stamp)


def make(name: str, document: Mapping[str, Any], like: Bank | None = None) -> Bank:
    """A bank of a document that was put together or changed; origin, path and stamp are those of `like`.
    Raises as :func:`read` does."""
    data = json_text.write(document)
    if like is None:
        return read(name, data)
    return read(name, data, label=like.path, origin=like.origin, path=like.path, stamp=like.stamp)


def put(bank: Bank, preset: Mapping[str, Any]) -> Bank:
    """The bank with a preset more, or with this one in the place of that of its name: what is known is as in
    `preset`, what is not stays. Raises BadRequest."""
    presets = list(bank.document["presets"])
    name = str(preset.get("name", "")).casefold()
    places = [place for place, one in enumerate(bank.presets) if one.name.casefold() == name]
    if not places:
        return make(bank.name, {**bank.document, "presets": [*presets, dict(preset)]}, bank)
    former = presets[places[0]]
    new = dict(preset)
    for key, known in (("recipe", FIELDS.keys()), ("play", PLAY.keys())):
        if kept := _merged(former.get(key, {}), preset.get(key, {}), known):
            new[key] = kept
    presets[places[0]] = _merged(former, new, _PRESET_KEYS)
    return make(bank.name, {**bank.document, "presets": presets}, bank)


def drop(bank: Bank, name: str) -> Bank:
    """The bank without a preset. Raises BadRequest where it has none of that name."""
    place = bank.place(name)
    presets = [one for at, one in enumerate(bank.document["presets"]) if at != place]
    return make(bank.name, {**bank.document, "presets": presets}, bank)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], known: Any) -> dict[str, Any]:
    kept = {key: new.get(key, value) for key, value in old.items() if key in new or key not in known}
    return {**kept, **{key: value for key, value in new.items() if key not in kept}}


class _Reader:
    """Checks a document from top to bottom; the first mistake refuses it."""

    def __init__(self, source: JsonText) -> None:
        self._source = source
        self._notes: list[str] = []

    def bank(self, name: str, origin: Origin, path: str, stamp: str) -> Bank:
        document = self._object((), self._source.value, "a bank")
        version = document.get("format", FORMAT)
        if type(version) is not int or version != FORMAT:
            raise self._no(("format",), f"format is {version!r:.20}: this foleyd reads {FORMAT} only.")
        texts = {one.name: self._text((), document, one) for one in BANK_TEXTS}
        texts["title"] = texts["title"] or name
        rows = self._list((), document, "presets", MOST_PRESETS, required=True)
        self._note((), document, _BANK_KEYS)
        presets = tuple(self._preset(("presets", at), row) for at, row in enumerate(rows))
        self._unlike(presets)
        return Bank(
            name=name,
            presets=presets,
            document=document,
            origin=origin,
            path=path,
            stamp=stamp,
            notes=tuple(self._notes),
            **texts,
        )

    def _preset(self, at: Place, value: object) -> Preset:
        row = self._object(at, value, "a preset")
        texts = {one.name: self._text(at, row, one) for one in PRESET_TEXTS}
        if not texts["name"]:
            raise self._no((*at, "name"), "the preset has no name: give it one.")
        fields, seeds = self._recipe(at, row)
        tags = self._list(at, row, "tags", MOST_TAGS)
        self._note(at, row, _PRESET_KEYS)
        return Preset(
            tags=tuple(self._tag((*at, "tags", place), tag) for place, tag in enumerate(tags)),
            recipe=fields,
            seeds=seeds,
            play=self._play(at, row),
            **texts,
        )

    def _recipe(self, preset: Place, row: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        at = (*preset, "recipe")
        if "recipe" not in row:
            raise self._no(at, "the preset has no recipe: give it one with a prompt.")
        given = self._object(at, row["recipe"], "a recipe")
        self._note(at, given, FIELDS.keys())
        if "prompt" not in given:
            raise self._no(at, "the recipe has no prompt: say in words what to hear.")
        fields = {
            name: self._checked((*at, name), values.check, FIELDS[name], value)
            for name, value in given.items()
            if name in FIELDS and name != "seed"
        }
        self._checked(at, partial(recipes.make, **fields))
        return fields, self._seeds((*at, "seed"), given.get("seed", RANDOM))

    def _seeds(self, at: Place, value: object) -> tuple[int, ...]:
        if value is None or value == RANDOM:
            return ()
        if isinstance(value, str):
            raise self._no(at, f"seed is {value!r:.40}: give a number, a list of numbers, or '{RANDOM}'.")
        if not isinstance(value, list):
            return (self._seed(at, value),)
        if not 1 <= len(value) <= MOST_SEEDS:
            raise self._no(at, f"seed lists {len(value)} numbers: give 1 to {MOST_SEEDS}.")
        return tuple(self._seed((*at, place), one) for place, one in enumerate(value))

    def _seed(self, at: Place, value: object) -> int:
        if value is None:
            raise self._no(at, f"seed is null: give a number, or '{RANDOM}' in place of the list.")
        return int(self._checked(at, values.check, FIELDS["seed"], value))

    def _play(self, preset: Place, row: Mapping[str, Any]) -> dict[str, Value]:
        at = (*preset, "play")
        given = self._object(at, row.get("play", {}), "play")
        known = {row.name for row in PROPERTIES.values() if row.scope == "pad"}
        self._note(at, given, known)
        return {
            name: self._checked((*at, name), properties.check, PROPERTIES[f"pad/{name}"], value)
            for name, value in given.items()
            if name in known
        }

    def _unlike(self, presets: tuple[Preset, ...]) -> None:
        seen: set[str] = set()
        for place, one in enumerate(presets):
            if one.name.casefold() in seen:
                raise self._no(
                    ("presets", place, "name"), f"there are two presets {one.name!r}: rename one of them."
                )
            seen.add(one.name.casefold())

    def _text(self, at: Place, row: Mapping[str, Any], one: Text) -> str:
        value, place = row.get(one.name, ""), (*at, one.name)
        if not isinstance(value, str):
            raise self._no(place, f"{one.name} is {value!r:.40}: give {one.wanted}.")
        if len(value) > one.most:
            raise self._no(place, f"{one.name} has {len(value)} characters: give at most {one.most}.")
        if not value.replace("\n", "").isprintable() or value != value.strip():
            raise self._no(
                place, f"{one.name} has control characters or spaces around it: give it without them."
            )
        if value and one.form and not re.fullmatch(one.form, value):
            raise self._no(place, f"{one.name} is {value!r:.40}: give {one.wanted}.")
        return value

    def _tag(self, at: Place, value: object) -> str:
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= 40 or "," in value:
            raise self._no(at, f"a tag is {value!r:.50}: give 1 to 40 characters without commas.")
        return value.strip()

    def _list(
        self, at: Place, row: Mapping[str, Any], name: str, most: int, *, required: bool = False
    ) -> list[Any]:
        if required and name not in row:
            raise self._no(at, f"{name} are missing: give a list of them.")
        value = row.get(name, [])
        if not isinstance(value, list):
            raise self._no((*at, name), f"{name} are {value!r:.40}: give a list.")
        if len(value) > most:
            raise self._no((*at, name), f"there are {len(value)} {name}: at most {most} are allowed.")
        return value

    def _object(self, at: Place, value: object, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._no(at, f"{what} is {value!r:.40}: give an object in braces.")
        return value

    def _checked(self, at: Place, check: Callable[..., Any], *values: Any) -> Any:
        try:
            return check(*values)
        except BadRequest as error:
            raise self._no(at, str(error)) from None

    def _note(self, at: Place, row: Mapping[str, Any], known: Any) -> None:
        self._notes += [
            f"line {self._source.line((*at, key))}: {key!r:.60} is not known here and is kept as it is."
            for key in row
            if key not in known
        ]

    def _no(self, at: Place, reason: str) -> BadRequest:
        return self._source.refusal(at, reason)
