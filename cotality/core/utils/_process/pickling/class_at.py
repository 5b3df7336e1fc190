"""Classes that claim to be from another module than the one that has them.

`_pytest.outcomes` says that its exceptions are built in, so that they look better. A
class travels by its name. If a class is not found by that name, it would travel by
value, and arrive as a copy that no ``except`` and no `isinstance` recognises.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from cotality._kit.public import pickled_as


def located(kind: type) -> Any:  # Any: what becomes *kind* when it is unpickled
    """*kind*, or its place, if that is not where *kind* says."""
    name = kind.__qualname__
    if "." in name or has(sys.modules.get(kind.__module__), name, kind):
        return kind
    for module, content in list(sys.modules.items()):
        if has(content, name, kind):
            return ClassReference(module, name)
    return kind


def has(module: object, name: str, kind: type) -> bool:
    if not isinstance(module, ModuleType):
        return False
    # A module that is loaded when it is first used is not to be used here.
    content: dict[str, object] = object.__getattribute__(module, "__dict__")
    return content.get(name) is kind


class ClassReference:
    """Where a class is; it is pickled as that, and unpickled as the class."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        return class_at, (self.module, self.name)


@pickled_as("import_class")
def class_at(module: str, name: str) -> object:
    return getattr(import_module(module), name)
