"""Tasks at the beginning of the input whose outcomes are known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .outcome import Details, Outcome, Settled
from .source import Batch, Memory, SortedOut, Source
from .times import Times


class KnownHead:
    """A `Memory` of the first tasks of a call, from a look at them before it.

    Args:
        outcomes: Theirs, in order.
        memory: What knows of the others; None if nothing does.
    """

    def __init__(
        self,
        outcomes: Sequence[Outcome[Any]],  # Any: of every result type
        memory: Memory | None = None,
    ) -> None:
        self.outcomes = outcomes
        self.memory = memory

    def attach(self, source: Source) -> None:
        if self.memory is not None:
            self.memory.attach(source)

    def sort_out(self, batch: Batch) -> SortedOut:
        count = len(self.outcomes) - batch.start
        if count <= 0:
            return self.sort_out_rest(batch)
        known = settled(self.outcomes[batch.start : batch.start + len(batch.tasks)])
        if count >= len(batch.tasks):
            return SortedOut([], [known])
        tasks = batch.tasks[count:]
        rest = self.sort_out_rest(Batch(batch.start + count, batch.attempt, tasks))
        return rest._replace(known=[known, *rest.known])

    def sort_out_rest(self, batch: Batch) -> SortedOut:
        if self.memory is None:
            return SortedOut([batch])
        return self.memory.sort_out(batch)

    @property
    def has_room(self) -> bool:
        return self.memory is None or self.memory.has_room

    def was_taken(self) -> None:
        if self.memory is not None:
            self.memory.was_taken()

    def will_run(self, batch: Batch) -> None:
        if self.memory is not None:
            self.memory.will_run(batch)


def settled(outcomes: Sequence[Outcome[Any]]) -> Settled:  # Any: as above
    """*outcomes* that follow one another, as the engine has them."""
    errors = {
        position: outcome.error
        for position, outcome in enumerate(outcomes)
        if outcome.error is not None
    }
    details = Details([each.task for each in outcomes], Times(), "", 0.0)
    start = outcomes[0].index
    return Settled(start, [each.value for each in outcomes], errors, details)
