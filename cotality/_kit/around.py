"""`contextlib.contextmanager`, for a ``with`` around the user's code.

The standard one assigns to the traceback of an exception that is raised in the ``with``
(seen on 3.11 to 3.13). The class of the exception may forbid that, as a frozen
dataclass does, and then another error is raised instead.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import wraps
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Around(AbstractContextManager[T], Generic[T]):
    """What comes before and after the ``yield`` of *parts*."""

    def __init__(self, parts: Generator[T, None, None]) -> None:
        self.parts = parts

    def __enter__(self) -> T:
        return next(self.parts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if error is None:
            next(self.parts, None)
            return
        try:
            self.parts.throw(error)
        except BaseException as raised:
            if raised is not error:
                raise
        # It goes on by itself, and as if it had not been in there.
        BaseException.with_traceback(error, frames)


def around(
    function: Callable[P, Generator[T, None, None]],
) -> Callable[P, Around[T]]:
    """Let *function*, which yields once, make what a ``with`` takes."""

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Around[T]:
        return Around(function(*args, **kwargs))

    return make
