"""Run a function over data, and let the machine decide how.

The function-and-data face of :mod:`cotality.core.utils.process`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._tuning.pools import PoolManager as PoolManager
    from ._tuning.pools import PoolStatus as PoolStatus
    from ._tuning.pools import get_global_pool_manager as get_global_pool_manager
    from ._tuning.pools import managed_pool as managed_pool
    from ._tuning.pools import (
        shutdown_global_pool_manager as shutdown_global_pool_manager,
    )

# Where each public name is, which is imported when somebody asks for it.
LATER: dict[str, str] = {
    "PoolManager": "pools",
    "PoolStatus": "pools",
    "get_global_pool_manager": "pools",
    "managed_pool": "pools",
    "shutdown_global_pool_manager": "pools",
}

__all__ = sorted(LATER)


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing: object = getattr(import_module(f"._tuning.{LATER[name]}", __package__), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})
