"""Whether rows may have changed, without reading them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store.database import Database, store_error

logger = logging.getLogger("cotality.jobs")


class Changes:
    """Whether somebody has changed the database since the last time one asked.

    Args:
        database: The one.
        anew: Called when its file is another one now.
    """

    def __init__(self, database: Database, anew: Callable[[], object]) -> None:
        self.database, self.anew = database, anew
        self.link: Any = None  # Any: SQLAlchemy's, of SQLite
        self.version = -1
        self.inode: int | None = None

    def have_come(self) -> bool:
        """True where nobody can tell."""
        if not self.database.is_sqlite:
            return True
        self.see_to_file()
        before = self.version
        try:
            if self.link is None:
                self.link = self.database.engine.raw_connection()
            cursor = self.link.cursor()
            (self.version,) = cursor.execute("PRAGMA data_version").fetchone()
            cursor.close()
        except sqlite3.Error as error:
            self.close()
            raise store_error(self.database.url, error) from error
        return self.version != before

    def see_to_file(self) -> None:
        """Connect anew to a file that was removed, and is another one now.

        Raises:
            StoreError: There is none.
        """
        file = self.database.file
        assert file is not None
        try:
            found = file.stat().st_ino
        except OSError as error:
            self.close()
            self.database.close()
            raise StoreError(
                f"the file {file} is gone, and with it the jobs that were in it: "
                f"{error.strerror}"
            ) from error
        if self.inode not in (None, found):
            logger.error("the file %s is another one now: jobs go on in that", file)
            self.close()
            self.database.close()
            self.anew()
        self.inode = found

    def close(self) -> None:
        link, self.link, self.version = self.link, None, -1
        if link is not None:
            link.close()
