"""The first items, which `optimize` has run, until a run takes their results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from cotality._kit.safe_text import shortened
from cotality._kit.struck import is_of_a_signal
from cotality.core.calls import TasksOver, can_be_read_once

from .unchanged import Snapshot

if TYPE_CHECKING:
    from cotality.core.utils.process import Outcome


class Head:
    """The outcomes of the first items of some data.

    Whoever runs the same function over the same data next gets them instead of running
    these items again: once, since after that it is another run.

    Args:
        function: The function.
        data: The data: the very object. If the first items have changed since, or what
            the function computes with, they are run again.
        unpack: How its items are given to the function.
        outcomes: Of its first items, in order.
    """

    outcomes: Sequence[Outcome[Any]]
    lock: threading.Lock

    def __init__(
        self,
        function: Callable[..., Any],  # Any: any function, and any results
        data: Iterable[Any],
        unpack: bool,
        outcomes: Sequence[Outcome[Any]],
    ) -> None:
        self.function = function
        self.data = data
        self.unpack = unpack
        self.outcomes = outcomes
        self.lock = threading.Lock()
        self.before: Snapshot | None = None
        if not can_be_read_once(data):
            self.before = Snapshot(function, [each.task for each in outcomes])

    def of(
        self, function: object, data: object, unpack: bool
    ) -> Sequence[Outcome[Any]]:  # Any: as above
        """The outcomes, if they are those of this work and nobody has taken them.

        Raises:
            ValueError: They are the only ones of these items, and of another function.
        """
        if data is not self.data or not self.outcomes:
            return ()
        # Not the very function: of a method there is a new object each time.
        if function == self.function and unpack == self.unpack:
            return self.outcomes if self.is_unchanged() else ()
        if can_be_read_once(self.data):
            raise ValueError(
                f"the first {len(self.outcomes)} items of {shortened(data, 80)} were "
                f"read when the plan was made, for another function or another unpack: "
                f"they can only be run as they were then"
            )
        return ()

    def is_unchanged(self) -> bool:
        """Whether the same items would have the same outcomes now, as far as is known.

        Of an iterator the items are gone: there is nothing that could have changed.
        """
        if self.before is None:
            return True
        tasks = TasksOver(self.function, self.data, unpack=self.unpack)
        try:
            first = list(islice(tasks, len(self.before.arguments)))
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            return False  # whoever runs them will hear of it
        return self.before.is_still(Snapshot(self.function, first))

    def take(self, outcomes: Sequence[Outcome[Any]]) -> bool:  # Any: as above
        """Have *outcomes* for good; False if somebody else was faster."""
        with self.lock:
            is_there = self.outcomes is outcomes
            if is_there:
                self.outcomes = ()
        return is_there

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """A copy, or a plan that was sent elsewhere, has none."""
        return type(None), ()
