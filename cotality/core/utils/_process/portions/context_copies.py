"""Copies of a context that share nothing which a task could change by accident.

A copy of a context has the same values. The context of `decimal` is such a value, and
is changed in place all the time: ``getcontext().prec = 50`` in a task would affect the
caller and all tasks that run meanwhile. So each copy has a decimal context of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

from cotality._kit.imported import imported

NAME = "decimal_context"  # of the variable, in C and in Python


def copier(context: Context) -> Callable[[], Context]:
    """What makes such copies of *context*, as it is now."""
    variable = variable_of_decimal(context)
    if variable is None:
        return context.copy
    value = context[variable].copy()

    def copy() -> Context:
        fresh = context.copy()
        fresh.run(variable.set, value.copy())
        return fresh

    return copy


def variable_of_decimal(
    context: Context,
) -> ContextVar[Any] | None:  # Any: so as not to import the module
    """The one that `decimal` keeps its context in, if that is set."""
    decimal = imported("decimal")
    if decimal is None or not context:
        return None
    for variable, value in context.items():
        if variable.name == NAME and isinstance(value, decimal.Context):
            return variable
    return None
