"""Run a function over data, and let the machine decide how.

The same machinery as :mod:`cotality.core.utils.process`, for people who have a function
and a list:

* :func:`execute` and :func:`execute_async` return the results in a list;
* :func:`optimize_streaming` yields them one by one, for more than fits into memory;
* :func:`process_in_batches` yields them in lists of a certain size;
* :func:`optimize` makes a :class:`Plan`, which says how to run the work, why, and what
  to expect; :func:`validate_optimization` checks it;
* :func:`get_global_pool_manager` returns a :class:`PoolManager`, whose workers all
  requests of a web service share; :func:`managed_pool` makes one for a ``with`` block.

All of them take the options of the core, such as ``retries``, ``journal`` and
``dead_letters``. A :class:`Rate` and a :class:`CircuitBreaker` protect the services
that the work depends on.

    >>> from math import sqrt
    >>> execute(sqrt, [4.0, 9.0])
    [2.0, 3.0]
"""

from importlib import import_module

# Type checkers treat a variable of this name as true. The one in `typing` would make
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from cotality.core.pools import PoolStatus
    from cotality.core.utils.process import Rate

    from ._tuning.limits.circuit import CircuitBreaker, CircuitOpenError
    from ._tuning.limits.dead_letter_queue import DeadLetterQueue, DLQPolicy
    from ._tuning.logs.logging_setup import configure_logging
    from ._tuning.plans.plan import Plan
    from ._tuning.plans.profile import Profile
    from ._tuning.pools.manager import (
        PoolManager,
        get_global_pool_manager,
        managed_pool,
        shutdown_global_pool_manager,
    )
    from ._tuning.runs.execute import execute
    from ._tuning.runs.execute_async import execute_async
    from ._tuning.runs.optimize import optimize
    from ._tuning.runs.result import ExecutionResult
    from ._tuning.runs.streaming import optimize_streaming, process_in_batches
    from ._tuning.runs.validation import Validation, validate_optimization

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
    "CircuitBreaker": "._tuning.limits.circuit",
    "CircuitOpenError": "._tuning.limits.circuit",
    "DLQPolicy": "._tuning.limits.dead_letter_queue",
    "DeadLetterQueue": "._tuning.limits.dead_letter_queue",
    "ExecutionResult": "._tuning.runs.result",
    "Plan": "._tuning.plans.plan",
    "PoolManager": "._tuning.pools.manager",
    "PoolStatus": "cotality.core.pools",
    "Profile": "._tuning.plans.profile",
    "Rate": "cotality.core.utils.process",
    "Validation": "._tuning.runs.validation",
    "configure_logging": "._tuning.logs.logging_setup",
    "execute": "._tuning.runs.execute",
    "execute_async": "._tuning.runs.execute_async",
    "get_global_pool_manager": "._tuning.pools.manager",
    "managed_pool": "._tuning.pools.manager",
    "optimize": "._tuning.runs.optimize",
    "optimize_streaming": "._tuning.runs.streaming",
    "process_in_batches": "._tuning.runs.streaming",
    "shutdown_global_pool_manager": "._tuning.pools.manager",
    "validate_optimization": "._tuning.runs.validation",
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing: object = getattr(import_module(LATER[name], __package__), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})
