"""What the user has set: environment variables, and levels of loggers."""

import os
import sys

from cotality._kit.safe_text import shortened

WORKERS_VARIABLE = "COTALITY_MAX_WORKERS"  # see `cpus`
MEMORY_VARIABLE = "COTALITY_MEMORY_LIMIT_MB"  # see `memory`
NESTING_VARIABLE = "COTALITY_NESTING"  # see `nesting`; set by us, for workers

LOGGER = "cotality.core.utils.process"
INFO = 20  # as in `logging`, which need not be loaded


def count_from(name: str, way_out: str, unit: str = "") -> int | None:
    """What variable *name* says now; None if it is not set.

    Args:
        way_out: What the error says can be done about it.
        unit: Of the number, for the same error.

    Raises:
        ValueError: It is set, and not to an integer of at least 1.
    """
    text = os.environ.get(name)
    if text is None:
        return None
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError(
            f"the environment variable {name} must be an integer of at least 1{unit}, "
            f"got {shortened(text, 40)}. {way_out}"
        )
    return count


def log_is_wanted() -> bool:
    """Whether somebody wants a line in the log for each call.

    Not who has set a level for all of a program: to that it would be noise. It is for
    who has set one for our loggers, as `configure_logging` does.
    """
    root = getattr(sys.modules.get("logging"), "root", None)
    manager = getattr(root, "manager", None)
    if manager is None:  # not imported, or another thread is just importing it
        return False
    # `getLogger` takes a lock, and an exception from a signal handler that strikes in
    # there leaves it held for good. So this is read as `isEnabledFor` would read it.
    known = manager.loggerDict
    name = LOGGER
    while name:
        level: int = getattr(known.get(name), "level", 0)
        if level:
            return is_enabled(level, known.get(LOGGER), manager.disable)
        name = name.rpartition(".")[0]
    return False


def is_enabled(level: int, logger: object, disabled: int) -> bool:
    return max(level, disabled + 1) <= INFO and not getattr(logger, "disabled", False)
