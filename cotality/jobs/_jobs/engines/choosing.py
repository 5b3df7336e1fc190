"""Which engine a store gets, by its name."""

from __future__ import annotations

from typing import Literal, TypeAlias

from cotality.jobs._jobs.store.database import Database

from .protocol import JobEngine

EngineName: TypeAlias = Literal["tables", "dbos", "rabbitmq"]

DEFAULT: EngineName = "tables"
NAMES = ("tables", "dbos", "rabbitmq")


def checked_engine(name: object, broker: str | None) -> str:
    """The name of an engine, which has a *broker* if it needs one."""
    if name not in NAMES:
        raise ValueError(
            f"engine must be one of {', '.join(map(repr, NAMES))}, got {name!r}"
        )
    if name == "rabbitmq" and broker is None:
        raise ValueError(
            "engine='rabbitmq' needs a broker, such as "
            "broker='amqp://user:password@host/vhost'"
        )
    if name != "rabbitmq" and broker is not None:
        raise ValueError(f"broker is for engine='rabbitmq', this one is {name!r}")
    return str(name)


def engine_for(database: Database, name: str, broker: str | None) -> JobEngine:
    """The engine of this *name* on *database*."""
    if name == "dbos":
        from .dbos_engine import DbosEngine

        return DbosEngine(database)
    if broker is not None:
        from .rabbit.engine import RabbitEngine

        return RabbitEngine(database, broker)
    from .tables_engine import TablesEngine

    return TablesEngine(database)
