"""What joblib calls where somebody names our backend.

It is a module of its own: in a worker, joblib is told of the backend as soon as joblib
is imported, even if it is one of our modules that is just importing it.
"""

from __future__ import annotations

from typing import Any

NAME = "cotality"


def make_backend(**options: Any) -> object:  # Any: those of `CotalityBackend`
    """The backend; loaded when it is needed, which in a worker it hardly ever is."""
    from cotality import joblib as front_door

    return front_door.CotalityBackend(**options)
