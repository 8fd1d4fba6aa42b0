"""What replication remembers over a restart: what each region had at the last look, and what was deleted. In SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from .decide import Key, Known, Version

KEEP_DELETED_NS = 7 * 86_400 * 10**9
SCHEMA = """
CREATE TABLE IF NOT EXISTS there (
    bucket TEXT NOT NULL, region TEXT NOT NULL, key TEXT NOT NULL, at_ns INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (bucket, region, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (
    bucket TEXT NOT NULL, key TEXT NOT NULL, at_ns INTEGER NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (
    bucket TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (bucket, region)) WITHOUT ROWID;
"""


class Memory:
    """The file of it. Used by one thread at a time. Errors of the disk surface as sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=10.0, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def known(self, bucket: str) -> Known:
        """What is remembered of a bucket."""
        known = Known()
        rows = self._db.execute("SELECT region, key, at_ns, size FROM there WHERE bucket = ?", (bucket,))
        for region, key, at_ns, size in rows:
            known.there.setdefault(region, {})[key] = Version(at_ns, size)
        known.gone.update(self._db.execute("SELECT key, at_ns FROM gone WHERE bucket = ?", (bucket,)))
        known.places.update(self._db.execute("SELECT region, id FROM place WHERE bucket = ?", (bucket,)))
        return known

    def keep(self, bucket: str, before: Known, now: Known, *, now_ns: int) -> None:
        """Remember the difference, all or nothing. Deletions are forgotten after a week."""
        with self._db:
            for region in before.there.keys() - now.there.keys():
                self._db.execute("DELETE FROM there WHERE bucket = ? AND region = ?", (bucket, region))
            for region, listing in now.there.items():
                old = before.there.get(region, {})
                changed = [(key, version) for key, version in listing.items() if old.get(key) != version]
                self._there(bucket, region, changed, [key for key in old if key not in listing])
            new = [(bucket, key, at_ns) for key, at_ns in now.gone.items() if before.gone.get(key) != at_ns]
            self._db.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?, ?)", new)
            if now.places != before.places:
                places = [(bucket, region, place) for region, place in now.places.items()]
                self._db.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?)", places)
            self._db.execute("DELETE FROM gone WHERE at_ns < ?", (now_ns - KEEP_DELETED_NS,))

    def _there(self, bucket: str, region: str, changed: Iterable[tuple[Key, Version]], left: Iterable[Key]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO there VALUES (?, ?, ?, ?, ?)",
            [(bucket, region, key, version.at_ns, version.size) for key, version in changed],
        )
        self._db.executemany(
            "DELETE FROM there WHERE bucket = ? AND region = ? AND key = ?", [(bucket, region, key) for key in left]
        )
