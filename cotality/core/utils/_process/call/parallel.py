"""A decorator: the function stays what it is, and can be called with many items."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Generator, Iterable
from copyreg import __newobj__  # type: ignore[attr-defined]  # what pickle itself uses
from functools import partial, update_wrapper
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from cotality._kit.public import public

from .mapping import checked_function, pmap, pmap_async, pmap_iter
from .options.declared import MapOptions, takes_map_options
from .options.words import SYNONYMS

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.task import Task

P = ParamSpec("P")
R = TypeVar("R")

# Any in this module: the items of any data, as arguments of any function. Stubs say
# what they are for one to three iterables.

# Options of these types go along to a worker process, where others mean nothing.
SIMPLE = (bool, int, float, str, type(None))


@public
class ParallelFunction(Generic[P, R]):
    """A function with ways to call it many times at once; :func:`parallel` makes it.

    Called as ever, it does what it did. In a worker process it has those options that
    are texts and numbers.

    Attributes:
        function: What was decorated.
        options: What was given to :func:`parallel`.
    """

    function: Callable[P, R]
    options: MapOptions

    def __init__(self, function: Callable[P, R], options: MapOptions) -> None:
        self.function = function
        self.options = options
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __get__(
        self, instance: object, owner: type | None = None
    ) -> ParallelFunction[..., R]:
        """The method of an object whose class has it."""
        if instance is None:
            return self
        return ParallelFunction(MethodType(self.function, instance), self.options)

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", None)
        return f"<parallel {name or repr(self.function)}>"

    def __reduce_ex__(self, protocol: Any) -> Any:  # Any: what pickle takes
        """By name, as a function; with what it calls if no name leads to it.

        That comes as the state of a new one, so that it may refer to this one.
        """
        if self._is_importable:
            return self.function.__qualname__
        kept = {
            name: value
            for name, value in self.options.items()
            if isinstance(value, SIMPLE)
        }
        return __newobj__, (type(self),), {"function": self.function, "options": kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.function, self.options = state["function"], state["options"]
        update_wrapper(self, self.function)

    @property
    def _is_importable(self) -> bool:
        """Whether another process finds it by its name."""
        name = getattr(self, "__qualname__", "")
        module = getattr(self, "__module__", "__main__")
        found: object = None if module == "__main__" else sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        return found is self

    @property
    def _called(self) -> Callable[..., R]:
        """What tasks call: what travels best."""
        return self if self._is_importable else self.function

    @takes_map_options
    def map(
        self,
        items: Iterable[Any],
        *more: Iterable[Any],
        unpack: bool = False,
        on_error: Literal["raise", "return", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> list[R] | list[R | Exception]:
        """The results of the function for each of *items*, in order.

        As :func:`pmap`, with the options of the decorator, over which those that are
        given here win.
        """
        given = self._with_options(options)
        return pmap(
            self._called, items, *more, unpack=unpack, on_error=on_error, **given
        )

    @takes_map_options
    def map_iter(
        self,
        items: Iterable[Any],
        *more: Iterable[Any],
        unpack: bool = False,
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Generator[R, None, None] | Generator[R | Exception, None, None]:
        """The results one by one, while others run, as from :func:`pmap_iter`."""
        given = self._with_options(options)
        return pmap_iter(
            self._called,
            items,
            *more,
            unpack=unpack,
            ordered=ordered,
            on_error=on_error,
            **given,
        )

    @takes_map_options
    def map_async(
        self,
        items: Iterable[Any],
        *more: Iterable[Any],
        unpack: bool = False,
        on_error: Literal["raise", "return", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[R]] | Coroutine[Any, Any, list[R | Exception]]:
        """The results, to be awaited, as from :func:`pmap_async`."""
        given = self._with_options(options)
        return pmap_async(
            self._called, items, *more, unpack=unpack, on_error=on_error, **given
        )

    def task(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """A `Task` that calls the function with these arguments."""
        from cotality.core.utils._process.tasks.task import Task

        return Task(self._called, kwargs, positional=args)

    def _with_options(self, given: MapOptions) -> MapOptions:
        """The options of the decorator, with those that are *given* in their place."""
        if not given:
            return self.options
        replaced = {
            word for words in SYNONYMS if not words.isdisjoint(given) for word in words
        }
        kept: Any = {  # Any: options of every type
            name: value for name, value in self.options.items() if name not in replaced
        }
        return cast("MapOptions", {**kept, **given})


@overload
def parallel(
    function: Callable[P, R], /, **options: Unpack[MapOptions]
) -> ParallelFunction[P, R]: ...
@overload
def parallel(
    function: None = None, /, **options: Unpack[MapOptions]
) -> Callable[[Callable[P, R]], ParallelFunction[P, R]]: ...
@public
@takes_map_options
def parallel(
    function: Callable[P, R] | None = None, /, **options: Unpack[MapOptions]
) -> ParallelFunction[P, R] | Callable[[Callable[P, R]], ParallelFunction[P, R]]:
    """Decorate a function, to call it with many items: ``f.map(items)``.

    ``f(item)`` stays a plain call. ``f.map(items)`` is ``pmap(f, items)`` with the
    options of the decorator, ``f.map_iter`` is :func:`pmap_iter`, ``f.map_async`` is
    :func:`pmap_async`, and ``f.task(...)`` makes a `Task`. ::

        @parallel(processes=True, retries=3)
        def load(path: Path) -> Table: ...

        tables = load.map(paths)

    Args:
        function: What to decorate; the decorator may stand with or without brackets.
        **options: As for :func:`pmap`. Those that a call gives win.

    Raises:
        TypeError: It is no function, or an option does not exist.
    """
    if options:
        from .face import DECORATOR

        DECORATOR.check_names({**options})
    if function is None:
        return partial(decorated, options)
    return decorated(options, function)


def decorated(options: MapOptions, function: Callable[P, R]) -> ParallelFunction[P, R]:
    checked_function(function)
    return ParallelFunction(function, options)
