"""What earlier runs with a journal have done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from cotality.core.utils._process.records.reader import (
    Damage,
    Fields,
    fields_of,
    read_records,
)

KIND = "journal"


class Past:
    """The tasks that have ended, and those that were started and have not.

    Holds no more of a task than its key and where its last line is.

    Attributes:
        finished: Where in the file the line of each finished task is.
        failed: Likewise of tasks that failed for good, and were not finished since.
        unfinished: Tasks that were handed out and never heard of again.
    """

    def __init__(self) -> None:
        self.finished: dict[str, int] = {}
        self.failed: dict[str, int] = {}
        self.unfinished: set[str] = set()

    @classmethod
    def of(cls, path: Path, damaged: Callable[[Damage], None]) -> Past:
        """What the journal *path* says; *damaged* is told of lines that say nothing."""
        past = cls()
        for record in read_records(path, KIND):
            if isinstance(record, Damage):
                damaged(record)
            elif not past.learn(record.fields, record.offset):
                damaged(Damage(record.offset, record.line, str(record.fields)[:80]))
        return past

    def learn(self, fields: Fields, offset: int) -> bool:
        """Take in one line; whether it is complete. Events not known say nothing."""
        event = fields["event"]
        if event in ("finished", "failed", "retry"):
            key = fields.get("key")
            if not isinstance(key, str):
                return False
            self.unfinished.discard(key)
            if event == "finished":
                self.finished[key] = offset
                self.failed.pop(key, None)
            elif event == "failed" and key not in self.finished:
                self.failed[key] = offset
        elif event in ("started", "returned"):
            keys = texts_in(fields.get("keys"))
            if keys is None:
                return False
            if event == "started":
                self.unfinished.update(keys)
            else:
                self.unfinished.difference_update(keys)
        return True

    @property
    def is_empty(self) -> bool:
        return not (self.finished or self.failed or self.unfinished)

    @property
    def has_ends(self) -> bool:
        """Whether there may be a task that need not be run."""
        return bool(self.finished or self.failed)

    def take(self, key: str, *, with_failed: bool) -> int | None:
        """Where the line about the end of *key* is; None if it has to be run."""
        found = self.finished.pop(key, None)
        if found is None and with_failed:
            found = self.failed.pop(key, None)
        return found


def texts_in(keys: object) -> list[str] | None:
    """*keys*, if it is a list of texts."""
    if not isinstance(keys, list):
        return None
    given = cast("list[object]", keys)
    return [key for key in given if isinstance(key, str)]


def fields_at(file: BinaryIO, offset: int) -> Fields | None:
    """The record at *offset*; None if there is none any more."""
    file.seek(offset)
    return fields_of(file.readline())
