"""Tasks at the beginning of the input whose outcomes are already known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotality.core.utils._process.tasks.outcome import (
    Details,
    Outcome,
    Portion,
    Settled,
)
from cotality.core.utils._process.tasks.times import EPOCH, Times, Timing

from .source import Memory, SortedOut, Source


class KnownHead:
    """A `Memory` of the first tasks of a call: they are not run.

    Args:
        count: How many there are.

    Attributes:
        memory: What knows of the others; None if nothing does.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.memory: Memory | None = None

    def settled(self, start: int, count: int) -> Settled:
        """Take *count* of them, from the index *start* on."""
        raise NotImplementedError

    def attach(self, source: Source) -> None:
        if self.memory is not None:
            self.memory.attach(source)

    def sort_out(self, portion: Portion) -> SortedOut:
        # All of them: a journal has to know what else there is, and its own outcomes of
        # an earlier run are the older ones.
        found = SortedOut([portion])
        if self.memory is not None:
            found = self.memory.sort_out(portion)
        to_run: list[Portion] = []
        known = list(found.known)
        for each in found.to_run:
            start, tasks = each.start, each.tasks
            count = max(0, min(self.count - start, len(tasks)))
            if count:
                known.append(self.settled(start, count))
            if count < len(tasks):
                rest = Portion(start + count, tasks[count:], attempt=each.attempt)
                to_run.append(rest)
        return found._replace(to_run=to_run, known=known)

    @property
    def has_room(self) -> bool:
        return self.memory is None or self.memory.has_room

    def was_taken(self) -> None:
        if self.memory is not None:
            self.memory.was_taken()

    def will_run(self, portion: Portion) -> None:
        if self.memory is not None:
            self.memory.will_run(portion)


class KnownOutcomes(KnownHead):
    """What became of the first tasks, which have been looked at before the call."""

    def __init__(
        self,
        outcomes: Sequence[Outcome[Any]],  # Any: of every result type
    ) -> None:
        super().__init__(len(outcomes))
        self.outcomes = outcomes

    def settled(self, start: int, count: int) -> Settled:
        return settled(self.outcomes[start : start + count])


class DoneElsewhere(KnownHead):
    """Somebody else runs the first tasks, and sees to their results."""

    def settled(self, start: int, count: int) -> Settled:
        return Settled(start, [None] * count, {}, is_news=True)


def settled(outcomes: Sequence[Outcome[Any]]) -> Settled:  # Any: as above
    """*outcomes* that follow one another, as the engine has them."""
    errors = {
        position: outcome.error
        for position, outcome in enumerate(outcomes)
        if outcome.error is not None
    }
    details = Details(
        [each.task for each in outcomes],
        Times.of(map(timing_of, outcomes)),
        outcomes[0].worker,
        0.0,
    )
    values = [each.value for each in outcomes]
    return Settled(outcomes[0].index, values, errors, details, is_news=True)


def timing_of(outcome: Outcome[Any]) -> Timing | None:  # Any: as above
    if outcome.started_at is None:
        return None
    began = outcome.started_at - EPOCH
    return Timing(began, outcome.seconds, outcome.cpu_seconds)
