"""Data classes and named tuples as the standard library has them, quick to define.

``dataclass``, ``field`` and ``NamedTuple`` mean what ``dataclasses`` and ``typing`` say
of them, and type checkers are told that they are those. A first call waits until some
seventy such classes are defined. The standard library imports ``inspect`` for that, and
compiles each method of each class, used or not. Here a method is made when it is first
asked for, see `late`: those of a `data_class`, and those of a `named_tuple`. That makes
the first call on threads a quarter quicker.

Not all of ``dataclasses`` is here: there is no ``order`` and no ``unsafe_hash``,
annotations are texts, as with ``from __future__ import annotations``, and a base class
that is a data class has to be one of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, field
    from typing import NamedTuple
else:
    from .data_class import dataclass, field
    from .named_tuple import NamedTuple

__all__ = ["NamedTuple", "dataclass", "field"]
