"""Find out how some work should be run, from its first items."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from cotality._kit.public import public_in
from cotality.core.calls import (
    TasksOver,
    can_be_read_once,
    checked_flag,
    checked_options,
    name_of_need,
    takes_options_without,
)
from cotality.core.estimates import MANY, Figures, sample_of, start_of_processes
from cotality.core.machine import available_cpus, default_threads, size_of
from cotality.tuning._tuning.plans.first_results import Head
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.plans.planning import planned
from cotality.tuning._tuning.plans.profile import Profile
from cotality.tuning._tuning.work.choice import OF_PLANS, Choice, checked_unpack
from cotality.tuning._tuning.work.options import PlanOptions
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
@takes_options_without(*OF_PLANS)
def optimize(
    func: Callable[..., Any],  # Any: as in what follows, of any function
    data: Iterable[Any],
    *,
    max_workers: int | None = None,
    unpack: bool = False,
    fresh: bool = False,
    verbose: bool = False,
    **options: Unpack[PlanOptions],
) -> Plan:
    """Run the first items of *data* and say how to run all of them.

    It runs items until the answer is clear, which takes 2 to 50 ms, or one item if that
    takes longer. It keeps their results: ``execute(func, data, plan=plan)`` with the
    same *data* does not run them again, and an iterator continues where `optimize`
    stopped. It also keeps their failures, and `execute` raises them without another
    attempt. So if failed items should run again, give *retries* here.

    `optimize` does not measure similar work twice: the same *func*, with a first item
    of the same type and about the same size, or magnitude if it is a number. Then it
    runs nothing. It does not remember what it measured while other programs kept CPUs
    busy, and the plan says so.

    Args:
        func: What to call.
        data: The items.
        max_workers: A limit on what may be chosen.
        unpack: As for :func:`execute`.
        fresh: Measure in any case.
        verbose: Write two lines to standard error: what is measured, and then the plan.
        **options: What the items need in order to run, such as *retries* or an
            *initializer*, as for :func:`execute`.

    Raises:
        TypeError: An argument has the wrong type, or an option does not exist.
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
    # With options that only processes can keep, remembered figures do not apply.
    is_usual = not name_of_need(given.get)
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
    # Figures that were measured on a busy machine are not worth remembering.
    is_true = not profile.is_of_busy_machine
    if kind is not None and sample.figures.wall and is_true:
        remember(function, kind, figures, profile)
    head = Head(function, items, as_arguments, sample.outcomes)
    figures = for_all(figures, sample.total)
    return logged_plan(planned(figures, profile, sample.total, head))


def check_values(options: dict[str, Any]) -> None:
    """Check *options*, although nothing is going to run.

    Raises:
        TypeError: One is not.
        ValueError: One is out of range.
    """
    # These record a run, and there is no run here.
    others = {name: options[name] for name in options if name not in OF_A_RUN}
    checked_options(others, use_processes="auto")


OF_A_RUN = {"report", "journal", "resume", "retry_failed", "dead_letters"}


def for_all(figures: Figures, total: int | None) -> Figures:
    """*figures* for all items, including those that were measured."""
    return replace(figures, left=MANY if total is None else total)


def for_now(figures: Figures, obstacle: str, limit: int | None) -> Figures:
    """*figures* that were measured some time ago, with the CPUs and limits of now."""
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
    """What similar items have in common; None for an iterator: it would lose one."""
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
        return None  # *function* cannot be hashed, or has no weak references


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
