"""The error for an ``async def`` or a generator in the place of a plain function.

Calling it would give a coroutine that nobody awaits, which is not a result. A worker
has no event loop to run it in, so that is an error before anything is called. Likewise
a function with ``yield`` in it: its call runs nothing of it.
"""

from __future__ import annotations

from functools import partial
from types import MethodType
from typing import cast

from cotality._kit.struck import is_of_a_signal

from .task import ASYNC, name_of_function

CALL = "__call__"  # the method, not whether there is one
ASYNC_GENERATOR = 0x200  # as inspect.CO_ASYNC_GENERATOR


def check_flags_of(function: object, what: str, wrong: int) -> None:
    """Raise a `TypeError` if *function* is of a kind that is *wrong*."""
    flags = flags_of(function)
    if not flags & wrong:
        return
    name = name_of_function(function)
    if not flags & ASYNC:
        raise TypeError(
            f"{what} is {name}, a generator: to call it runs nothing of it. Make it "
            f"return a list, or call list({name}(...)) in a plain function."
        )
    if flags & ASYNC_GENERATOR:
        raise TypeError(
            f"{what} is {name}, an asynchronous generator, which only an event loop "
            f"can run. Make it a plain function that returns a list."
        )
    raise TypeError(
        f"{what} is {name}, an async def, which only an event loop can run. Where you "
        f"have one, await it there, many at a time with asyncio.gather or a TaskGroup. "
        f"Otherwise make it a plain function, or call asyncio.run({name}(...)) in one."
    )


def flags_of(function: object) -> int:
    """The flags of the code that a call of *function* runs; 0 if that is not Python."""
    while isinstance(function, partial | MethodType):
        if isinstance(function, MethodType):
            function = function.__func__
        else:
            function = cast("partial[object]", function).func
    try:
        code = getattr(function, "__code__", None)
        if code is None:
            code = getattr(getattr(type(function), CALL, None), "__code__", None)
        flags: object = getattr(code, "co_flags", 0)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return 0  # a proxy with nothing behind it, say: its task tells
    return flags if isinstance(flags, int) else 0
