"""What a function can be called with."""

from __future__ import annotations

from collections.abc import Callable

from cotality._kit.struck import is_of_a_signal


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
