"""How what settles in a call comes back to plain code: in a list, or one by one."""

from __future__ import annotations

from collections.abc import Generator
from itertools import chain
from typing import Any

from .arrivals import driven
from .engine import Run, in_turn
from .outcome import Outcome


def in_list(run: Run) -> list[Any]:  # Any: what the tasks return
    portions = sorted(driven(run.settled()), key=lambda portion: portion.start)
    run.conclude()
    return list(chain.from_iterable(portion.results() for portion in portions))


def in_list_as_finished(run: Run) -> list[Any]:  # Any: as above
    portions = driven(run.settled())
    values = [value for portion in portions for value in portion.results()]
    run.conclude()
    return values


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
