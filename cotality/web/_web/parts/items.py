"""All that is done for an item, in one thread."""

from __future__ import annotations

import threading
import time

from .cache import LocalCache, RedisCache, cache_for
from .database import Measurements
from .loops import long_loop, nested_loop
from .recipe import Recipe

VALUES = 1 << 32


class Parts:
    """What a process has for all items that it does."""

    def __init__(self, database: str, redis_url: str | None) -> None:
        self.measurements = Measurements(database)
        self.cache: LocalCache | RedisCache = cache_for(redis_url)

    def close(self) -> None:
        self.measurements.close()
        self.cache.close()


# Of this process, by what they are made for.
made: dict[tuple[str, str | None], Parts] = {}
making = threading.Lock()


def parts_for(recipe: Recipe) -> Parts:
    """The parts of this process; made when they are first needed."""
    key = (recipe.database, recipe.redis_url)
    found = made.get(key)
    if found is None:
        with making:
            found = made.get(key)
            if found is None:
                found = made[key] = Parts(*key)
    return found


def close_parts() -> None:
    """Let go of what this process has open."""
    with making:
        while made:
            made.popitem()[1].close()


def do_item(recipe: Recipe, index: int) -> int:
    """Do all that is to be done for an item; its value.

    Raises:
        LookupError: The database does not know its sensor.
        Exception: What the database raises that cannot be asked.
    """
    parts = parts_for(recipe)
    wait(recipe.db_delay_s)
    total = parts.measurements.total(index)
    wait(recipe.lookup_delay(index))
    return value_of(index, total, parts.cache.factor(index))


def wait(seconds: float) -> None:
    if seconds:
        time.sleep(seconds)


def value_of(index: int, total: int, factor: int) -> int:
    """Compute the value from what was asked for: this is what needs a CPU."""
    number = long_loop(index + total * factor)
    return (number * 31 + nested_loop(number) * 17 + total * factor) % VALUES


def error_text(error: BaseException) -> str:
    """What is kept of the failure of an item."""
    return f"{type(error).__name__}: {str(error)[:500]}"
