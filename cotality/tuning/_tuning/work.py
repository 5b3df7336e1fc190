"""A function and its data, checked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, cast

from .choice import Choice, checked_unpack
from .plan import Plan

if TYPE_CHECKING:
    from cotality.core.utils._process.outcome import Outcome

# Any in this module: the data and the results of any function.

# Little of the core is imported here: a few trivial items need none of it.


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be run, and how.

    Attributes:
        on_error: As for the calls of the core, like *return_exceptions*.
        options: What the core is to do besides.
    """

    function: Callable[..., Any]
    data: Iterable[Any]
    unpack: bool
    plan: Plan | None
    choice: Choice
    on_error: object
    return_exceptions: object
    options: dict[str, Any]

    @classmethod
    def checked(
        cls,
        function: object,
        data: object,
        *,
        plan: Plan | None,
        choice: Choice,
        unpack: object,
        on_error: object = None,
        return_exceptions: object = False,
        options: Any,
    ) -> Work:
        """The work, unless something is wrong with it.

        Raises:
            TypeError: A value of the wrong type.
        """
        return cls(
            checked_function(function),
            checked_data(data),
            checked_unpack(unpack),
            plan,
            choice,
            on_error,
            return_exceptions,
            {name: value for name, value in options.items() if value is not None},
        )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for but the results, or the first failure."""
        raises = self.return_exceptions is False and self.on_error in (None, "raise")
        return raises and not self.options and not marks_were_used()

    def take_head(self) -> Sequence[Outcome[Any]]:
        """What is known of the first items from the making of the plan."""
        head = None if self.plan is None else self.plan.head
        if head is None:
            return ()
        return head.take(self.function, self.data, self.unpack)


# Modules of the core, and what there says that an argument may be a mark, which only
# the core knows how to read.
MARKS = {"shared": "share_was_used", "worker_state": "was_used"}


def marks_were_used() -> bool:
    modules = [
        sys.modules.get(f"cotality.core.utils._process.{name}") for name in MARKS
    ]
    return any(map(getattr, modules, MARKS.values(), repeat(False)))


def checked_function(function: object) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"func must be a function to call, got {function!r}")
    return function


def checked_data(data: object) -> Iterable[Any]:
    if isinstance(data, Iterable):
        return cast("Iterable[Any]", data)  # type: ignore[redundant-cast]  # for pyright
    if hasattr(data, "__aiter__"):
        raise TypeError(
            f"data must be an iterable, got {data!r}, which only an event loop can "
            f"read: see execute_tasks_in_parallel_async in cotality.core.utils.process"
        )
    raise TypeError(f"data must be an iterable, got {data!r:.80}")
