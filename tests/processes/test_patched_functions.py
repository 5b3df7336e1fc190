"""A worker runs what the program has put in the place of a function, or says no."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from cotality.core.utils._process.packing import patched
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
)
from tests.kit import shop
from tests.kit.helpers import echo, without_addresses

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm


def run(function: Callable[..., Any], *arguments: object, **options: Any) -> Any:
    """What *function* gives in a worker; Any: it depends on the function."""
    tasks = [Task(function, positional=arguments)]
    [result] = execute_tasks_in_parallel(tasks, 1, True, **options)
    return result


original = shop.fetch


def fake() -> str:
    return "fake"


@functools.wraps(original)
def under_its_name() -> str:
    return f"fake of {original()}"


def fetch(self: object) -> str:
    """A method's fake, with the name of the method."""
    return "fake"


@pytest.mark.parametrize(
    ("replacement", "result"),
    [
        (fake, "fake"),
        (lambda: "fake", "fake"),
        (under_its_name, "fake of the real service"),
    ],
    ids=["function", "lambda", "under its name"],
)
def test_the_replacement_of_a_function_runs(
    replacement: Callable[[], str], result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that says it is the original; and the original itself still does."""
    monkeypatch.setattr(shop, "fetch", replacement)

    assert run(shop.fetch) == result
    assert run(original) == "the real service"
    with IsolatedProcessPoolExecutor(1, initializer=shop.fetch) as executor:
        assert executor.submit(shop.fetch).result() == result


@pytest.mark.parametrize(
    "replacement",
    [fetch, lambda self: "fake", functools.wraps(shop.Shop.fetch)(lambda self: "fake")],
    ids=["function", "lambda", "under its name"],
)
def test_the_replacement_of_a_method_runs(
    replacement: Callable[[object], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its object, and by its class."""
    monkeypatch.setattr(shop.Shop, "fetch", replacement)

    assert run(shop.Shop().fetch) == "fake"
    assert run(shop.Shop.fetch, shop.Shop()) == "fake"


def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return function(*arguments, *named.values())


def call_for_each(function: Callable[..., Any], large: list[int]) -> Any:
    return function()


@pytest.mark.parametrize(
    "give",
    [
        lambda fetch: Task.of(call, fetch),
        lambda fetch: Task(call, {"function": fetch}),
        lambda fetch: Task.of(call_for_each, fetch, [0] * 100_000),
        lambda fetch: Task.of(functools.partial(fetch)),
        lambda fetch: Task.of(functools.partial(call, fetch)),
        lambda fetch: Task.of(functools.partial(call, call, named=fetch)),
        lambda fetch: Task.of(call, functools.partial(call, functools.partial(fetch))),
    ],
    ids=[
        *(
            "positional",
            "named",
            "beside what is large",
            "partial",
            "held by a partial",
        ),
        *("named in a partial", "in a partial that is given"),
    ],
)
def test_the_replacement_is_an_argument(
    give: Callable[[object], Task[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called by the function that it was given to."""
    monkeypatch.setattr(shop, "fetch", under_its_name)
    task = give(shop.fetch)

    assert (
        execute_tasks_in_parallel([task] * 2, 1, True)
        == ["fake of the real service"] * 2
    )
    with IsolatedProcessPoolExecutor(1) as executor:
        given = task.positional, task.arguments
        future = executor.submit(task.callback_function, *given[0], **given[1])
        assert future.result() == "fake of the real service"


def test_a_method_that_was_replaced_is_an_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its object."""
    fake = functools.wraps(shop.Shop.fetch)(lambda self: "fake")
    monkeypatch.setattr(shop.Shop, "fetch", fake)

    assert run(call, shop.Shop().fetch) == "fake"


def test_a_mock_that_cannot_travel_says_so() -> None:
    """The original is not run in its place; in the thread of the test the mock is."""
    with mock.patch.object(shop, "fetch", autospec=True, return_value="fake"):
        with pytest.raises(Exception, match=r"patched.*inline=True"):
            run(shop.fetch)

        assert run(shop.fetch, inline=True) == "fake"


def test_what_a_task_reaches_by_a_global_is_that_of_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the documentation says; in the thread of the test it is that of the test."""
    monkeypatch.setattr(shop, "fetch", lambda: "fake")

    assert run(shop.price) == "the real service"
    assert run(shop.price, inline=True) == "fake"


@pytest.mark.parametrize(
    "function",
    [
        *(echo, shop.fetch, shop.decorated, shop.cached, shop.managed, shop.dispatched),
        *(shop.Shop().fetch, shop.Shop.made, shop.Shop().inherited),
        *(shop.Shop().decorated, len, "".join, functools.partial(shop.fetch)),
    ],
    ids=without_addresses,
)
def test_a_function_of_a_module_travels_as_always(function: object) -> None:
    """By its name, also if a decorator has made it."""
    assert patched.sendable(function) is function


def test_what_a_decorator_from_nowhere_made_is_found_by_its_name() -> None:
    """A worker sees that the code is the same, and takes the one it has."""
    assert patched.sendable(shop.from_nowhere) is not shop.from_nowhere

    number = int(run(shop.call_from_nowhere, 0).removeprefix("call "))
    assert run(shop.from_nowhere, 0) == f"call {number + 1}"


def test_a_method_with_the_name_of_a_function_runs() -> None:
    """Its class has it by another name."""
    assert run(shop.Shop().plain) == "real"
