"""A module that offers names of other modules, and imports each when it is asked for.

Few programs need all that such a module offers, and every import takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def front_door(
    names: dict[str, object], rooms: str, places: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The ``__getattr__`` and the ``__dir__`` of a module.

    Args:
        names: Its ``globals()``, where a name stays once it was asked for.
        rooms: The package whose modules have the names.
        places: In which of these each name is.
    """

    def get(name: str) -> object:
        if name not in places:
            raise AttributeError(
                f"module {names['__name__']!r} has no attribute {name!r}"
            )
        thing: object = getattr(import_module(f"{rooms}.{places[name]}"), name)
        names[name] = thing
        return thing

    def listed() -> list[str]:
        return sorted({*names, *places})

    return get, listed
