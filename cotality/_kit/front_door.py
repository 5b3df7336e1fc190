"""A module that offers names of other modules, and imports each when it is asked for.

Few programs need all that such a module offers, and every import takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def front_door(
    names: dict[str, object],
    rooms: str,
    places: Mapping[str, str],
    *,
    extra: str | None = None,
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The ``__getattr__`` and the ``__dir__`` of a module.

    Args:
        names: Its ``globals()``, where a name stays once it was asked for.
        rooms: The package whose modules have the names.
        places: In which of these each name is.
        extra: What has to be installed for them, such as ``cotality[web]``: said when
            a package of others is missing.
    """

    def get(name: str) -> object:
        if name not in places:
            raise AttributeError(
                f"module {names['__name__']!r} has no attribute {name!r}"
            )
        try:
            module = import_module(f"{rooms}.{places[name]}")
        except ModuleNotFoundError as error:
            if extra is None or (error.name or "").partition(".")[0] == "cotality":
                raise
            raise ModuleNotFoundError(
                f"{names['__name__']}.{name} needs {error.name}, which is missing: "
                f"pip install {extra}",
                name=error.name,
            ) from error
        thing: object = getattr(module, name)
        names[name] = thing
        return thing

    def listed() -> list[str]:
        return sorted({*names, *places})

    return get, listed
