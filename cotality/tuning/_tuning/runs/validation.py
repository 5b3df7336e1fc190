"""Check whether a plan is right, by running the work both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Unpack

from cotality._kit import units
from cotality._kit.public import public_in
from cotality.core.calls import checked_flag, takes_options_without
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.work.choice import OF_PLANS
from cotality.tuning._tuning.work.options import PlanOptions
from cotality.tuning._tuning.work.work import (
    checked_data,
    checked_function,
    checked_names,
)

from .announcing import after_comparison, before_comparison, show
from .execute import execute
from .in_sequence import import_what_a_loop_needs
from .optimize import optimize

# Options that write something down about a run.
WATCHING = ("report", "journal", "resume", "retry_failed", "dead_letters")


@public_in("cotality.tuning")
@dataclass(frozen=True)
class Validation:
    """What a plan promised, and how it turned out.

    Attributes:
        optimization: The plan.
        loop_seconds: How long a plain loop took.
        seconds: How long the run took as planned.
    """

    optimization: Plan
    loop_seconds: float
    seconds: float

    @property
    def actual_speedup(self) -> float:
        """How many times faster than the loop it was."""
        return self.loop_seconds / self.seconds if self.seconds else 1.0

    @property
    def accuracy_percentage(self) -> float:
        """How close the estimate was: 100 if it was right, 50 if off by a factor of 2.

        It is the smaller of the estimated and the actual speed-up, in percent of the
        larger one.
        """
        two = self.optimization.estimated_speedup, self.actual_speedup
        return 100.0 * min(two) / max(two) if max(two) else 100.0

    def __str__(self) -> str:
        return f"{self.comparison()}\n{self.optimization}"

    def comparison(self) -> str:
        """How the plan turned out, in one line."""
        return (
            f"A loop took {units.seconds(self.loop_seconds)}, the plan "
            f"{units.seconds(self.seconds)}: {self.actual_speedup:.2f} times as fast, "
            f"expected was {self.optimization.estimated_speedup:.2f} (accuracy "
            f"{self.accuracy_percentage:.0f} %)."
        )


@public_in("cotality.tuning")
@takes_options_without(*OF_PLANS)
def validate_optimization(
    func: Callable[..., Any],  # Any: any function, as in what follows
    data: Iterable[Any],
    *,
    max_workers: int | None = None,
    unpack: bool = False,
    verbose: bool = False,
    **options: Unpack[PlanOptions],
) -> Validation:
    """Run all items in a plain loop and as planned, and compare.

    Each item runs twice, and the first ones three times, because the plan is made from
    them. So give it only a part of your data, such as ``data[:100]``.

    Args:
        func: As for :func:`execute`, like the others.
        verbose: Write two lines to standard error: what is run, and how it turned out.

    Raises:
        ValueError: An option records a run, such as *report*.
        Exception: As from :func:`execute`, with the first item that fails.
    """
    for name in WATCHING:
        if options.get(name):
            raise ValueError(
                f"{name} belongs to one run, and this is three of them: leave it out"
            )
    function, is_verbose = checked_function(func), checked_flag("verbose", verbose)
    checked_names({**options}, "validate_optimization")
    items = list(checked_data(data))
    if is_verbose:
        show(before_comparison(function, items))
    plan = optimize(
        func, items, max_workers=max_workers, unpack=unpack, fresh=True, **options
    )
    plan = replace(plan, head=None)  # all of them shall run
    import_what_a_loop_needs()  # which is no part of what it takes
    began = perf_counter()
    execute(func, items, executor="sequential", unpack=unpack, **options)
    between = perf_counter()
    execute(func, items, plan=plan, unpack=unpack, **options)
    validation = Validation(plan, between - began, perf_counter() - between)
    if is_verbose:
        show(after_comparison(validation.comparison(), plan))
    return validation
