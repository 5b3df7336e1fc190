"""What is to be done, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.web._web.parts.items import do_item, error_text
from cotality.web._web.parts.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Order:
    """Items to be done, and by how many workers.

    Attributes:
        recipe: What is done for each.
        total: Up to which index.
        workers: How many threads or processes work at a time.
        batch_size: How many items wait at a time, where an event loop waits.
        start: From which index.
    """

    recipe: Recipe
    total: int
    workers: int = 4
    batch_size: int = 5000
    start: int = 0

    @property
    def indices(self) -> range:
        return range(self.start, self.total)


class Done(NamedTuple):
    """What became of an item.

    Attributes:
        item: Its index.
        value: Its value; None if it has failed.
        error: Why it has failed.
        deaths: How many processes have died while they did it.
    """

    item: int
    value: int | None = None
    error: str | None = None
    deaths: int = 0


# Takes what is done, as it comes.
Give: TypeAlias = Callable[[Done], None]


def done_here(recipe: Recipe, index: int) -> Done:
    """Do an item in this thread. One that fails fails alone."""
    try:
        return Done(index, do_item(recipe, index))
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return Done(index, error=error_text(error))
