"""Run a function over data, and let the machine decide how.

The function-and-data face of :mod:`cotality.core.utils.process`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._tuning.dead_letter_queue import DeadLetterQueue as DeadLetterQueue
    from ._tuning.dead_letter_queue import DLQPolicy as DLQPolicy
    from ._tuning.logging_setup import configure_logging as configure_logging

# Where each public name is, which is imported when somebody asks for it.
LATER: dict[str, str] = {
    "DLQPolicy": "dead_letter_queue",
    "DeadLetterQueue": "dead_letter_queue",
    "configure_logging": "logging_setup",
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
