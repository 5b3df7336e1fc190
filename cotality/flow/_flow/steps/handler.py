"""What a step runs: a class with three methods, or a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from cotality._kit.public import public_in

from .signatures import is_coroutine, takes_nothing

In = TypeVar("In")
Out = TypeVar("Out", covariant=True)
Result = TypeVar("Result")

public = public_in("cotality.flow")


@public
class Failed:
    """In the place of a result: this one item of a batch has failed with *error*.

    The others get their results. If `handle` raises an exception, all items fail.
    """

    error: Exception

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        if not isinstance(error, Exception):
            raise TypeError(f"Failed takes an exception, got {error!r}")
        self.error = error

    def __repr__(self) -> str:
        return f"Failed({self.error!r})"


class Handles(Protocol[In, Out]):
    """The one method that a handler must have."""

    def handle(self, items: list[In], /) -> Sequence[Out | Failed]:
        """One result for each of *items*, in their order."""
        ...


@public
class Handler(Generic[In, Result]):
    """What a step runs, in each of its worker processes.

    A base class for those who like one. A handler needs `handle` and no more; `start`
    and `stop` are called where it has them.
    """

    def start(self) -> None:
        """Called once in the worker, before its first items: load the model here."""

    def handle(self, items: Sequence[In], /) -> Sequence[Result | Failed]:
        """One result for each of *items*, in their order; `Failed` for one that failed.

        If it raises an exception, all of *items* fail.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Called once in the worker when it is to end; not if it dies."""


class Takes:
    """How a worker calls what a step was given."""

    HANDLER: Final = 0  # an object with `handle`
    FACTORY: Final = 1  # calling it makes one
    ITEM: Final = 2  # a function of one item
    ITEMS: Final = 3  # a function of a list


def kind_of(handler: object, *, has_batch_size: bool) -> int:
    """How *handler* is called; see `Takes`.

    Raises:
        TypeError: It cannot be.
    """
    method = getattr(handler, "handle", None)
    for each in (method, handler):
        if is_coroutine(each):
            raise TypeError(
                f"the handler of a step is a plain function, and {each!r} is a "
                f"coroutine: its worker has no event loop. Call asyncio.run in it, or "
                f"do that work before the flow"
            )
    if callable(method):
        return Takes.FACTORY if isinstance(handler, type) else Takes.HANDLER
    if not callable(handler):
        raise TypeError(
            f"a step needs a handler, that is an object or a class with a method "
            f"handle(items), or a function; got {handler!r}"
        )
    if isinstance(handler, type) or takes_nothing(handler):
        return Takes.FACTORY
    return Takes.ITEMS if has_batch_size else Takes.ITEM
