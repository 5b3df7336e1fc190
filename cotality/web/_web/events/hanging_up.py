"""Whether a client has hung up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


async def hung_up(receive: Receive) -> None:
    """Return when the client of a request, whose body was read, has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(
    call: Coroutine[Any, Any, T],
    *others: Coroutine[Any, Any, object],
) -> tuple[int, T | None]:
    """Which of some calls is over first, from 0, and what the first of them returned.

    The others are cancelled, and over as well when this returns.

    Raises:
        BaseException: What the one has raised that is over first.
    """
    tasks = [asyncio.ensure_future(each) for each in (call, *others)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        number = next(number for number, task in enumerate(tasks) if task.done())
        result = await tasks[number]
        return number, result if number == 0 else None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the first task's is a T
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
