"""The file of dead letters, which any number of runs and people may share.

A change locks the file only for a moment, and is one append:

* ``letter``: a task has failed; its letter replaces one with the same key;
* ``removed``: the keys of letters that are gone;
* ``tried``: the keys of letters that are being run again.

When removed letters make up most of the file, a new file without them replaces it.

Each line has a number, one more than the line before. So a line that is missing,
repeated or moved counts as damage: a letter that was removed does not silently come
back.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.durable.files.append import RecordFile, line
from cotality.core.utils._process.durable.files.errors import DeadLetterError, Kind
from cotality.core.utils._process.durable.files.handle import reader_of
from cotality.core.utils._process.durable.files.read import (
    Damage,
    Record,
    read_records,
    records_of,
    texts_in,
    way_on,
)
from cotality.core.utils._process.durable.files.trust import check_trust
from cotality.core.utils._process.machine.environment import LOGGER

from .letter import DeadLetter, letter_from

logger = logging.getLogger(LOGGER)

KIND = Kind("file of dead letters", DeadLetterError)
PATIENCE = 10.0  # s to wait for another one who changes the file
MOST_GARBAGE = 1 << 20  # bytes that are no longer needed and may stay in any case

Tell = Callable[[Damage], None]


class Change(NamedTuple):
    """What a line says.

    Attributes:
        letter: The letter that it adds; None if it is about the *keys* of others.
    """

    event: str
    number: int
    letter: DeadLetter | None
    keys: list[str]


def change_in(record: Record) -> Change | None:
    """What *record* says; None if it makes no sense."""
    fields = record.fields
    event, number = fields["event"], fields.get("n")
    if type(number) is not int or number < 1:
        return None
    if event == "letter":
        letter = letter_from(fields)
        return None if letter is None else Change(event, number, letter, [])
    keys = texts_in(fields.get("keys", []))
    return None if keys is None else Change(event, number, None, keys)


class Changes:
    """The changes that the lines of a file are, one after the other.

    Attributes:
        last: The number of the last line that was read.
    """

    last: int
    unread: int

    def __init__(self, damaged: Tell) -> None:
        self.damaged = damaged
        self.last = 0
        self.unread = 0  # damaged lines since that one

    def of(self, record: Record | Damage) -> Change | None:
        """The change that *record* is; None for damage, which is told."""
        change = None if isinstance(record, Damage) else change_in(record)
        if change is None:
            self.unread += 1
            text = record.text if isinstance(record, Damage) else str(record.fields)
            self.damaged(Damage(record.offset, record.line, text[:80]))
            return None
        if change.number <= self.last:
            text = f"a line that was written before, as number {change.number}"
            self.damaged(Damage(record.offset, record.line, text))
            return None
        missing = change.number - self.last - 1 - self.unread
        if missing > 0:
            text = f"{missing} lines before it are not there"
            self.damaged(Damage(record.offset, record.line, text))
        self.last, self.unread = change.number, 0
        return change

    @property
    def next(self) -> int:
        """The number of the next line."""
        return self.last + self.unread + 1


def letters_in(
    path: Path,
    damaged: Tell | None = None,
    *,
    skip_damaged: bool = True,
    trust_others: bool = True,
) -> dict[str, DeadLetter]:
    """The letters in *path* by their keys, the oldest first; none if it is not there.

    Args:
        damaged: Is told of lines that are damaged and skipped.

    Raises:
        DeadLetterError: It is another kind of file, or damaged and that is not to be
            skipped.
        OSError: It cannot be read.
    """
    if not trust_others:
        check_trust(path, KIND)
    tell = damaged or warn_of(path)
    changes = Changes(tell if skip_damaged else refuse(path))
    found: dict[str, DeadLetter] = {}
    try:
        for record in read_records(path, KIND, skip_damaged=skip_damaged):
            change = changes.of(record)
            if change is not None:
                apply(change, found)
    except FileNotFoundError:
        pass
    return found


def apply(change: Change, found: dict[str, DeadLetter]) -> None:
    """Do to *found* what *change* says."""
    event, _, letter, keys = change
    if letter is not None:
        found.pop(letter.key, None)  # so that it moves to the end
        found[letter.key] = letter
    elif event == "removed":
        for key in keys:
            found.pop(key, None)
    elif event == "tried":
        for key in keys:
            if key in found:
                found[key] = replace(found[key], retries=found[key].retries + 1)


def warn_of(path: Path) -> Tell:
    def warn(damage: Damage) -> None:
        logger.warning(
            "line %d of %s cannot be read and is skipped: %r",
            damage.line,
            path,
            damage.text,
        )

    return warn


def refuse(path: Path) -> Tell:
    def refuse(damage: Damage) -> None:
        raise DeadLetterError(
            f"line {damage.line} of {path} (byte {damage.offset}) cannot be read: "
            f"{damage.text!r}. Something else has written to the file, or a "
            f"disk has failed. {way_on(KIND)}"
        )

    return refuse


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

    end: int
    needed: int
    is_damaged: bool
    changes: Changes

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.file_id: tuple[int, int] | None = None
        self.end = 0
        self.letters: dict[str, Kept] = {}  # oldest first
        self.needed = 0  # bytes of the letters that are there
        self.is_damaged = False
        self.changes = Changes(self.found_damage)

    def found_damage(self, _: Damage) -> None:
        self.is_damaged = True

    def follow(self, file: RecordFile) -> None:
        """Read what is new in *file*, which is locked."""
        status = os.fstat(file.fd)
        file_id = status.st_dev, status.st_ino
        if file_id != self.file_id or file.end < self.end:
            self.forget()
            self.file_id = file_id
        begin, self.file_id = self.end, None  # as long as it is not all read
        with closing(reader_of(file.path)) as reader:
            if begin == 0:
                begin = len(reader.readline())  # the header
            reader.seek(begin)
            for record in records_of(reader, begin, file.id):
                change = self.changes.of(record)
                if change is not None and not isinstance(record, Damage):
                    self.learn(change, record)
        self.end, self.file_id = file.end, file_id

    def learn(self, change: Change, record: Record) -> None:
        event, _, letter, keys = change
        if letter is not None:
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
        elif event == "removed":
            for key in keys:
                self.take(key)
        elif event == "tried":
            for key in keys:
                if key in self.letters:
                    kept = self.letters[key]
                    self.letters[key] = kept._replace(tried=kept.tried + 1)

    def take(self, key: str) -> None:
        kept = self.letters.pop(key, None)
        if kept is not None:
            self.needed -= kept.size


def make_folders(folder: Path) -> None:
    """Make *folder*, and those that it is in, for this user alone.

    What has failed must not be lost because nobody has made a folder for it before.
    """
    if not folder.is_dir():
        make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


class Store:
    """Changes a file of dead letters, and keeps it within its bounds.

    Args:
        max_entries: The most letters; the oldest beyond that are dropped.
        max_age: The most seconds; older letters are dropped.
        tracebacks: Whether they are kept.
        trust_others: Whether others may be able to write to the file.
    """

    index: Index

    def __init__(
        self,
        path: Path,
        max_entries: int | None = None,
        max_age: float | None = None,
        *,
        tracebacks: bool = True,
        trust_others: bool = False,
    ) -> None:
        self.path = path
        self.trust_others = trust_others
        self.tracebacks = tracebacks
        self.max_entries = max_entries
        self.max_age = max_age
        self.index = Index()

    def check_trust(self) -> None:
        """See that nobody may write to the file who is not trusted.

        Raises:
            DeadLetterError: Somebody may.
        """
        if not self.trust_others:
            check_trust(self.path, KIND)

    def add(
        self,
        letters: Sequence[DeadLetter],
        *,
        again: bool = False,
        unless_there: bool = False,
    ) -> None:
        """Keep *letters*; one with a key that is there takes its place.

        Args:
            again: They were run from here. If not, they have been run anew by somebody
                else, and how often they were run from here does not matter any more.
                Those that were taken out meanwhile stay away: somebody wanted that.
            unless_there: Some may have been written already, when an exception struck.

        Raises:
            DeadLetterError: That is not possible.
        """
        with self.open() as file:
            there = self.index.letters
            new = [each for each in letters if not again or each.key in there]
            if unless_there:
                new = [each for each in new if not self.is_there(each)]
            fields = [self.continued(each, again).fields() for each in new]
            self.append(file, "letter", *fields)
            self.drop_beyond_bounds(file)
            file.sync()
            self.cut_out_garbage(file)

    def is_there(self, letter: DeadLetter) -> bool:
        """Whether the letter with this key is about the same failure."""
        kept = self.index.letters.get(letter.key)
        return kept is not None and kept.failed_at == letter.failed_at

    def append(self, file: RecordFile, event: str, *each: dict[str, Any]) -> None:
        """Write a line for *each*; it knows of these then."""
        if each:
            first = self.index.changes.next
            lines = [
                line(event, n=number, **fields)
                for number, fields in enumerate(each, first)
            ]
            file.add(b"".join(lines))
            self.index.follow(file)

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
            DeadLetterError: That is not possible.
        """
        with self.open() as file:
            # Not synced: it outlives this process, and that is what it is for.
            self.append(file, "tried", {"at": time.time(), "keys": list(keys)})

    def remove(self, keys: Iterable[str], why: str) -> list[str]:
        """Take the letters with these *keys* out; the keys that were there.

        Raises:
            DeadLetterError: That is not possible.
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
            at = time.time()
            self.append(file, "removed", {"at": at, "keys": keys, "why": why})

    @contextmanager
    def open(self) -> Generator[RecordFile, None, None]:
        """The file, locked, and known to the index as it is."""
        try:
            make_folders(self.path.parent)
            with closing(
                RecordFile(
                    self.path,
                    KIND,
                    patience=PATIENCE,
                    # What is new must be kept, whatever else is in the file.
                    skip_damaged=True,
                    trust_others=self.trust_others,
                    is_brief=True,
                )
            ) as file:
                self.index.follow(file)
                yield file
        except OSError as error:
            if is_of_a_signal(error):
                raise
            raise DeadLetterError(
                f"the {KIND.name} {self.path} cannot be written: "
                f"{error.strerror or error}"
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
        self.write_needed(fresh)
        if sys.platform == "win32":
            file.close()  # what is open there cannot be replaced
        os.replace(fresh, self.path)

    def write_needed(self, fresh: Path) -> None:
        """Write the letters that are there to the new file *fresh*."""
        new = RecordFile(fresh, KIND, trust_others=self.trust_others, new=True)
        with closing(new) as copy, closing(reader_of(self.path)) as old:
            number = 0
            for number, kept in enumerate(self.index.letters.values(), 1):
                old.seek(kept.offset)
                fields = json.loads(old.read(kept.size))
                event, _, _ = fields.pop("event"), fields.pop("n"), fields.pop("seal")
                copy.add(line(event, n=number, **fields))
            tried = [
                key
                for key, kept in self.index.letters.items()
                for _ in range(kept.tried)
            ]
            if tried:
                copy.add(line("tried", n=number + 1, at=time.time(), keys=tried))
            copy.sync()
