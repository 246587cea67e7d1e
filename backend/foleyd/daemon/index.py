"""The library's index: SQLite, with full-text search over names, tags and prompts.

It holds nothing that the files and the journal do not: it is thrown away and made again when it is damaged,
older than this foleyd, or gone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from foleyd.daemon.marks import Mark
from foleyd.daemon.words import indexed, question
from foleyd.errors import DiskFull, FoleydError
from foleyd.messages import ClipInfo

SCHEMA = 1
"""Raised with every change of the tables; an index of another version is made again."""

_TABLES = """
CREATE TABLE clips (
    number INTEGER PRIMARY KEY,
    clip_id TEXT NOT NULL UNIQUE,
    take_id TEXT NOT NULL,
    recipe_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    created REAL NOT NULL,
    used REAL NOT NULL,
    size INTEGER NOT NULL,
    rating INTEGER NOT NULL DEFAULT 0,
    favourite INTEGER NOT NULL DEFAULT 0,
    facts BLOB NOT NULL
);
CREATE INDEX clips_by_take ON clips (take_id);
CREATE INDEX clips_by_recipe ON clips (recipe_id);
CREATE INDEX clips_by_age ON clips (created);
CREATE TABLE tags (
    tag TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES clips ON DELETE CASCADE,
    PRIMARY KEY (tag, number)
) WITHOUT ROWID;
CREATE INDEX tags_by_clip ON tags (number);
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (name, tags, prompt, tokenize = 'ascii', prefix = '2 3');
"""
_RANK = "bm25(words, 4.0, 3.0, 1.0)"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Wanted(NamedTuple):
    """Which clips to list. `among`: the only ids that count, None for all."""

    text: str = ""
    tags: Sequence[str] = ()
    rating: int = 0
    favourites: bool = False
    among: Sequence[str] | None = None
    limit: int = 100
    offset: int = 0


class Old(NamedTuple):
    """A clip as pruning sees it. `imported`: it cannot be rendered again."""

    clip_id: str
    take_id: str
    imported: bool


class Index:
    """The index in the file `path`, made where it is missing.

    `began`: why it is empty ("missing", "unfinished", "damaged", "older", "newer"), "" where it was taken as
    it stood. Raises DiskFull, or FoleydError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.began = "" if path.exists() else "missing"
        db = None
        try:
            if not self.began:
                db = _connected(path)
                self.began = _flaw(db)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise trouble(error, path) from error
            self.began = "damaged"
        finally:
            if db is not None and self.began:
                db.close()
        self._db = _made_anew(path) if db is None or self.began else db

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._db.close()

    def start_over(self) -> None:
        """Throw everything away."""
        self._db.close()
        self._db = _made_anew(self._path)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Changes made inside come together or not at all."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def put(self, info: ClipInfo, recipe_id: str, mark: Mark) -> None:
        """Add a clip, or put it in the place of the one with its id."""
        with self.changing():
            self.drop(info.clip_id)
            row = (
                info.clip_id,
                info.take_id,
                recipe_id,
                info.sha256,
                info.created,
                info.created,
                info.size,
                msgspec.json.encode(info),
            )
            self._db.execute(
                "INSERT INTO clips (clip_id, take_id, recipe_id, sha256, created, used, size, facts) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self.mark(info.clip_id, mark)

    def mark(self, clip_id: str, mark: Mark) -> None:
        """Note what is said of a clip; nothing where it is not here."""
        row = self._db.execute("SELECT number, facts FROM clips WHERE clip_id = ?", (clip_id,)).fetchone()
        if row is None:
            return
        number, facts = row
        info = msgspec.json.decode(facts, type=ClipInfo)
        with self.changing():
            self._db.execute(
                "UPDATE clips SET rating = ?, favourite = ? WHERE number = ?",
                (mark.rating, mark.favourite, number),
            )
            self._db.execute("DELETE FROM tags WHERE number = ?", (number,))
            self._db.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, number) for tag in mark.tags])
            self._db.execute("DELETE FROM words WHERE rowid = ?", (number,))
            self._db.execute(
                "INSERT INTO words (rowid, name, tags, prompt) VALUES (?, ?, ?, ?)",
                (number, indexed(mark.name), indexed(" ".join(mark.tags)), indexed(info.prompt)),
            )

    def drop(self, clip_id: str) -> None:
        """Take a clip out; nothing where it is not here."""
        with self.changing():
            self._db.execute(
                "DELETE FROM words WHERE rowid = (SELECT number FROM clips WHERE clip_id = ?)", (clip_id,)
            )
            self._db.execute("DELETE FROM clips WHERE clip_id = ?", (clip_id,))

    def touch(self, clip_id: str, at: float) -> None:
        """Note that a clip was used at this Unix time."""
        self._db.execute("UPDATE clips SET used = ? WHERE clip_id = ?", (at, clip_id))

    def get(self, clip_id: str) -> ClipInfo | None:
        """A clip as its file describes it, without marks."""
        return self._first("SELECT facts FROM clips WHERE clip_id = ?", clip_id)

    def of_recipe(self, recipe_id: str) -> ClipInfo | None:
        """The clip used last of those of a recipe."""
        return self._first(
            "SELECT facts FROM clips WHERE recipe_id = ? ORDER BY used DESC LIMIT 1", recipe_id
        )

    def of_content(self, sha256: str) -> ClipInfo | None:
        """The imported clip with this content hash."""
        return self._first("SELECT facts FROM clips WHERE sha256 = ? AND sha256 <> '' LIMIT 1", sha256)

    def ids(self) -> set[str]:
        """The ids of all clips."""
        return {one for (one,) in self._db.execute("SELECT clip_id FROM clips")}

    def beginning(self, start: str) -> list[str]:
        """At most two ids of clips that begin so."""
        found = self._db.execute(
            "SELECT clip_id FROM clips WHERE substr(clip_id, 1, ?) = ? LIMIT 2", (len(start), start)
        )
        return [one for (one,) in found]

    def search(self, wanted: Wanted) -> tuple[list[ClipInfo], int]:
        """Clips by rank, or the newest first where there is no text; and how many match in all."""
        asked = question(wanted.text)
        conditions = {
            "words MATCH :asked": bool(asked),
            "rating >= :rating": wanted.rating > 0,
            "favourite": wanted.favourites,
            "clip_id IN (SELECT value FROM json_each(:among))": wanted.among is not None,
            "(SELECT count(*) FROM tags WHERE tags.number = clips.number AND tag IN "
            "(SELECT value FROM json_each(:tags))) = :most": bool(wanted.tags),
        }
        values = {
            "asked": asked,
            "rating": wanted.rating,
            "among": json.dumps(list(wanted.among or ())),
            "tags": json.dumps(sorted(set(wanted.tags))),
            "most": len(set(wanted.tags)),
            "limit": wanted.limit,
            "offset": wanted.offset,
        }
        where = " AND ".join(condition for condition, counts in conditions.items() if counts) or "TRUE"
        tables = "clips JOIN words ON words.rowid = clips.number" if asked else "clips"
        order = f"{_RANK}, created DESC" if asked else "created DESC"
        rows = self._db.execute(
            f"SELECT facts FROM {tables} WHERE {where} ORDER BY {order}, number DESC "
            "LIMIT :limit OFFSET :offset",
            values,
        )
        found = [msgspec.json.decode(facts, type=ClipInfo) for (facts,) in rows]
        [total] = self._db.execute(f"SELECT count(*) FROM {tables} WHERE {where}", values).fetchone()
        return found, total

    def oldest(self) -> list[Old]:
        """All clips in the order in which they may go: the rendered ones first, of each kind those used
        longest ago."""
        rows = self._db.execute(
            "SELECT clip_id, take_id, sha256 <> '' FROM clips ORDER BY sha256 <> '', used, number"
        )
        return [Old(clip_id, take_id, bool(imported)) for clip_id, take_id, imported in rows]

    def clips_of_take(self, take_id: str) -> int:
        """How many clips are made of a take."""
        [count] = self._db.execute("SELECT count(*) FROM clips WHERE take_id = ?", (take_id,)).fetchone()
        return int(count)

    def sources(self) -> set[str]:
        """The hashes of the sources that clips were made of."""
        rows = self._db.execute(
            "SELECT DISTINCT json_extract(one.value, '$.sha256') "
            "FROM clips, json_each(CAST(facts AS TEXT), '$.recipe.sources') AS one"
        )
        return {sha256 for (sha256,) in rows}

    def figures(self) -> tuple[int, int]:
        """How many clips there are, and their bytes."""
        [count, size] = self._db.execute("SELECT count(*), coalesce(sum(size), 0) FROM clips").fetchone()
        return int(count), int(size)

    def state(self, name: str) -> str:
        """A value that was noted under a name, "" where none was."""
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        """Note a value under a name."""
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    def _first(self, question: str, value: str) -> ClipInfo | None:
        row = self._db.execute(question, (value,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=ClipInfo)


def _connected(path: Path) -> sqlite3.Connection:
    # one thread at a time, which need not be the one that opened it
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA journal_mode = WAL")
        # a power cut may take the last changes, never the whole: opening the library finds them again
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _made_anew(path: Path) -> sqlite3.Connection:
    db = None
    try:
        for ending in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        db = _connected(path)
        db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
    except (sqlite3.DatabaseError, OSError) as error:
        if db is not None:
            db.close()
        raise trouble(error, path) from error
    return db


def _flaw(db: sqlite3.Connection) -> str:
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA:
        return "newer" if version > SCHEMA else "older" if version else "unfinished"
    [said] = db.execute("PRAGMA quick_check(1)").fetchone()
    return "" if said == "ok" else "damaged"


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means that the index itself is broken."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return (code & 0xFF) in _DAMAGED or "no such table" in str(error) or "no such column" in str(error)


def trouble(error: Exception, path: Path) -> FoleydError:
    """An error of SQLite as one of ours."""
    if (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL:
        return DiskFull(f"There is no room for the library's index {path}: free some disk space.")
    return FoleydError(f"The library's index {path} cannot be used ({error}): see that it may be written.")
