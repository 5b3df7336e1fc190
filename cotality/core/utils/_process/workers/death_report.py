"""The report on a worker that died: what is known, and what it may mean."""

from __future__ import annotations

import signal
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from cotality._kit.records import dataclass
from cotality._kit.safe_text import printable
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel.ledger import PEAK, Entry
from cotality.core.utils._process.tasks.errors import (
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
)
from cotality.core.utils._process.tasks.tracebacks import PackedFrame, unpack_frames

if TYPE_CHECKING:
    from .handle import WorkerHandle

# What usually is behind it, for the ends that have a usual reason.
USUAL_CAUSES = {
    "SIGKILL": "Usually the system killed it because memory ran out, or a person did.",
    "SIGSEGV": "Usually a defect in an extension module, or too deep a recursion in C.",
    "SIGBUS": "Usually a mapped file that shrank, or shared memory that ran out.",
    "SIGABRT": "Usually a check in C code that failed (abort).",
    "SIGFPE": "Usually a division by zero in C code.",
    "SIGILL": "Usually a library built for another processor.",
    "SIGTERM": "Somebody asked it to end: a batch system, a service manager, a task.",
}
BY_CODE = {
    0: "Usually a call of os._exit(0), or all its files were closed.",
    1: "Usually a call of os._exit(), or the connection to it broke.",
}
SERVER_IS_LOST = (
    "The fork server that workers are started from was killed, and all of its workers "
    "ended with it. Usually the system killed it because memory ran out, or a person "
    "did. The next worker is started from a new one."
)
SERVER_IS_SILENT = (
    "Its exit status is not known: the fork server that it was started from has not "
    "told it in time. Perhaps that was stopped, or gets no signal of the end."
)
STATUS_IS_LOST = (
    "Its exit status is not known: something in this program ignores SIGCHLD, or "
    "collects the exit status of all child processes."
)


@dataclass(frozen=True)
class Report:
    """What is known about the end of a worker."""

    pid: int
    exit_code: int | None
    server_is_lost: bool  # its fork server had ended, and could not tell
    server_is_silent: bool  # its fork server could have told, and has not
    reason: str | None  # why we ended it, if it was us
    written: str  # by `faulthandler`
    peak_memory: int
    time_limit: float | None
    entry: Entry

    @classmethod
    def of(cls, worker: WorkerHandle, entry: Entry) -> Report:
        return cls(
            pid=worker.pid,
            exit_code=worker.ending.exit_code,
            server_is_lost=worker.ending.server_is_lost,
            server_is_silent=worker.ending.server_is_silent,
            reason=worker.end_reason,
            written=worker.slot.take_stack(),
            peak_memory=max(worker.peak_memory, worker.slot.ledger.words[PEAK]),
            time_limit=worker.item.time_limit if worker.item else None,
            entry=entry.distrusted() if worker.end_reason == "untrue" else entry,
        )

    @property
    def signal_name(self) -> str | None:
        if self.exit_code is None or self.exit_code >= 0:
            return None
        try:
            return signal.Signals(-self.exit_code).name
        except ValueError:
            return f"signal {-self.exit_code}"

    @property
    def stack(self) -> str:
        """What was written of its end."""
        return self.at_end[0]

    @property
    def places(self) -> list[PackedFrame]:
        """Where it was at its end, outermost first, as far as that was written."""
        return self.at_end[1]

    @cached_property
    def at_end(self) -> tuple[str, list[PackedFrame]]:
        if not self.written:
            return "", []
        is_known = self.exit_code is not None
        try:
            from .death_frames import read_end  # only failures need it

            return read_end(self.written, self.signal_name, is_known=is_known)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            # Where descriptors have run out nothing can be imported. The watcher has to
            # go on, and the words are there.
            return self.written, []

    def ending(self) -> str:
        """How it ended, as a sentence."""
        if self.reason == "killed":
            return "It was ended on request."
        if self.reason == "in doubt":
            return "It was ended because its caller was interrupted."
        if self.reason == "untrue":
            return "It was ended because it answered something that it was not asked."
        if self.signal_name:
            cause = USUAL_CAUSES.get(self.signal_name, "")
            return f"It was ended by {self.signal_name}. {cause}".rstrip()
        if self.server_is_lost:
            return SERVER_IS_LOST
        if self.server_is_silent:
            return SERVER_IS_SILENT
        if self.exit_code is None:
            return STATUS_IS_LOST
        cause = BY_CODE.get(self.exit_code, "Usually a call of os._exit().")
        return f"It ended with exit code {self.exit_code}. {cause}"

    def facts(self) -> str:
        """The rest that is known, ready to be appended to a message."""
        text = ""
        if self.peak_memory:
            text += f" It had used up to {self.peak_memory / 1e6:.0f} MB of memory."
        if self.places:  # which the traceback shows, but not every log
            text += f" It was at {words_of(self.places)}."
        elif self.stack:
            stack = printable(self.stack, lines=True).rstrip()
            text += f"\nThe worker's stack at its end:\n{stack}"
        return text

    def failure(self) -> WorkerCrashedError | TaskTimeoutError:
        """The error of the task that was running."""
        if self.reason == "timeout" and self.time_limit is not None:
            late = TaskTimeoutError(
                f"the task ran longer than its limit of {self.time_limit:g} s, and its "
                f"worker process (pid {self.pid}) was ended"
            )
            late.timeout = self.time_limit
            late.pid = self.pid
            return remember(late, self.entry)
        error = WorkerCrashedError(
            f"the worker process (pid {self.pid}) came to an end while it ran this "
            f"task. {self.ending()}{self.facts()}"
        )
        error.exit_code = self.exit_code
        error.signal_name = self.signal_name
        error.worker_stack = self.stack
        error.peak_memory = self.peak_memory
        error.pid = self.pid
        error.on_request = self.reason == "killed"
        if self.server_is_lost:
            error.__dict__["_server_is_lost"] = True
        return remember(error.with_traceback(unpack_frames(self.places)), self.entry)

    def start_failure(self, deaths: int) -> WorkerStartError:
        error = WorkerStartError(
            f"{deaths} worker processes in a row came to an end before they could "
            f"start any work. The last one (pid {self.pid}): {self.ending()}"
            f"{self.facts()}"
        )
        return error.with_traceback(unpack_frames(self.places))


def words_of(places: list[PackedFrame]) -> str:
    """Where a program is whose frames are at *places*, outermost first."""
    *outer, inner = places
    caller = f", called by {outer[-1].function}" if outer else ""
    return f"line {inner.line} of {inner.file}, in {inner.function}{caller}"


E = TypeVar("E", bound=BaseException)


def remember(error: E, entry: Entry) -> E:
    """Let :func:`entry_of` find what the ledger says about the death behind *error*."""
    error.__dict__["_entry"] = entry
    return error


def entry_of(error: BaseException) -> Entry:
    """What the ledger says about the death behind *error*; it can be asked once."""
    entry = error.__dict__.pop("_entry", None)
    return entry if isinstance(entry, Entry) else Entry()


def is_of_server(error: BaseException) -> bool:
    """Whether the death behind *error* was that of its fork server."""
    return "_server_is_lost" in error.__dict__
