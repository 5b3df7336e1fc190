"""Dead letters with a policy: how often to run them again, and when."""

from __future__ import annotations

import datetime
import enum
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

from cotality._kit.public import public_in
from cotality._kit.safe_text import text_of
from cotality.core.calls import (
    checked_flag,
    checked_seconds,
    takes_options_without,
)
from cotality.core.utils.process import DeadLetters, Options, Outcome, Task

if TYPE_CHECKING:
    from cotality.core.durable import Store
    from cotality.core.utils.process import DeadLetter

T = TypeVar("T")


class Missing(enum.Enum):
    """In the place of an argument that was not given."""

    ITEM = "item"
    ERROR = "error"


@public_in("cotality.tuning")
@dataclass(frozen=True, slots=True)
class DLQPolicy:
    """When a `DeadLetterQueue` runs its entries again.

    Args:
        max_retries: How often to run each entry again at most; 0 never does, None sets
            no limit.
        retry_delay: How many seconds to wait after an entry has failed, also as a
            `datetime.timedelta`.
        include_traceback: Keep the traceback of each failure. It may show things that
            should not be in a file, and is usually the largest part of an entry.

    Raises:
        TypeError: A value of the wrong type.
        ValueError: A value out of range.
    """

    max_retries: int | None = 3
    retry_delay: float | datetime.timedelta = 0.0
    include_traceback: bool = True

    def __post_init__(self) -> None:
        if self.max_retries is not None:
            check_retries(self.max_retries)
        checked_flag("include_traceback", self.include_traceback)
        # In seconds from now on; frozen only for others.
        object.__setattr__(self, "retry_delay", delay_of(self.retry_delay))

    @property
    def delay_seconds(self) -> float:
        return delay_of(self.retry_delay)

    def allows(self, letter: DeadLetter) -> bool:
        """Whether *letter* may be run again, now or later."""
        limit = self.max_retries
        return bool(letter.packed) and (limit is None or letter.retries < limit)

    def is_due(self, letter: DeadLetter, now: float) -> bool:
        """Whether *letter* may be run again at *now*, in seconds since the epoch."""
        return self.allows(letter) and now >= letter.failed_at + self.delay_seconds


@public_in("cotality.tuning")
class DeadLetterQueue(DeadLetters):
    """A file that keeps what failed for good, and runs it again as a policy says.

    It is a `DeadLetters`, so you can use it wherever you can use one: as the option
    ``dead_letters`` of a call, for `replay`, and with ``python -m
    cotality.core.utils.dead_letters``; these ignore the policy. An entry is a
    `DeadLetter`: its task, its error, and how often it has failed. An entry that
    succeeds leaves the file.

    Any number of processes and threads may add to one file, look at it, purge it and
    retry it at the same time; the file is locked only during a change. Each process has
    a queue of its own; threads may share one. The file does not keep the policy: each
    queue follows its own.

    Entries are pickled, so whoever can write to the file can make the program that
    retries them run any code. Whoever can read it sees arguments and errors.

    Args:
        path: The file. It is created with the first entry, with its folders.
        policy: When to run entries again; by default at most 3 times, at any time.
        max_entries: Keep only this many entries, the latest; None, the default, keeps
            all.
        max_age: Keep entries for this long, in seconds or as a `datetime.timedelta`.
            Older entries are dropped when a new one comes.
        skip_damaged: As for `DeadLetters`.
        trust_others: As for `DeadLetters`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A limit is out of range.
    """

    policy: DLQPolicy

    def __init__(
        self,
        path: str | os.PathLike[str],
        policy: DLQPolicy | None = None,
        *,
        max_entries: int | None = None,
        max_age: float | datetime.timedelta | None = None,
        skip_damaged: bool = True,
        trust_others: bool = False,
    ) -> None:
        super().__init__(
            path,
            max_entries=max_entries,
            max_age=max_age,
            skip_damaged=skip_damaged,
            trust_others=trust_others,
        )
        if policy is not None and not isinstance(policy, DLQPolicy):
            raise TypeError(
                f"policy must be a DLQPolicy, got {policy!r}. "
                f"DLQPolicy(max_retries=..., retry_delay=...)?"
            )
        self.policy = DLQPolicy() if policy is None else policy
        # Knows what is in the file, so that to add reads only what is new. Changed
        # while the file is locked, which keeps threads apart as well.
        self.adder: Store | None = None

    def __getstate__(self) -> dict[str, Any]:  # Any: its attributes
        return {**self.__dict__, "adder": None}

    def __repr__(self) -> str:
        return f"DeadLetterQueue({os.fspath(self.path)!r}, {self.policy!r})"

    def __len__(self) -> int:
        """How many entries there are. Reads the file: 20 us for each (measured).

        So an empty queue is false, as an empty list is.
        """
        return len(self.entries())

    @overload
    def add(
        self,
        func: Callable[[T], object],
        item: T,
        error: BaseException | str,
        *,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> str: ...
    @overload
    def add(
        self,
        func: None = None,
        *,
        item: object,
        error: BaseException | str,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> str: ...
    def add(
        self,
        func: Callable[..., object] | None = None,
        item: object = Missing.ITEM,
        error: BaseException | str | Missing = Missing.ERROR,
        *,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> str:
        """Keep the fact that *func* failed with *item*; on the disk at once.

        If there is an entry with the same key (*label*, or else function and item), the
        new one replaces it, counts on in `times`, and has all its retries again. An
        entry that cannot be pickled can be read, but not retried.

        It takes 1 to 3 milliseconds (measured on an SSD), most of it until the data is
        on the disk. The first call also reads the file, which takes 20 µs an entry.

        Args:
            func: What was called with *item*. Without it, only the item is kept, to be
                run again with the function that you give to `retry`.
            item: Its argument.
            error: What it raised, or the text of that. For the exception that is being
                handled, the text is enough: its class and its traceback are kept as
                well.
            label: The key of the entry.
            metadata: Anything else about the entry, such as ``{"source": "import"}``.
                It is kept as JSON; a value that JSON cannot hold, as its `repr`.

        Returns:
            The key of the entry.

        Raises:
            TypeError: An argument is missing, or has the wrong type.
            DeadLetterError: The file cannot be written, or is something else.
        """
        for each in (item, error):
            if isinstance(each, Missing):
                raise TypeError(
                    f"{each.value} is missing: write add(item=..., error=...), and "
                    f"func=... for retry() to know what to call"
                )
        if func is not None:
            task = Task(func, positional=(item,), label=label)
            return self.add_task(task, error, metadata=metadata)  # type: ignore[arg-type]  # not missing
        from cotality.core.durable import letter_of_item

        known = checked_error(error)
        about = checked_metadata(metadata)
        return self.keep(letter_of_item(item, known, label=label), about)

    def add_task(
        self,
        task: Task[Any],
        error: BaseException | str,
        *,
        metadata: Mapping[str, object] | None = None,
    ) -> str:
        """The same for a `Task`, which may have any arguments."""
        from cotality.core.durable import letter_of

        if not isinstance(task, Task):
            raise TypeError(
                f"task must be a Task, got {task!r}. Write Task.of(function, ...), or "
                f"use add(func, item, error)."
            )
        known, about = checked_error(error), checked_metadata(metadata)
        return self.keep(letter_of(task, known), about)

    def keep(
        self, letter: DeadLetter, about: dict[str, Any]
    ) -> str:  # Any: what JSON can hold
        if self.adder is None:
            self.adder = self.store()
        self.adder.add([replace(letter, metadata=about)])
        return letter.key

    def due(self) -> list[DeadLetter]:
        """The entries that `retry` would run now, the oldest first.

        Raises:
            DeadLetterError: The file is something else.
            OSError: It cannot be read.
        """
        now = time.time()
        return [each for each in self.entries() if self.policy.is_due(each, now)]

    def given_up(self) -> list[DeadLetter]:
        """The entries that `retry` will never run: no retries left, or not picklable.

        Raises:
            DeadLetterError: The file is something else.
            OSError: It cannot be read.
        """
        return [each for each in self.entries() if not self.policy.allows(each)]

    @takes_options_without("dead_letters")
    def retry(
        self,
        func: Callable[..., object] | None = None,
        *,
        keys: Iterable[str] | None = None,
        max_workers: int | None = None,
        use_processes: bool = False,
        **options: Unpack[Options],
    ) -> list[Outcome[Any]]:  # Any: nobody knows any more what the tasks return
        """Run the entries that are due; those that succeed leave the file at once.

        An entry is due if it has been retried less than `max_retries` times, and has
        last failed at least `retry_delay` seconds ago. A retry counts as soon as it is
        handed to a worker, so it counts even if this process is killed meanwhile
        (unless it is ``inline``). With ``retries=``, all attempts of a call count as
        one.

        It does not wait for entries to become due: call it now and then. To run entries
        in spite of the policy, give the queue to :func:`replay`.

        Args:
            func: What to call for entries that were added without a function; without
                it, these are left out, with a warning. The others call their own
                function.
            keys: Only entries with these keys; None takes all. Entries that are not due
                are left out.
            max_workers: As for :func:`execute_tasks_in_parallel`.
            use_processes: As for :func:`execute_tasks_in_parallel`.
            **options: As for :func:`execute_tasks_in_parallel`, see `Options`, except
                for ``dead_letters``.

        Returns:
            An outcome for each task that was run, in the order of the file; empty if
            nothing is due. An entry that cannot be unpickled here is not run and stays
            in the file; a warning says so.

        Raises:
            KeyError: There is no entry with one of the *keys*.
            JournalInUseError: Somebody else is retrying entries; only one may do so at
                a time, so that nothing runs twice.
            DeadLetterError: The file cannot be read or written.
            ValueError: *options* have ``dead_letters``.
            TypeError: *func* cannot be called.
        """
        from cotality.core.durable import replay_chosen

        if func is not None and not callable(func):
            raise TypeError(f"func must be a function to call, got {func!r}")
        wanted = None if keys is None else list(keys)

        def due(there: list[DeadLetter]) -> list[DeadLetter]:
            now = time.time()
            return [each for each in there if self.policy.is_due(each, now)]

        return replay_chosen(
            self, wanted, due, max_workers, use_processes, options, func
        )

    @property
    def keeps_tracebacks(self) -> bool:
        return self.policy.include_traceback


def checked_error(error: object) -> BaseException | str:
    """*error*; the exception that is being handled if that is what it is the text of.

    Raises:
        TypeError: It is no exception and no text.
    """
    if isinstance(error, BaseException):
        return error
    if not isinstance(error, str):
        raise TypeError(
            f"error must be the exception that the task failed with, or its text, got "
            f"{error!r}"
        )
    handled = sys.exception()
    return handled if handled is not None and text_of(handled) == error else error


def checked_metadata(metadata: object) -> dict[str, Any]:  # Any: what JSON can hold
    """*metadata* as JSON can hold it.

    Raises:
        TypeError: It is no mapping.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeError(
            f"metadata must be a dict such as {{'source': 'import'}}, got {metadata!r}"
        )
    from cotality.tuning._tuning.logs.log_formats import plain

    return cast("dict[str, Any]", plain(cast("object", metadata)))


def check_retries(count: object) -> None:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"max_retries must be an integer or None, got {count!r}")
    if count < 0:
        raise ValueError(
            f"max_retries must be at least 0, got {count!r}. Use None for no limit."
        )


def delay_of(delay: object) -> float:
    """*delay* in seconds."""
    if isinstance(delay, datetime.timedelta):
        delay = delay.total_seconds()
    seconds = checked_seconds("retry_delay", delay, zero=True)
    if seconds is None:  # none was given, or one without end
        raise ValueError(
            f"retry_delay must be a number of seconds, got {delay!r}. To never run "
            f"anything again use max_retries=0."
        )
    return seconds
