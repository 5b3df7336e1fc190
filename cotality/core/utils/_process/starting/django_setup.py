"""Sets up Django in the workers of a program that has set up Django.

A module of models cannot be imported before ``django.setup()``, and a worker imports
the module of its tasks to find them. So each worker is told, when it starts, which
settings the program uses. It sets up Django with them, once, before it loads any work.
It could not do so later, when something imports Django: that happens in the middle of
another import, and the set-up may need the module that is just being imported.

In the program, this only looks for Django among the loaded modules.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.machine.environment import LOGGER

from . import loading

logger = logging.getLogger(LOGGER)

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"


def settings_of_program() -> str | None:
    """The module of the settings with which the program has set up Django.

    None if it has not, or if the settings are those of no module: then a worker could
    not have them.
    """
    registry: Any = sys.modules.get("django.apps")  # Any: not a dependency
    if getattr(getattr(registry, "apps", None), "ready", False) is not True:
        return None
    conf: Any = sys.modules.get("django.conf")  # Any: as above
    settings = vars(getattr(conf, "settings", object)).get("_wrapped")
    # Tests put others over them, and take them away again.
    while (below := getattr(settings, "default_settings", None)) is not None:
        settings = below
    name = getattr(settings, "SETTINGS_MODULE", None)
    return name if isinstance(name, str) and name else None


def set_up(settings: str) -> None:
    """Set Django up in this worker.

    What fails is logged, and no more: there may be no task that needs any of it, and
    one that does fails with an error of its own.
    """
    os.environ.setdefault(SETTINGS_VARIABLE, settings)
    try:
        with loading.setting_up():
            django: Any = import_module("django")  # Any: not a dependency
            django.setup()
    except BaseException as error:
        logger.warning(
            "Django could not be set up in a worker process with the settings %r of "
            "the program (%s); tasks that need it will fail",
            settings,
            class_and_text(error),
        )


def close_connections() -> None:
    """Close the connections to databases of this thread, which is about to end."""
    django_db: Any = sys.modules.get("django.db")  # Any: as above
    connections = getattr(django_db, "connections", None)
    if connections is None or "settings" not in vars(connections):
        return  # none was ever made, and to ask would read settings
    for connection in connections.all(initialized_only=True):
        try:
            connection.close()
        except Exception:
            # It ends with the thread, or when the server wants no more of it.
            logger.debug("a connection of a thread stays open", exc_info=True)
