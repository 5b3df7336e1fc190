"""Results of a plan are those of the data and the function as they are now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cotality.tuning import execute, optimize, optimize_streaming, process_in_batches

DATA = [3, 1, 2]
factor = 10
ran: list[int] = []


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, value: int) -> int:
        return self.factor * value

    def scaled(self, value: int) -> int:
        return self.factor * value


class Unpicklable(Scale):
    """Known by its identity alone."""

    def __init__(self, factor: int) -> None:
        super().__init__(factor)
        self.lock = threading.Lock()


def by_global(value: int) -> int:
    return helper(value)


def helper(value: int) -> int:
    return factor * value


def total(row: dict[str, int]) -> int:
    return sum(row.values())


def noting(value: int) -> int:
    ran.append(value)
    return value


def run_list(function: Any, data: Any, **options: Any) -> list[Any]:
    return execute(function, data, **options)


def run_stream(function: Any, data: Any, **options: Any) -> list[Any]:
    return list(optimize_streaming(function, data, **options))


def run_batches(function: Any, data: Any, **options: Any) -> list[Any]:
    batches = process_in_batches(function, data, batch_size=2, **options)
    return [each for batch in batches for each in batch]


WAYS = {"list": run_list, "stream": run_stream, "batches": run_batches}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


CHANGES: dict[str, Callable[[list[int]], object]] = {
    "inserted": lambda data: data.insert(0, 7),
    "emptied": lambda data: data.clear(),
    "replaced": lambda data: data.__setitem__(1, 8),
    "of another type": lambda data: data.__setitem__(1, True),
    "sorted": lambda data: data.sort(),
    "extended": lambda data: data.append(9),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_data_has_its_own_results(
    change: Callable[[list[int]], object], run: Any
) -> None:
    """Whatever was done to the very list that the plan was made with."""
    data = DATA.copy()
    plan = optimize(repr, data, fresh=True)
    change(data)

    assert run(repr, data, plan=plan) == [repr(each) for each in data]


def test_a_changed_item_has_its_own_result(run: Any) -> None:
    """Also if it is the same object, with something else in it."""
    data = [{"a": 1}, {"a": 2}]
    plan = optimize(total, data, fresh=True)
    data[0]["b"] = 5

    assert run(total, data, plan=plan) == [6, 2]


def bound_to(scale: Scale) -> Callable[[int], int]:
    return lambda value: scale.factor * value


FUNCTIONS: dict[str, Callable[[Scale], Callable[[int], int]]] = {
    "object": lambda scale: scale,
    "method": lambda scale: scale.scaled,
    "closure": bound_to,
    "partial": lambda scale: partial(Scale.scaled, scale),
}


@pytest.mark.parametrize("made_of", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_changed_function_has_its_own_results(
    made_of: Callable[[Scale], Callable[[int], int]], run: Any
) -> None:
    """What it is bound to or closes over has changed."""
    scale = Scale(1)
    function = made_of(scale)
    plan = optimize(function, DATA, fresh=True)
    scale.factor = 5

    assert run(function, DATA, plan=plan) == [15, 5, 10]


def test_a_function_with_other_globals_has_its_own_results(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of the functions of its module that it calls, as in a notebook."""
    plan = optimize(by_global, DATA, fresh=True)
    monkeypatch.setitem(globals(), "factor", 2)

    assert run(by_global, DATA, plan=plan) == [6, 2, 4]


@pytest.mark.parametrize("data", [DATA, tuple(DATA), range(3), [1.5, "a", None, (1,)]])
def test_what_has_not_changed_is_not_run_again(data: Any, run: Any) -> None:
    """Also if its items are made when they are asked for."""
    ran.clear()
    plan = optimize(noting, data, fresh=True)
    assert run(noting, data, plan=plan) == list(data)

    assert sorted(map(repr, ran)) == sorted(map(repr, data))


def test_what_cannot_be_looked_into_is_known_by_its_identity(run: Any) -> None:
    """Then it is the caller who says that it has not changed."""
    function = Unpicklable(2)
    plan = optimize(function, DATA, fresh=True)

    assert run(function, DATA, plan=plan) == [6, 2, 4]
