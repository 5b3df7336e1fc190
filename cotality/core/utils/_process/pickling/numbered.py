"""Objects that would travel as a number that means something else in another process.

The end of a pipe would arrive as whatever file has that number there, be read and
written, and be closed in the end; a loaded library would arrive as an address to jump
to. All such objects are refused, wherever they are: in arguments, results, functions,
the attributes of exceptions, log records and journals.

Queues and locks of `multiprocessing`, sockets, open files, selectors and memory maps
refuse by themselves. Shared memory, managers and their proxies travel by a name or an
address, which is the same everywhere.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias

Family: TypeAlias = type[Any]  # Any: classes of modules that need not be there

# By module, so that none is imported for this. Others have copies of multiprocessing.
FAMILIES = [
    *[
        (f"{library}.{module}", name)
        for library in ("multiprocessing", "multiprocess", "billiard")
        for module, name in (
            ("connection", "_ConnectionBase"),
            ("process", "_ParentProcess"),
        )
    ],
    ("ctypes", "CDLL"),
]
WAYS = ("__reduce_ex__", "__reduce__", "__getstate__")


def families() -> list[Family]:
    """Those of the classes that exist by now."""
    found = [getattr(sys.modules.get(module), name, None) for module, name in FAMILIES]
    return [family for family in found if family is not None]


def is_numbered(kind: type, families: Iterable[Family]) -> bool:
    """Whether what is a *kind* is one of them, and has no own say in how it travels."""
    for base in families:
        if issubclass(kind, base) and is_pickled_alike(kind, base):
            return kind not in copyreg.dispatch_table
    return False


def is_pickled_alike(kind: type, base: type) -> bool:
    """Whether *kind* has no own say in how it is pickled, compared with *base*."""
    return all(getattr(kind, name) is getattr(base, name) for name in WAYS)


def refuse(obj: object) -> NoReturn:
    raise TypeError(
        f"cannot pickle {type(obj).__name__!r} object: it is a number of this process. "
        f"The initargs of a pool or an executor may hold it if it is a connection or "
        f"a socket"
    )
