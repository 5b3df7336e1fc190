"""Looks up tasks, before they are handed out, in what earlier runs have done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, cast

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.durable.files.errors import JournalError
from cotality.core.utils._process.durable.files.handle import reader_of
from cotality.core.utils._process.durable.files.read import Fields
from cotality.core.utils._process.durable.keys.errors import TaskKeyError
from cotality.core.utils._process.durable.keys.task_key import Keys
from cotality.core.utils._process.engine.source import SortedOut, Source
from cotality.core.utils._process.pickling.encode import decode
from cotality.core.utils._process.pickling.exceptions import (
    attributes_of,
    unpack_exception,
)
from cotality.core.utils._process.tasks.errors import RemoteTaskError
from cotality.core.utils._process.tasks.outcome import Details, Portion, Settled
from cotality.core.utils._process.tasks.task import Task, describe, numbered
from cotality.core.utils._process.tasks.times import EPOCH, Times, Timing

from .index import Past, fields_at
from .journal import Journal
from .results import Extent, LostError, Results
from .skipped import Skipped

LOADED_LIMIT = 1 << 20  # bytes of outcomes that wait to be taken, about
COST_OF_KNOWN = 4096  # bytes of an outcome that waits to be taken, besides its result
FROM_JOURNAL = (
    "The task failed in an earlier run, says the journal, and was not run again; "
    "retry_failed=True does that."
)


class JournalMemory:
    """Gives the tasks of a call their keys, and finds what earlier runs made of them.

    Attributes:
        keys: Those of all tasks that have been read, by index.
        loaded: The bytes of the outcomes that were found and not taken.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        retry_failed: bool,
        announce: Callable[[Portion], None],
    ) -> None:
        self.journal = journal
        self.retry_failed = retry_failed
        self.announce = announce
        self.loaded = 0
        self.key_maker = Keys()
        self.keys: list[str] = []
        self.seen: set[str] = set()  # the same
        self.past = Past()
        self.file: BinaryIO | None = None  # the journal, to look things up
        self.file_id = b""
        self.results: Results | None = None
        self.source: Source | None = None  # that asks, until the call is over
        self.failure: Exception | None = None  # why nothing more may run

    def attach(self, source: Source) -> None:
        self.source = source

    def sort_out(self, portion: Portion) -> SortedOut:
        start, tasks = portion.start, portion.tasks
        keys, error = self.key_maker.of_all(start, tasks)
        self.seen.update(keys)
        if len(self.seen) < len(self.keys) + len(keys):
            keys, error = self.before_duplicate(portion, keys)
        if self.past.has_ends:
            found = self.tell_apart(portion, keys, error)
            if found.rest is not None:  # it comes again
                end = found.rest.start - start
                self.seen.difference_update(keys[end:])
                keys = keys[:end]
        else:
            found = SortedOut([portion.first(len(keys))], error=error)
        self.keys += keys
        return found

    def before_duplicate(
        self, portion: Portion, keys: list[str]
    ) -> tuple[list[str], TaskKeyError | None]:
        """The *keys* before the first that is not new, and the error about that one."""
        firsts = {key: index for index, key in enumerate(self.keys)}
        for position, key in enumerate(keys):
            index = portion.start + position
            first = firsts.setdefault(key, index)
            if first != index:
                error = duplicate(first, index, portion.tasks[position], key)
                return keys[:position], error
        return keys, None

    def tell_apart(
        self, portion: Portion, keys: list[str], error: Exception | None
    ) -> SortedOut:
        start, tasks = portion.start, portion.tasks
        to_run: list[Portion] = []
        known: list[Settled] = []
        first = 0  # of the tasks that have to run and follow one another
        end = len(keys)
        for position, key in enumerate(keys):
            try:
                settled = self.outcome_of(key, start + position, tasks[position])
            except JournalError as failure:
                end, error = position, failure
                break
            if settled is None:
                continue
            known.append(settled)
            if first < position:
                to_run.append(Portion(start + first, tasks[first:position]))
            first = position + 1
            if not self.has_room and first < end:
                rest = Portion(start + first, tasks[first:])
                return SortedOut(to_run, known, rest)
        if first < end:
            to_run.append(Portion(start + first, tasks[first:end]))
        return SortedOut(to_run, known, error=error)

    @property
    def has_room(self) -> bool:
        return self.loaded < LOADED_LIMIT

    def was_taken(self) -> None:
        self.loaded = 0

    def keys_of(self, start: int, count: int) -> list[str]:
        return self.keys[start : start + count]

    def will_run(self, portion: Portion) -> None:
        if self.failure is not None:
            raise self.failure
        self.announce(portion)

    def fail(self, error: Exception) -> None:
        """Let nothing more be handed out, and the call end with *error*."""
        self.failure = error
        if self.source is not None:
            self.source.stop(error)
            self.source.returned.clear()

    def open(self, past: Past, results: Results, file_id: bytes) -> None:
        """Learn what is in the journal."""
        self.past = past
        self.results = results
        self.file_id = file_id
        if past.has_ends:
            self.file = reader_of(self.journal.path)

    def forget(self) -> None:
        """The call is over."""
        if self.file is not None:
            self.file.close()
        self.source = self.file = self.results = None
        self.past = Past()
        self.seen.clear()
        self.keys.clear()

    def outcome_of(
        self, key: str, index: int, task: Task[Any]
    ) -> Settled | None:  # Any: a task of any result type
        """What became of *task* in an earlier run; None if it has to be run.

        Raises:
            JournalError: That is lost, and it was not expected.
        """
        offset = self.past.take(key, with_failed=not self.retry_failed)
        if offset is None:
            return None
        assert self.file is not None
        try:
            fields = fields_at(self.file, offset, self.file_id)
            if fields is None or fields.get("key") != key:
                raise LostError(f"the line at byte {offset} is not what it was")
            settled = self.settled(fields, key, index)
            settled.details = details_of(fields, task)
        except LostError as error:
            if self.journal.skip_damaged:
                return None
            raise JournalError(
                f"{self.journal.path} says that {numbered(index, task)} has finished, "
                f"and its result cannot be read: {error}. "
                f"Journal(..., skip_damaged=True) runs such tasks again."
            ) from error
        return settled

    def settled(self, fields: Fields, key: str, index: int) -> Settled:
        has_failed = fields["event"] == "failed"
        data = self.result_of(fields)
        self.loaded += COST_OF_KNOWN + len(data or b"")
        if has_failed:
            return Settled(index, [None], {0: failure_of(data, fields)})
        if data is None:
            reason = fields.get("unkept") or "keep_results=False"
            return Settled(index, [Skipped(key, str(reason))], {})
        try:
            return Settled(index, [decode(data)], {})
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise LostError(f"unpickling it raised {class_and_text(error)}") from error

    def result_of(self, fields: Fields) -> bytes | None:
        """The bytes of the result, if it was kept.

        Raises:
            LostError: It was, and is not there.
        """
        if "result" not in fields:
            return None
        assert self.results is not None
        return self.results.read(Extent(*map(int, fields["result"])))


def duplicate(
    first: int, index: int, task: Task[Any], key: str
) -> TaskKeyError:  # Any: as above
    if task.label is not None:
        return TaskKeyError(
            f"tasks {first} and {index} have the same label {task.label!r}, so a "
            f"journal cannot tell them apart. Task {index} is {describe(task)}."
        )
    return TaskKeyError(
        f"tasks {first} and {index} are the same call, {describe(task)}, so a journal "
        f"cannot tell them apart (key {key}). Give each a label of its own, or leave "
        f"one out."
    )


def failure_of(data: bytes | None, fields: Fields) -> Exception:
    """The failure that a task ended with in an earlier run.

    Raises:
        LostError: What was kept of it is something else.
    """
    try:
        error = None if data is None else unpack_exception(data, is_old=True)
    except Exception as broken:
        if is_of_a_signal(broken):
            raise
        raise LostError(
            f"what it failed with cannot be read: {class_and_text(broken)}"
        ) from broken
    if not isinstance(error, Exception):
        from cotality.core.utils._process.tasks.frames_of_text import (
            frames_of_traceback,
        )

        name, message = fields["error"], fields["message"]
        error = RemoteTaskError(f"{name}: {message}")
        error.type_name = name
        error.traceback_text = fields.get("traceback", "")
        error = error.with_traceback(frames_of_traceback(error.traceback_text))
    # Not by its attribute, which the class may have made another one of.
    notes: Any = attributes_of(error).get("__notes__")  # Any: classes may do much
    if type(notes) is list:  # the task may have another index in this call
        given = cast("list[object]", notes)
        given[:] = [note for note in given if not is_of_earlier_call(note)]
    try:
        error.add_note(FROM_JOURNAL)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # A courtesy, and the class may forbid it.
    return error


def is_of_earlier_call(note: object) -> bool:
    return str(note).startswith("Raised by task ") or note == FROM_JOURNAL


def details_of(fields: Fields, task: Task[Any]) -> Details:  # Any: as above
    times = Times()
    if "at" in fields and "seconds" in fields:
        began = float(fields["at"]) - EPOCH
        times = Times.of([Timing(began, float(fields["seconds"]))])
    worker, attempt = str(fields.get("worker", "")), int(fields.get("attempt", 1))
    return Details([task], times, worker, float("inf"), attempt)
