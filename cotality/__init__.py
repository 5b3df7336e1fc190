"""Run functions in parallel, on threads or on processes.

Start at :mod:`cotality.core.utils.process`.
"""

import sys

if "-c" in getattr(sys, "argv", [])[1:]:  # no interpreter, but perhaps it was to be one
    from .core.utils._process import own_start

    own_start.end_second_program(is_import=True)
