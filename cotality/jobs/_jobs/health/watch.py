"""Looks at queues now and then, and tells what has begun and what is over, once."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass, field

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.health.alert_file import AlertMemory, OwnMemory
from cotality.jobs._jobs.health.alert_rules import AlertRules
from cotality.jobs._jobs.health.alerts import Alert, Kind
from cotality.jobs._jobs.health.figures import QueueFigures

logger = logging.getLogger("cotality.jobs.health")


@dataclass(slots=True)
class Past:
    """What was seen of a queue before."""

    dead: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])
    unserved_since: float | None = None

    def growth(self, dead: int, now: float, within_s: float) -> int:
        """How many dead letters have come within the last *within_s* seconds."""
        # The last look before that stays: it says how many there were at its begin.
        while len(self.dead) > 1 and self.dead[1][0] <= now - within_s:
            self.dead.popleft()
        self.dead.append((now, dead))
        # From the fewest: those that were requeued meanwhile make none of them good.
        return dead - min(count for _, count in self.dead)

    def unserved_s(self, is_unserved: bool, now: float) -> float:
        """For how many seconds no worker has served jobs that wait."""
        if not is_unserved:
            self.unserved_since = None
            return 0.0
        if self.unserved_since is None or now < self.unserved_since:
            self.unserved_since = now
        return now - self.unserved_since


@public_in("cotality.jobs.health")
class HealthWatch:
    """Tells you once when something is wrong with a queue, and once when it is over.

    Each alert goes to the log ``cotality.jobs.health`` and to the functions in *tell*.

    Args:
        rules: The limits for queues that have no rules of their own.
        queues: Rules for queues by name.
        tell: Functions that get each `Alert`. Exceptions that they raise are logged.
        memory: Remembers which alerts were told. Give all processes that check the same
            `AlertFile`; None is for a single one.
        now: A function that returns the time, in seconds.
    """

    rules: AlertRules
    queues: dict[str, AlertRules]
    tell: list[Callable[[Alert], object]]
    memory: OwnMemory | AlertMemory

    def __init__(
        self,
        rules: AlertRules | None = None,
        *,
        queues: Mapping[str, AlertRules] | None = None,
        tell: Iterable[Callable[[Alert], object]] = (),
        memory: AlertMemory | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.rules = AlertRules() if rules is None else rules
        self.queues = dict(queues or {})
        self.tell = list(tell)
        self.memory = OwnMemory() if memory is None else memory
        self.now = now
        self.pasts: dict[str, Past] = {}
        # By kind and queue, whether it was too much when it was looked at last.
        self.bad: dict[tuple[Kind, str], bool] = {}

    def look(self, stats: Iterable[QueueFigures]) -> list[Alert]:
        """Check once; return the alerts that began or ended, which were also told.

        Args:
            stats: The figures of each queue. A queue that was there before and is
                missing counts as empty.
        """
        told = list[Alert]()
        # One at a time: what is remembered as told has been, whatever fails next.
        for alert in self.changes(stats, self.now()):
            self.say(alert)
            told.append(alert)
        return told

    def changes(self, stats: Iterable[QueueFigures], now: float) -> Iterator[Alert]:
        seen = set[str]()
        for each in stats:
            seen.add(each.queue)
            yield from self.judged(each.queue, self.measured(each, now))
        for queue in self.pasts.keys() - seen:
            yield from self.judged(queue, {})
            self.pasts[queue] = Past()

    def rules_of(self, queue: str) -> AlertRules:
        return self.queues.get(queue, self.rules)

    def measured(self, stats: QueueFigures, now: float) -> dict[Kind, float]:
        rules = self.rules_of(stats.queue)
        past = self.pasts.setdefault(stats.queue, Past())
        is_waiting = stats.queued + stats.delayed + stats.retrying > 0
        is_unserved = is_waiting and stats.workers == 0
        return {
            "depth": stats.queued,
            "oldest": stats.oldest_s or 0.0,
            "dead": past.growth(stats.dead, now, rules.dead_within_s),
            "no worker": past.unserved_s(is_unserved, now),
        }

    def judged(self, queue: str, values: Mapping[Kind, float]) -> Iterator[Alert]:
        rules = self.rules_of(queue)
        limits: dict[Kind, float | None] = {
            "depth": rules.depth,
            "oldest": rules.oldest_s,
            "dead": rules.dead,
            "no worker": rules.no_worker_s,
        }
        for kind, limit in limits.items():
            if limit is not None:
                value = values.get(kind, 0.0)
                yield from self.changed(Alert(queue, kind, value, limit), rules)

    def changed(self, alert: Alert, rules: AlertRules) -> Iterator[Alert]:
        """*alert*, if it begins now, or the end of it."""
        key = (alert.kind, alert.queue)
        was_bad = self.bad.get(key)
        if alert.value > alert.limit:
            is_new = not was_bad and self.memory.begin(alert.key)
            self.bad[key] = True  # only now: where the memory fails, it is asked again
            if is_new:
                yield alert
        elif was_bad is not False and is_well(alert, rules):
            # Also when it is seen for the first time: it may have been told before a
            # restart, and be over since.
            is_new = self.memory.end(alert.key)
            self.bad[key] = False
            if is_new:
                yield Alert(alert.queue, alert.kind, alert.value, alert.limit, True)

    def say(self, alert: Alert) -> None:
        if alert.is_over:
            logger.info("%s", alert.text)
        else:
            logger.error("%s", alert.text)
        for each in self.tell:
            try:
                check_called(each(alert))
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                logger.error("an alert could not be told: %s", class_and_text(error))


def check_called(said: object) -> None:
    """Raise if what was called waits to be awaited, which nobody will do."""
    if isinstance(said, Awaitable):
        if isinstance(said, Coroutine):
            said.close()
        raise TypeError(
            "what is told is asynchronous: tell=[lambda alert: ...enqueue_sync]"
        )


def is_well(alert: Alert, rules: AlertRules) -> bool:
    """Whether the figure is so far below the limit that the alert is over."""
    if alert.kind == "no worker":
        return alert.value == 0  # there is one, or nothing waits
    return alert.value <= alert.limit * rules.over_below
