"""How joblib gets to know of our backend."""

from __future__ import annotations

from cotality._kit.public import public_in

from .making import NAME, make_backend
from .theirs import known_to_joblib


@public_in("cotality.joblib")
def register(*, default: bool = False) -> None:
    """Make the backend ``"cotality"`` known to joblib, in this process.

    After that, ``parallel_config("cotality")`` and ``Parallel(backend="cotality")``
    work here and in the workers. It starts nothing, and may be called again.

    Args:
        default: Whether calls that name no backend take this one from now on. Those
            that would rather have threads (``prefer="threads"``) still have them.

    Raises:
        ModuleNotFoundError: joblib is not installed.
    """
    known_to_joblib(NAME, make_backend, default=default)
