"""The context of `decimal` is each task's own, like other context variables."""

from __future__ import annotations

import decimal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cotality.core.utils.process import Task, execute_tasks_in_parallel
from cotality.tuning import execute

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

PLACES: dict[str, dict[str, Any]] = {  # Any: options of every type
    "threads": {},
    "inline": {"inline": True},
    "auto": {"use_processes": "auto"},
    "processes": {"use_processes": True},
}
PRECISION = 17


def change(precision: int) -> tuple[int, int]:
    context = decimal.getcontext()
    found = context.prec
    context.prec = precision
    return found, len(str(decimal.Decimal(1) / 3)) - 2


@pytest.fixture(autouse=True)
def _precise() -> Any:  # Any: of a fixture that yields
    with decimal.localcontext(decimal.Context(prec=PRECISION)):
        yield


TASKS = [Task.of(change, precision) for precision in range(3, 13)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("measured", [False, True])
def test_no_task_changes_it_for_another(place: str, measured: bool) -> None:
    """Nor for the caller. On a thread it is as the caller has it."""
    options = PLACES[place] | ({"timeout": 60.0} if place == "processes" else {})
    found: Any = execute_tasks_in_parallel(TASKS, 2, **options)
    if measured:
        from cotality.core.utils.process import iter_outcomes

        found = [each.value for each in iter_outcomes(TASKS, 2, **options)]
    assert [own for _, own in found] == list(range(3, 13))
    outer = {prec for prec, _ in found}
    assert len(outer) == 1
    assert place == "processes" or outer == {PRECISION}
    assert decimal.getcontext().prec == PRECISION


def test_on_threads_of_others() -> None:
    """The same."""
    with ThreadPoolExecutor(2) as executor:
        found = execute_tasks_in_parallel(TASKS, executor=executor)
    assert found == [(PRECISION, own) for own in range(3, 13)]


@pytest.mark.parametrize("executor", ["threads", "sequential", "auto"])
def test_a_function_and_data(executor: Any) -> None:  # Any: one of some words
    """A plain loop would change it for good; no way to run it does."""
    found = execute(change, range(3, 13), executor=executor)
    assert list(found) == [(PRECISION, own) for own in range(3, 13)]
    assert decimal.getcontext().prec == PRECISION
