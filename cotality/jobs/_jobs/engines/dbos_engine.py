"""The engine on DBOS, by its public calls alone.

DBOS keeps a row for each ticket, in the same database as the store: so a job and its
ticket are written in one transaction. A worker has DBOS run one function, which is
given a ticket. Each process that serves is an executor of its own to DBOS, whose own
recovery therefore never finds anything: who has died, and what becomes of its jobs,
the store decides.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store import workers
from cotality.jobs._jobs.store.database import Database, made_engine
from cotality.jobs._jobs.store.moves import Placed, Ticket

from .dbos_client import FORM, NAME, WORKFLOW, made_client
from .pace import Pace
from .protocol import KEEP_S, Free, Limits, Run

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions
    from sqlalchemy import Connection, Engine

POLL_S = 0.25  # between two looks for jobs, of each queue
SLOTS = 4  # that a queue has as long as no worker has said how many
CLEANED_AT_ONCE = 500
OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class DbosEngine:
    """DBOS on SQLite, or on Postgres."""

    # It looks once a second for tickets whose time has come.
    lead_s = 1.0
    poll_s = POLL_S

    def __init__(self, database: Database) -> None:
        self.database = database
        database.has_dbos = True
        self.lock = threading.Lock()
        self.made: DBOSClient | None = None
        self.made_on: Engine | None = None
        self.known: set[str] = set()
        self.longest_rate = 0.0
        self.is_serving = False
        self.slots: dict[str, int] = {}
        self.ended: Counter[str] = Counter()  # tickets of each queue

    @property
    def client(self) -> DBOSClient:
        engine = self.database.engine
        with self.lock:
            if self.made is None or self.made_on is not engine:
                self.made = made_client(self.database)
                self.made_on = engine
            return self.made

    def prepare(self) -> None:
        from .probe import probe

        probe(self.database)

    def know_queues(self, queues: Iterable[str], *, may_write: bool = True) -> None:
        for queue in set(queues) - self.known:
            if self.client.retrieve_queue(queue) is not None:
                self.known.add(queue)
                continue
            if not may_write:
                raise StoreError(
                    f"nobody has used the queue {queue!r} yet, and the transaction "
                    f"that is open here keeps it from being made: call jobs.prepare() "
                    f"before it"
                )
            self.client.register_queue(
                queue,
                worker_concurrency=SLOTS,
                polling_interval_sec=POLL_S,
                on_conflict="never_update",
            )
            self.known.add(queue)

    def limit(self, queue: str, limits: Limits, slots: int, poll_s: float) -> None:
        rate = limits.rate
        if rate is not None:
            self.longest_rate = max(self.longest_rate, rate[1])
        most = limits.concurrency
        # It knows one number for all workers; who has fewer waits at its own gates.
        with self.database.reading() as connection:
            slots = max(slots, workers.most_slots(connection, queue))
        self.slots[queue], self.poll_s = slots, poll_s
        self.client.register_queue(
            queue,
            global_concurrency=most,
            worker_concurrency=slots if most is None else min(slots, most),
            limiter=None if rate is None else {"limit": rate[0], "period": rate[1]},
            polling_interval_sec=poll_s,
            on_conflict="always_update",
        )
        self.known.add(queue)

    def hand_over(self, connection: Connection, placed: Placed, delay_s: float) -> None:
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": placed.queue,
            "workflow_id": name_of(placed.ticket),
            "app_version": FORM,
            # Ours is from -100 to 100, larger is sooner; theirs from 1, smaller is.
            "priority": 101 - placed.priority,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        ticket = placed.ticket
        self.client.enqueue_in_transaction(
            connection, options, ticket.job, ticket.number, placed.queue
        )

    def withdraw(self, tickets: Sequence[Ticket]) -> None:
        self.drop(tickets)

    def serve(
        self, worker: str, queues: Iterable[str] | None, run: Run, free: Free
    ) -> None:
        from dbos import DBOS, DBOSConfig

        from .plain_json import PlainJson

        # DBOS counts what runs, and then takes what may run besides. On SQLite it does
        # the first before its transaction has begun (seen in 3.4.0): two workers that
        # count at the same time take too much. So its transactions begin with the lock.
        self.serving_on = made_engine(
            self.database.url, has_dbos=True, locks_first=True
        )
        config: DBOSConfig = {
            "name": NAME,
            "system_database_engine": self.serving_on,
            # Its tables are there: `prepare` has seen to that.
            "run_migrations": False,
            "executor_id": worker,
            "application_version": FORM,
            "serializer": PlainJson(),
            "log_level": "ERROR",
            # Nobody waits for messages of DBOS, or has schedules there.
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 1.0,
            "scheduler_polling_interval_sec": 3600.0,
        }
        DBOS(config=config)

        def run_ticket(job: str, number: int, queue: str = "") -> None:
            try:
                run(Ticket(job, number))
            finally:
                self.ended[queue] += 1

        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)(run_ticket)
        if queues is not None:
            DBOS.listen_queues([*queues])
        DBOS.launch()
        self.pace = Pace(self.poll_s, self.slots, SLOTS)
        self.paced_at = time.monotonic()
        self.is_serving = True

    def tend(self) -> None:
        if not self.is_serving:
            return
        now = time.monotonic()
        seconds, self.paced_at = now - self.paced_at, now
        self.look_so_often(self.pace.after(seconds, dict(self.ended)))

    def look_so_often(self, paces: Mapping[str, float]) -> None:
        for queue, poll_s in paces.items():
            known = self.client.retrieve_queue(queue)
            if known is not None:
                known.set_polling_interval_sec(poll_s)

    def stop(self, grace_s: float) -> None:
        from dbos import DBOS

        if self.is_serving:
            self.is_serving = False
            self.look_so_often(self.pace.back())
            # It looks once a second whether all are done.
            DBOS.destroy(
                destroy_registry=True,
                workflow_completion_timeout_sec=round(grace_s) + 2,
            )
            self.serving_on.dispose()

    def held_by_others(self, alive: Iterable[str]) -> dict[str, list[Ticket]]:
        known = set(alive)
        found: dict[str, list[Ticket]] = {}
        rows = self.client.list_workflows(
            status="PENDING", name=WORKFLOW, load_input=False, load_output=False
        )
        for row in rows:
            ticket = ticket_named(row.workflow_id)
            if ticket is not None and row.executor_id not in known:
                found.setdefault(f"{row.executor_id}", []).append(ticket)
        return found

    def drop(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            self.client.cancel_workflows([name_of(ticket) for ticket in tickets])

    def clean(self, older_than_s: float = KEEP_S) -> int:
        before = datetime.now(UTC) - timedelta(seconds=older_than_s + self.longest_rate)
        count = 0
        while True:
            rows = self.client.list_workflows(
                status=OVER,
                name=WORKFLOW,
                completed_before=before.isoformat(),
                limit=CLEANED_AT_ONCE,
                load_input=False,
                load_output=False,
            )
            if rows:
                self.client.delete_workflows([row.workflow_id for row in rows])
            count += len(rows)
            if len(rows) < CLEANED_AT_ONCE:
                return count

    def close(self) -> None:
        with self.lock:
            if self.made is not None:
                self.made.destroy()
            self.made = None


def name_of(ticket: Ticket) -> str:
    return f"{ticket.job}:{ticket.number}"


def ticket_named(name: str) -> Ticket | None:
    job, colon, number = name.rpartition(":")
    return Ticket(job, int(number)) if colon and number.isdigit() else None
