"""The line that each call leaves in the log when it ends: where it ran, and how.

At INFO, if somebody has asked for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from cotality._kit import units
from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import printable
from cotality.core.utils._process.engine.observers import Observer, Start
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.task import Task, name_of_function

if TYPE_CHECKING:
    from typing import Any

    from cotality.core.utils._process.rules.decision import Decision

logger: logging.Logger = logging.getLogger(LOGGER)

CALLERS_CHOICE = "the caller said so"
OVER_SOON = "it was over before anything else would have paid"


@dataclass(slots=True)
class EndedCall:
    """What a call was like, as far as it can be told without looking at its tasks.

    Attributes:
        function: The name of what the first task called; empty if none has begun.
        total: How many tasks there were; None if nobody knows.
        place: ``"one thread"``, ``"threads"``, ``"processes"``, ``"inline"`` for the
            thread of the caller, or the class of an executor.
        workers: How many there were of those.
        decided_by: ``"auto"``, ``"plan"``, or ``"caller"``.
        reason: Why it ran there.
        done: How many tasks gave a result.
        failed: How many failed for good.
        recalled: How many of both were known from an earlier run.
        retries: How often a task was run again.
        seconds: From the beginning to the end.
        error: The class of what the call raised; empty if nothing.
    """

    function: str = ""
    total: int | None = None
    place: str = ""
    workers: int = 1
    decided_by: str = "caller"
    reason: str = CALLERS_CHOICE
    done: int = 0
    failed: int = 0
    recalled: int = 0
    retries: int = 0
    seconds: float = 0.0
    error: str = ""

    def log(self) -> None:
        from dataclasses import asdict

        logger.info("%s", printable(self.in_words()), extra={"call": asdict(self)})

    def in_words(self) -> str:
        count = self.done + self.failed if self.total is None else self.total
        of = f" of {self.function}" if self.function else ""
        who = "" if self.decided_by == "caller" else f"{self.decided_by}: "
        return (
            f"{units.number(count, 'task')}{of} on {self.where()} ({who}"
            f"{self.reason}): {', '.join(self.what_came())} in "
            f"{units.seconds(self.seconds)}"
        )

    def where(self) -> str:
        match self.place:
            case "inline":
                return "the calling thread"
            case "threads" | "processes":
                one = {"threads": "thread", "processes": "process"}[self.place]
                return units.number(self.workers, one, self.place)
            case "one thread":
                return self.place
            case _:
                return f"{self.place}, {units.number(self.workers, 'worker')}"

    def what_came(self) -> list[str]:
        parts = [f"{self.done:,} done"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.recalled:,} known before"] if self.recalled else []
        if self.retries:
            parts.append(units.number(self.retries, "retry", "retries"))
        if self.error:
            parts.append(f"ended by {self.error}")
        return parts


def log_loop(
    function: object,
    total: int | None,
    results: Sequence[object],
    seconds: float,
    error: BaseException | None,
    decided_by: str = "caller",
    reason: str = CALLERS_CHOICE,
) -> None:
    """Log that a plain loop is over, which needed no call.

    Args:
        function: What it called, with each item.
        total: How many items there were; None if nobody knows.
        results: What it gave until an *error* was raised, if one was.
        seconds: How long it took.
        decided_by: Who said that it was to be one, and for what *reason*.
    """
    EndedCall(
        function=name_of_function(function),
        total=total,
        place="inline",
        decided_by=decided_by,
        reason=reason,
        done=len(results),
        failed=int(isinstance(error, Exception)),
        seconds=seconds,
        error="" if error is None else type(error).__name__,
    ).log()


@dataclass
class CallLog(Observer):
    """Writes the line of one call.

    Args:
        call: What is known of it before it begins.
    """

    call: EndedCall = field(default_factory=EndedCall)
    began_at: float = 0.0

    def began(self, start: Start) -> None:
        call = self.call
        call.total, call.workers, call.place = start.total, start.workers, start.kind
        self.began_at = start.at

    def input_ended(self, total: int) -> None:
        self.call.total = total

    def decided(self, decision: Decision) -> None:
        call = self.call
        call.place, call.workers = decision.choice, decision.workers
        call.decided_by, call.reason = "auto", decision.reason

    def handed_out(self, portion: Portion) -> None:
        if not self.call.function and portion.tasks:
            self.call.function = name_of_function(portion.tasks[0].callback_function)

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:
        self.call.retries += 1

    def settled(self, settled: Settled) -> None:
        failed = len(settled.errors)
        self.call.failed += failed
        self.call.done += len(settled.values) - failed

    def recalled(self, settled: Settled) -> None:
        self.settled(settled)
        self.call.recalled += len(settled.values)

    def ended(self, error: BaseException | None) -> None:
        self.call.seconds = perf_counter() - self.began_at
        if error is not None and not isinstance(error, GeneratorExit):
            self.call.error = type(error).__name__
        self.call.log()
