"""The observer that writes the journal while a call runs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cotality._kit.safe_text import class_and_text, printable, text_of
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.durable.files.append import RecordFile, line
from cotality.core.utils._process.durable.files.errors import JournalError
from cotality.core.utils._process.durable.files.read import Damage
from cotality.core.utils._process.durable.files.trust import check_trust
from cotality.core.utils._process.engine.observers import Observer, Start
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.pickling.exceptions import pack_exception
from cotality.core.utils._process.tasks.errors import was_cut_off
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import Measure

from . import lines
from .calls import Calls
from .index import KIND, Past
from .journal import Journal
from .lookup import JournalMemory
from .results import Places, Results, pack, pack_all

if TYPE_CHECKING:
    from cotality.core.utils._process.portions.chunk import ChunkReport

logger = logging.getLogger(LOGGER)

SYNC_EVERY = 1.0  # s, with fsync="second"
NAMED = 10  # tasks in a message


class Recorder(Observer):
    """Writes down what happens in one call; what it finds in the journal, `lookup` has.

    What cannot be written ends the call as an error of the input would: nothing more
    is handed out, what runs is waited for and yielded, then the error is raised. So
    what was computed reaches the caller even if it cannot reach the disk.
    """

    measure = Measure.TIMES

    name = "the journal"

    def __init__(self, journal: Journal, *, resume: bool, retry_failed: bool) -> None:
        self.journal = journal
        self.resume = resume
        self.memory = JournalMemory(
            journal, retry_failed=retry_failed, announce=self.will_run
        )
        self.file: RecordFile | None = None
        self.results: Results | None = None
        self.calls = Calls()
        self.peak_memory = 0  # bytes, of the worker whose portion came back last
        self.announced: Portion | None = None
        self.synced_at = time.monotonic()
        self.has_begun = False
        self.unrecorded: list[str] = []  # tasks that ended and could not be recorded
        if journal.fsync == "second":
            self.patience = SYNC_EVERY

    # The begin.

    def began(self, start: Start) -> None:
        path, results = self.journal.path, self.journal.results_path
        self.file = RecordFile(
            path,
            KIND,
            skip_damaged=self.journal.skip_damaged,
            trust_others=self.journal.trust_others,
        )
        if not self.journal.trust_others:
            check_trust(path, KIND, results, *results.glob("*.pickles"))
        self.results = Results(results)
        past = Past.of(path, self.damaged)
        if not self.resume and not past.is_empty:
            raise JournalError(
                f"{path} is the journal of an earlier run, with {len(past.finished)} "
                f"finished tasks. resume=True goes on from there; to start over, "
                f"choose another path or delete it and {results}."
            )
        self.tell_of(past)
        self.memory.open(past, self.results, self.file.id)
        self.write(
            line(
                "run",
                at=time.time(),
                pid=os.getpid(),
                workers=start.workers,
                kind=start.kind,
                tasks=start.total,
                resume=self.resume,
            )
        )
        self.has_begun = True

    def damaged(self, damage: Damage) -> None:
        where = f"line {damage.line} of {self.journal.path} (byte {damage.offset})"
        if not self.journal.skip_damaged:
            raise JournalError(
                f"{where} cannot be read: {damage.text!r}. Something else has "
                f"written to the file, or a disk has failed. Which task the line was "
                f"about is not known: Journal(..., skip_damaged=True) goes on without "
                f"it, and runs that task again."
            )
        logger.warning("%s cannot be read and is skipped: %r", where, damage.text)

    def tell_of(self, past: Past) -> None:
        if past.is_empty:
            return
        logger.info(
            "%s: %d tasks have finished, %d have failed",
            self.journal.path,
            len(past.finished),
            len(past.failed),
        )
        if past.unfinished:
            logger.warning(
                "%s: %d tasks were started and not finished when the run before came "
                "to an end; they run again (%s)",
                self.journal.path,
                len(past.unfinished),
                some_of(sorted(past.unfinished)),
            )

    # While it runs.

    def will_run(self, portion: Portion) -> None:
        """*portion* is about to be handed out.

        Written before that, so that no task ever ran of which the journal says nothing.

        Raises:
            JournalError: It could not be written.
        """
        keys = self.memory.keys_of(portion.start, len(portion.tasks))
        unfinished = self.memory.past.unfinished
        again = [key for key in keys if key in unfinished] if unfinished else []
        self.announced = portion
        text = lines.started(
            self.escaped(keys),
            time.time(),
            portion.attempt,
            self.escaped(again),
            self.calls.of_started(portion.tasks),
        )
        self.write(text.encode())

    def escaped(self, keys: Sequence[str]) -> Sequence[str]:
        return lines.escaped(keys) if self.memory.key_maker.labelled else keys

    def handed_out(self, portion: Portion) -> None:
        announced, self.announced = self.announced, None
        if announced is not None and len(portion.tasks) < len(announced.tasks):
            self.were_returned(
                announced.start, len(announced.tasks), len(portion.tasks)
            )

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        self.peak_memory = report.peak_memory
        if len(report.values) < len(portion.tasks):
            self.were_returned(portion.start, len(portion.tasks), len(report.values))

    def were_returned(self, start: int, count: int, without: int) -> None:
        keys = self.memory.keys_of(start + without, count - without)
        self.try_to_write(lines.returned(self.escaped(keys)).encode())

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        event = line(
            "retry",
            key=self.memory.keys[index],
            at=time.time(),
            attempt=attempt,
            delay=round(delay, 6),
            error=class_and_text(error)[: lines.SHOWN_MESSAGE],
        )
        self.try_to_write(event)

    def settled(self, settled: Settled) -> None:
        keys = self.memory.keys_of(settled.start, len(settled.values))
        if len(keys) < len(settled.values):
            return  # struck while they were read, they had no keys and never ran
        try:
            places = self.keep(settled)
            text = self.lines_of(settled, self.escaped(keys), places)
            if text:
                self.write(text.encode())
        except OSError as error:
            if is_of_a_signal(error):
                raise
            self.unrecorded += keys
            self.fail(self.cannot_write(error))
        except JournalError as error:
            self.unrecorded += keys
            self.fail(error)

    def lines_of(self, settled: Settled, keys: Sequence[str], places: Places) -> str:
        """The lines about the end of these tasks."""
        details, errors = settled.details, settled.errors
        assert details is not None
        details.peak_memory = self.peak_memory
        calls = self.calls.of_slowest(details)
        if not errors:
            return lines.finished(keys, places, details, calls)
        text: list[str] = []
        each = zip(keys, places.texts(), strict=True)
        for position, (key, place) in enumerate(each):
            if position in errors:
                error = errors[position]
                # One that was ended with its call has no end: it runs again.
                if not was_cut_off(error):
                    text.append(lines.failed(key, place, details, position, error))
            else:
                part = details.part(position, position + 1)
                call = {0: calls[position]} if position in calls else {}
                text.append(lines.finished([key], Places.of([place]), part, call))
        return "".join(text)

    def keep(self, settled: Settled) -> Places:
        """Write the results; for each where it is, or why it is nowhere."""
        if not self.journal.keep_results:
            return Places.of([""] * len(settled.values))
        assert self.results is not None
        at_once = None if settled.errors else pack_all(settled.values)
        if at_once is not None:
            return self.results.add(at_once)
        packed: list[bytes] = []
        unkept: dict[int, str] = {}
        for position, value in enumerate(settled.values):
            if position in settled.errors:
                packed.append(pack_exception(settled.errors[position], pack))
                continue
            try:
                packed.append(pack(value))
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                unkept[position] = self.cannot_keep(value, error)
        texts = self.results.add(packed).texts()
        for position in sorted(unkept):
            texts.insert(position, lines.unkept(unkept[position]))
        return Places.of(texts)

    def cannot_keep(self, value: object, error: Exception) -> str:
        reason = f"{type(value).__name__} cannot be pickled: {text_of(error)}"[:200]
        logger.warning(
            "%s: a result is not kept: %s. A run that resumes gets a Skipped for it.",
            self.journal.path,
            printable(reason),
        )
        return reason

    # Writing.

    def write(self, data: bytes) -> None:
        """Append *data*, and see to it that it reaches the disk when it has to.

        Raises:
            JournalError: That is not possible.
        """
        assert self.file is not None
        try:
            self.file.add(data)
            if self.journal.fsync == "always":
                self.sync()
            elif self.journal.fsync == "second":
                self.sync_if_due()
        except OSError as error:
            if is_of_a_signal(error):
                raise
            raise self.cannot_write(error) from error

    def try_to_write(self, data: bytes) -> None:
        """Likewise, of what no later run has to know."""
        try:
            self.write(data)
        except JournalError as error:
            self.fail(error)

    def sync_if_due(self) -> None:
        if (now := time.monotonic()) - self.synced_at >= SYNC_EVERY:
            self.sync()
            self.synced_at = now

    def sync(self) -> None:
        """Bring all to the disk, results before the lines that refer to them."""
        if self.results is not None:
            self.results.sync()
        if self.file is not None:
            self.file.sync()

    def waited(self) -> None:
        if self.journal.fsync == "second" and self.file is not None:
            try:
                self.sync_if_due()
            except OSError as error:
                if is_of_a_signal(error):
                    raise
                self.fail(self.cannot_write(error))

    def cannot_write(self, error: OSError) -> JournalError:
        failure = JournalError(
            f"the journal {self.journal.path} cannot be written: "
            f"{error.strerror or error}. Nothing more was handed out; once there is "
            f"room for it, resume=True goes on from what was written."
        )
        failure.__cause__ = error
        return failure

    def fail(self, error: JournalError) -> None:
        """Let *error* end the call."""
        if self.memory.failure is None:
            logger.error("%s", printable(str(error)))
            self.memory.fail(error)

    # The end.

    def ended(self, error: BaseException | None) -> None:
        if self.unrecorded:
            keys = self.unrecorded
            logger.error(
                "%s: %d tasks have ended and could not be recorded, so that a run "
                "which resumes runs them again (%s)",
                self.journal.path,
                len(keys),
                some_of(keys),
            )
        try:
            if self.has_begun:
                self.write_end(error)
        finally:
            try:
                self.let_go()
            finally:
                self.let_go()  # of what is left, if an exception has struck in there

    def let_go(self) -> None:
        """Close all that is open; harmless if it was."""
        if self.file is not None:
            self.file.close()
        if self.results is not None:
            self.results.close()
        self.memory.forget()

    def write_end(self, error: BaseException | None) -> None:
        told = None if error is None else class_and_text(error)[: lines.SHOWN_MESSAGE]
        try:
            self.write(line("end", at=time.time(), error=told))
            if self.journal.fsync != "never":
                self.sync()
        except (JournalError, OSError) as failure:
            if is_of_a_signal(failure):
                raise
            # All that a later run needs was written before.
            logger.warning("the end of the run could not be recorded: %s", failure)


def some_of(keys: list[str]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(map(printable, keys[:NAMED])) + more
