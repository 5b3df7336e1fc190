"""The arguments of a job as a model, which checks what strangers send."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal

CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
NO_NAME = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


def arguments_model(name: str, function: Callable[..., Any]) -> type[BaseModel]:
    """A model with a field for each parameter of *function*.

    Args:
        name: Under which it is offered.
        function: Whose parameters have annotations.

    Raises:
        TypeError: A parameter cannot be given by name, or nobody knows what it may be.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}  # Any: as pydantic has it
    for each in inspect.signature(function).parameters.values():
        if each.kind in NO_NAME or each.kind is inspect.Parameter.VAR_KEYWORD:
            raise cannot(name, f"parameter {each.name!r} has no name for callers")
        if each.name not in hints:
            raise cannot(
                name,
                f"parameter {each.name!r} has no annotation, so anything could be "
                f"sent for it",
            )
        default = ... if each.default is inspect.Parameter.empty else each.default
        fields[each.name] = (hints[each.name], default)
    try:
        return create_model(f"{name}_arguments", __config__=CONFIG, **fields)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        raise cannot(name, class_and_text(error)) from error


def cannot(name: str, why: str) -> TypeError:
    return TypeError(
        f"the job {name!r} cannot be offered: {why}. Offer a function with annotated "
        f"parameters of types that JSON can say"
    )


def arguments_in(model: BaseModel) -> dict[str, Any]:  # Any: of any function
    """The arguments that were sent, each as its annotation says."""
    return {name: getattr(model, name) for name in type(model).model_fields}
