"""What earlier runs with a journal have done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from cotality.core.utils._process.durable.files.errors import JournalError, Kind
from cotality.core.utils._process.durable.files.read import (
    Damage,
    Fields,
    fields_of,
    read_records,
    texts_in,
)

KIND = Kind("journal", JournalError)


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
        """Take in one line; whether it makes sense. Events not known say nothing."""
        event = fields["event"]
        if event in ("finished", "failed", "retry"):
            key = fields.get("key")
            if not isinstance(key, str) or not is_sensible(fields):
                return False
            self.unfinished.discard(key)
            if event == "finished":
                self.finished[key] = offset
                self.failed.pop(key, None)
            elif event == "failed" and key not in self.finished:
                self.failed[key] = offset
        elif event in ("started", "returned"):
            keys = texts_in(fields.get("keys"))
            if keys is None or not is_sensible(fields):
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
        """Where the line about the end of *key* is; None if it has to be run.

        What had failed and was then begun again has to be: that run was cut off.
        """
        found = self.finished.pop(key, None)
        if found is None and with_failed and key not in self.unfinished:
            found = self.failed.pop(key, None)
        return found


def is_sensible(fields: Fields) -> bool:
    """Whether what a line about tasks says is of the types that it has to be."""
    if fields["event"] == "failed" and not {"error", "message"} <= fields.keys():
        return False
    return all(RULES[name](fields[name]) for name in fields.keys() & RULES.keys())


LARGEST = 1 << 62  # which no time and no file comes to; neither nan nor infinity


def is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(cast("float", value)) < LARGEST


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def is_text(value: object) -> bool:
    return type(value) is str


def is_place(value: object) -> bool:
    """Whether *value* can say where a result is: by four numbers."""
    if not isinstance(value, list):
        return False
    numbers = cast("list[object]", value)
    return len(numbers) == 4 and all(map(is_count, numbers))


RULES: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("at", "seconds", "delay"), is_number),
    **dict.fromkeys(("attempt", "memory"), is_count),
    **dict.fromkeys(("worker", "error", "message", "traceback", "call"), is_text),
    "unkept": is_text,
    "result": is_place,
    "again": lambda value: texts_in(value) is not None,
}


def fields_at(file: BinaryIO, offset: int, file_id: bytes) -> Fields | None:
    """The record at *offset*; None if it is not there any more."""
    file.seek(offset)
    return fields_of(file.readline(), file_id)
