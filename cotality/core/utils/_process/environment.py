"""What somebody has set: the variables of the environment, and levels of logs."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

WORKERS_VARIABLE = "COTALITY_MAX_WORKERS"  # see `cpus`
MEMORY_VARIABLE = "COTALITY_MEMORY_LIMIT_MB"  # see `memory`
NESTING_VARIABLE = "COTALITY_NESTING"  # see `nesting`; set by us, for workers

LOGGER = "cotality.core.utils.process"
INFO = 20  # as in `logging`, which need not be loaded


def log_is_wanted() -> bool:
    """Whether somebody wants a line in the log for each call.

    Not who has set a level for all of a program: to that it would be noise. It is for
    who has set one for our loggers, as `configure_logging` does.
    """
    module = sys.modules.get("logging")
    if module is None:
        return False
    logger: logging.Logger | None = module.getLogger(LOGGER)
    if logger is None or not logger.isEnabledFor(INFO):
        return False
    while logger is not None and logger.name.startswith("cotality"):
        if logger.level:
            return True
        logger = logger.parent
    return False
