"""What joblib calls where somebody names our backend.

Apart from all else: in a worker joblib is told of it as soon as it is imported, also if
it is our own module that is about to import it.
"""

from __future__ import annotations

from typing import Any

NAME = "cotality"


def make_backend(**options: Any) -> object:  # Any: those of `CotalityBackend`
    """The backend; loaded when it is needed, which in a worker it hardly ever is."""
    from cotality import joblib as front_door

    return front_door.CotalityBackend(**options)
