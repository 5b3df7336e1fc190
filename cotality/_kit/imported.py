"""Asks for a module only if it has been imported, without importing it."""

from __future__ import annotations

import sys
from typing import Any


def imported(name: str) -> Any:  # Any: whatever the module has
    """The module *name* if it has been imported, else ``None``.

    As long as another thread is importing it, a module stands in `sys.modules` without
    what it will have. It counts as not imported: nobody can have used it yet.
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if getattr(spec, "_initializing", False) else module
