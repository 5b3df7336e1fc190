"""The engine whose workers take turns that RabbitMQ gives out.

Tickets are rows, as with the engine of tables, and a job and its ticket are written in
one transaction. Once that is committed, a message tells the broker of it: a turn.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cotality.jobs._jobs.engines.protocol import Free, Run
from cotality.jobs._jobs.engines.tables_engine import TablesEngine
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store import tickets
from cotality.jobs._jobs.store.database import Database
from cotality.jobs._jobs.store.moves import Placed
from cotality.jobs._jobs.store.schema import make_tables

from . import rows
from .broker import broker_of, name_of
from .giving import Giver, text_of
from .link import Link, speaks_amqp
from .taking import TurnServing

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger("cotality.jobs")

POLL_S = 0.25  # between two looks for what comes without a turn
# How long after it is due a ticket may wait for its turn.
PATIENCE_S = 2.0


class RabbitEngine(TablesEngine):
    """Turns by RabbitMQ, on tables in SQLite or on Postgres.

    Args:
        database: Where the tickets are.
        broker: The URL of the broker.
    """

    def __init__(self, database: Database, broker: str) -> None:
        super().__init__(database)
        self.poll_s = POLL_S
        self.broker = broker_of(broker)
        self.giver = Giver(self.broker)
        self.known_prefix: str | None = None

    def prepare(self) -> None:
        speaks_amqp()
        make_tables(self.database, rows.tables(is_sqlite=self.database.is_sqlite))
        with self.database.writing() as connection:
            self.known_prefix = rows.made_prefix(connection)
        self.check_broker()

    def check_broker(self) -> None:
        """See whether the broker lets us in, if it is there.

        Raises:
            StoreError: It does not.
        """
        try:
            Link(self.broker).close()
        except speaks_amqp().AMQPError as error:
            raise StoreError(
                f"the broker {self.broker} refuses: {error}. See to the user, the "
                f"password and the name of the virtual host"
            ) from error
        except OSError as error:
            logger.error(
                "the broker %s is away: %s. Jobs are stored, and workers look for "
                "them in the store",
                *(self.broker, text_of(error)),
            )

    def prefix(self) -> str:
        if self.known_prefix is None:
            with self.database.reading() as connection:
                # One that is not there yet will be, and is asked for again.
                self.known_prefix = rows.prefix(connection) or None
        return self.known_prefix or ""

    def hand_over(self, connection: Connection, placed: Placed, delay_s: float) -> None:
        if self.known_prefix is None:
            speaks_amqp()  # or nothing is stored
            self.known_prefix = rows.prefix(connection) or None
        due = self.database.now(connection) + delay_s
        has_turn = delay_s <= 0 and self.will_give(connection, placed.queue)
        open_at = due + PATIENCE_S if has_turn else due
        tickets.add(connection, placed, due, open_at=open_at)

    def will_give(self, connection: Connection, queue: str) -> bool:
        """Whether a turn will be given once the transaction is committed."""
        todo = self.database.after_commit(connection)
        if todo is None or not self.giver.is_near():
            return False
        name = name_of(self.prefix(), queue)
        for each in todo:
            if isinstance(each, Giving):
                each.turns[name] += 1
                return True
        todo.append(Giving(self.giver, Counter({name: 1})))
        return True

    def serve(
        self, worker: str, queues: Iterable[str] | None, run: Run, free: Free
    ) -> None:
        self.serving = TurnServing(self, worker, queues, run, free)
        self.serving.thread.start()

    def close(self) -> None:
        self.giver.close()


class Giving:
    """Gives the turns of one transaction, when it is called."""

    def __init__(self, giver: Giver, turns: Counter[str]) -> None:
        self.giver, self.turns = giver, turns

    def __call__(self) -> None:
        self.giver.give(self.turns)
