"""Whether to pickle an object runs code of the program's own.

Such code may do anything: count how often it was asked, give another answer each time,
or change what another object holds. What Python does by itself, and what the libraries
do that hold data for a living, gives the same answer as long as nobody changes the
object.
"""

from __future__ import annotations

import copyreg
import sys
from types import FunctionType
from typing import Any, TypeAlias

Kind: TypeAlias = type[Any]  # Any: of any object

# What a pickler asks an object, by its class.
WAYS = (
    *("__reduce_ex__", "__reduce__", "__getstate__"),
    *("__getnewargs_ex__", "__getnewargs__"),
    *("__getattribute__", "__getattr__", "__dict__"),
)
# Likewise, of one that is a list or a dictionary: where its items come from.
ITEMS = ("__iter__", "items")
LIST_OR_DICT = frozenset[Kind]([list, dict])
TRUSTED = sys.stdlib_module_names | {
    *("numpy", "pandas", "polars", "pyarrow", "xarray", "scipy", "sklearn"),
    *("cloudpickle", "cotality"),
}


def has_own_way(kind: Kind) -> bool:
    """Whether an object of *kind* has a say in how it is pickled, in code not known."""
    rule = copyreg.dispatch_table.get(kind)
    if rule is not None and not is_trusted(rule):
        return True
    ways = WAYS if LIST_OR_DICT.isdisjoint(kind.__mro__) else WAYS + ITEMS
    return any(not is_trusted(maker_of(kind, way)) for way in ways)


def maker_of(kind: Kind, way: str) -> object:
    """A function that is *way*, or the class it comes from; None if there is none."""
    for each in kind.__mro__:
        made = vars(each).get(way)
        if made is None:
            continue
        if way == "__dict__" and not isinstance(made, property):
            return None  # as every class has it, for its instances
        return made if isinstance(made, FunctionType) else each
    return None


def is_trusted(maker: object) -> bool:
    if maker is None:
        return True
    module: object = getattr(maker, "__module__", "")
    if not isinstance(module, str):
        return False
    # Functions that Cython has compiled are pickled by their names.
    return module.partition(".")[0] in TRUSTED or module.startswith("_cython_")
