"""hypothesis, for modules of tests that have tasks in them as well.

What a worker imports of such a module does not need it, see `tests.kit.stand_ins`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import IN_PYTEST

if IN_PYTEST or TYPE_CHECKING:
    from hypothesis import HealthCheck, assume, given, settings
    from hypothesis import strategies as st
else:
    from tests.kit.stand_ins import NOTHING

    HealthCheck = assume = given = settings = st = NOTHING

__all__ = ["HealthCheck", "assume", "given", "settings", "st"]
