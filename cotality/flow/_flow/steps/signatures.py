"""What a function can be called with."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType

from cotality._kit.struck import is_of_a_signal

IS_ASYNC = 0x80 | 0x200  # CO_COROUTINE and CO_ASYNC_GENERATOR


def is_coroutine(function: object) -> bool:
    """Whether what *function* returns has to be awaited."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & IS_ASYNC)


def takes_nothing(function: Callable[..., object]) -> bool:
    """Whether *function* takes no item: it makes a handler when it is called."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as raised:
        if is_of_a_signal(raised):
            raise
        return False  # of C code, which is a function of something
    return not any(
        each.kind
        in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD, each.VAR_POSITIONAL)
        for each in parameters
    )
