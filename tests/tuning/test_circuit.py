"""A circuit breaker: leave a dependency alone that is down."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    DeadLetters,
    Retry,
    Task,
    execute_tasks_in_parallel,
)
from cotality.tuning import CircuitBreaker, CircuitOpenError
from tests.kit.helpers import Failure, echo, fail_with
from tests.kit.limits import LONG_S

NEVER = 3600.0  # s


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("cotality.tuning._tuning.limits.circuit.monotonic", clock)
    return clock


def fetch(folder: Path, number: int) -> int:
    """What depends on something that is down while there is a file of that name."""
    (folder / f"ran-{number}").touch()
    if (folder / "down").exists():
        raise ConnectionError("the server is down")
    return number


def run(folder: Path, count: int, use_processes: bool, **options: Any) -> list[Any]:
    tasks = [Task(fetch, {"folder": folder, "number": n}) for n in range(count)]
    results: list[Any] = execute_tasks_in_parallel(
        tasks, 2, use_processes, on_error="return", **options
    )
    return results


def test_a_circuit_opens_and_nothing_more_is_run(
    tmp_path: Path, use_processes: bool
) -> None:
    """After so many failures in a row the others fail at once, with the reason."""
    (tmp_path / "down").touch()
    breaker = CircuitBreaker(3, reset_after=NEVER)

    results = run(tmp_path, 500, use_processes, circuit_breaker=breaker)

    ran = [each for each in results if isinstance(each, ConnectionError)]
    refused = [each for each in results if isinstance(each, CircuitOpenError)]
    assert len(ran) + len(refused) == 500
    # Both workers may have been in the middle of a portion.
    assert 3 <= len(ran) == len(list(tmp_path.glob("ran-*"))) <= 3 * 3
    assert breaker.state == "open"
    assert "3 failures in a row have opened the circuit" in str(refused[0])
    assert "ConnectionError: the server is down" in str(refused[0])
    assert refused[0] is not refused[1]


def test_a_probe_closes_the_circuit_once_it_succeeds(
    tmp_path: Path, use_processes: bool, clock: Clock
) -> None:
    """Before its time nothing is run; then one task is, and after it all others."""
    (tmp_path / "down").touch()
    breaker = CircuitBreaker(2, reset_after=30)
    run(tmp_path, 20, use_processes, circuit_breaker=breaker)
    (tmp_path / "down").unlink()

    clock.now += 29
    results = run(tmp_path, 5, use_processes, circuit_breaker=breaker)
    assert all(isinstance(each, CircuitOpenError) for each in results)

    clock.now += 2
    results = run(tmp_path, 5, use_processes, circuit_breaker=breaker)
    assert results[0] == 0
    results = run(tmp_path, 50, use_processes, circuit_breaker=breaker)
    assert results == list(range(50))
    assert breaker.state == "closed"


def test_a_probe_that_fails_opens_the_circuit_again(
    tmp_path: Path, clock: Clock
) -> None:
    """It is the only one that is run, and the next one is due a full time later."""
    (tmp_path / "down").touch()
    breaker = CircuitBreaker(1, reset_after=30)
    breaker.call(echo, 1)
    with pytest.raises(ConnectionError):
        breaker.call(fetch, tmp_path, 0)
    clock.now += 31

    results = run(tmp_path, 10, False, circuit_breaker=breaker)

    assert [type(each) for each in results] == [ConnectionError] + 9 * [
        CircuitOpenError
    ]
    with pytest.raises(CircuitOpenError, match="next probe is due in 30 s"):
        breaker.call(echo, 1)


def test_several_probes_may_be_wanted(clock: Clock) -> None:
    """The circuit closes after so many that succeed in a row."""
    breaker = CircuitBreaker(1, reset_after=30, probes=3)
    with pytest.raises(Failure):
        breaker.call(fail_with, Failure("x"))
    clock.now += 31

    states = []
    for number in range(3):
        assert breaker.call(echo, number) == number
        states.append(breaker.state)

    assert states == ["half-open", "half-open", "closed"]


def test_a_probe_nobody_heard_of_is_followed_by_another(clock: Clock) -> None:
    """A call that was cancelled with the probe out does not keep a circuit open."""
    breaker = CircuitBreaker(1, reset_after=30)
    with pytest.raises(Failure):
        breaker.call(fail_with, Failure("x"))
    clock.now += 31
    assert breaker.refusal() is None  # and nothing more is heard

    assert breaker.refusal() is not None
    clock.now += 31

    assert breaker.call(echo, 1) == 1
    assert breaker.state == "closed"


def test_only_failures_in_a_row_count() -> None:
    """What works in between starts the count anew."""
    breaker = CircuitBreaker(2, reset_after=NEVER)
    fine, wrong = Task(echo, {"value": 1}), Task(fail_with, {"error": Failure("x")})

    results = execute_tasks_in_parallel(
        [wrong, fine] * 20, 1, on_error="return", circuit_breaker=breaker
    )

    assert breaker.state == "closed"
    assert [type(each) for each in results] == [Failure, int] * 20


def test_only_failures_that_are_named_count() -> None:
    """Others say nothing of the dependency."""
    breaker = CircuitBreaker(2, reset_after=NEVER, on=ConnectionError)
    wrong = Task(fail_with, {"error": Failure("x")})

    execute_tasks_in_parallel(
        [wrong] * 20, 1, on_error="return", circuit_breaker=breaker
    )

    assert breaker.state == "closed"


def test_tasks_may_wait_until_the_circuit_closes(tmp_path: Path) -> None:
    """With retries for refused tasks none fails, though the server was down."""
    down = tmp_path / "down"
    down.touch()
    seen: list[Exception] = []

    def is_worth_it(error: Exception) -> bool:
        seen.append(error)
        if isinstance(error, CircuitOpenError):
            down.unlink(missing_ok=True)
        return True

    results = run(
        tmp_path,
        20,
        False,
        circuit_breaker=CircuitBreaker(2, reset_after=0.01),
        retries=Retry(9_999, on=is_worth_it, backoff=0.01, max_delay=0.02),
    )

    assert results == list(range(20))
    assert {ConnectionError, CircuitOpenError} == {type(each) for each in seen}


def test_refused_tasks_are_dead_letters(tmp_path: Path) -> None:
    """None of them is lost."""
    (tmp_path / "down").touch()
    letters = DeadLetters(tmp_path / "failed.jsonl")

    run(
        tmp_path,
        30,
        False,
        circuit_breaker=CircuitBreaker(2, reset_after=NEVER),
        dead_letters=letters,
    )

    errors = [letter.error for letter in letters.entries()]
    assert len(errors) == 30
    assert set(errors) == {"ConnectionError", "CircuitOpenError"}


def test_a_circuit_can_be_closed_by_hand() -> None:
    """By somebody who knows that what was down is up."""
    breaker = CircuitBreaker(1, reset_after=NEVER)
    with pytest.raises(Failure):
        breaker.call(fail_with, Failure("x"))
    assert repr(breaker).startswith("<CircuitBreaker open")

    breaker.reset()

    assert breaker.call(echo, 2) == 2


def test_without_pybreaker_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes with the extra."""
    monkeypatch.setitem(sys.modules, "pybreaker", None)

    with pytest.raises(ImportError, match=r"pip install 'cotality\[tuning\]'"):
        CircuitBreaker()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CircuitBreaker(0), "failures must be at least 1, got 0"),
        (lambda: CircuitBreaker(reset_after=0), "reset_after must be more than 0"),
        (lambda: CircuitBreaker(probes=-1), "probes must be at least 1, got -1"),
        (lambda: CircuitBreaker(on=()), "on names no exception"),
    ],
)
def test_arguments_out_of_range_are_refused(
    make: Callable[[], object], message: str
) -> None:
    """The message names the argument and the value."""
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_circuit_breaker_is_refused() -> None:
    """By the call, before anything runs."""
    with pytest.raises(
        TypeError, match=r"must be a CircuitBreaker of cotality\.tuning"
    ):
        execute_tasks_in_parallel([], circuit_breaker=LONG_S)  # type: ignore[call-overload]
