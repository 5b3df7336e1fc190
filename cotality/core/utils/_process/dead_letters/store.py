"""The file of dead letters, which any number of runs and people may share.

It is locked for the moment of a change alone. A change is one append:

* ``letter``: a task has failed; it takes the place of a letter with the same key;
* ``removed``: the keys of letters that are no longer there;
* ``tried``: the keys of those that are being run again.

What is no longer there is cut out when it makes up most of the file, by putting a new
file in its place.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cotality.core.utils._process.journal.lines import line
from cotality.core.utils._process.records.errors import JournalError
from cotality.core.utils._process.records.file import RecordFile
from cotality.core.utils._process.records.reader import (
    Damage,
    Record,
    read_records,
    records_of,
)

from .letter import DeadLetter, letter_from

logger = logging.getLogger("cotality.core.utils.process")

KIND = "file of dead letters"
PATIENCE = 10.0  # s to wait for another one who changes the file
MOST_GARBAGE = 1 << 20  # bytes that are no longer needed and may stay in any case


def letters_in(
    path: Path, damaged: Callable[[Damage], None] | None = None
) -> dict[str, DeadLetter]:
    """The letters in *path* by their keys, the oldest first; none if it is not there.

    Raises:
        JournalError: It is another kind of file.
        OSError: It cannot be read.
    """
    found: dict[str, DeadLetter] = {}
    try:
        records = read_records(path, KIND)
        for record in records:
            if isinstance(record, Damage):
                (damaged or warn_of(path))(record)
            elif record.fields["event"] == "letter":
                letter = letter_from(record.fields)
                if letter is not None:
                    found.pop(letter.key, None)  # so that it moves to the end
                    found[letter.key] = letter
            elif record.fields["event"] == "removed":
                for key in record.fields.get("keys", ()):
                    found.pop(key, None)
            elif record.fields["event"] == "tried":
                for key in record.fields.get("keys", ()):
                    if key in found:
                        letter = found[key]
                        found[key] = replace(letter, retries=letter.retries + 1)
    except FileNotFoundError:
        pass
    return found


def warn_of(path: Path) -> Callable[[Damage], None]:
    def warn(damage: Damage) -> None:
        logger.warning(
            "line %d of %s cannot be read and is skipped: %r",
            damage.line,
            path,
            damage.text,
        )

    return warn


class Kept(NamedTuple):
    """Where a letter is, and what has to be known to replace or drop it.

    Attributes:
        retries: As its line says.
        tried: How often it was run again since that line was written.
    """

    offset: int
    size: int  # bytes
    times: int
    first_failed_at: float
    failed_at: float
    retries: int
    tried: int = 0


class Index:
    """The letters that are in a file, known by having read it as far as it goes.

    Others may write to the file as well, so before each change the index follows it:
    only what is new is read, unless somebody has put another file in its place.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.file_id: tuple[int, int] | None = None
        self.end = 0
        self.letters: dict[str, Kept] = {}  # oldest first
        self.needed = 0  # bytes of the letters that are there
        self.is_damaged = False

    def follow(self, file: RecordFile) -> None:
        """Read what is new in *file*, which is locked."""
        status = os.fstat(file.fd)
        file_id = status.st_dev, status.st_ino
        if file_id != self.file_id or file.end < self.end:
            self.forget()
            self.file_id = file_id
        with file.path.open("rb") as reader:
            if self.end == 0:
                self.end = len(reader.readline())  # the header
            reader.seek(self.end)
            for record in records_of(reader, self.end):
                if isinstance(record, Damage):
                    self.is_damaged = True
                else:
                    self.learn(record)
        self.end = file.end

    def learn(self, record: Record) -> None:
        fields = record.fields
        if fields["event"] == "removed":
            for key in fields.get("keys", ()):
                self.take(key)
        elif fields["event"] == "tried":
            for key in fields.get("keys", ()):
                if key in self.letters:
                    kept = self.letters[key]
                    self.letters[key] = kept._replace(tried=kept.tried + 1)
        elif fields["event"] == "letter" and (letter := letter_from(fields)):
            self.take(letter.key)
            self.needed += record.size
            self.letters[letter.key] = Kept(
                record.offset,
                record.size,
                letter.times,
                letter.first_failed_at,
                letter.failed_at,
                letter.retries,
            )

    def take(self, key: str) -> None:
        kept = self.letters.pop(key, None)
        if kept is not None:
            self.needed -= kept.size


class Store:
    """Changes a file of dead letters, and keeps it within its bounds.

    Args:
        max_entries: The oldest letters beyond so many are dropped.
        max_age: Letters older than so many seconds are dropped.
        tracebacks: Whether they are kept.
    """

    def __init__(
        self,
        path: Path,
        max_entries: int | None = None,
        max_age: float | None = None,
        *,
        tracebacks: bool = True,
    ) -> None:
        self.path = path
        self.tracebacks = tracebacks
        self.max_entries = max_entries
        self.max_age = max_age
        self.index = Index()

    def add(self, letters: Sequence[DeadLetter], *, again: bool = False) -> None:
        """Keep *letters*; one with a key that is there takes its place.

        Args:
            again: They were run from here. If not, they have been run anew by somebody
                else, and how often they were run from here does not matter any more.

        Raises:
            JournalError: That is not possible.
        """
        with self.open() as file:
            lines = [
                line("letter", **self.continued(each, again).fields())
                for each in letters
            ]
            file.append(b"".join(lines))
            self.index.follow(file)
            self.drop_beyond_bounds(file)
            file.sync()
            self.cut_out_garbage(file)

    def continued(self, letter: DeadLetter, again: bool) -> DeadLetter:
        """*letter* with what is known of its task from before."""
        if not self.tracebacks:
            letter = replace(letter, traceback="")
        before = self.index.letters.get(letter.key)
        if before is None:
            return letter
        return replace(
            letter,
            times=before.times + 1,
            first_failed_at=before.first_failed_at,
            retries=before.retries + before.tried if again else 0,
        )

    def tried(self, keys: Sequence[str]) -> None:
        """Count that the letters with these *keys* are being run again.

        Raises:
            JournalError: That is not possible.
        """
        with self.open() as file:
            # Not synced: it outlives this process, and that is what it is for.
            file.append(line("tried", at=time.time(), keys=list(keys)))
            self.index.follow(file)

    def remove(self, keys: Iterable[str], why: str) -> list[str]:
        """Take the letters with these *keys* out; the keys that were there.

        Raises:
            JournalError: That is not possible.
        """
        with self.open() as file:
            removed = [key for key in keys if key in self.index.letters]
            self.drop(file, removed, why)
            file.sync()
            self.cut_out_garbage(file)
        return removed

    def drop_beyond_bounds(self, file: RecordFile) -> None:
        letters = self.index.letters
        if self.max_age is not None:
            limit = time.time() - self.max_age
            old = [key for key, kept in letters.items() if kept.failed_at < limit]
            self.drop(file, old, "max_age")
        if self.max_entries is not None and len(letters) > self.max_entries:
            surplus = len(letters) - self.max_entries
            self.drop(file, list(islice(letters, surplus)), "max_entries")

    def drop(self, file: RecordFile, keys: list[str], why: str) -> None:
        if keys:
            file.append(line("removed", at=time.time(), keys=keys, why=why))
            self.index.follow(file)

    @contextmanager
    def open(self) -> Generator[RecordFile, None, None]:
        """The file, locked, and known to the index as it is."""
        try:
            with closing(RecordFile(self.path, KIND, patience=PATIENCE)) as file:
                self.index.follow(file)
                yield file
        except OSError as error:
            raise JournalError(
                f"the {KIND} {self.path} cannot be written: {error.strerror or error}"
            ) from error

    def cut_out_garbage(self, file: RecordFile) -> None:
        """Put a file with nothing else than the letters in the place of *file*.

        Once most of it is something else; and not if there are lines in it that cannot
        be read, of which there would be nothing left.
        """
        garbage = file.end - self.index.needed
        if garbage < max(MOST_GARBAGE, self.index.needed) or self.index.is_damaged:
            return
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.unlink(missing_ok=True)  # of somebody who was killed here
        with closing(RecordFile(fresh, KIND)) as copy, self.path.open("rb") as old:
            for kept in self.index.letters.values():
                old.seek(kept.offset)
                copy.append(old.read(kept.size))
            tried = [
                key
                for key, kept in self.index.letters.items()
                for _ in range(kept.tried)
            ]
            if tried:
                copy.append(line("tried", at=time.time(), keys=tried))
            copy.sync()
        if sys.platform == "win32":
            file.close()  # what is open there cannot be replaced
        os.replace(fresh, self.path)
