"""What stands for pytest and for parts of hypothesis where no tests run: in a worker.

A worker imports the module of a test for the tasks that are in it. pytest would take it
0.15 s of a CPU then, and hypothesis 0.4 s, where all the rest of a worker takes 0.05 s.
All that it needs of them is that the module can be executed: decorators, parameters,
strategies. A task that asks pytest for anything else gets the real one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class Nothing:
    """Takes part in what a module of tests says about its tests, and gives itself."""

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):  # copying, pickling and the like ask for these
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> Nothing:
        return self

    def __or__(self, _: object) -> Nothing:
        return self

    __ror__ = __or__


NOTHING: Any = Nothing()  # Any: whatever it stands for


class PytestStandIn(ModuleType):
    """pytest, of which only what decorates tests is not the real one."""

    def __getattr__(self, name: str) -> Any:  # Any: whatever is there
        if name in {"fixture", "mark", "param"}:
            return NOTHING
        if name.startswith("__"):  # whoever looks through all modules asks for these
            raise AttributeError(name)
        if sys.modules.get("pytest") is self:
            del sys.modules["pytest"]
        return getattr(import_module("pytest"), name)
