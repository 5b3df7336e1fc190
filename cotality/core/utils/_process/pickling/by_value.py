"""Pickles by value what no worker can import, together with what it needs."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from types import CellType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from cotality._kit.public import pickled_as
from cotality.core.utils import (
    pickled as pickled,  # cloudpickle only names what is in modules that are loaded
)

from . import numbered
from .set_by_initializer import is_of_module, with_what_is_set

if TYPE_CHECKING:
    from cotality.core.utils._process.scripts.places import Home, Mention

# What __reduce_ex__ gives; NotImplemented leaves it to the pickler.
Form: TypeAlias = Any  # Any: a str, a tuple of two to six parts, or NotImplemented
Rule: TypeAlias = Callable[[Any], Form]  # Any: each has its own kind of object


@cache
def pickler_by_value() -> Any:  # Any: cloudpickle has no types
    """Cloudpickle's pickler, without what would arrive as something else.

    Imported when it is first needed.
    """
    import cloudpickle

    from cotality.core.utils._process.scripts.references import (
        reduced as reduced_by_script,
    )

    base: Any = cloudpickle.Pickler

    class PicklerByValue(base):  # type: ignore[misc]  # as above
        """Collects in *mentions* what a script has to define for what is pickled.

        Without them it pickles an answer, and names what the asking process has.
        """

        mentions: set[Mention] | None = None
        defines: tuple[Home, str] | None = None  # what is not named, but packed
        together: frozenset[str] = frozenset()  # what is packed in one piece with that
        looks_inside = False  # whether it is to show what is in everything

        known: dict[type, bool]
        bases: list[type]
        cells: dict[int, CellType]  # of functions, by their ids, which stay theirs

        def is_numbered(self, kind: type) -> bool:
            if not hasattr(self, "known"):
                self.known, self.bases = {}, numbered.families()
            if kind not in self.known:
                self.known[kind] = numbered.is_numbered(kind, self.bases)
            return self.known[kind]

        def reducer_override(self, obj: object) -> Form:
            if type(obj) is CodeType:
                return code_with_its_file(obj, self.dispatch_table[CodeType](obj))
            kind = type(obj)
            if kind is CellType and id(obj) in getattr(self, "cells", ()):
                return CellType, ()  # each function puts into it what it holds
            if kind is ContextVar:
                from .context_variables import reduced

                return reduced(obj)
            rule = REFUSED.get(kind)
            if rule is None and self.is_numbered(kind):
                rule = numbered.refuse
            form = NotImplemented if rule is None else rule(obj)
            if form is NotImplemented:
                form = reduced_by_script(self, obj)
            return base.reducer_override(self, obj) if form is NotImplemented else form

        def _dynamic_function_reduce(self, function: FunctionType) -> Form:
            form = base._dynamic_function_reduce(self, function)
            if cells := function.__closure__:
                if not hasattr(self, "cells"):
                    self.cells = {}
                self.cells |= {id(cell): cell for cell in cells}
                form = with_cells(form, cells)
            return with_what_is_set(form) if is_of_module(function) else form

    return PicklerByValue


def with_cells(form: Form, cells: tuple[CellType, ...]) -> Form:
    """*form*, of a function, so that it shares *cells* with others.

    Cloudpickle gives each function cells of its own, and copies what is in them. Then
    one function would not see what another one binds.
    """
    make, given, state, *rest = form
    attributes, slots = state
    held = slots | {"__closure__": tuple(map(copied, cells))}
    return make, (*given[:-1], cells), (attributes, held), *rest


def copied(cell: CellType) -> CellType:
    try:
        return CellType(cell.cell_contents)
    except ValueError:
        return CellType()  # nothing is in it


def code_with_its_file(code: CodeType, form: Form) -> Form:
    """*form*, and where the code stands, which cloudpickle leaves out from 3.1.3 on.

    The lines of a traceback are found by it.
    """
    make, arguments = form
    return make_code, (make, arguments, code.co_filename)


@pickled_as("make_code")
def make_code(
    make: Callable[..., CodeType],
    arguments: tuple[Any, ...],  # Any: what makes a code object
    file: str,
) -> CodeType:
    return make(*arguments).replace(co_filename=file)


def refuse(obj: object) -> Form:
    raise TypeError(f"cannot pickle {type(obj).__name__!r} object")


def refuse_main(module: ModuleType) -> Form:
    # By its name, as modules travel, it would arrive as the worker's own __main__.
    return refuse(module) if module.__name__ == "__main__" else NotImplemented


REFUSED: dict[type, Rule] = {
    io.TextIOWrapper: refuse,  # cloudpickle would read the whole file and send its text
    ModuleType: refuse_main,
}
