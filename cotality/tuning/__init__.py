"""Run a function over data, and let the machine decide how.

The function-and-data face of :mod:`cotality.core.utils.process`, for people who have a
function and a list, and who want numbers:

* :func:`execute` and :func:`execute_async`: the results, in a list;
* :func:`optimize_streaming`: one by one, for more than fits into memory;
* :func:`process_in_batches`: in lists of a certain size;
* :func:`optimize`: a :class:`Plan`, which says how the work should be run, why, and
  what to expect; :func:`validate_optimization` checks it;
* :func:`get_global_pool_manager`: a :class:`PoolManager`, whose workers all requests of
  a web service share; :func:`managed_pool` makes one for a ``with``.

All take the options of the core, such as ``retries``, ``journal`` and ``dead_letters``;
a :class:`Rate` and a :class:`CircuitBreaker` spare what the work depends on.

    >>> from math import sqrt
    >>> execute(sqrt, [4.0, 9.0])
    [2.0, 3.0]
"""

from importlib import import_module

# Type checkers take a variable of this name for true; the one in `typing` would have
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from cotality.core.utils._process.rate import Rate

    from ._tuning.circuit import CircuitBreaker, CircuitOpenError
    from ._tuning.dead_letter_queue import DeadLetterQueue, DLQPolicy
    from ._tuning.execute import execute
    from ._tuning.execute_async import execute_async
    from ._tuning.logging_setup import configure_logging
    from ._tuning.optimize import optimize
    from ._tuning.plan import Plan
    from ._tuning.pools import (
        PoolManager,
        PoolStatus,
        get_global_pool_manager,
        managed_pool,
        shutdown_global_pool_manager,
    )
    from ._tuning.profile import Profile
    from ._tuning.result import ExecutionResult
    from ._tuning.streaming import optimize_streaming, process_in_batches
    from ._tuning.validation import Validation, validate_optimization

__all__ = [
    "CircuitBreaker",
    "CircuitOpenError",
    "DLQPolicy",
    "DeadLetterQueue",
    "ExecutionResult",
    "Plan",
    "PoolManager",
    "PoolStatus",
    "Profile",
    "Rate",
    "Validation",
    "configure_logging",
    "execute",
    "execute_async",
    "get_global_pool_manager",
    "managed_pool",
    "optimize",
    "optimize_streaming",
    "process_in_batches",
    "shutdown_global_pool_manager",
    "validate_optimization",
]

# Where each of them is, which is imported when somebody asks for it.
LATER = {
    "CircuitBreaker": "._tuning.circuit",
    "CircuitOpenError": "._tuning.circuit",
    "DLQPolicy": "._tuning.dead_letter_queue",
    "DeadLetterQueue": "._tuning.dead_letter_queue",
    "ExecutionResult": "._tuning.result",
    "Plan": "._tuning.plan",
    "PoolManager": "._tuning.pools",
    "PoolStatus": "._tuning.pools",
    "Profile": "._tuning.profile",
    "Rate": "cotality.core.utils._process.rate",
    "Validation": "._tuning.validation",
    "configure_logging": "._tuning.logging_setup",
    "execute": "._tuning.execute",
    "execute_async": "._tuning.execute_async",
    "get_global_pool_manager": "._tuning.pools",
    "managed_pool": "._tuning.pools",
    "optimize": "._tuning.optimize",
    "optimize_streaming": "._tuning.streaming",
    "process_in_batches": "._tuning.streaming",
    "shutdown_global_pool_manager": "._tuning.pools",
    "validate_optimization": "._tuning.validation",
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing: object = getattr(import_module(LATER[name], __package__), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})
