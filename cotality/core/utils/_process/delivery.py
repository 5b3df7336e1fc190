"""How what settles in a call comes back to plain code: in a list, or one by one."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import chain
from typing import Any

from .arrivals import driven
from .engine import Run, in_turn
from .outcome import Outcome, Settled


def in_list(run: Run) -> list[Any]:  # Any: what the tasks return
    portions = sorted(driven(run.settled()), key=lambda portion: portion.start)
    run.conclude()
    return joined(portions)


def in_list_as_finished(run: Run) -> list[Any]:  # Any: as above
    # Not a loop over what settles: a Ctrl-C would show a reader one more frame of ours.
    portions = list(driven(run.settled()))
    run.conclude()
    return joined(portions)


def joined(portions: Iterable[Settled]) -> list[Any]:  # Any: as above
    return list(chain.from_iterable(portion.results() for portion in portions))


def stream(
    run: Run, ordered: bool
) -> Generator[tuple[int, Any], None, None]:  # Any: as above
    portions = driven(in_turn(run, ordered))
    try:
        for portion in portions:
            count = len(portion.values)
            if run.policy.leaves_in_place:
                portion.put_errors_in_place()
            yield from portion.take()
            run.schedule.taken(count)
            del portion
    finally:
        portions.close()
    run.conclude()


def outcomes(
    run: Run, ordered: bool
) -> Generator[Outcome[Any], None, None]:  # Any: as above
    portions = driven(in_turn(run, ordered))
    try:
        for portion in portions:
            count = len(portion.values)
            yield from portion.take_outcomes()
            run.schedule.taken(count)
            del portion
    finally:
        portions.close()
    run.conclude()
