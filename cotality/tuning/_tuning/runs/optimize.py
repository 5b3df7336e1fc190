"""Find out how some work should be run, from its first items."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from cotality._kit.public import public_in
from cotality.core.calls import (
    NEEDS_PROCESSES,
    TasksOver,
    can_be_read_once,
    checked_flag,
    checked_options,
)
from cotality.core.estimates import MANY, Figures, sample_of, start_of_processes
from cotality.core.machine import available_cpus, default_threads, size_of
from cotality.tuning._tuning.plans.first_results import Head
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.plans.planning import planned
from cotality.tuning._tuning.plans.profile import Profile
from cotality.tuning._tuning.work.choice import Choice, checked_unpack
from cotality.tuning._tuning.work.options import RunOptions
from cotality.tuning._tuning.work.work import (
    checked_data,
    checked_function,
    checked_names,
)

from .loop_log import logged_plan

if TYPE_CHECKING:
    from cotality.core.utils.process import Options

T = TypeVar("T")


@public_in("cotality.tuning")
def optimize(
    func: Callable[..., Any],  # Any: as in what follows, of any function
    data: Iterable[Any],
    *,
    max_workers: int | None = None,
    unpack: bool = False,
    fresh: bool = False,
    verbose: bool = False,
    **options: Unpack[RunOptions],
) -> Plan:
    """Run the first items of *data* and say how all of them should be run.

    They run until it is clear, which takes 2 to 50 ms, or one item if that takes
    longer. Their results are kept: ``execute(func, data, plan=plan)`` with the same
    *data* does not run them again, and an iterator continues where it was left. A
    failure is kept as well, and raised there: it is final, so if items are to be run
    again give *retries* here.

    Work that is like some that was measured before is not measured again: the same
    *func*, with a first item of the same type and about the same size, or magnitude if
    it is a number. Then nothing is run. What was measured while other programs kept
    CPUs busy is not remembered, and the plan says so.

    Args:
        func: What to call.
        data: Its items.
        max_workers: A limit on what may be chosen.
        unpack: As for :func:`execute`.
        fresh: Measure in any case.
        verbose: Say on standard error, in a line before and one after, what is looked
            at and what the plan is.
        **options: What the items need to be run, such as *retries* or an *initializer*,
            as for :func:`execute`.

    Raises:
        TypeError: An argument is not what it must be, or an option does not exist.
        ValueError: An argument is out of range.
    """
    function, items = checked_function(func), checked_data(data)
    as_arguments = checked_unpack(unpack)
    is_fresh = checked_flag("fresh", fresh)
    given = checked_names({**options}, "optimize")
    limit = Choice.of(
        None, executor=None, n_jobs=None, max_workers=max_workers, chunksize=None
    ).n_jobs
    if checked_flag("verbose", verbose):
        from .announcing import after_look, before_look, show

        show(before_look(function, items))
        plan = optimize(
            func,
            data,
            max_workers=max_workers,
            unpack=unpack,
            fresh=fresh,
            **options,
        )
        show(after_look(plan))
        return plan
    tasks = TasksOver(function, items, unpack=as_arguments)
    # Where nothing but processes will do, figures are not those of another time.
    is_usual = NEEDS_PROCESSES.keys().isdisjoint(given)
    kind = kind_of(items, as_arguments) if is_usual else None
    if kind is not None and not is_fresh:
        known = remembered(function, kind)
        if known is not None:
            check_values(given)
            figures, profile = known
            figures = for_now(for_all(figures, tasks.total), profile.obstacle, limit)
            return logged_plan(planned(figures, profile, tasks.total))
    sample = sample_of(iter(tasks), tasks.total, limit, cast("Options", given))
    profile = Profile.of_sample(function, sample)
    figures = replace(sample.figures, running=0.0)
    # What was measured beside others that keep the CPUs busy holds for now alone.
    is_true = not profile.is_of_busy_machine
    if kind is not None and sample.figures.wall and is_true:
        remember(function, kind, figures, profile)
    head = Head(function, items, as_arguments, sample.outcomes)
    figures = for_all(figures, sample.total)
    return logged_plan(planned(figures, profile, sample.total, head))


def check_values(options: dict[str, Any]) -> None:
    """See that *options* are what they must be, although nothing is going to run.

    Raises:
        TypeError: One is not.
        ValueError: One is out of range.
    """
    # What is written down of a run there is nothing to do with.
    others = {name: options[name] for name in options if name not in OF_A_RUN}
    checked_options(others, use_processes="auto")


OF_A_RUN = {"report", "journal", "resume", "retry_failed", "dead_letters"}


def for_all(figures: Figures, total: int | None) -> Figures:
    """*figures* for all items, those that were measured included."""
    return replace(figures, left=MANY if total is None else total)


def for_now(figures: Figures, obstacle: str, limit: int | None) -> Figures:
    """*figures* that were measured some time ago, with what there is to run on now."""
    cpus = available_cpus()
    processes = 0 if obstacle else min(limit or cpus, cpus)
    return replace(
        figures,
        cpus=cpus,
        threads=limit or default_threads(),
        processes=processes if processes > 1 else 0,
        start=start_of_processes(),
        others=0.0,
    )


# What was measured, for each function as long as there is one, by the kind of items.
seen: weakref.WeakKeyDictionary[
    Callable[..., Any], dict[object, tuple[Figures, Profile]]
] = weakref.WeakKeyDictionary()
MOST_KINDS = 16  # of items of one function


def kind_of(data: Iterable[Any], unpack: bool) -> object | None:
    """What items have in common that are alike; None if one cannot be looked at.

    An iterator would lose the item.
    """
    if can_be_read_once(data):
        return None
    for item in data:
        first: object = item
        return type(first), magnitude_of(first), unpack
    return None


def magnitude_of(item: object) -> float:
    """How large *item* is, or the memory it takes, as a power of two."""
    if isinstance(item, int):
        return item.bit_length()
    if isinstance(item, float) and math.isinf(item):
        return item
    return math.frexp(item if isinstance(item, float) else size_of(item))[1]


def remembered(
    function: Callable[..., Any], kind: object
) -> tuple[Figures, Profile] | None:
    try:
        return seen.get(function, {}).get(kind)
    except TypeError:
        return None  # what cannot be hashed or referred to weakly is not remembered


def remember(
    function: Callable[..., Any], kind: object, figures: Figures, profile: Profile
) -> None:
    try:
        kinds = seen.setdefault(function, {})
    except TypeError:
        return
    kinds[kind] = figures, profile
    if len(kinds) > MOST_KINDS:
        del kinds[next(iter(kinds))]
