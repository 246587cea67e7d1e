"""What was heard in clips: a vector for each, kept beside the index, and the clips nearest to one.

It holds nothing that listening again does not give: a file that is damaged is thrown away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
FILE = "hearings.sqlite"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS heard (clip_id TEXT, ears TEXT, vector BLOB, PRIMARY KEY (ears, clip_id)) "
    "WITHOUT ROWID"
)


class Near(NamedTuple):
    """A clip and how near it is: the cosine, -1 to 1."""

    clip_id: str
    similarity: float


class Hearings:
    """The vectors of one library's clips, in its folder; one thread at a time may use it.

    Vectors are of half precision: the cosine is right to a thousandth. An empty one stands for a clip in
    which nothing is heard.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / FILE

    def missing(self, ears: str, clip_ids: Sequence[str]) -> list[str]:
        """The clips that `ears` have not heard yet."""
        known = self._read(ears).keys()
        return [clip for clip in clip_ids if clip not in known]

    def note(self, ears: str, heard: Mapping[str, Vector | None]) -> None:
        """Keep what `ears` heard in clips; what other ears heard before goes, since nobody can ask for it."""
        rows = [
            (clip, ears, b"" if vector is None else vector.astype("<f2").tobytes())
            for clip, vector in heard.items()
        ]
        db = self._open()
        try:
            with db:
                db.execute("DELETE FROM heard WHERE ears <> ?", (ears,))
                db.executemany("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", rows)
        finally:
            db.close()

    def near(self, ears: str, vector: Vector, among: Collection[str], count: int) -> list[Near]:
        """The `count` clips `among` those that were heard nearest to `vector`, the nearest first."""
        wanted = set(among)
        rows = [(clip, said) for clip, said in self._read(ears).items() if clip in wanted and said]
        if not rows:
            return []
        whole = np.frombuffer(b"".join(said for _, said in rows), "<f2").reshape(len(rows), -1)
        cosines = whole.astype(np.float32) @ vector
        order = np.argsort(-cosines, kind="stable")[:count]
        return [Near(rows[place][0], float(cosines[place])) for place in order]

    def vector(self, ears: str, clip_id: str) -> Vector | None:
        """What was heard in a clip; None for nothing, or not yet."""
        said = self._read(ears).get(clip_id)
        return np.frombuffer(said, "<f2").astype(np.float32) if said else None

    def _read(self, ears: str) -> dict[str, bytes]:
        db = self._open()
        try:
            return dict(db.execute("SELECT clip_id, vector FROM heard WHERE ears = ?", (ears,)))
        finally:
            db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._ready()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return self._ready()

    def _ready(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path)
        try:
            db.execute(_TABLE)
            db.execute("SELECT count(*) FROM heard").fetchone()
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db
