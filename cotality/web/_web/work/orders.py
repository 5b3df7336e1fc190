"""Makes the order of a task, in the worker, which knows its own servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotality.web._web.methods.order import Order
from cotality.web._web.models.configs import CompareConfig, TaskConfig
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts.recipe import Recipe
from cotality.web._web.settings.settings import Settings


def recipe_of(settings: Settings, config: TaskConfig) -> Recipe:
    """What is done for each item of a task that was asked for like this."""
    delay = settings.db_delay_s if config.db_delay_s is None else config.db_delay_s
    return Recipe(
        settings.database,
        settings.redis_url,
        db_delay_s=delay if config.simulate_db_delay else 0.0,
        lookup_delay_s=config.redis_delay_s if config.simulate_redis_delay else 0.0,
    )


def order_of(settings: Settings, config: TaskConfig) -> Order:
    """What a task that was asked for like this is, from its first item on."""
    return Order(
        recipe_of(settings, config),
        config.items_count,
        workers=config.workers,
        batch_size=min(config.batch_size, config.items_count),
    )


def as_plain(order: Order) -> dict[str, Any]:  # Any: of JSON
    """An order for a worker that knows its own servers."""
    return {
        "total": order.total,
        "workers": order.workers,
        "batch_size": order.batch_size,
        "db_delay_s": order.recipe.db_delay_s,
        "lookup_delay_s": order.recipe.lookup_delay_s,
    }


def order_from(
    settings: Settings,
    given: Mapping[str, Any],  # Any: likewise
) -> Order:
    """What `as_plain` was given, with the servers of this worker."""
    recipe = Recipe(
        settings.database,
        settings.redis_url,
        db_delay_s=given["db_delay_s"],
        lookup_delay_s=given["lookup_delay_s"],
    )
    return Order(
        recipe, given["total"], workers=given["workers"], batch_size=given["batch_size"]
    )


def config_from(
    kind: TaskType,
    stored: Mapping[str, Any],  # Any: of JSON
) -> TaskConfig | CompareConfig:
    """What was asked for, as it was checked when it was taken.

    It is not checked again: a machine with fewer CPUs would refuse it.
    """
    given = {**stored, "method": TaskType(stored.get("method", TaskType.AUTO))}
    # Any: fields, none of which is that of `model_construct` itself.
    model: Any = CompareConfig if kind == TaskType.COMPARE else TaskConfig
    made: TaskConfig | CompareConfig = model.model_construct(**given)
    return made
