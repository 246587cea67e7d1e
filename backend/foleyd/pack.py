"""A pack: for each prompt some sounds that differ, as loud as each other, named, numbered and listed.

Seeds are tried in order until there are enough sounds that differ, so the same pack comes out again; the
names of what is in it stay. A sound's recipe says the true peak that makes it as loud as the others: any of
them can be made again by itself.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from foleyd import __version__, recipe, sampler_map, variants
from foleyd.audio.atomic import replacing
from foleyd.daemon import clips
from foleyd.daemon.job import Session, Sound
from foleyd.destination import Format, slug
from foleyd.errors import BadRequest, RenderFailed
from foleyd.output import Output
from foleyd.recipe import Recipe
from foleyd.talk import Interrupts, Talk

MANIFEST = "pack.json"
FORMAT = 1
TRIES = 4
"""Seeds that are tried for each sound wanted."""
_CATEGORY = re.compile("[A-Z]{2,4}[A-Za-z]{2,8}")
"""A UCS category's id (Universal Category System 8): its category in capitals, its subcategory after it."""


class Naming(msgspec.Struct, frozen=True):
    """How a pack's files are called: by the Universal Category System (`CatID_Name_Creator_Pack`) where there
    is a `category`, else by prompt and number."""

    pack: str
    category: str = ""
    creator: str = "foleyd"

    def __post_init__(self) -> None:
        if self.category and not _CATEGORY.fullmatch(self.category):
            raise BadRequest(
                f"category is '{self.category:.40}': give the id of a UCS category, as LASRMisc or RAINMetl."
            )
        for name, text in (("name", self.pack), ("creator", self.creator)):
            if not re.fullmatch(r"[\w -]{1,40}", text) or "_" in text:
                raise BadRequest(f"{name} is '{text:.40}': give 1 to 40 letters, digits, spaces or dashes.")

    def stem(self, name: str, number: int) -> str:
        """The name of a file without its ending; `name` says what it is, the prompt or another."""
        words = slug(name)
        if not self.category:
            return f"{words}-{number:02}"
        title = words.replace("-", " ").title()
        return f"{self.category}_{title} {number:02}_{self.creator}_{self.pack}"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A sound in the manifest."""

    file: str
    prompt: str
    seed: int
    seconds: float
    true_peak_dbtp: float | None
    recipe: Recipe
    clip_id: str
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `pack.json` says."""

    format: int = FORMAT
    name: str
    software: str
    model: str
    revision: str
    licence: str
    sellable: bool
    sounds: tuple[Listed, ...]
    maps: tuple[str, ...]


def make(
    session: Session,
    talk: Talk,
    bases: Sequence[Recipe],
    count: int,
    *,
    model: str,
    folder: Path,
    naming: Naming,
    kind: Format,
    maps: Sequence[str],
    output: Output,
) -> Manifest:
    """Make a pack of `count` sounds for each recipe in `bases` and write it into `folder`.

    Raises what rendering and writing raise, and RenderFailed where a prompt gives too few sounds that differ.
    """
    if maps and len(bases) > sampler_map.KEYS:
        raise BadRequest(f"a map has {sampler_map.KEYS} keys: give fewer prompts.")
    mine = _of_before(folder)
    planned = [
        [folder / f"{naming.stem(base.prompt, number)}{kind.suffix}" for number in range(1, count + 1)]
        for base in bases
    ]
    _check_free([path for paths in planned for path in paths], mine)
    with Interrupts(session.interrupt, session.kill):
        # everything is there before the first file is written: half a pack is none
        sounds = [levelled(choose(session, talk, base, count, model), session) for base in bases]
        listed = []
        for sound, path in zip(itertools.chain(*sounds), itertools.chain(*planned), strict=True):
            listed.append(_listed(clips.write(sound, path, kind.subtype, session.sources), path))
            output.line(str(path))
    keys = [
        sampler_map.Key(base.prompt, tuple(path.name for path in paths))
        for base, paths in zip(bases, planned, strict=True)
    ]
    by = sounds[0][0].request.model
    manifest = Manifest(
        name=naming.pack,
        software=f"foleyd {__version__}",
        model=by.id,
        revision=by.revision,
        licence=by.licence,
        sellable=by.sellable,
        sounds=tuple(listed),
        maps=tuple(_write_maps(folder, naming.pack, keys, maps)),
    )
    with replacing(folder / MANIFEST) as beside:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def choose(session: Session, talk: Talk, base: Recipe, count: int, model: str) -> list[Sound]:
    """`count` sounds of a prompt that differ, by the first seeds that give them."""
    chosen: list[Sound] = []
    profiles: list[variants.Profile] = []
    first = base.seed or 0
    for seed in range(first, min(first + TRIES * count, recipe.SEED_LIMIT)):
        talk.begin(base.prompt)
        try:
            sound = session.sound(session.prepare(recipe.change(base, seed=seed), model))
            done, _ = clips.finished(sound, session.sources)
        except RenderFailed as error:
            talk.say(f'"{base.prompt}": seed {seed} is left out: {error}')
            continue
        profile = variants.profile(done.samples, done.rate)
        if variants.is_like(profile, profiles):
            talk.say(f'"{base.prompt}": seed {seed} is left out: it sounds like one before it')
            continue
        chosen.append(sound)
        profiles.append(profile)
        talk.say(f'"{base.prompt}": seed {seed} is number {len(chosen)} of {count}')
        if len(chosen) == count:
            return chosen
    raise RenderFailed(
        f'"{base.prompt}" gives {len(chosen)} sounds that differ in {TRIES * count} seeds: ask for fewer, '
        "say it in other words, or give another seed to begin with.",
        "error",
    )


def levelled(sounds: Sequence[Sound], session: Session) -> list[Sound]:
    """The sounds with recipes that make all of them as loud as the quietest."""
    ceiling = sounds[0].request.recipe.ceiling
    found = []
    for sound in sounds:
        done, _ = clips.finished(sound, session.sources)
        found.append(variants.loudness(done.samples, done.rate))
    made = []
    for sound, peak in zip(sounds, variants.ceilings(found, ceiling), strict=True):
        wanted = recipe.change(sound.request.recipe, ceiling=peak)
        request = msgspec.structs.replace(sound.request, recipe=wanted)
        made.append(msgspec.structs.replace(sound, request=request))
    return made


def _listed(clip: clips.Clip, path: Path) -> Listed:
    return Listed(
        file=path.name,
        prompt=clip.prompt,
        seed=clip.seed,
        seconds=round(clip.seconds, 4),
        true_peak_dbtp=clip.true_peak_dbtp,
        recipe=clip.recipe,
        clip_id=clip.clip_id,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _write_maps(folder: Path, name: str, keys: Sequence[sampler_map.Key], maps: Sequence[str]) -> list[str]:
    written = []
    for one in maps:
        suffix, write = sampler_map.MAPS[one]
        path = folder / f"{slug(name)}{suffix}"
        with replacing(path) as beside:
            beside.write_text(write(name, keys), encoding="utf-8")
        written.append(path.name)
    return written


def _of_before(folder: Path) -> set[str]:
    """The files that a pack made here before; they may be written again."""
    path = folder / MANIFEST
    if not path.exists():
        return set()
    try:
        return {one.file for one in msgspec.json.decode(path.read_bytes(), type=Manifest).sounds}
    except (OSError, msgspec.MsgspecError) as error:
        raise BadRequest(
            f"{path} is no list of a pack ({error}): choose another folder with -o, or move it away."
        ) from error


def _check_free(paths: Sequence[Path], mine: set[str]) -> None:
    if len(set(paths)) < len(paths):
        raise BadRequest("two prompts would have files of the same names: say one of them in other words.")
    for path in paths:
        if path.exists() and path.name not in mine:
            raise BadRequest(f"{path} is there and not of this pack: choose another folder with -o.")
