"""An attribute of a class that is made when somebody first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# Any in this module: attributes of classes may be anything.


class Late:
    """Stands in *owner* under *name* until it is asked for; then what *make* returns.

    Two threads may both make it, which harms nobody: it is the same twice.
    """

    __slots__ = ("make", "name", "owner")

    def __init__(self, owner: type, name: str, make: Callable[[], Any]) -> None:
        self.owner = owner
        self.name = name
        self.make = make
        setattr(owner, name, self)

    def __get__(self, instance: object, kind: type | None = None) -> Any:
        made = self.make()
        setattr(self.owner, self.name, made)
        bind: Callable[..., Any] | None = getattr(made.__class__, "__get__", None)
        return made if bind is None else bind(made, instance, kind)


def function_of(
    text: str, names: Mapping[str, Any], owner: type, name: str, hints: dict[str, Any]
) -> Any:
    """The function ``made`` that *text* defines, as method *name* of *owner*.

    Args:
        names: What *text* may use.
        hints: The annotations of the function.
    """
    space: dict[str, Any] = {"__name__": owner.__module__, **names}
    exec(text, space)
    made = space["made"]
    made.__name__, made.__qualname__ = name, f"{owner.__qualname__}.{name}"
    made.__annotations__ = hints
    return made
