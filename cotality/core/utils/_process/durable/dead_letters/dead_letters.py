"""The file for tasks of a call that failed for good."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cotality._kit.public import public
from cotality.core.utils._process.tasks.checks import (
    checked_count,
    checked_flag,
    checked_path,
    checked_seconds,
    path_in,
)

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from .letter import DeadLetter
    from .recorder import LetterRecorder
    from .store import Store


@public
class DeadLetters:
    """A file that keeps the tasks that failed for good, to look at and to run again.

    ``execute_tasks_in_parallel(tasks, dead_letters=DeadLetters("failed.jsonl"))`` keeps
    each task that has failed for good, after all its retries, with its arguments, its
    error and the traceback. :func:`replay` runs these tasks again, and so does ``python
    -m cotality.core.utils.dead_letters retry failed.jsonl``, which can also list, show,
    purge and debug them.

    The file holds one JSON object a line, like a `Journal`, and survives a kill in the
    same way. Several runs may share it, also in several processes. If a task fails
    again, its new letter replaces the old one.

    Tasks are pickled, so whoever can write to the file can make the program that
    replays it run any code. The file is therefore created for this user alone, and a
    call refuses it if others may write to it. Whoever can read it sees the arguments of
    the tasks and their errors. A task that cannot be pickled is kept as well, to be
    read.

    Args:
        path: The file. It is created when the first task fails, with its folders.
        max_entries: Keep only this many letters, the latest; None, the default, keeps
            all.
        max_age: Keep letters for this long, in seconds or as a `datetime.timedelta`.
            Older letters are dropped when a new one comes.
        skip_damaged: Skip lines that something else has changed, with a warning that
            names them. With False, looking and replaying raise a `DeadLetterError`
            instead. New letters are kept in any case.
        trust_others: Use a file or folder to which other users may write.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A limit is out of range, or *path* is empty.
    """

    path: Path
    max_entries: int | None
    max_age: float | None
    skip_damaged: bool
    trust_others: bool

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_entries: int | None = None,
        max_age: float | datetime.timedelta | None = None,
        skip_damaged: bool = True,
        trust_others: bool = False,
    ) -> None:
        if max_age is not None and not isinstance(max_age, int | float):
            from datetime import timedelta

            if isinstance(max_age, timedelta):
                max_age = max_age.total_seconds()
        self.path = checked_path("path", path)
        self.max_entries = checked_count("max_entries", max_entries)
        self.max_age = checked_seconds("max_age", max_age, zero=False)
        self.skip_damaged = checked_flag("skip_damaged", skip_damaged)
        self.trust_others = checked_flag("trust_others", trust_others)

    def __repr__(self) -> str:
        return f"DeadLetters({os.fspath(self.path)!r})"

    def entries(self) -> list[DeadLetter]:
        """The letters in the file, the oldest first.

        Raises:
            DeadLetterError: The file is something else, or damaged.
            OSError: It cannot be read.
        """
        from .store import letters_in

        found = letters_in(
            self.path, skip_damaged=self.skip_damaged, trust_others=self.trust_others
        )
        return list(found.values())

    def purge(self, keys: list[str] | None = None) -> list[str]:
        """Remove letters; return the keys of those that were there.

        Args:
            keys: Which letters; None removes all.

        Raises:
            DeadLetterError: The file cannot be written, or is something else.
        """
        if keys is None:
            keys = [letter.key for letter in self.entries()]
        if not self.path.exists():
            return []  # and stays away
        return self.store().remove(keys, "purged")

    def store(self) -> Store:
        from .store import Store

        return Store(
            self.path,
            self.max_entries,
            self.max_age,
            tracebacks=self.keeps_tracebacks,
            trust_others=self.trust_others,
        )

    @property
    def keeps_tracebacks(self) -> bool:
        return True


def letter_recorder_of(dead_letters: object) -> LetterRecorder | None:
    """Who watches a call with this option; None if nobody does.

    Raises:
        TypeError: It is not what it must be.
    """
    if dead_letters is None:
        return None
    path = path_in(dead_letters)
    if path is not None:
        dead_letters = DeadLetters(path)
    if not isinstance(dead_letters, DeadLetters):
        raise TypeError(
            f"dead_letters must be a DeadLetters or the path of its file, got "
            f"{dead_letters!r}"
        )
    from .recorder import LetterRecorder

    return LetterRecorder(dead_letters.store())
