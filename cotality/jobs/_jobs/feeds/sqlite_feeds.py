"""Feeds in a SQLite file: one table, in the order in which it is read."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from zlib import crc32

from cotality._kit.wal import set_up_wal
from cotality.jobs._jobs.feeds.post import Place, Post

BUSY_S = 30.0  # that a writer waits for another one
# A feed is shortened at one in this many posts, because looking at its length takes
# longer than writing to it. Entries beyond the limit are not read meanwhile.
SHORTEN_ONE_IN = 64

USER, AUTHOR = "u:", "a:"  # whose entries these are
TABLE = """
CREATE TABLE IF NOT EXISTS cotality_feed (
    owner TEXT, at INTEGER, post TEXT, author TEXT,
    PRIMARY KEY (owner, at, post)
) WITHOUT ROWID
"""
# A job that runs again may take its own time for that of the post: the first one stays.
ONCE = """
CREATE UNIQUE INDEX IF NOT EXISTS cotality_feed_once ON cotality_feed (owner, post)
"""
ADD = "INSERT OR IGNORE INTO cotality_feed VALUES (?, ?, ?, ?)"
SHORTEN = """
DELETE FROM cotality_feed WHERE owner = :owner AND (at, post) < (
    SELECT at, post FROM cotality_feed WHERE owner = :owner
    ORDER BY at DESC, post DESC LIMIT 1 OFFSET :keep - 1)
"""
LATEST = """
SELECT at, post, author FROM (
    SELECT at, post, author FROM cotality_feed WHERE owner = :owner
    ORDER BY at DESC, post DESC LIMIT :keep)
WHERE (at, post) < (:at, :post) LIMIT :limit
"""
HAVE_SOME = """
SELECT value FROM json_each(?) WHERE EXISTS (
    SELECT 1 FROM cotality_feed WHERE owner = 'a:' || value)
"""
AFTER_ALL: Place = (1 << 62, "")


class SqliteFeeds:
    """Feeds in the file *path*, of which *keep* entries each are kept.

    One connection, which threads use in turn: what they do takes microseconds.
    """

    def __init__(self, path: str, keep: int) -> None:
        self.path = os.path.abspath(path)  # whoever changes the folder has it still
        self.keep = keep
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.connection: sqlite3.Connection | None = None
        self.of_parents: list[sqlite3.Connection] = []

    def push(self, post: Post, users: Sequence[str]) -> None:
        at, name = post.place
        rows = [(USER + user, at, name, post.author) for user in users]
        with self.writing() as database:
            database.executemany(ADD, rows)
            for owner, *_ in rows:
                if crc32(f"{owner} {name}".encode()) % SHORTEN_ONE_IN == 0:
                    self.shorten(database, owner)

    def hold(self, post: Post) -> None:
        at, name = post.place
        owner = AUTHOR + post.author
        with self.writing() as database:
            database.execute(ADD, (owner, at, name, post.author))
            self.shorten(database, owner)

    def shorten(self, database: sqlite3.Connection, owner: str) -> None:
        database.execute(SHORTEN, {"owner": owner, "keep": self.keep})

    def pushed(self, user: str, limit: int, before: Place | None) -> list[Post]:
        with self.opened() as database:
            return self.latest(database, USER + user, limit, before)

    def held(
        self, authors: Iterable[str], limit: int, before: Place | None
    ) -> list[Post]:
        with self.opened() as database:
            found = database.execute(HAVE_SOME, [json.dumps(list(authors))]).fetchall()
            return [
                post
                for (author,) in found
                for post in self.latest(database, AUTHOR + author, limit, before)
            ]

    def latest(
        self,
        database: sqlite3.Connection,
        owner: str,
        limit: int,
        before: Place | None,
    ) -> list[Post]:
        at, post = before or AFTER_ALL
        given = {"owner": owner, "keep": self.keep, "at": at, "post": post}
        rows = database.execute(LATEST, {**given, "limit": limit})
        return [Post.placed(*row) for row in rows]

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction."""
        with self.opened() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:  # SQLite may have ended it by itself
                    database.execute("ROLLBACK")
                raise

    @contextmanager
    def opened(self) -> Generator[sqlite3.Connection]:
        """The connection, for this thread alone."""
        if self.pid != os.getpid():
            self.begin_anew()
        with self.lock:
            if self.connection is None:
                self.connection = self.connected()
            yield self.connection

    def begin_anew(self) -> None:
        """Leave alone what belongs to a parent, of which this process was forked.

        A connection of it must not even be closed here; a lock may be held by a thread
        that was not forked.
        """
        if self.connection is not None:
            self.of_parents.append(self.connection)
        self.connection, self.lock, self.pid = None, threading.Lock(), os.getpid()

    def connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            set_up_wal(database, BUSY_S)
            # What a power cut takes is delivered again, as the job was not done.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(TABLE)
            database.execute(ONCE)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        if self.pid != os.getpid():
            self.begin_anew()
        with self.lock:
            if self.connection is not None:
                self.connection.close()
            self.connection = None
