"""Delivers the outcomes of a call to plain code: in a list, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from cotality.core.utils._process.tasks.outcome import Outcome, Settled

from .arrivals import BlockingArrivals, driven
from .interrupted import hide_engine
from .run import Run, in_turn

T = TypeVar("T")
Take: TypeAlias = Callable[[Settled], Iterator[T]]


def in_list(run: Run) -> list[Any]:  # Any: what the tasks return
    portions = settled_in(run)
    run.conclude()
    return joined(in_order(portions))


def in_order(portions: Iterable[Settled]) -> list[Settled]:
    return sorted(portions, key=lambda portion: portion.start)


def in_list_as_finished(run: Run) -> list[Any]:  # Any: as above
    portions = settled_in(run)
    run.conclude()
    return joined(portions)


def settled_in(run: Run) -> list[Settled]:
    """All that settles in *run*."""
    try:
        if is_lonely(run):
            return list(driven(run.settled(), run.arrivals))
        return all_settled(run)
    except KeyboardInterrupt as struck:
        hide_engine(struck)
        raise


def is_lonely(run: Run) -> bool:
    """Whether the caller alone drives it."""
    return type(run.arrivals) is BlockingArrivals


def all_settled(run: Run) -> list[Settled]:
    """What settles in a run that a deputy may drive as well."""
    from .desk import SharedArrivals, all_of

    assert isinstance(run.arrivals, SharedArrivals)
    return run.arrivals.finished(all_of(run.settled()))


def joined(portions: Iterable[Settled]) -> list[Any]:  # Any: as above
    return list(chain.from_iterable(portion.results() for portion in portions))


def stream(
    run: Run, ordered: bool
) -> Generator[tuple[int, Any], None, None]:  # Any: as above
    return delivered(run, ordered, with_failures(run, Settled.take))


def values(run: Run, ordered: bool) -> Generator[Any, None, None]:  # Any: as above
    return delivered(run, ordered, with_failures(run, Settled.take_values))


def outcomes(
    run: Run, ordered: bool
) -> Generator[Outcome[Any], None, None]:  # Any: as above
    return delivered(run, ordered, Settled.take_outcomes)


def with_failures(run: Run, take: Take[T]) -> Take[T]:
    """*take*, with failures in the places of their values if *run* leaves them so."""
    if not run.policy.leaves_in_place:
        return take

    def taken(portion: Settled) -> Iterator[T]:
        portion.put_errors_in_place()
        return take(portion)

    return taken


def delivered(run: Run, ordered: bool, take: Take[T]) -> Generator[T, None, None]:
    """What *take* takes of each portion, while others run; nothing runs before that."""
    portions = driven(in_turn(run, ordered), run.arrivals)
    try:
        for portion in portions:
            count = len(portion.values)
            yield from take(portion)
            run.schedule.taken(count)
            del portion
    except KeyboardInterrupt as struck:
        hide_engine(struck)
        raise
    finally:
        portions.close()
    run.conclude()
