"""One step as its workers are told of it, packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .routes import Routes


@dataclass(frozen=True, slots=True)
class Work:
    """One step.

    Attributes:
        takes: How the handler is called, see `handler`.
        routes: Where what it makes goes.
    """

    handler: Any  # Any: the user's
    takes: int
    name: str
    batch_size: int
    isolate: bool
    routes: Routes
