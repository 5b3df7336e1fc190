"""Run a function over data, and let the machine decide how.

The function-and-data face of :mod:`cotality.core.utils.process`.
"""

from importlib import import_module

# Where each public name is, which is imported when somebody asks for it.
LATER = {
    "CircuitBreaker": "circuit",
    "CircuitOpenError": "circuit",
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
