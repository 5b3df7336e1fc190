"""Which step an item comes to next, and what it counts as there.

This is asked where the item is at hand: in a worker for results of a handler, and in
the client for new items. The router is told the answer, and sees no item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cotality._kit.struck import is_of_a_signal
from cotality.flow._flow.errors.errors import HandlerError
from cotality.flow._flow.wire.frames import END, MOST_WEIGHT

from .step import Step


class Rule(NamedTuple):
    """What decides about one step; see `Step`."""

    when: Callable[[Any], object] | None  # Any: items of any type
    size: Callable[[Any], int] | None  # Any: as above
    name: str


class Routes:
    """The steps from *first* on, by what their people have said of them."""

    def __init__(self, rules: Sequence[Rule], first: int) -> None:
        self.rules = list(rules)
        self.first = first

    def next(self, item: Any) -> tuple[int, int]:  # Any: of any type
        """The step that is for *item*, and its size there; `END` if there is none.

        Raises:
            BaseException: What a condition of the user raised.
            HandlerError: A size that is none, or an answer that is neither yes nor no.
        """
        for position, (when, size, name) in enumerate(self.rules):
            if when is None or is_yes(when(item), name):
                weight = 1 if size is None else checked_size(size(item), name)
                return self.first + position, weight
        return END, 1


def is_yes(said: object, name: str) -> bool:
    """What a condition has said; an array or a frame of answers says nothing."""
    try:
        return bool(said)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        raise HandlerError(
            f"when= of step {name!r} must say whether the step is for the item, and "
            f"gave a {type(said).__name__}, which is neither true nor false: {error}"
        ) from error


def checked_size(size: object, name: str) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise HandlerError(
            f"size= of step {name!r} must give a whole number from 0, and gave {size!r}"
        )
    return min(size, MOST_WEIGHT)


def rules_of(
    steps: Sequence[Step[Any, Any]],
) -> list[Rule]:  # Any: steps of any type
    return [Rule(step.when, step.size, step.name) for step in steps]


def are_plain(rules: Sequence[Rule]) -> bool:
    """Whether every item simply comes to the first of them."""
    return bool(rules) and rules[0].when is None and rules[0].size is None
