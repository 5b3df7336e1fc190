"""What the commands of all floors do alike: they end with a code, and say why."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from .safe_text import printable


class CannotDoError(Exception):
    """What was asked for cannot be done."""


def exit_code(do: Callable[[], int], *known: type[Exception]) -> int:
    """What *do* returns; another code where it raises.

    Args:
        do: The command.
        known: Failures whose text is all that a person needs. So are `CannotDoError`,
            `OSError` and `ValueError`.

    Returns:
        1 if it could not be done, which standard error says; 2 if whoever reads the
        output has gone; 130 after a Ctrl-C.
    """
    try:
        return do()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes it once more at the end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except Exception as error:
        if not isinstance(error, (CannotDoError, OSError, ValueError, *known)):
            raise
        print(printable(f"{error}", lines=True), file=sys.stderr)
        return 1
