"""Which failures are tried again, and the pauses in between."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import random
import threading
from concurrent.futures import BrokenExecutor
from dataclasses import FrozenInstanceError
from pickle import PicklingError

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cotality.core.utils import process as front_door
from cotality.core.utils._process.rules.retry import ONLY_WHEN_NAMED, Retry
from cotality.core.utils.process import (
    RemoteTaskError,
    TaskExitedError,
    TaskTimeoutError,
    WorkerCrashedError,
)

# Which failures.


class MyTimeoutError(TaskTimeoutError):
    """A class of a user, below one of ours."""


def is_busy(error: Exception) -> bool:
    return "busy" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("x"), ConnectionResetError(), StopIteration(), TimeoutError()),
        *(RemoteTaskError("x"), ExceptionGroup("2", [ValueError()]), BrokenExecutor()),
    ],
    ids=repr,
)
def test_by_default_whatever_a_task_raises(error: Exception) -> None:
    """Every exception that a task raises is worth another attempt."""
    assert Retry().is_retryable(error)


@pytest.mark.parametrize("failure", ONLY_WHEN_NAMED)
def test_what_happens_to_a_task_is_only_tried_again_when_named(
    failure: type[Exception],
) -> None:
    """Neither `Exception` nor another base class names it; its own class does."""
    error = failure("at its end")
    bases = (Exception, RuntimeError, TimeoutError, OSError, BrokenExecutor)

    assert not Retry().is_retryable(error)
    assert not Retry(on=(*bases, PicklingError)).is_retryable(error)
    assert Retry(on=failure).is_retryable(error)
    assert Retry(on=(*bases, failure)).is_retryable(error)


def test_naming_one_does_not_name_another() -> None:
    """Each of them is named by itself, also next to a base class of all."""
    retry = Retry(on=(Exception, WorkerCrashedError))

    assert retry.is_retryable(WorkerCrashedError())
    assert not retry.is_retryable(TaskTimeoutError())
    assert not retry.is_retryable(TaskExitedError())


def test_subclasses_of_a_named_class() -> None:
    """A named class stands for what is below it, and not for what is above."""
    assert Retry(on=ConnectionError).is_retryable(ConnectionResetError())
    assert not Retry(on=ConnectionResetError).is_retryable(ConnectionError())
    assert not Retry(on=ConnectionError).is_retryable(ValueError())
    assert Retry(on=TaskTimeoutError).is_retryable(MyTimeoutError())
    assert Retry(on=MyTimeoutError).is_retryable(MyTimeoutError())
    assert not Retry(on=MyTimeoutError).is_retryable(TaskTimeoutError())


def test_a_function_decides() -> None:
    """A function is asked about every failure, the death of a worker included."""
    retry = Retry(on=is_busy)

    assert retry.is_retryable(ValueError("busy"))
    assert not retry.is_retryable(ValueError("gone"))
    assert retry.is_retryable(WorkerCrashedError("busy"))
    assert not retry.is_retryable(WorkerCrashedError("gone"))


def test_a_function_that_fails() -> None:
    """What the function raises is not hidden."""
    with pytest.raises(ZeroDivisionError):
        Retry(on=lambda error: 1 / 0 > 0).is_retryable(ValueError())


# The pauses.

RETRIES = st.builds(
    Retry,
    st.integers(0, 10_000),
    backoff=st.floats(0, threading.TIMEOUT_MAX) | st.integers(0, 1000),
    max_delay=st.floats(0, threading.TIMEOUT_MAX) | st.integers(0, 1000),
    jitter=st.booleans(),
)
ATTEMPTS = st.integers(1, 10_000)


def test_the_longest_pause_doubles() -> None:
    """Backoff, twice, four times as much; no longer than the limit."""
    retry = Retry(9, backoff=0.5, max_delay=5, jitter=False)

    delays = [retry.delay_before(attempt) for attempt in range(1, 9)]
    assert delays == [0, 0.5, 1, 2, 4, 5, 5, 5]


def test_a_pause_is_a_random_part() -> None:
    """With jitter a pause is that part of the longest which chance gives."""
    retry = Retry(9, backoff=1, max_delay=100)
    chance = iter([0.0, 0.25, 1.0])

    delays = [retry.delay_before(n, lambda: next(chance)) for n in (2, 3, 4)]
    assert delays == [0.0, 0.5, 4.0]


def test_chance_comes_from_the_standard_library() -> None:
    """Without a source of one's own the pauses are those of `random.random`."""
    retry = Retry(backoff=8)
    state = random.getstate()
    delays = [retry.delay_before(2) for _ in range(5)]
    random.setstate(state)

    assert delays == [8 * random.random() for _ in range(5)]


@given(retry=RETRIES, attempt=ATTEMPTS, chance=st.floats(0, 1))
@example(retry=Retry(10_000), attempt=10_000, chance=1.0)
def test_pauses_are_within_bounds(retry: Retry, attempt: int, chance: float) -> None:
    """No pause is negative, or longer than it is without jitter, or than the limit."""
    still = Retry(backoff=retry.backoff, max_delay=retry.max_delay, jitter=False)

    delay = retry.delay_before(attempt, lambda: chance)

    assert 0 <= delay <= still.delay_before(attempt) <= retry.max_delay


@given(retry=RETRIES, attempt=ATTEMPTS, later=ATTEMPTS, chance=st.floats(0, 1))
def test_pauses_grow(retry: Retry, attempt: int, later: int, chance: float) -> None:
    """With the same luck a later attempt waits at least as long."""
    first, second = sorted([attempt, later])

    delays = [retry.delay_before(each, lambda: chance) for each in (first, second)]
    assert delays == sorted(delays)


@given(retry=RETRIES)
def test_the_first_run_waits_for_nothing(retry: Retry) -> None:
    """Only what has failed waits."""
    assert retry.delay_before(1) == 0


# How it is written.


@pytest.mark.parametrize(
    ("given", "retry"),
    [
        *((None, Retry(0)), (0, Retry(0)), (1, Retry(1)), (3, Retry(3))),
        (Retry(7, on=OSError), Retry(7, on=OSError)),
    ],
)
def test_the_option(given: object, retry: Retry) -> None:
    """A number means the same with and without `Retry`; nothing is no retry."""
    assert Retry.of(given) == retry
    assert retry.attempts == retry.retries + 1


def test_attempts_are_still_understood() -> None:
    """The old word counts the first run as well, and says what to write instead."""
    with pytest.warns(
        DeprecationWarning, match=r"write Retry\(3\), which says"
    ) as seen:
        old = Retry(attempts=4, on=OSError)

    assert old == Retry(3, on=OSError)
    assert seen[0].filename == __file__


def test_a_changed_copy_has_the_rest_of_the_original() -> None:
    """As of any data class."""
    with pytest.warns(DeprecationWarning, match="attempts=6"):
        changed = dataclasses.replace(Retry(5, backoff=2), on=OSError)

    assert changed == Retry(5, backoff=2, on=OSError)


@pytest.mark.parametrize("given", [True, 1.0, "3", ValueError, [1]])
def test_what_the_option_cannot_be(given: object) -> None:
    """What is no number of retries and no `Retry` is shown in the error."""
    with pytest.raises(TypeError, match="retries must be a number") as caught:
        Retry.of(given)
    assert repr(given) in str(caught.value)


def test_no_fewer_than_no_retries() -> None:
    """A negative number of retries is an error."""
    with pytest.raises(ValueError, match="retries must be at least 0, got -1"):
        Retry.of(-1)


WRONG: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"retries": -1}, ValueError, "retries must be at least 0, got -1"),
    ({"retries": 2.0}, TypeError, "retries must be an integer, got 2.0"),
    ({"retries": True}, TypeError, "retries must be an integer, got True"),
    ({"retries": None}, TypeError, "retries must be an integer, got None"),
    ({"retries": 1, "attempts": 2}, ValueError, "both say how often a task runs"),
    ({"attempts": 0}, ValueError, "attempts must be at least 1, got 0"),
    ({"attempts": 2.0}, TypeError, "attempts must be an integer, got 2.0"),
    ({"attempts": True}, TypeError, "attempts must be an integer, got True"),
    ({"backoff": -1}, ValueError, "backoff must be at least 0 .* got -1"),
    ({"backoff": float("nan")}, ValueError, "backoff must be .* got nan"),
    ({"backoff": "1"}, TypeError, "backoff must be a number of seconds, got '1'"),
    ({"backoff": None}, TypeError, "backoff must be a number of seconds, got None"),
    ({"max_delay": float("inf")}, ValueError, "max_delay must be .* got inf"),
    ({"max_delay": 10**400}, ValueError, "max_delay must be .* got 1000"),
    ({"max_delay": True}, TypeError, "max_delay must be a number"),
    ({"jitter": 1}, TypeError, "jitter must be True or False, got 1"),
    ({"on": ()}, ValueError, "on names no exception"),
    ({"on": [ValueError]}, TypeError, "on must be an exception class, .*ValueError"),
    ({"on": "ValueError"}, TypeError, "on must be an exception class, .*'ValueError'"),
    ({"on": None}, TypeError, "on must be an exception class, .*None"),
    ({"on": int}, TypeError, "classes of exceptions only, got <class 'int'>"),
    ({"on": KeyboardInterrupt}, TypeError, "exceptions only, .*KeyboardInterrupt"),
    ({"on": BaseException}, TypeError, "exceptions only, .*BaseException"),
    ({"on": (OSError, "x")}, TypeError, "classes of exceptions only, got 'x'"),
    ({"on": (OSError, OSError())}, TypeError, r"exceptions only, got OSError\(\)"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), WRONG)
def test_what_is_wrong_is_said_at_once(
    arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    """A policy that cannot be is an error where it is written."""
    with pytest.raises(error, match=text):
        Retry(**arguments)  # type: ignore[arg-type]


def test_all_but_the_number_is_given_by_keyword() -> None:
    """What a second number would mean is not left to guessing."""
    with pytest.raises(TypeError):
        Retry(3, OSError)  # type: ignore[misc]


def test_one_class_is_as_good_as_a_tuple() -> None:
    """The same policy, written in two ways, is equal, and can be a key."""
    assert Retry(on=OSError) == Retry(on=(OSError,))
    assert len({Retry(on=OSError), Retry(on=(OSError,)), Retry()}) == 2


def test_it_cannot_be_changed() -> None:
    """A policy that several calls share stays what it is."""
    with pytest.raises(FrozenInstanceError):
        Retry().attempts = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    "retry", [Retry(), Retry(5, on=(OSError, WorkerCrashedError)), Retry(on=is_busy)]
)
def test_copies_are_equal(retry: Retry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy travels, and is found at the front door."""
    monkeypatch.setattr(front_door, "Retry", Retry, raising=False)

    assert pickle.loads(pickle.dumps(retry)) == retry
    assert copy.deepcopy(retry) == copy.copy(retry) == retry


@pytest.mark.parametrize(
    ("retry", "text"),
    [
        (
            Retry(),
            "Retry(2, on=Exception, backoff=0.5, jitter=True, max_delay=30.0)",
        ),
        (
            Retry(5, on=(OSError, KeyError), backoff=2, jitter=False, max_delay=9),
            "Retry(5, on=(OSError, KeyError), backoff=2, jitter=False, max_delay=9)",
        ),
        (
            Retry(on=is_busy),
            "Retry(2, on=is_busy, backoff=0.5, jitter=True, max_delay=30.0)",
        ),
    ],
)
def test_it_shows_itself_as_it_is_written(retry: Retry, text: str) -> None:
    """The repr is the call that makes it."""
    assert repr(retry) == text
